"""Installing a release beside the running one, trying it there, and flipping to it and back."""

import shlex

from infra import layout, steps
from infra.release import Release

KEEP = 3
LAUNCHER = "run_launcher: {module: falcon_pipelines.run_workers.launcher, class: RunWorkers}"
"""What nodes add to the packaged dagster.yaml: on one machine Dagster's default launcher is used."""


def home(version: str) -> str:
    """Where a release is."""
    return f"{layout.RELEASES}/{version}"


def install(release: Release, role: str, machine: str) -> None:
    """A complete virtual environment of the release, offline, owned by root; `current` is not touched."""
    folder = home(release.version)
    uv = f"UV_CACHE_DIR=/var/tmp/falcon-deploy-uv {layout.WHEELS}/uv-{machine} pip"
    pins = f"{layout.OPT}/incoming/requirements-{role}-{machine}.txt"
    # Numba judges its compiled functions by each file's time alone: every release has a cache of its own.
    cache = f"{layout.CACHE}/numba/{release.version}"
    steps.run(
        f"install release {release.version}",
        f"rm -rf {folder}.part && install -d {folder}.part && "
        # With the same pins the packages are those of the current release: linked, not unpacked again.
        f"if cmp -s {pins} {layout.CURRENT}/requirements.txt; then "
        f"cp -al {layout.CURRENT}/venv {folder}.part/venv && old=$(realpath {layout.CURRENT}) && "
        f'grep -rlI --null "$old" {folder}.part/venv/bin {folder}.part/venv/pyvenv.cfg | '
        f'xargs -0r sed -i "s|$old|{folder}.part|g" && '
        f"{uv} uninstall --quiet --python {folder}.part/venv/bin/python falcon-pipelines; "
        f"else python3 -m venv --without-pip {folder}.part/venv && "
        f"{uv} install --quiet --offline --no-index --find-links {layout.WHEELS} --python {folder}.part/venv/bin/python "
        f"--no-deps --require-hashes --compile-bytecode --link-mode copy -r {pins}; fi && "
        f"{uv} install --quiet --offline --no-index --python {folder}.part/venv/bin/python --no-deps --compile-bytecode "
        f"{layout.OPT}/incoming/{release.wheel.name} && cp {pins} {folder}.part/requirements.txt && "
        f"echo NUMBA_CACHE_DIR={cache} > {folder}.part/release.env && "
        f"rm -rf /var/tmp/falcon-deploy-uv {folder} && mv -T {folder}.part {folder} && "
        # Scripts name the interpreter by the folder they were made in.
        f"grep -rlI --null '{folder}.part' {folder}/venv/bin {folder}/venv/pyvenv.cfg | "
        f"xargs -0r sed -i 's|{folder}.part|{folder}|g' && "
        f"install -d -o {layout.USER} -g {layout.USER} -m 750 {cache} && "
        f"{{ cat {folder}/venv/lib/python3*/site-packages/falcon_pipelines/config/dagster.yaml; "
        f"echo '{LAUNCHER}'; }} > {folder}/dagster.part && "
        f"mv {folder}/dagster.part {folder}/dagster.yaml",
        unless=f"test -e {folder}/dagster.yaml",
        _timeout=900,
    )


def as_if_current(version: str, credentials: str, command: str) -> str:
    """Shell, for root: run a command as the services will, with this release at /opt/falcon/current.

    The release is mounted there for this command alone. The path matters: compiled functions are looked up by it.
    """
    inside = f"PGPASSFILE=$CREDENTIALS_DIRECTORY/pgpass exec {command}"
    return (
        f"systemd-run --quiet --wait --pipe --collect -p User={layout.USER} -p Nice=5 -p WorkingDirectory={layout.VAR} "
        f"-p EnvironmentFile={layout.ETC}/falcon.env -p EnvironmentFile=-{layout.ETC}/secrets.env "
        f"-p EnvironmentFile={home(version)}/release.env -p LoadCredential=pgpass:{credentials} "
        f"-p BindReadOnlyPaths={home(version)}:$(realpath {layout.CURRENT}) sh -c {shlex.quote(inside)}"
    )


def flip(version: str) -> str:
    """Shell: make a release the current one, at once, remembering the one before, and for `take_back` the one before that."""
    return (
        f"set -e; cd {layout.OPT}; old=$(readlink current || true); "
        f"if [ \"$old\" != 'releases/{version}' ]; then "
        f'[ -z "$old" ] || {{ rm -f earlier; [ ! -L previous ] || cp -P previous earlier; {_link("$old", "previous")}; }}; '
        f"{_link(f'releases/{version}', 'current')}; fi; {_AFTER}"
    )


def take_back(version: str) -> str:
    """Shell: undo a flip away from this release; the one that was not good is nothing that `rollback` leads to."""
    return (
        f"set -e; cd {layout.OPT}; {_link(f'releases/{version}', 'current')}; "
        f"if [ -L earlier ]; then mv -T earlier previous; else rm -f previous; fi; {_AFTER}"
    )


_AFTER = (
    "[ -L venv ] || ln -s current/venv venv; "
    f"ln -sfn {layout.CURRENT}/dagster.yaml {layout.DAGSTER_HOME}/dagster.yaml"
)


def _link(target: str, name: str) -> str:
    return f'ln -sfn "{target}" {name}.new; mv -T {name}.new {name}'


def prune() -> str:
    """Shell: keep the newest releases, and always the current and the previous one; drop caches of the others."""
    return (
        f"rm -f {layout.OPT}/earlier; cd {layout.RELEASES} && ls -1t | tail -n +{KEEP + 1} | while read -r name; do "
        f'case "releases/$name" in "$(readlink ../current)"|"$(readlink ../previous)") ;; *) rm -rf -- "$name";; esac; done; '
        f"cd {layout.CACHE}/numba 2>/dev/null && for name in *; do "
        f'[ -e "{layout.RELEASES}/$name" ] || rm -rf -- "$name"; done; true'
    )
