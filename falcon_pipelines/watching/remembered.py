"""What the watch on the web node remembers: the outages it sees, in a file that others on the node may read."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

LOOKS_BEFORE_TELLING = 2
"""One look may fail in the middle of a restart."""
CURRENT_SECONDS = 300
"""A file that is older was left by a watch that does not look any more."""


@dataclass(frozen=True)
class Outage:
    """Something that is not well, since when, how often that was seen, and whether people know."""

    since: str
    problem: str
    looks: int = 1
    told: bool = False


def remembered(path: Path) -> dict[str, Outage]:
    """The outages by what they are of; none where there is no such file or it cannot be read."""
    try:
        return {name: Outage(**held) for name, held in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def remember(path: Path, outages: Mapping[str, Outage]) -> None:
    """Write them in one step."""
    part = path.with_suffix(".new")
    part.write_text(json.dumps({name: asdict(outage) for name, outage in outages.items()}))
    part.replace(path)


def standing_outages(path: Path | None) -> dict[str, str]:
    """What is wrong now, by what it is of: seen more than once, by a watch that still looks."""
    try:
        if path is None or time.time() - path.stat().st_mtime > CURRENT_SECONDS:
            return {}
    except OSError:
        return {}
    return {
        name: outage.problem
        for name, outage in remembered(path).items()
        if outage.looks >= LOOKS_BEFORE_TELLING
    }
