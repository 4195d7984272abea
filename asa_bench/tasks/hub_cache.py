"""Which files of a hub data set the cache of the hub's client has, and which are missing there; asks no network.

The client's cache does not tell how many files a data set has. So what the hub lists is noted there whenever it is asked;
where nobody noted it, the files' own numbers have to do (``train-00000-of-00003.parquet``).
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from asa_bench.disk import write_atomically
from asa_bench.errors import StoreError

_SHARD = re.compile(r"(.+-)(\d{5})-of-(\d{5})(\.parquet)")
_NUMBERED = re.compile(r"(.*/)?(\d+)(\.parquet)")


class Cached(NamedTuple):
    """Files of one split.

    Attributes:
        found: name in the repository and local path of those that are in the cache, by name.
        missing: names of those that are not; empty also where nothing is known of the split.
    """

    found: list[tuple[str, Path]]
    missing: list[str]

    @property
    def whole(self) -> bool:
        """Whether the split can be read."""
        return bool(self.found) and not self.missing


def folder(repo: str) -> Path:
    """Where the hub's client keeps a data set."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="dataset")


def head(repo: str, branch: str) -> str:
    """The commit that a branch led to when it was last asked for; empty if it never was."""
    try:
        return (folder(repo) / "refs" / branch).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def files(repo: str, revision: str, pattern: str) -> Cached:
    """The files of a commit whose names in the repository match a pattern."""
    if not revision:
        return Cached([], [])
    snapshot = folder(repo) / "snapshots" / revision
    there = {path.relative_to(snapshot).as_posix(): path for path in snapshot.rglob("*") if path.is_file()}
    found = sorted(item for item in there.items() if fnmatch.fnmatchcase(item[0], pattern))
    listed = _listed(repo, revision)
    if listed is None:
        expected = _by_number(name for name, _ in found)
    else:
        expected = {name for name in listed if fnmatch.fnmatchcase(name, pattern)}
    return Cached(found, sorted(expected.difference(there)))


def note(repo: str, revision: str, names: Iterable[str]) -> None:
    """Keeps what the hub lists of a commit, beside what the client keeps of it; a cache that cannot be written has no note."""
    listed = sorted(names)
    if _listed(repo, revision) != listed:
        with contextlib.suppress(StoreError):
            write_atomically(_note(repo, revision), json.dumps(listed).encode())


def _note(repo: str, revision: str) -> Path:
    return folder(repo) / ".asa-bench" / f"{revision}.json"


def _listed(repo: str, revision: str) -> list[str] | None:
    try:
        names = json.loads(_note(repo, revision).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _by_number(names: Iterable[str]) -> set[str]:
    """The names that must be there beside `names` if they number themselves."""
    expected = set[str]()
    for name in names:
        if shard := _SHARD.fullmatch(name):
            start, _, count, end = shard.groups()
            expected.update(f"{start}{number:05}-of-{count}{end}" for number in range(int(count)))
        elif numbered := _NUMBERED.fullmatch(name):
            start, last, end = numbered.groups(default="")
            expected.update(f"{start}{number:0{len(last)}}{end}" for number in range(int(last)))
    return expected
