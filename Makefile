# Every target makes .venv from the lock file first; `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-all test-browser test-cluster pictures lint format lock bench clean

demo: $(READY)
	$(BIN)/falcon demo

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile

test-all: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile -m "not browser and not cluster"

# Needs Chromium; installs Debian's where apt is at hand.
test-browser: $(READY)
	@command -v chromium >/dev/null || { apt-get -qq update && apt-get -qqy install chromium; }
	$(BIN)/pytest -m browser tests/browser

# Boots three nodes on this machine, deploys to them, and does to them what happens to machines: a line for each fault.
# THOROUGH=1: as often and as long as the fault list says.
test-cluster: $(READY)
	@[ "$$(id -u)" = 0 ] || { echo "make test-cluster boots three systems and needs root: sudo make test-cluster"; exit 1; }
	@which systemd-nspawn debootstrap nft rsync ssh >/dev/null || { apt-get -qq update && apt-get -qqy install \
		--no-install-recommends systemd-container debootstrap nftables iproute2 openssh-client rsync e2fsprogs; }
	$(BIN)/pytest -m cluster $(if $(THOROUGH),--thorough) tests/cluster

# Takes the README's pictures anew.
pictures: $(READY)
	FALCON_PICTURES=docs/images $(BIN)/pytest -m browser tests/browser/test_dashboard.py -k pictures

# Speed and memory as ratios in one run; takes a while, best on an idle machine.
bench: $(READY)
	$(BIN)/python -m benchmarks.bars
	$(BIN)/python -m benchmarks.backtests
	$(BIN)/python -m benchmarks.paper_trading
	$(BIN)/python -m benchmarks.screening
	$(BIN)/python -m benchmarks.dashboard

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Pins every package with its hashes for all supported Pythons and machines; names no index.
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --extra compute --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Falcon needs Python 3.11 or later; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

clean:
	rm -rf .venv
