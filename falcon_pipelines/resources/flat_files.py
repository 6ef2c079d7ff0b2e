"""Where flat files come from, as Dagster sees it."""

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.bars.flat_files import FlatFileSource
from falcon_pipelines.bars.sources import source_from_settings


class FlatFiles(dg.ConfigurableResource):
    """The source of flat files; `directory` overrides the settings' source with a local folder."""

    directory: str | None = None

    def source(self) -> FlatFileSource:
        """The configured source; raises SourceError or NoSuchFolder saying which setting is missing."""
        return source_from_settings(settings.load(), directory=self.directory)
