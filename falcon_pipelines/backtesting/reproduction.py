"""What a run depends on, written beside its result: with the same of everything it gives the same bytes."""

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import falcon_pipelines
from falcon_pipelines import __version__

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import Spec

PACKAGES = ("numpy", "numba", "TA-Lib", "scipy", "arch", "skfolio")


@dataclass(frozen=True)
class Provenance:
    """Hash of the spec, version of the bars and of the code, seed of all resampling, versions of the libraries."""

    spec_hash: str
    data_version: str
    code_version: str
    seed: int
    environment: dict[str, str]


@cache
def code_version() -> str:
    """Falcon's version and a digest of the code that computes signals, fills and figures."""
    package = Path(falcon_pipelines.__file__).parent
    digest = hashlib.sha256()
    for folder in ("strategies", "strategies/indicators", "backtesting"):
        for source in sorted((package / folder).glob("*.py")):
            digest.update(f"{folder}/{source.name}\n".encode() + source.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:12]}"


@cache
def environment() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on, and the kind of machine."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def provenance(spec: "Spec", data_version: str, seed: int) -> Provenance:
    """What a run of a spec over a data version depends on."""
    from falcon_pipelines.strategies.spec import spec_hash

    return Provenance(spec_hash(spec), data_version, code_version(), seed, environment())
