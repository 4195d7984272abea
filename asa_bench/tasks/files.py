"""Reads the rows of one file of a data set, packed or not, and tells every fault with its file and line."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asa_bench.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from asa_bench.tasks.base import Layout, Task

PACKED = ("", ".xz", ".gz")


class Row(NamedTuple):
    """One row as a file has it: texts and label are neither canonical nor checked yet.

    Attributes:
        texts: the task's text columns, in their order.
        label: the label as written in the file.
        slices: slice column -> value; a missing one counts as "".
        where: the row's place for messages, e.g. ``"line 12"``.
        malformed: the row has too few columns, so its texts and label mean nothing.
    """

    texts: tuple[str, ...]
    label: str
    slices: Mapping[str, str]
    where: str
    malformed: bool = False


def shown(value: object, limit: int = 80) -> str:
    """`value` quoted for a one-line message: control characters escaped, cut after `limit` characters."""
    text = ascii(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def is_sample(path: Path) -> bool:
    """Whether a file's name says that it holds a part of the published rows only."""
    return "_sample" in path.name


def find(layout: Layout, split: str, root: Path) -> Path | None:
    """The file that holds `split` under `root`, or None where there is none.

    A file named by the layout comes before a sample of it, a plain one before a packed one.

    Raises:
        Unavailable: `root` does not exist.
        BadInput: `root` is no folder or cannot be read, or holds several samples to choose from.
    """
    try:
        if not root.exists():
            raise Unavailable(f"data folder {shown(str(root), 300)} does not exist")
        if not root.is_dir():
            raise BadInput(f"data folder {shown(str(root), 300)} is not a folder")
        next(root.iterdir(), None)
        names = layout.files.get(split, ())
        for folder in layout.folders:
            for name in names:
                for ending in PACKED:
                    path = root / folder / f"{name}{ending}"
                    if path.is_file():
                        return path
        for folder in layout.folders:
            for name in names:
                path = root / folder / name
                samples = sorted(
                    sample
                    for ending in PACKED
                    for sample in path.parent.glob(f"{path.stem}_sample*{path.suffix}{ending}")
                )
                if len(samples) > 1:
                    raise BadInput(
                        f"several samples of {name} in {shown(str(path.parent), 300)}: "
                        f"{', '.join(sample.name for sample in samples)}; keep the one that is meant"
                    )
                if samples:
                    return samples[0]
    except PermissionError as error:
        raise BadInput(
            f"data folder {shown(str(root), 300)} cannot be read: no permission for "
            f"{shown(str(error.filename), 300)}"
        ) from error
    return None


def read_text(path: Path) -> str:
    """The whole text of a UTF-8 file, unpacked where its name ends in ``.xz`` or ``.gz``.

    Raises:
        BadInput: the file cannot be read or unpacked, is empty or is not UTF-8.
    """
    try:
        if path.suffix == ".xz":
            with lzma.open(path) as packed:
                data = packed.read()
        elif path.suffix == ".gz":
            with gzip.open(path) as packed:
                data = packed.read()
        else:
            data = path.read_bytes()
    except PermissionError as error:
        raise BadInput(f"{shown(str(path), 300)}: no permission to read it") from error
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadInput(
            f"{shown(str(path), 300)}: cannot be unpacked, it is damaged or incomplete ({error}); "
            "fetch it again"
        ) from error
    except OSError as error:
        raise BadInput(f"{shown(str(path), 300)}: cannot be read: {error.strerror or error}") from error
    if not data.strip():
        raise BadInput(f"{shown(str(path), 300)}: the file is empty")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(
            f"{shown(str(path), 300)}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); "
            "convert the file to UTF-8"
        ) from error


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and line of every line that is not blank; ``\\r``, ``\\n`` and both end a line."""
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.strip():
            yield number, line.rstrip("\n")


def read_table(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of a tab-separated file with a header, or of a file of one JSON object per line (``.jsonl``).

    Quotes mean nothing in the tab-separated files of GLUE, PAWS and HANS, so none is interpreted.

    Raises:
        BadInput: a column is missing, or (JSON) a line cannot be parsed.
    """
    json_lines = path.name.removesuffix(".xz").removesuffix(".gz").endswith(".jsonl")
    yield from (_read_json_lines if json_lines else _read_tsv)(task, path)


def record_row(task: Task, record: Mapping[str, Any], path: Path, where: str) -> Row:
    """A row from a JSON object that has the columns of the task's layout by name.

    Raises:
        BadInput: `record` is no object or lacks a column.
    """
    if not isinstance(record, Mapping):
        raise BadInput(f"{shown(str(path), 300)}, {where}: expected a JSON object, got {shown(record)}")

    def value(column: str) -> str:
        names = _names(task, column)
        for name in names:
            if isinstance(record.get(name), str | int) and not isinstance(record.get(name), bool):
                return str(record[name])
        if column in task.slices:
            return ""
        raise BadInput(
            f"{shown(str(path), 300)}, {where}: no field {' or '.join(map(repr, names))} with a text"
        )

    return Row(
        texts=tuple(value(column) for column in task.columns),
        label=value("label"),
        slices={column: value(column) for column in task.slices},
        where=where,
    )


def _names(task: Task, column: str) -> tuple[str, ...]:
    declared = task.layout.columns if task.layout else {}
    return declared.get(column, (column,))


def _read_json_lines(task: Task, path: Path) -> Iterator[Row]:
    for number, line in lines(read_text(path)):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise BadInput(f"{shown(str(path), 300)}, line {number}: not JSON ({error})") from error
        yield record_row(task, record, path, f"line {number}")


def _read_tsv(task: Task, path: Path) -> Iterator[Row]:
    numbered = lines(read_text(path))
    header = next(numbered)[1].split("\t")

    def position(column: str) -> int | None:
        names = _names(task, column)
        for name in names:
            if name in header:
                return header.index(name)
        if column in task.slices:
            return None
        raise BadInput(
            f"{shown(str(path), 300)}, line 1: no column {' or '.join(map(repr, names))} in the header; "
            f"it has {shown(header, 160)}"
        )

    texts = [position(column) or 0 for column in task.columns]
    label = position("label") or 0
    slices = {column: at for column in task.slices if (at := position(column)) is not None}
    needed = max(*texts, label, *slices.values())
    for number, line in numbered:
        cells = line.split("\t")
        if len(cells) <= needed:
            yield Row((), "", {}, f"line {number}", malformed=True)
            continue
        yield Row(
            texts=tuple(cells[at] for at in texts),
            label=cells[label],
            slices={column: cells[at] for column, at in slices.items()},
            where=f"line {number}",
        )
