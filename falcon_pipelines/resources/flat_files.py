"""Where flat files come from, as Dagster sees it."""

from pathlib import Path

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.bars.flat_files import FlatFileSource
from falcon_pipelines.bars.sources import configured_source


class FlatFiles(dg.ConfigurableResource):
    """The source of flat files; `directory` overrides the settings' source with a local folder."""

    directory: str | None = None

    def source(self) -> FlatFileSource:
        """The configured source; raises SourceError or NoSuchFolder saying which setting is missing."""
        return configured_source(
            settings.load(), directory=Path(self.directory) if self.directory else None
        )
