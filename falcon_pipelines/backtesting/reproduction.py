"""What a run depends on, written beside its result: with the same of everything it gives the same bytes."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

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


def code_version() -> str:
    """Falcon's version and the digest of the compiled code that fills orders."""
    from falcon_pipelines.backtesting.kernel import SOURCES

    return f"{__version__}+{SOURCES[:12]}"


def provenance(spec: "Spec", data_version: str, seed: int) -> Provenance:
    """What a run of a spec over a data version depends on."""
    from falcon_pipelines.strategies.spec import spec_hash

    environment = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            environment[name] = version(name)
        except PackageNotFoundError:
            environment[name] = "absent"
    return Provenance(spec_hash(spec), data_version, code_version(), seed, environment)
