"""Feature tables on disk, by session and run: made once, read by every profile's screen. All of it can be deleted."""

import json
import os
from datetime import date
from pathlib import Path

import polars as pl

from falcon_pipelines.profiles.schema import Slot
from falcon_pipelines.screening.market import Features

_FOLDER = "features"


def write_features(root: Path, features: Features) -> Path:
    """Keep the features of a run under the bar store's folder, whole or not at all."""
    target = _path(root, features.session, features.slot)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    about = {
        "bars_session": features.bars_session.isoformat(),
        "known_through": features.known_through.isoformat(),
        "version": features.version,
        "reference_version": features.reference_version,
        "sessions": features.sessions,
        "synthetic": features.synthetic,
        "notes": list(features.notes),
        "missing": dict(features.missing),
    }
    features.table.write_parquet(partial, metadata={"falcon": json.dumps(about)})
    partial.replace(target)
    return target


def read_features(root: Path, session: date, slot: Slot, version: str) -> Features | None:
    """The kept features of a run; None where there are none of that data version."""
    path = _path(root, session, slot)
    try:
        about = json.loads(pl.read_parquet_metadata(path)["falcon"])
        if about["version"] != version:
            return None
        table = pl.read_parquet(path)
    except (OSError, KeyError, ValueError, pl.exceptions.PolarsError):
        return None
    return Features(
        table=table,
        session=session,
        slot=slot,
        bars_session=date.fromisoformat(about["bars_session"]),
        known_through=date.fromisoformat(about["known_through"]),
        version=version,
        reference_version=about["reference_version"],
        sessions=about["sessions"],
        synthetic=about["synthetic"],
        notes=tuple(about["notes"]),
        missing=about["missing"],
    )


def serves(features: Features, names: tuple[str, ...], atr_period: int) -> bool:
    """Whether a profile with these features and that ATR can be screened on them."""
    return {*names, f"atr_{atr_period}"} <= set(features.table.columns)


def _path(root: Path, session: date, slot: Slot) -> Path:
    return root / _FOLDER / f"{session.isoformat()}.{slot}.parquet"
