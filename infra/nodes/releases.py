"""Installing a release beside the running one, and flipping to it and back."""

from infra import layout, steps
from infra.release import Release

KEEP = 3


def install(release: Release, role: str, machine: str) -> None:
    """A complete virtual environment of the release, offline, owned by root; `current` is not touched."""
    home = f"{layout.RELEASES}/{release.version}"
    uv = f"UV_CACHE_DIR=/var/tmp/falcon-deploy-uv {layout.WHEELS}/uv-{machine} pip"
    pins = f"{layout.OPT}/incoming/requirements-{role}-{machine}.txt"
    steps.run(
        f"install release {release.version}",
        f"rm -rf {home}.part && install -d {home}.part && "
        # With the same pins the packages are those of the current release: linked, not unpacked again.
        f"if cmp -s {pins} {layout.CURRENT}/requirements.txt; then "
        f"cp -al {layout.CURRENT}/venv {home}.part/venv && old=$(realpath {layout.CURRENT}) && "
        f'grep -rlI --null "$old" {home}.part/venv/bin {home}.part/venv/pyvenv.cfg | '
        f'xargs -0r sed -i "s|$old|{home}.part|g" && '
        f"{uv} uninstall --quiet --python {home}.part/venv/bin/python falcon-pipelines; "
        f"else python3 -m venv --without-pip {home}.part/venv && "
        f"{uv} install --quiet --offline --no-index --find-links {layout.WHEELS} --python {home}.part/venv/bin/python "
        f"--no-deps --require-hashes --compile-bytecode --link-mode copy -r {pins}; fi && "
        f"{uv} install --quiet --offline --no-index --python {home}.part/venv/bin/python --no-deps --compile-bytecode "
        f"{layout.OPT}/incoming/{release.wheel.name} && cp {pins} {home}.part/requirements.txt && "
        f"rm -rf /var/tmp/falcon-deploy-uv {home} && mv -T {home}.part {home} && "
        # Scripts name the interpreter by the folder they were made in.
        f"grep -rlI --null '{home}.part' {home}/venv/bin {home}/venv/pyvenv.cfg | xargs -0r sed -i 's|{home}.part|{home}|g' && "
        f"cp {home}/venv/lib/python3*/site-packages/falcon_pipelines/config/dagster.yaml {home}/dagster.yaml",
        unless=f"test -e {home}/dagster.yaml",
        _timeout=900,
    )


def flip(version: str) -> str:
    """Shell: make a release the current one, at once, remembering the one before."""
    return (
        f"set -e; cd {layout.OPT}; old=$(readlink current || true); "
        f"if [ \"$old\" != 'releases/{version}' ]; then "
        f'[ -z "$old" ] || {{ ln -sfn "$old" previous.new; mv -T previous.new previous; }}; '
        f"ln -sfn 'releases/{version}' current.new; mv -T current.new current; fi; "
        "[ -L venv ] || ln -s current/venv venv"
    )


def prune() -> str:
    """Shell: keep the newest releases, and always the current and the previous one."""
    return (
        f"cd {layout.RELEASES} && ls -1t | tail -n +{KEEP + 1} | while read -r name; do "
        f'case "releases/$name" in "$(readlink ../current)"|"$(readlink ../previous)") ;; *) rm -rf -- "$name";; esac; done'
    )
