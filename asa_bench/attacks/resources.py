"""Where the files that attacks need lie on this machine, and making NLTK read those that it refuses."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from asa_bench import checkpoints
from asa_bench.attacks import sources, vectors
from asa_bench.disk import file_sha256
from asa_bench.errors import BadInput, Unavailable
from asa_bench.models.loading import check_folder

NLTK = "nltk:"
FILE = "file:"
HUB = "hub:"
# Models in the hub's layout.
ENCODER, MASKED = "file:sentence_encoder", "file:masked_language_model"
_NLTK_FOLDER = "nltk_data"  # under a data folder
_WORDNET = "nltk:corpora/wordnet"
#: The WordNets that attacks mean.
OPEN_ENGLISH, PRINCETON = "Open English WordNet 2024", "Princeton WordNet 3.0"
_HEAD = 2_000  # bytes at the beginning of ``data.adj`` that say which WordNet it is
_LARGEST = 2**30  # bytes that a packed corpus may have when it is unpacked


class Found(NamedTuple):
    """A resource on this machine.

    Attributes:
        path: its file or folder; None if it is not here.
        looked: the folders and files that were looked for it, in order.
        refused: why NLTK itself would not read it; empty if it would.
        unfit: why what is at `path` is not what was looked for (a WordNet of another edition, a folder without a
            model); empty if it is.
    """

    path: Path | None
    looked: tuple[str, ...]
    refused: str = ""
    unfit: str = ""


def find(need: str, data_dir: Path | None, edition: str = PRINCETON) -> Found:
    """Looks for a resource in a data folder, then among what was fetched, then where NLTK looks; for a model of the hub in
    the cache of the hub's client.

    Args:
        need: as in `asa_bench.attacks.base.Attack.needs`.
        edition: which WordNet is meant; another one is passed over, and told if there is no other.
    """
    if need.startswith(FILE):
        roots = [*([] if data_dir is None else [data_dir]), sources.folder()]
        paths = [root / need.removeprefix(FILE) for root in roots]
        found = next((path for path in paths if path.exists()), None)
        unfit = _no_model(found, need) if need in (ENCODER, MASKED) and found is not None else ""
        return Found(found, tuple(map(str, paths)), unfit=unfit)
    if need.startswith(HUB):
        name = need.removeprefix(HUB)
        return Found(checkpoints.cached(name), (f"the hub cache {checkpoints.hub_cache()}",))
    name, roots = need.removeprefix(NLTK), nltk_roots(data_dir)
    looked = tuple(str(root) for root in roots)
    other: Found | None = None
    for root in roots:
        for path in (root / name, root / f"{name}.zip"):
            try:
                if not path.exists():
                    continue
                unfit = _other_wordnet(path, edition) if need == _WORDNET else ""
                if not unfit:
                    return Found(path, looked, _refusal(path, root))
                other = other or Found(path, looked, unfit=unfit)
            except OSError as error:  # a folder that may not be looked into
                return Found(None, looked, f"{root}: {error.strerror or error}")
    return other or Found(None, looked)


def nltk_roots(data_dir: Path | None) -> list[Path]:
    """The folders in which NLTK's data are looked for, the first one first."""
    import nltk

    own = [] if data_dir is None else [data_dir / _NLTK_FOLDER]
    return list(dict.fromkeys([*own, sources.folder() / _NLTK_FOLDER, *map(Path, nltk.data.path)]))


def nltk_path(needs: Iterable[str], data_dir: Path | None, edition: str = PRINCETON) -> list[str]:
    """What NLTK's search path must be so that it reads for `needs` what `find` finds.

    NLTK reads nothing that another user owns or may write to, and prefers what is unpacked anywhere to what is packed in
    an earlier folder. In both cases it gets a private copy, which lives as long as the process.

    Args:
        edition: as for `find`.
    """
    roots = nltk_roots(data_dir)
    front: list[Path] = []
    for need in needs:
        if not need.startswith(NLTK):
            continue
        found = find(need, data_dir, edition)
        if found.path is None:
            continue
        name = need.removeprefix(NLTK)
        packed = found.path.name == f"{Path(name).name}.zip"
        if found.refused:
            logging.getLogger(__name__).warning(
                "NLTK would not read %s, because %s; a private copy is used", found.path, found.refused
            )
        if found.refused or (packed and any((root / name).is_dir() for root in roots)):
            front.append(_private(found.path, name))
        else:
            front.append(found.path.parents[len(Path(name).parts) - 1])
    return [str(path) for path in dict.fromkeys([*front, *roots])]


