"""Where text for pre-training comes from: a file, a folder, a hub data set or the laboratory; documents of it.

A document is, by the form of a file:

- lines between blank lines;
- where the file opens with ``<doc ...>`` (extracts of Wikipedia): everything up to ``</doc>``, blank lines included;
- where it opens with a heading `` = Title = `` (WikiText): everything up to the next heading of that level;
- in a file of JSON objects (``.jsonl``): the text of one object.

A row of a hub data set is a document, and so is a line of the laboratory's text. Documents of fewer than
`CorpusSettings.min_words` words (titles, redirections) are left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from asa_bench.disk import file_sha256
from asa_bench.errors import BadInput
from asa_bench.tasks import files
from asa_bench.tasks.base import Frozen, Hub, LaboratoryOptions, row_hash
from asa_bench.tasks.files import shown

LABORATORY = "laboratory"
ENDINGS = tuple(f"{name}{packed}" for name in (".txt", ".tokens", ".jsonl") for packed in files.PACKED)
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
_HEADING = re.compile(r"^\s*= [^=].* =\s*$")


class CorpusSettings(Frozen):
    """Which text is learned from, and which part of it is held out."""

    source: str = Field(
        default=LABORATORY,
        min_length=1,
        description="'laboratory', a text file, a folder of text files, or a hub data set 'owner/name'",
    )
    folder: str | None = Field(
        default=None, description="file or folder under --data-dir that is read instead, where that is given"
    )
    config: str = Field(default="default", description="of a hub data set")
    split: str = Field(default="train", description="of a hub data set")
    files: str | None = Field(
        default=None, description="pattern of its parquet files; '<config>/<split>-*.parquet' if absent"
    )
    column: str = Field(default="text", description="of a hub data set, or key of a .jsonl file")
    lines: int = Field(default=36_000, ge=1, description="of the laboratory's text")
    documents: int | None = Field(
        default=None, ge=2, description="at most so many, chosen by a hash of their text; all if absent"
    )
    min_words: int = Field(default=5, ge=1, description="shorter documents are left out")
    held_out: float = Field(
        default=0.02,
        gt=0,
        lt=0.5,
        description="share of documents, chosen by a hash of their text, that is never learned from",
    )


@dataclass(frozen=True)
class CorpusIdentity:
    """A corpus that exists.

    Attributes:
        title: the last part of its name, for people.
        reads: checksums of its bytes, or hub repository and revision; part of a cell's address.
        settings: how it is read.
        where: its file or folder on this machine, None for the laboratory and the hub.
    """

    title: str
    reads: Mapping[str, Any]
    settings: CorpusSettings
    where: Path | None = None


@dataclass(frozen=True)
class Corpus:
    """The documents of a corpus.

    Attributes:
        train: documents to learn from, ordered by a hash of their text.
        held_out: documents that are never learned from, ordered likewise.
        fingerprint: sha256 over all canonical documents, whatever their order.
        origin: JSON; how many documents there are, and how many were left out as too short.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    fingerprint: str
    origin: Mapping[str, int] = field(default_factory=dict)


def identify(settings: CorpusSettings, said: str, data_dir: Path | None = None) -> CorpusIdentity:
    """What `load` would read, told without parsing it.

    Args:
        said: where the user named the corpus, for messages.
        data_dir: where `CorpusSettings.folder` is looked for.

    Raises:
        BadInput: no such file or folder, a folder without text files, or a name that is none of these.
        Unavailable: a hub data set that cannot be reached.
    """
    if settings.source == LABORATORY:
        from asa_bench.tasks.laboratory import LABORATORY_VERSION

        reads = {"kind": LABORATORY, "version": LABORATORY_VERSION}
        return CorpusIdentity(LABORATORY, reads, settings)
    path = Path(settings.source).expanduser()
    if data_dir is not None and settings.folder is not None:
        path = data_dir / settings.folder
        if not path.exists():
            raise BadInput(f"{said}: there is no {settings.folder} in the data folder {data_dir}")
    if path.exists():
        found = _text_files(path, said)
        base = path if path.is_dir() else path.parent
        try:
            sums = {file.relative_to(base).as_posix(): file_sha256(file) for file in found}
        except OSError as error:
            raise BadInput(f"{said} {error.filename}: cannot be read: {error.strerror}") from error
        return CorpusIdentity(path.resolve().name, {"kind": "files", "files": sums}, settings, path.resolve())
    if not _HUB_ID.match(settings.source):
        raise BadInput(
            f"{said} {settings.source}: there is no such file or folder; a text file, a folder of text files, "
            "a hub data set 'owner/name' or 'laboratory' is expected"
        )
    from asa_bench.tasks.hub import resolve_revision

    hub = _hub(settings)
    reads = {"kind": "hub", "repo": hub.repo, "revision": resolve_revision(hub, said, _INSTEAD)}
    return CorpusIdentity(settings.source.rsplit("/", 1)[-1], reads, settings)


def hub_of(settings: CorpusSettings, data_dir: Path | None = None) -> Hub | None:
    """The hub data set that `identify` would ask for, or None where it would read something else."""
    here = data_dir is not None and settings.folder is not None
    if here or settings.source == LABORATORY or Path(settings.source).expanduser().exists():
        return None
    return _hub(settings) if _HUB_ID.match(settings.source) else None


_INSTEAD = "give --corpus FILE or FOLDER with text"


def _text_files(path: Path, said: str) -> list[Path]:
    if path.is_file():
        return [path]
    try:
        found = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(ENDINGS))
    except OSError as error:
        raise BadInput(f"{said} {path}: cannot be read: {error.strerror or error}") from error
    if not found:
        raise BadInput(
            f"{said} {path}: no text file in this folder; names must end in {', '.join(ENDINGS[::3])}, "
            "packed (.xz, .gz) or not"
        )
    return found


