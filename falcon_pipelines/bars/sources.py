"""Which source of bars the settings name."""

from pathlib import Path
from typing import Literal

from falcon_pipelines.bars.flat_files import DirectorySource, FlatFileSource, NoSuchFolder
from falcon_pipelines.bars.s3 import S3Source
from falcon_pipelines.settings import Settings

SourceName = Literal["s3", "directory"]


def source_from_settings(
    settings: Settings, name: SourceName | None = None, directory: str | Path | None = None
) -> FlatFileSource:
    """The source called `name`, by default the settings' own; a `directory` names a local folder instead.

    Raises BadCredentials or NoSuchFolder saying which setting is missing.
    """
    name = name or ("directory" if directory else settings.source)
    if name == "directory":
        folder = directory or settings.flatfiles_dir
        if folder is None:
            raise NoSuchFolder("source `directory` needs a folder: set --directory or FALCON_FLATFILES_DIR")
        return DirectorySource(Path(folder), settings.s3_prefix)
    access, secret = settings.s3_access_key, settings.s3_secret_key
    return S3Source(
        endpoint=settings.s3_endpoint,
        bucket=settings.s3_bucket,
        access_key=access.get_secret_value() if access else "",
        secret_key=secret.get_secret_value() if secret else "",
        prefix=settings.s3_prefix,
    )
