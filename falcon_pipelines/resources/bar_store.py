"""The bar store, as Dagster sees it."""

from pathlib import Path

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.resources.database import Database


class Bars(dg.ConfigurableResource):
    """The bar store at `root`, which defaults to the settings' market_data folder."""

    root: str | None = None
    database: dg.ResourceDependency[Database]

    def reader(self) -> BarStore:
        """A store that can be read with the database down."""
        return BarStore(self._folder())

    def writer(self) -> BarStore:
        """A store that can be added to."""
        return BarStore(self._folder(), self.database.engine)

    def _folder(self) -> Path:
        return Path(self.root) if self.root else settings.load().market_data
