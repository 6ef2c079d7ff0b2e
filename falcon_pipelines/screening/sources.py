"""The reference source that the settings name, and the bars a screen reads when no file is given."""

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.screening.bar_sources import StoreBars
from falcon_pipelines.screening.reference import BadReferenceData, ReferenceSource
from falcon_pipelines.screening.reference_csv import CsvReference
from falcon_pipelines.screening.reference_live import SnapshotReference
from falcon_pipelines.settings import Settings


def configured_reference(settings: Settings) -> ReferenceSource | None:
    """The source of sectors, fundamentals and earnings dates; None where none is configured.

    A file in FALCON_REFERENCE_CSV is read without naming the source `csv` too.

    Raises BadReferenceData naming the setting that is missing.
    """
    folder = settings.market_data / "reference"
    match settings.reference_source:
        case "none":
            return None if settings.reference_csv is None else CsvReference(settings.reference_csv)
        case "csv":
            if settings.reference_csv is None:
                raise BadReferenceData("FALCON_REFERENCE_SOURCE is csv: set FALCON_REFERENCE_CSV to the file")
            return CsvReference(settings.reference_csv)
        case "massive":
            from falcon_pipelines.screening.reference_massive import MassiveReference

            if settings.massive_api_key is None:
                raise BadReferenceData("FALCON_REFERENCE_SOURCE is massive: set FALCON_MASSIVE_API_KEY")
            fetcher = MassiveReference(settings.massive_api_key.get_secret_value())
            return SnapshotReference(fetcher, folder / "massive")
        case "finviz":
            from falcon_pipelines.screening.reference_finviz import FinvizElite

            if settings.finviz_key is None:
                raise BadReferenceData("FALCON_REFERENCE_SOURCE is finviz: set FALCON_FINVIZ_KEY")
            elite = FinvizElite(settings.finviz_key.get_secret_value(), settings.finviz_endpoint)
            return SnapshotReference(elite, folder / "finviz")


def stored_bars(settings: Settings, version: str | None = None) -> StoreBars:
    """The bar store of this machine."""
    return StoreBars(BarStore(settings.market_data), version)
