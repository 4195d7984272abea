"""Files that are whole or absent, and what a disk refuses, told in one line."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asa_bench.errors import StoreError


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def storage_errors(what: Path | str) -> Iterator[None]:
    """Turns the errors of a full disk, missing rights or a vanished folder into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreError(
                f"{what}: no space left on the disk; free some and run the same command again, nothing recorded is lost"
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StoreError(
                f"{what}: cannot be written ({error.strerror}); choose another folder with --output"
            ) from error
        if error.errno in {errno.EEXIST, errno.ENOTDIR}:
            raise StoreError(
                f"{what}: cannot be written, a file stands where its folder should be"
            ) from error
        raise StoreError(f"{what}: cannot be written: {error.strerror or error}") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
