"""How a table is laid out on a line of limited width: spanning heads, and panels where it is too wide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from asa_bench.reports.tables import Column, Row, Table


@dataclass(frozen=True)
class Span:
    """A head over the columns `start` to `start + width - 1`; text "" where there is none."""

    text: str
    start: int
    width: int


def spans(columns: Sequence[Column]) -> list[list[Span]]:
    """The levels of spanning heads above the column heads: groups, then subgroups; levels without text left out."""
    levels = []
    for depth in (1, 2):
        level, start = [], 0
        for key, members in groupby(columns, key=lambda column: (column.group, column.subgroup)[:depth]):
            width = len(list(members))
            level.append(Span(key[depth - 1], start, width))
            start += width
        if any(span.text for span in level):
            levels.append(level)
    return levels


def panels(table: Table, widths: Sequence[float], stub: float, limit: float) -> list[Table]:
    """`table` in panels of at most `limit` width, side by side in meaning, one below the other on the page.

    A table that fits stays whole. Else groups of columns stay together where they can: neighbouring groups
    share a panel if they fit, and a group that is too wide alone is cut into panels of even size.

    Args:
        widths: of each column, with the space beside it.
        stub: width of the row labels.
    """
    room = limit - stub
    if sum(widths) <= room:
        return [table]
    parts: list[list[int]] = []
    for group in _runs(table.columns, range(len(table.columns)), 1):
        if sum(widths[i] for i in group) <= room:
            _pack(parts, [group], widths, room)
            continue
        inner: list[list[int]] = []
        subgroups = _runs(table.columns, group, 2)
        if len(subgroups) == 1:
            inner = _even(group, widths, room)
        for subgroup in subgroups if not inner else ():
            fits = sum(widths[i] for i in subgroup) <= room
            _pack(inner, [subgroup] if fits else _even(subgroup, widths, room), widths, room)
        parts += inner
    return [select(table, part) for part in parts]


def _pack(parts: list[list[int]], units: list[list[int]], widths: Sequence[float], room: float) -> None:
    """Add each unit to the last part if it fits there, else as a part of its own."""
    for unit in units:
        if parts and sum(widths[i] for i in [*parts[-1], *unit]) <= room:
            parts[-1] = [*parts[-1], *unit]
        else:
            parts.append(unit)


def select(table: Table, part: Sequence[int]) -> Table:
    """The columns `part` of a table; rows that have nothing there are left out."""
    rows = [replace(row, cells=tuple(row.cells[i] for i in part)) for row in table.rows]
    kept = [row for row in rows if any(cell.state != "blank" for cell in row.cells)]
    return replace(table, columns=tuple(table.columns[i] for i in part), rows=tuple(kept))


def row_groups(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows by the heading that they stand under, in order."""
    for heading, members in groupby(rows, key=lambda row: row.group):
        yield heading, list(members)


def _runs(columns: Sequence[Column], among: Sequence[int], depth: int) -> list[list[int]]:
    """Neighbouring columns under the same group (depth 1) or the same subgroup (depth 2)."""
    indexed = groupby(among, key=lambda i: (columns[i].group, columns[i].subgroup)[:depth])
    return [list(members) for _, members in indexed]


def _even(group: list[int], widths: Sequence[float], room: float) -> list[list[int]]:
    """`group` in the fewest panels that fit, as equal in number as they can be."""
    for count in range(2, len(group)):
        size = math.ceil(len(group) / count)
        parts = [group[at : at + size] for at in range(0, len(group), size)]
        if all(sum(widths[i] for i in part) <= room for part in parts):
            return parts
    return [[i] for i in group]
