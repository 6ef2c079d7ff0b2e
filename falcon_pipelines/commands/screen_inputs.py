"""What the screening commands read: profile, session, bars, minutes, reference data."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from falcon_pipelines import settings as settings_module
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.profiles.schema import Slot
    from falcon_pipelines.screening.bar_sources import BarSource
    from falcon_pipelines.screening.reference import ReferenceSource

ProfileName = Annotated[
    str,
    typer.Argument(
        help="Name of a stored or bundled profile, or a profile file (.yaml).", show_default=False
    ),
]
Session = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Session to screen; default: the newest.")
]
At = Annotated[
    str,
    typer.Option(
        help="Run of the day: morning and midday see the bars of the session before, evening its own."
    ),
]
Bars = Annotated[
    Path | None,
    typer.Option(
        help="Day bars: CSV or Parquet of ticker,timestamp,open,high,low,close,volume, or a folder of LEAN coarse "
        "files; default: the bar store."
    ),
]
Minutes = Annotated[Path | None, typer.Option(help="Minute bars in the same columns, with --bars.")]
ReferenceCsv = Annotated[
    Path | None,
    typer.Option("--reference", help="CSV of ticker and sector, earnings_date, ...; default: as configured."),
]
Seed = Annotated[int, typer.Option(help="Of tie-breaking and shuffles.", min=0, max=2**31 - 1)]


def slot_named(at: str) -> "Slot":
    """The run of the day of that name. Raises InputError with the nearest."""
    from falcon_pipelines.screening.runs_of_the_day import slot_of

    return slot_of(at)


def bar_source(bars: Path | None, minutes: Path | None) -> "BarSource":
    """The bars of the files given, else the bar store. Raises InputError, BadBarFile."""
    from falcon_pipelines.bars.bar_files import read_bar_file
    from falcon_pipelines.screening.bar_sources import FileBars
    from falcon_pipelines.screening.coarse_files import read_coarse_folder
    from falcon_pipelines.screening.sources import stored_bars

    if bars is None:
        if minutes is not None:
            raise InputError("--minutes goes with --bars; the bar store has minutes of its own")
        return stored_bars(settings_module.load())
    days = read_coarse_folder(bars) if bars.is_dir() else read_bar_file(bars)
    return FileBars(days, read_bar_file(minutes) if minutes is not None else None)


def reference_source(path: Path | None) -> "ReferenceSource | None":
    """The CSV given, else the configured source."""
    from falcon_pipelines.screening.reference_csv import CsvReference
    from falcon_pipelines.screening.sources import configured_reference

    return CsvReference(path) if path is not None else configured_reference(settings_module.load())
