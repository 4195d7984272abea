"""Gets one file from a URL: with a time limit on every silence, progress, and a checksum before it counts."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from asa_bench.errors import Unavailable

TIMEOUT_S = 20.0
LARGEST = 4 * 2**30  # bytes; no resource that is known comes near
_PART = 2**18

#: Told as bytes come: how many there are, and how many there will be (0 where the server does not say).
Progress = Callable[[int, int], None]


def ignore(have: int, total: int) -> None:
    """Progress that nobody looks at."""


def download(
    url: str,
    target: Path,
    sha256: str | None = None,
    progress: Progress = ignore,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Get a file; it is at `target` whole and checked, or not at all.

    Args:
        sha256: what its checksum must be (hex); any if None.
        timeout_s: how long the server may be silent.

    Returns:
        Its sha256 (hex).

    Raises:
        Unavailable: no answer, a refusal, a file cut off or longer than `LARGEST`, another checksum, or `target`
            cannot be written.
    """
    digest, have = hashlib.sha256(), 0
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Proxies are those of the environment, as for the hub.
        with urllib.request.urlopen(_request(url), timeout=timeout_s) as answer:  # noqa: S310 - http alone
            total = int(answer.headers.get("Content-Length") or 0)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            part = Path(name)
            with os.fdopen(handle, "wb") as file:
                while content := answer.read(_PART):
                    have += len(content)
                    if have > LARGEST:
                        raise Unavailable(f"{url}: is longer than {LARGEST} bytes; not what was looked for")
                    digest.update(content)
                    file.write(content)
                    progress(have, total)
        if total and have != total:
            raise Unavailable(f"{url}: cut off after {have} of {total} bytes; start again")
        if sha256 is not None and digest.hexdigest() != sha256:
            raise Unavailable(
                f"{url}: its sha256 is {digest.hexdigest()}, but {sha256} was expected; it is not used"
            )
        part.replace(target)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable(f"{url}: cannot be fetched ({_reason(error)})") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return digest.hexdigest()


def _request(url: str) -> urllib.request.Request:
    if not re.match(r"https?://", url):
        raise ValueError("not an http address")
    return urllib.request.Request(url, headers={"User-Agent": "asa-bench"})  # noqa: S310 - looked at above


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    return " ".join(str(error).split())[:160] or type(error).__name__


def blob_is_whole(path: Path) -> bool | None:
    """Whether a file of the hub's cache has the checksum that its blob is named by; None where none is.

    The hub calls a large file by its sha256, and a small one as git does.
    """
    from asa_bench.disk import file_sha256

    blob = path.resolve()
    if re.fullmatch("[0-9a-f]{64}", blob.name):
        return file_sha256(blob) == blob.name
    if re.fullmatch("[0-9a-f]{40}", blob.name):
        content = blob.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == blob.name  # noqa: S324 - git's
    return None
