"""Which source the settings mean."""

from pathlib import Path

from falcon_pipelines.bars.flat_files import BadCredentials, DirectorySource, FlatFileSource, NoSuchFolder
from falcon_pipelines.settings import Settings


def configured_source(
    settings: Settings, *, kind: str | None = None, directory: Path | None = None
) -> FlatFileSource:
    """The flat-file source of the settings, or the one asked for instead.

    Raises NoSuchFolder or BadCredentials naming the setting that is missing.
    """
    if directory is not None or (kind or settings.source) == "directory":
        folder = directory or settings.flatfiles_dir
        if folder is None:
            raise NoSuchFolder("no folder of flat files is configured; set --directory or FALCON_FLATFILES_DIR")
        return DirectorySource(folder)
    if settings.s3_access_key is None or settings.s3_secret_key is None:
        raise BadCredentials("no keys for the flat files; set FALCON_S3_ACCESS_KEY and FALCON_S3_SECRET_KEY")
    from falcon_pipelines.bars.s3 import S3Source

    return S3Source(
        endpoint=settings.s3_endpoint,
        bucket=settings.s3_bucket,
        prefix=settings.s3_prefix,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
    )
