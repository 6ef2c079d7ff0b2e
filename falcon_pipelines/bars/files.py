"""Writing files so that a crash leaves either all of one or nothing: temporary areas, fsync, rename, locks."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from falcon_pipelines.errors import FalconError

TEMPORARY = "tmp"


class StoreNotWritable(FalconError):
    """The bar store's folder cannot be written: no permission, a read-only file system, a full disk."""


def not_writable(path: Path, error: OSError) -> StoreNotWritable:
    """The one-line form of an operating system error met while writing below `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreNotWritable(f"{path}: the disk is full; free some space and run the same command again")
    reason = error.strerror or str(error)
    return StoreNotWritable(f"{path}: cannot be written ({reason}); check the folder and its owner")


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turns an OSError of the block into StoreNotWritable naming `path`."""
    try:
        yield
    except OSError as error:
        raise not_writable(path, error) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on the file `path`, waiting for it; the lock dies with the process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def temporary_area(root: Path) -> Iterator[Path]:
    """A folder of our own below `root`/tmp, removed afterwards; first sweeps those of dead processes."""
    parent = root / TEMPORARY
    with write_errors(root):
        parent.mkdir(parents=True, exist_ok=True)
        with locked(parent / ".lock"):
            _sweep(parent)
            folder = Path(tempfile.mkdtemp(dir=parent))
            # Held while we live: it tells a sweeping process to leave the folder alone.
            lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_temporary(root: Path) -> int:
    """Removes temporary folders whose process is gone; returns how many. Those in use are left alone."""
    parent = root / TEMPORARY
    if not parent.is_dir():
        return 0
    with write_errors(root), locked(parent / ".lock"):
        return _sweep(parent)


def _sweep(parent: Path) -> int:
    swept = 0
    for folder in parent.iterdir():
        if folder.is_dir() and not _in_use(folder):
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
    return swept


def _in_use(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_synced(path: Path, content: bytes) -> None:
    """Writes a file and waits until it is on disk. The name is not durable before its folder is synced."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        with memoryview(content) as view:
            written = 0
            while written < len(view):
                written += os.write(descriptor, view[written:])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Waits until the folder's entries are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(moves: Iterable[tuple[Path, Path]]) -> None:
    """Renames finished temporary files to their places and makes the names durable."""
    folders: dict[Path, None] = {}
    for source, target in moves:
        _make_folders(target.parent, folders)
        source.replace(target)
        folders[target.parent] = None
    for folder in folders:
        sync_folder(folder)


def _make_folders(folder: Path, touched: dict[Path, None]) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent, touched)
    folder.mkdir(exist_ok=True)
    touched[folder.parent] = None
