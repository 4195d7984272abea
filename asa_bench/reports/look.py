"""How tables look: digits, spread, which columns, which way round, and whether they tell where they come from."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Literal, get_args

from asa_bench.errors import BadInput, nearest
from asa_bench.reports.detectable import with_detectable
from asa_bench.reports.grid import select
from asa_bench.reports.tables import (
    PLUS_MINUS,
    SPREAD,
    SPREAD_OF_DIFFERENCES,
    Cell,
    Column,
    Row,
    Table,
    Unit,
    format_number,
    format_spread,
)
from asa_bench.reports.text import provenance_lines, shorten

Spread = Literal["sd", "interval", "none"]
SPREADS: tuple[str, ...] = get_args(Spread)
_MOST_DIGITS = 6
_FINGERPRINT = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b")
_INTERVAL = "Mean and, in brackets, its 95 % interval by the t distribution, examples taken as given, over"
_OF_DIFFERENCES = (
    "; in brackets, where it was tested, its 95 % interval with seeds and examples as random, not adjusted for the number of "
    "differences."
)


@dataclass(frozen=True)
class Look:
    """The same numbers in another form.

    Attributes:
        digits: after the point of percent, points and means; None for one.
        columns: patterns such as 'sst2/*' or '*average*', at least one of which a column's key, group or head must fit;
            () for all columns.
        spread: what stands behind a number: the standard deviation over seeds, an interval, or nothing.
        transpose: methods as columns.
        footer: the provenance as the last note.

    Raises:
        BadInput: more digits than six, or fewer than none; no such spread.
    """

    digits: int | None = None
    columns: tuple[str, ...] = ()
    spread: Spread = "sd"
    transpose: bool = False
    footer: bool = False

    def __post_init__(self) -> None:
        if self.digits is not None and not 0 <= self.digits <= _MOST_DIGITS:
            raise BadInput(f"--digits {self.digits}: must be from 0 to {_MOST_DIGITS}")
        if self.spread not in SPREADS:
            raise BadInput(f"--spread {self.spread!r}: {nearest(self.spread, SPREADS)}")

    def numbers(self, tables: Sequence[Table]) -> list[Table]:
        """The tables with their columns chosen and their numbers written anew: what every file shows.

        Raises:
            BadInput: a pattern fits no column of any table.
        """
        if self == Look():
            return list(tables)
        for pattern in self.columns:
            every = [column for table in tables for column in table.columns]
            if not any(_fits(pattern, column) for column in every):
                heads = ", ".join(dict.fromkeys(shorten(column.head, 40) for column in every))
                raise BadInput(
                    f"--columns {pattern!r}: no column is called so; there are {shorten(heads, 400)}"
                )
        found = [self._written(chosen) for table in tables if (chosen := self._chosen(table)) is not None]
        return [_with_footer(table) for table in found] if self.footer else found

    def page(self, table: Table) -> Table:
        """The table as texts for people show it: LaTeX, Markdown and terminal. CSV and JSON keep their form."""
        told = with_detectable(table, 1 if self.digits is None else self.digits)
        return transposed(told) if self.transpose else told

    def _chosen(self, table: Table) -> Table | None:
        if not self.columns:
            return table
        kept = [
            at
            for at, column in enumerate(table.columns)
            if any(_fits(pattern, column) for pattern in self.columns)
        ]
        return select(table, kept) if kept else None

    def _written(self, table: Table) -> Table:
        units = [column.unit for column in table.columns]
        rows = tuple(
            replace(
                row,
                cells=tuple(
                    self._cell(cell, "points" if row.kind == "difference" and unit == "percent" else unit)
                    for cell, unit in zip(row.cells, units, strict=True)
                ),
            )
            for row in table.rows
        )
        caption, notes = table.caption, table.notes
        if self.spread == "interval":
            caption = caption.replace(SPREAD, _INTERVAL)
            notes = tuple(note.replace(SPREAD_OF_DIFFERENCES, _OF_DIFFERENCES) for note in notes)
        elif self.spread == "none":
            caption = caption.replace(SPREAD, "Mean over")
            notes = tuple(note.replace(SPREAD_OF_DIFFERENCES, ".") for note in notes)
        return replace(table, rows=rows, caption=caption, notes=notes)

    def _cell(self, cell: Cell, unit: Unit) -> Cell:
        if cell.state != "value" or cell.mean is None:
            return cell
        whole = cell.number == format_number(cell.mean, unit, whole=True)
        if not whole and cell.number != format_number(cell.mean, unit):  # such as '<0.001'
            return cell
        digits = 1 if self.digits is None else self.digits
        return replace(
            cell,
            number=format_number(cell.mean, unit, whole and unit == "count", digits),
            tail=self._tail(cell, unit, digits) if cell.tail else "",
        )

    def _tail(self, cell: Cell, unit: Unit, digits: int) -> str:
        if self.spread == "none" or cell.spread is None or cell.mean is None:
            return ""
        if self.spread == "sd":
            return PLUS_MINUS + format_spread(cell.spread, unit, digits)
        ends = interval(cell)
        if ends is None:
            return ""
        # A share lies between 0 and 1, a count is not negative.
        low, high = {"percent": (0.0, 1.0), "points": (-1.0, 1.0)}.get(unit, (0.0, math.inf))
        told = (format_number(min(max(end, low), high), unit, digits=digits) for end in ends)
        return f"[{', '.join(told)}]"


def interval(cell: Cell) -> tuple[float, float] | None:
    """The 95 % interval of a mean over seeds by the t distribution; of a tested difference, the test's own.

    None for one seed, and for a difference that was not tested.
    """
    from scipy.stats import t

    if cell.comparison is not None:
        low, high = cell.comparison.interval
        return float(low), float(high)
    if cell.mean is None or cell.spread is None or cell.n_seeds < 2:
        return None
    half = float(t.ppf(0.975, cell.n_seeds - 1)) * cell.spread / cell.n_seeds**0.5
    return cell.mean - half, cell.mean + half


def _fits(pattern: str, column: Column) -> bool:
    names = (column.key, column.head, column.group, column.subgroup, f"{column.subgroup}: {column.head}")
    return any(fnmatchcase(name.casefold(), pattern.strip().casefold()) for name in names if name)


def _with_footer(table: Table) -> Table:
    """Fingerprints are cut to twelve digits; all of them stand in the comments of LaTeX, and in report.md."""
    lines = [_FINGERPRINT.sub(r"\1", line) for line in provenance_lines(table.provenance)]
    return replace(table, legend=(*table.legend, f"Provenance: {'; '.join(lines)}."))


def transposed(table: Table) -> Table:
    """Rows as columns and columns as rows; the numbers of examples move into the labels."""
    columns = tuple(Column(row.key, row.label, row.group) for row in table.rows)
    rows = []
    for (group, subgroup), members in groupby(
        enumerate(table.columns), key=lambda item: (item[1].group, item[1].subgroup)
    ):
        heading = ": ".join(part for part in (group, subgroup) if part)
        for at, column in members:
            size = "" if column.n_examples is None else f" (n = {column.n_examples:,})"
            cells = tuple(row.cells[at] for row in table.rows)
            rows.append(Row(column.key, column.head + size, cells, heading))
    return replace(table, columns=columns, rows=tuple(rows), stub="")
