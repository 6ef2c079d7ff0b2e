"""A release: Falcon's wheel and every wheel it needs, built once on the operator's machine, installed offline on nodes."""

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from infra.errors import DeployError

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "3.11"
MACHINES = ("x86_64", "aarch64")
# Debian 12's C library; wheels built for it or an older one will do.
GLIBC_MINOR = 36
_SHIPPED = ("falcon_pipelines", "pyproject.toml", "dagster.yaml", "workspace.yaml")
# Packages a node needs by role: the web node's are those without the numerical ones.
EXTRAS = {"web": (), "compute": ("compute",)}


@dataclass(frozen=True)
class Release:
    """A built release in a local folder."""

    version: str
    folder: Path

    @property
    def wheels(self) -> Path:
        """All wheels of all machines."""
        return self.folder.parent / "wheels"

    def requirements(self, role: str, machine: str) -> Path:
        """The pinned, hashed requirements of a role on a machine."""
        return self.folder / f"requirements-{role}-{machine}.txt"

    @property
    def wheel(self) -> Path:
        """Falcon itself."""
        return next(self.folder.glob("falcon_pipelines-*.whl"))


def version() -> str:
    """Version of the checkout: the project's version and the commit; with local changes, a hash of them too."""
    project = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    if project is None:
        raise DeployError("pyproject.toml names no version")
    # The last commit that changed what is shipped: a change of the deploy alone makes no new release.
    commit = _run(["git", "log", "-1", "--format=%h", "--abbrev=10", "--", *_SHIPPED]).strip()
    changes = hashlib.sha256(_run(["git", "diff", "HEAD", "--", *_SHIPPED]).encode())
    added = _run(["git", "ls-files", "--others", "--exclude-standard", "--", *_SHIPPED]).split()
    for name in added:
        changes.update(name.encode() + (ROOT / name).read_bytes())
    is_clean = not added and changes.digest() == hashlib.sha256(b"").digest()
    return f"{project.group(1)}-{commit}{'' if is_clean else '.dirty' + changes.hexdigest()[:8]}"


def build(machines: set[str], target: Path | None = None) -> Release:
    """Build the release of this checkout for these machines (`uname -m`); what is there already is kept."""
    target = target or ROOT / "dist"
    release = Release(version(), target / version())
    for machine in machines - {*MACHINES}:
        raise DeployError(
            f"{machine}: Falcon has no packages for this machine; it runs on {', '.join(MACHINES)}"
        )
    release.wheels.mkdir(parents=True, exist_ok=True)
    release.folder.mkdir(exist_ok=True)
    if not list(release.folder.glob("*.whl")):
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(release.folder)])
    for machine in sorted(machines):
        for role in EXTRAS:
            _lock(release, role, machine)
        _download(release, machine)
    return release


def _lock(release: Release, role: str, machine: str) -> None:
    path = release.requirements(role, machine)
    if path.exists():
        return
    # Resolved once for as long as neither file changes.
    sources = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "requirements.lock"))
    kept = release.wheels / f"{path.stem}-{hashlib.sha256(sources).hexdigest()[:16]}.txt"
    if kept.exists():
        shutil.copyfile(kept, path)
        return
    part = kept.with_suffix(".part")
    extras = [f"--extra={extra}" for extra in EXTRAS[role]]
    _run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *extras),
            *("--constraint", "requirements.lock", "--python-version", PYTHON),
            *("--python-platform", f"{machine}-manylinux_2_{GLIBC_MINOR}", "--only-binary", ":all:"),
            *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--quiet"),
            *("--output-file", str(part)),
        ]
    )
    part.replace(kept)
    shutil.copyfile(kept, path)


def _download(release: Release, machine: str) -> None:
    wanted = "".join(release.requirements(role, machine).read_text() for role in EXTRAS)
    done = release.wheels / f"downloaded-{machine}-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"
    if done.exists():
        return
    tags = _platform_tags(machine)
    _run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *(
                "--only-binary=:all:",
                f"--python-version={PYTHON}",
                "--implementation=cp",
                "--abi=cp311",
                "--abi=abi3",
            ),
            *("--abi=none", *tags, "--require-hashes", "--dest", str(release.wheels)),
            *(
                "-r",
                str(release.requirements("compute", machine)),
                "-r",
                str(release.requirements("web", machine)),
            ),
        ]
    )
    _installer(release, machine)
    done.touch()


def _platform_tags(machine: str) -> list[str]:
    tags = [f"manylinux_2_{minor}" for minor in range(GLIBC_MINOR, 4, -1)] + [
        "manylinux2014",
        "manylinux2010",
        "manylinux1",
    ]
    return [f"--platform={tag}_{machine}" for tag in tags]


def _installer(release: Release, machine: str) -> None:
    """Put uv's program for the machine beside the wheels: nodes install with it, in seconds instead of minutes."""
    target = release.wheels / f"uv-{machine}"
    if target.exists():
        return
    lock = release.folder / "uv.txt"
    pinned = re.search(
        r"^uv==.*?(?=^\S)", (ROOT / "requirements.lock").read_text() + "\nend", re.MULTILINE | re.DOTALL
    )
    if pinned is None:
        raise DeployError("requirements.lock does not pin uv; run `make lock`")
    lock.write_text(pinned.group(0))
    tags = _platform_tags(machine)
    _run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary=:all:", f"--python-version={PYTHON}", *tags, "--require-hashes"),
            *("--dest", str(release.folder), "-r", str(lock)),
        ]
    )
    (wheel,) = release.folder.glob(f"uv-*{machine}.whl")
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith(".data/scripts/uv")]
        part = target.with_suffix(".part")
        part.write_bytes(archive.read(member))
    part.chmod(0o755)
    part.replace(target)
    wheel.unlink()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise DeployError(
            f"building the release: {' '.join(command[:4])} failed: {said[-1] if said else 'no message'}"
        )
    return done.stdout
