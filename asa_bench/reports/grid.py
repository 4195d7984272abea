"""How a table is laid out on a line of limited width: spanning heads, and panels where it is too wide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from asa_bench.reports.tables import Column, Row, Table

# In lines: heads and rules of a panel; what a cut between subgroups, within one, and one that leaves a column alone is like.
_AROUND, _BETWEEN, _WITHIN, _ALONE = 6, 2, 8, 4


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


def panels(table: Table, fits: Callable[[Sequence[int]], bool]) -> list[Table]:
    """`table` in panels that fit on a line, side by side in meaning, one below the other on the page.

    A table that fits stays whole. Else the panels are those that take the fewest lines, where a cut through a group of
    columns counts as some lines more, and as even as they can be.

    Args:
        fits: whether some neighbouring columns, with the row labels beside them, fit on a line.
    """
    every = range(len(table.columns))
    if fits(every):
        return [table]
    lines = _AROUND + len(table.rows) + len({row.group for row in table.rows if row.group})
    # Per number of columns from the left: lines, sum of squares of the panels' sizes, where the last panel begins.
    best: list[tuple[int, int, int]] = [(0, 0, 0)]
    for end in range(1, len(table.columns) + 1):
        found = []
        for start in range(end - 1, -1, -1):
            if start < end - 1 and not fits(range(start, end)):
                break
            before = best[start]
            found.append(
                (before[0] + lines + _cut(table.columns, start), before[1] + (end - start) ** 2, start)
            )
        best.append(min(found))
    parts, end = [], len(table.columns)
    while end:
        parts.append(range(best[end][2], end))
        end = best[end][2]
    return [select(table, part) for part in reversed(parts)]


def _cut(columns: Sequence[Column], at: int) -> int:
    """How many lines a reader would rather see than a cut before the column `at`."""
    if at and columns[at].key.endswith("mde"):  # what belongs to the difference before it
        return 2 * _WITHIN
    if at == 0 or columns[at - 1].group != columns[at].group:
        return 0
    if columns[at - 1].subgroup != columns[at].subgroup:
        return _BETWEEN
    alone = [
        place
        for place, other in ((at - 1, at - 2), (at, at + 1))
        if not 0 <= other < len(columns) or _heads(columns[other]) != _heads(columns[place])
    ]
    return _WITHIN + _ALONE * len(alone)


def _heads(column: Column) -> tuple[str, str]:
    return column.group, column.subgroup


def select(table: Table, part: Sequence[int]) -> Table:
    """The columns `part` of a table; rows that have nothing there are left out."""
    rows = [replace(row, cells=tuple(row.cells[i] for i in part)) for row in table.rows]
    kept = [row for row in rows if any(cell.state != "blank" for cell in row.cells)]
    return replace(table, columns=tuple(table.columns[i] for i in part), rows=tuple(kept))


def row_groups(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows by the heading that they stand under, in order."""
    for heading, members in groupby(rows, key=lambda row: row.group):
        yield heading, list(members)