def _hub(settings: CorpusSettings) -> Hub:
    pattern = settings.files or f"{settings.config}/{settings.split}-*.parquet"
    return Hub(
        repo=settings.source,
        config=settings.config,
        files={settings.split: pattern},
        columns={"text": settings.column},
        labels={},
        found="named by the user",
    )


@lru_cache(maxsize=2)
def _load(
    settings: CorpusSettings, where: Path | None, revision: str | None, said: str
) -> tuple[tuple[tuple[str, str], ...], int]:
    """(hash, text) of every document that is long enough, ordered by hash, and how many were too short."""
    reader: Callable[[], Iterator[str]]
    if settings.source == LABORATORY:
        reader = lambda: _read_laboratory(settings)  # noqa: E731
    elif where is not None:
        reader = lambda: (text for file in _text_files(where, said) for text in read_file(file, settings))  # noqa: E731
    else:
        reader = lambda: _read_hub(settings, str(revision), said)  # noqa: E731
    kept, short = [], 0
    for text in reader():
        if len(text.split(maxsplit=settings.min_words)) < settings.min_words:
            short += 1
        else:
            kept.append((row_hash((text,)), text))
    return tuple(sorted(kept)), short


def load(identity: CorpusIdentity, said: str = "--corpus") -> Corpus:
    """The documents of a corpus; read once a process for the same corpus.

    Whether a document is held out, and where it stands, follows from a hash of its text alone, so equal documents
    are never on both sides and neither names nor the order of files count.

    Raises:
        BadInput: a file is damaged, not UTF-8, or without a document; or nothing could be held out.
        Unavailable: the hub does not deliver.
    """
    settings = identity.settings
    kept, short = _load(settings, identity.where, identity.reads.get("revision"), said)
    chosen = kept[: settings.documents]
    # Another part of the hash than the one that orders, so that a sample has the same share on both sides.
    held = [text for key, text in chosen if int(key[16:32], 16) / 16**16 < settings.held_out]
    train = [text for key, text in chosen if int(key[16:32], 16) / 16**16 >= settings.held_out]
    if not train or not held:
        raise BadInput(
            f"{said} {identity.title}: {len(chosen)} documents of at least {settings.min_words} words, of which "
            f"{len(held)} fall to the held-out side at a share of {settings.held_out:g}; more text is needed"
        )
    digest = hashlib.sha256("\n".join(key for key, _ in chosen).encode()).hexdigest()
    origin = {"documents": len(train), "held_out_documents": len(held), "too_short": short}
    return Corpus(tuple(train), tuple(held), digest, origin)


def _read_laboratory(settings: CorpusSettings) -> Iterator[str]:
    from asa_bench.tasks.laboratory import corpus

    for line in corpus(LaboratoryOptions(), settings.lines):
        yield line.replace("\t", " ")


def _read_hub(settings: CorpusSettings, revision: str, said: str) -> Iterator[str]:
    """The rows' texts; a file is read in parts, since a corpus can be larger than memory allows at once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from asa_bench.tasks.hub import download

    hub = _hub(settings)
    for name, path in download(hub, settings.split, revision, said, _INSTEAD):
        where = f"hub data set {hub.repo}, {name}"
        try:
            file = pq.ParquetFile(path)
            names = file.schema_arrow.names
            if settings.column not in names:
                raise BadInput(f"{where}: no column {settings.column!r}; it has {shown(names, 160)}")
            kind = file.schema_arrow.field(settings.column).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise BadInput(f"{where}: column {settings.column!r} holds {kind}, expected texts")
            for batch in file.iter_batches(columns=[settings.column]):
                yield from (str(value).strip() for value in batch.column(0).to_pylist() if value)
        except pa.ArrowInvalid as error:
            raise BadInput(f"{where}: not a readable parquet file ({shown(str(error), 120)})") from error


def read_file(path: Path, settings: CorpusSettings | None = None) -> Iterator[str]:
    """The documents of one file, by its form (see the module).

    Raises:
        BadInput: the file cannot be read or unpacked, is empty or not UTF-8, or a line of a .jsonl is no object
            with a text.
    """
    text = files.read_text(path)
    if path.name.removesuffix(".xz").removesuffix(".gz").endswith(".jsonl"):
        yield from _json_texts(path, text, (settings or CorpusSettings()).column)
        return
    lines = text.splitlines()
    first = next(line for line in lines if line.strip())
    if first.startswith("<doc "):
        yield from _joined(lines, lambda line: line.startswith("<doc "), lambda line: line == "</doc>")
    elif _HEADING.match(first):
        yield from _joined(lines, lambda line: _HEADING.match(line) is not None, None)
    else:
        yield from _joined(lines, None, lambda line: not line.strip())


def _joined(
    lines: Sequence[str], opens: Callable[[str], bool] | None, closes: Callable[[str], bool] | None
) -> Iterator[str]:
    """Documents from lines. A line that opens one belongs to it unless it is a tag; one that closes it does not."""
    held: list[str] = []
    for line in lines:
        if opens is not None and opens(line):
            if held:
                yield "\n".join(held)
            held = [] if closes is not None else [line.strip()]
        elif closes is not None and closes(line):
            if held:
                yield "\n".join(held)
            held = []
        elif line.strip():
            held.append(line.strip())
    if held:
        yield "\n".join(held)


def _json_texts(path: Path, text: str, column: str) -> Iterator[str]:
    for number, line in files.lines(text):
        where = f"{shown(str(path), 300)}, line {number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise BadInput(f"{where}: not JSON ({error})") from error
        if not isinstance(record, dict) or not isinstance(record.get(column), str):
            raise BadInput(f"{where}: no field {column!r} with a text")
        yield record[column].strip()
