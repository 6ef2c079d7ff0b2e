"""Falcon Pipelines: find out which trading ideas really work, and act on them on paper."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("falcon-pipelines")
except PackageNotFoundError:
    __version__ = "0+checkout"
