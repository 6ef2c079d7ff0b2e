"""Which source of bars and of corporate actions the settings name."""

from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from falcon_pipelines.bars.flat_files import DirectorySource, FlatFileSource, NoSuchFolder
from falcon_pipelines.bars.massive_rest import MassiveRest
from falcon_pipelines.bars.s3 import S3Source
from falcon_pipelines.bars.watchlist import AlpacaFeed, WatchlistSource, YahooFeed
from falcon_pipelines.settings import Settings

SourceName = Literal["s3", "directory", "alpaca", "yfinance"]


def source_from_settings(
    settings: Settings, name: SourceName | None = None, directory: str | Path | None = None
) -> FlatFileSource:
    """The source called `name`, by default the settings' own; a `directory` names a local folder instead.

    Raises BadCredentials, NoSuchFolder or NoWatchlist saying which setting is missing.
    """
    name = name or ("directory" if directory else settings.source)
    if name == "directory":
        folder = directory or settings.flatfiles_dir
        if folder is None:
            raise NoSuchFolder("source `directory` needs a folder: set --directory or FALCON_FLATFILES_DIR")
        return DirectorySource(Path(folder), settings.s3_prefix)
    watchlist = tuple(ticker.strip() for ticker in settings.watchlist.split(",") if ticker.strip())
    if name == "alpaca":
        feed = AlpacaFeed(_secret(settings.alpaca_key_id), _secret(settings.alpaca_secret_key))
        return WatchlistSource(feed, watchlist)
    if name == "yfinance":
        return WatchlistSource(YahooFeed(), watchlist)
    return S3Source(
        endpoint=settings.s3_endpoint,
        bucket=settings.s3_bucket,
        access_key=_secret(settings.s3_access_key),
        secret_key=_secret(settings.s3_secret_key),
        prefix=settings.s3_prefix,
    )


def actions_from_settings(settings: Settings) -> MassiveRest:
    """Where corporate actions come from. Raises BadCredentials saying which setting is missing."""
    return MassiveRest(_secret(settings.massive_api_key))


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""