def _refusal(path: Path, root: Path) -> str:
    """Why NLTK would refuse what is at `path` in `root`, or the empty text."""
    if not hasattr(os, "geteuid"):
        return ""
    inside = [
        root,
        *(parent for parent in path.parents if parent.is_relative_to(root) and parent != root),
        path,
    ]
    for part in (*inside, *(path.rglob("*") if path.is_dir() else ())):
        status = part.lstat()
        if status.st_uid not in (os.geteuid(), 0):
            return f"{part} belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(status.st_mode):
            return f"others may write to {part}"
    return ""


@lru_cache(maxsize=16)
def _private(path: Path, name: str) -> Path:
    """A folder of this process alone that has `path` as `name`, unpacked.

    What is in it is not trusted the more for that: its checksum is part of what is recorded.
    """
    root = Path(tempfile.mkdtemp(prefix="asa-bench-nltk-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    target = root / name
    try:
        if path.is_dir():
            for file in sorted(part for part in path.rglob("*") if part.is_file()):
                goal = target / file.relative_to(path)
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, goal)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                    raise BadInput(f"{path}: is longer than {_LARGEST} bytes unpacked")
                archive.extractall(target.parent)  # never outside of it: zipfile takes such names apart
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise Unavailable(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    for part in (root, *root.rglob("*")):
        part.chmod(0o700 if part.is_dir() else 0o600)
    return root


def _no_model(folder: Path, need: str) -> str:
    """Why a folder cannot be the model that is needed, or the empty text."""
    try:
        check_folder(folder, need.removeprefix(FILE).replace("_", " "))
    except BadInput as error:
        return str(error)
    return ""


def edition_of(head: str) -> str:
    """Which WordNet it is by the beginning of its ``data.adj``: `OPEN_ENGLISH`, or Princeton's with its version."""
    if OPEN_ENGLISH in head:
        return OPEN_ENGLISH
    told = re.search(r"Word[nN]et (\d[\d.+]*) Copyright", head)
    return f"Princeton WordNet {told[1]}" if told else "a WordNet that does not tell its version"


def _other_wordnet(path: Path, edition: str) -> str:
    """Why a folder or archive is not the WordNet that is meant, or the empty text."""
    try:
        if path.is_dir():
            with (path / "data.adj").open("rb") as file:
                head = file.read(_HEAD)
        else:
            with zipfile.ZipFile(path) as archive, archive.open("wordnet/data.adj") as member:
                head = member.read(_HEAD)
    except (OSError, KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        return f"{path} is not a WordNet: {error}"
    found = edition_of(head.decode(errors="replace"))
    return "" if found == edition else f"{path} is {found}, not {edition}"


def edition_that_nltk_read() -> str:
    """Which WordNet NLTK has at hand; it reads the first one on its path where it has none yet."""
    import nltk

    with nltk.corpus.wordnet.open("data.adj") as file:
        return edition_of(file.read(_HEAD))


def checksum(path: Path, need: str = "") -> str:
    """sha256 (hex) of a file's bytes; of a folder, of the names and bytes of all files in it.

    Of a model in the hub's cache the files are those that loading it reads: others come and go with what else is fetched.

    Args:
        need: whose checksum it is, as in `asa_bench.attacks.base.Attack.needs`.

    Raises:
        BadInput: word vectors that have not the checksum noted when they were converted.
    """
    found = _sha256(path, need.startswith(HUB))
    noted = vectors.pin(path)
    if path.name == Path(vectors.NAME).name and noted.is_file():
        said = noted.read_text("ascii", errors="replace").split()[:1]
        if said != [found]:
            raise BadInput(
                f"{path}: its sha256 is {found}, not the one in {noted.name}; delete both and fetch it again"
            )
    return found


@lru_cache(maxsize=64)
def _sha256(path: Path, model: bool = False) -> str:
    if path.is_file():
        return file_sha256(path)
    digest = hashlib.sha256()
    for file in sorted(part for part in path.rglob("*") if part.is_file()):
        if not model or file.name in checkpoints.READ_FILES or file.suffix == ".safetensors":
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            digest.update(bytes.fromhex(file_sha256(file)))
    return digest.hexdigest()
