"""The table of comparisons: every tested difference of the main table with all that is known of it."""

from __future__ import annotations

from dataclasses import replace

from asa_bench.measures import Comparison
from asa_bench.reports.assemble import finish
from asa_bench.reports.detectable import format_detectable
from asa_bench.reports.gather import Gathered
from asa_bench.reports.layouts.main import main
from asa_bench.reports.tables import BLANK, Cell, Column, Row, Table, fact_cell, format_number

_POINTS, _CHANCE, _DESIGN, _VARIANCE = "Points", "Chance", "Rests on", "Uncertainty from"
_COLUMNS = (
    Column("difference", "Difference", _POINTS, "points"),
    Column("low", "Lowest", _POINTS, "points"),
    Column("high", "Highest", _POINTS, "points"),
    Column("detectable", "Smallest found", _POINTS, "percent"),
    Column("p", "p", _CHANCE, "decimal"),
    Column("adjusted_p", "p, adjusted", _CHANCE, "decimal"),
    Column("gained", "Only it right", _DESIGN, "number"),
    Column("lost", "Only other right", _DESIGN, "number"),
    Column("seeds", "Seeds", _DESIGN, "count"),
    Column("examples", "Examples", _DESIGN, "count"),
    Column("clusters", "Clusters", _DESIGN, "count"),
    Column("seed_share", "Seeds", _VARIANCE, "percent"),
    Column("example_share", "Examples", _VARIANCE, "percent"),
)


_UNKNOWN = Cell(state="undefined", number="unknown")


def comparisons(data: Gathered) -> Table | None:
    """Difference, interval, p values, what could have been found, and where the uncertainty comes from."""
    shown = data.table("main", main)
    if shown is None:
        return None
    rows = []
    for row in shown.rows:
        for column, cell in zip(shown.columns, row.cells, strict=True):
            if cell.comparison is None:
                continue
            heading = f"{row.group}: {row.label}" if row.group else row.label
            above = column.group if column.key.startswith("average/") else column.subgroup
            head = ": ".join(part for part in (above, column.head) if part)
            cells = _cells(cell.comparison)
            rows.append(Row(f"{row.key}/{column.key}", head, cells, heading, "slice", row.model, row.method))
    if not rows:
        return None
    found = [cell.comparison for row in shown.rows for cell in row.cells if cell.comparison is not None]
    level, family = found[0].level, found[0].family
    what = (
        f"The {family} tested differences of the main table, in percentage points.\n"
        "Lowest and highest: interval that excludes 0 exactly where Holm's procedure over all of them rejects at "
        f"{100 * (1 - level):g} %.\n"
        "Smallest found: the minimum detectable effect, the true difference that would be found with probability "
        f"{100 * found[0].power:g} % at the table's strictest level.\n"
        "Only it right, only other right: examples that one method alone answers, mean over seeds.\n"
        "Uncertainty: shares of the squared standard error, where it can be split; unknown with one training seed. "
        "Attack seeds are averaged before; the table of variance tells their part."
    )
    return finish(
        data,
        "comparisons",
        "Differences and how sure they are",
        what,
        _COLUMNS,
        rows,
        [*data.columns],
        "Where",
        False,
    )


def _cells(found: Comparison) -> tuple[Cell, ...]:
    low, high = found.adjusted_interval
    dagger = found.conclusive
    parts: tuple[Cell, Cell] = (_UNKNOWN if found.seeds == 1 else BLANK, BLANK)
    if found.standard_error and found.seed_variance is not None and found.example_variance is not None:
        whole = found.seed_variance + found.example_variance
        if whole > 0:
            parts = (
                _number(found.seed_variance / whole, "percent"),
                _number(found.example_variance / whole, "percent"),
            )
    return (
        replace(_points(found.difference, dagger), comparison=found),
        _points(low),
        _points(high),
        Cell("value", mean=found.detectable, number=format_detectable(found)),
        _p(found.p),
        _p(found.adjusted_p),
        *(
            BLANK if flips is None else _number(flips / found.seeds + 0.0, "number")  # never -0.0
            for flips in (found.gained, found.lost)
        ),
        fact_cell(found.seeds),
        fact_cell(found.examples),
        fact_cell(found.clusters),
        *parts,
    )


def _points(value: float, conclusive: bool = False) -> Cell:
    return Cell("value", mean=value, number=format_number(value, "points"), conclusive=conclusive)


def _number(value: float, unit: str) -> Cell:
    return Cell("value", mean=value, number=format_number(value, unit))  # type: ignore[arg-type]


def _p(value: float) -> Cell:
    return Cell("value", mean=value, number="<0.001" if value < 0.001 else f"{value:.3f}")
