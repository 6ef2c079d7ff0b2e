#!/usr/bin/env bash
# The operator's one command; see infra/README.md. Makes the checkout's own environment first.
set -euo pipefail
cd "$(dirname "$0")/.."
make --silent .venv/.ready
exec .venv/bin/python -m infra "$@"
