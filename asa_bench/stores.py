"""Which store an output folder is: a folder of this machine or of a shared disk, or one behind a URL."""

from __future__ import annotations

import re
from pathlib import Path

from asa_bench.store import Store

# Two letters at least, since one may be a Windows drive; a Path has made one slash of two.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.IGNORECASE)


def url_of(where: str | Path) -> str | None:
    """The URL that an output "folder" is, with its two slashes; None for a path, which ``file://`` is, too."""
    found = _URL.fullmatch(str(where))
    if found is None or found[1].lower() in ("file", "local"):
        return None
    return f"{found[1].lower()}://{found[2].rstrip('/')}"


def open_store(where: str | Path) -> Store:
    """The store at a path or URL.

    Raises:
        BadInput: no such kind of URL, or it names no place in a store.
        Unavailable: the library that knows this kind of URL is not installed.
        StoreError: the object store cannot be reached.
    """
    url = url_of(where)
    if url is not None:
        from asa_bench.mirror import MirroredStore

        return MirroredStore(url)
    found = _URL.fullmatch(str(where))
    return Store(Path("/" + found[2]) if found else Path(where))
