"""Reads the rows of one file of a data set, packed or not, and tells every fault with its file and line."""

from __future__ import annotations

import csv
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
        slices: slice or group column -> value; a missing one counts as "".
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


def plain_name(path: Path) -> str:
    """A file's name without the ending that says how it is packed."""
    return path.name.removesuffix(".xz").removesuffix(".gz")


def is_sample(layout: Layout, path: Path, root: Path) -> bool:
    """Whether a file's name, or the layout, says that it holds a part of the published rows only."""
    plain = path.with_name(plain_name(path)).relative_to(root).as_posix()
    return "_sample" in path.name or any(
        plain == (f"{folder}/{name}" if folder else name)
        for folder in layout.folders
        for name in layout.samples
    )


def find(layout: Layout, split: str, root: Path) -> tuple[Path, ...] | None:
    """The files that hold `split` under `root` (mostly one), or None where there are none.

    Files named by the layout come before a sample, plain ones before packed ones.

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
            for entry in names:
                parts = (entry,) if isinstance(entry, str) else entry
                there = [path for part in parts if (path := _packed(root / folder / part)) is not None]
                if len(there) == len(parts):
                    return tuple(there)
        for folder in layout.folders:
            for name in (entry for entry in names if isinstance(entry, str)):
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
                    return (samples[0],)
    except PermissionError as error:
        raise BadInput(
            f"data folder {shown(str(root), 300)} cannot be read: no permission for "
            f"{shown(str(error.filename), 300)}"
        ) from error
    return None


def _packed(path: Path) -> Path | None:
    """The file of that name, plain or packed, or None."""
    for ending in PACKED:
        packed = path.with_name(f"{path.name}{ending}")
        if packed.is_file():
            return packed
    return None


def read_bytes(path: Path) -> bytes:
    """All bytes of a file, unpacked where its name ends in ``.xz`` or ``.gz``.

    Raises:
        BadInput: the file cannot be read or unpacked, or is empty.
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
    return data


def read_text(path: Path) -> str:
    """The whole text of a UTF-8 file, unpacked where its name ends in ``.xz`` or ``.gz``.

    Raises:
        BadInput: the file cannot be read or unpacked, is empty or is not UTF-8.
    """
    data = read_bytes(path)
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


def read_json(path: Path) -> Any:
    """The value that a JSON file holds.

    Raises:
        BadInput: it is no JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise BadInput(f"{shown(str(path), 300)}, line {error.lineno}: not JSON ({error.msg})") from error
    except RecursionError as error:
        raise BadInput(f"{shown(str(path), 300)}: JSON nested too deeply to be read") from error


def read_json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Place (``"line 3"``) and value of every line of a file of one JSON value per line.

    Raises:
        BadInput: a line cannot be parsed.
    """
    for number, line in lines(read_text(path)):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{shown(str(path), 300)}, line {number}: not JSON ({error})") from error
        yield f"line {number}", value


def read_cells(path: Path, quoted: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Line number (from 1) and cells of every row of a table, blank lines left out.

    The table is tab-separated, and comma-separated and quoted where its name ends in ``.csv``.

    Args:
        quoted: cells may be quoted, with quotes inside doubled; otherwise quotes mean nothing.

    Raises:
        BadInput: (quoted) a quote is not closed or does not end its cell.
    """
    comma = plain_name(path).endswith(".csv")
    if not (quoted or comma):
        for number, line in lines(read_text(path)):
            yield number, line.split("\t")
        return
    text = io.StringIO(read_text(path), newline="")
    table = csv.reader(text, delimiter="," if comma else "\t", strict=True)
    first = 1
    try:
        for cells in table:
            if any(cell.strip() for cell in cells):
                yield first, cells
            first = table.line_num + 1
    except csv.Error as error:
        raise BadInput(
            f"{shown(str(path), 300)}, line {first}: its quotes do not match ({shown(str(error))})"
        ) from error


def read_table(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of a table as the task's layout describes it, or of one JSON object per line (``.jsonl``).

    Quotes mean nothing in the tab-separated files of GLUE, PAWS and HANS, so none is interpreted unless the
    layout says so.

    Raises:
        BadInput: a column is missing, or a line cannot be parsed.
    """
    if plain_name(path).endswith(".jsonl"):
        for where, record in read_json_lines(path):
            yield record_row(task, record, path, where)
        return
    layout = task.layout
    yield from table_rows(
        task, path, read_cells(path, bool(layout and layout.quoted)), bool(layout is None or layout.header)
    )


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
        if column in task.extra_columns:
            return ""
        raise BadInput(
            f"{shown(str(path), 300)}, {where}: no field {' or '.join(map(repr, names))} with a text"
        )

    return Row(
        texts=tuple(value(column) for column in task.columns),
        label=value("label"),
        slices={column: value(column) for column in task.extra_columns},
        where=where,
    )


def _names(task: Task, column: str) -> tuple[str, ...]:
    declared = task.layout.columns if task.layout else {}
    return declared.get(column, (column,))


def table_rows(
    task: Task, path: Path, table: Iterator[tuple[int, list[str]]], header: bool = True
) -> Iterator[Row]:
    """Rows from the cells of a table, whose columns the first row names or, without a header, numbers do.

    Raises:
        BadInput: a column is missing.
    """
    names = next(table, (1, []))[1] if header else None

    def position(column: str) -> int | None:
        told = _names(task, column)
        for name in told:
            if names is None and name.isdigit():
                return int(name)
            if names is not None and name in names:
                return names.index(name)
        if column in task.extra_columns:
            return None
        raise BadInput(
            f"{shown(str(path), 300)}, line 1: no column {' or '.join(map(repr, told))} in the header; "
            f"it has {shown(names, 160)}"
        )

    texts = [position(column) or 0 for column in task.columns]
    label = position("label") or 0
    slices = {column: at for column in task.extra_columns if (at := position(column)) is not None}
    needed = max(*texts, label, *slices.values())
    for number, cells in table:
        if len(cells) <= needed:
            yield Row((), "", {}, f"line {number}", malformed=True)
            continue
        yield Row(
            texts=tuple(cells[at] for at in texts),
            label=cells[label],
            slices={column: cells[at] for column, at in slices.items()},
            where=f"line {number}",
        )
