"""Puts the minimum detectable effect beside every tested difference of a table that people read.

CSV and JSON hold it in a field of the difference itself; the table of comparisons has a column for it.
"""

from __future__ import annotations

from dataclasses import replace

from asa_bench.measures import AgainstMargin, Comparison
from asa_bench.reports.tables import BLANK, Cell, Column, Row, Table, format_number

LABEL = "MDE"


def with_detectable(table: Table, digits: int = 1) -> Table:
    """The table with a line below every line of differences, and a column beside every column of them, of a table of slices.

    Args:
        digits: after the point.
    """
    beside = {
        at
        for at, column in enumerate(table.columns)
        if column.key.endswith("-")
        and any(row.kind == "slice" and row.cells[at].comparison is not None for row in table.rows)
    }
    columns: list[Column] = []
    for at, column in enumerate(table.columns):
        columns.append(column)
        if at in beside:
            columns.append(Column(f"{column.key}mde", LABEL, column.group, "percent", column.subgroup))
    rows: list[Row] = []
    for row in table.rows:
        cells: list[Cell] = []
        for at, cell in enumerate(row.cells):
            cells += [cell, _cell(cell, digits)] if at in beside else [cell]
        rows.append(replace(row, cells=tuple(cells)))
        below = tuple(_cell(cell, digits) for cell in cells)
        if row.kind == "difference" and any(cell.state != "blank" for cell in below):
            rows.append(Row(f"{row.key}/mde", LABEL, below, row.group, "detectable", row.model, row.method))
    return replace(table, columns=tuple(columns), rows=tuple(rows))


def _cell(cell: Cell, digits: int) -> Cell:
    if cell.comparison is None:
        return BLANK
    return Cell("value", mean=cell.comparison.detectable, number=format_detectable(cell.comparison, digits))


def format_detectable(found: Comparison | AgainstMargin, digits: int = 1) -> str:
    """In points; "none" where not even the largest difference, or loss, that there can be would have been found."""
    return format_number(found.detectable, "percent", digits=digits) if found.findable else "none"
