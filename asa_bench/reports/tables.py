"""What a table is, rows, columns under spanning heads, cells that tell how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from asa_bench.measures import Comparison, summarize

Unit = Literal["percent", "points", "count", "number", "decimal"]
State = Literal["value", "hole", "blank", "undefined"]
RowKind = Literal["method", "difference", "detectable", "slice", "published"]

MINUS = "\N{MINUS SIGN}"
DAGGER = "\N{DAGGER}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
#: How captions and notes begin, and say, what the spread behind a number is; another spread is said instead of it.
SPREAD = f"Mean {PLUS_MINUS} sample standard deviation over"
SPREAD_OF_DIFFERENCES = f"; {PLUS_MINUS} is the standard deviation of these differences."
_RAISED = str.maketrans("0123456789()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾")


@dataclass(frozen=True)
class Cell:
    """One number of a table, with its spread and what it was computed from.

    Attributes:
        state: 'value'; 'hole': the work failed; 'undefined': a denominator is 0; 'blank': not asked for.
        mean: over seeds, at full precision: a share in [0, 1] for percent and points; None unless a value.
        spread: sample standard deviation over seeds; None for one seed.
        n_seeds: how many seeds the mean is of.
        n_examples: examples per seed.
        values: (seed, value) of every seed, seeds as text ("" for none).
        number: the formatted mean.
        tail: the formatted spread, "" where there is none.
        few: True where fewer seeds stand behind the cell than behind the table, or only one.
        reason: why there is a hole.
        comparison: of a difference between two methods: how sure it is; None where it was not tested.
        conclusive: whether it is told from the baseline: the difference in this cell, or of this cell to the
            baseline's, is significant in the family of the table and no smaller than what could be found.
        best: of its column and group the best, and conclusively better than the baseline (or, of the baseline itself,
            than every other method): what writers print in bold.
        exposure: what the models saw of the data that the test set must not share (`asa_bench.reports.exposure`); "" where
            that is no question. Cells of unequal exposure are never ranked together.
    """

    state: State = "blank"
    mean: float | None = None
    spread: float | None = None
    n_seeds: int = 0
    n_examples: int | None = None
    values: tuple[tuple[str, float], ...] = ()
    number: str = ""
    tail: str = ""
    few: bool = False
    reason: str = ""
    comparison: Comparison | None = None
    conclusive: bool = False
    best: bool = False
    exposure: str = ""

    @property
    def mark(self) -> str:
        """The raised number of seeds, where it needs saying, and a dagger where the cell differs conclusively."""
        seeds = f"({self.n_seeds})".translate(_RAISED) if self.few else ""
        return seeds + (DAGGER if self.conclusive else "")

    @property
    def text(self) -> str:
        """The cell as plain text, the same in every writer, e.g. '93.4 ±0.6' or '93.4⁽¹⁾'."""
        return self.number + self.mark + (f" {self.tail}" if self.tail else "")


@dataclass(frozen=True)
class Column:
    """One column of numbers.

    Attributes:
        key: unique within the table and stable, e.g. 'sst2/validation/sst2'.
        head: what stands above the numbers.
        group: the spanning head above it.
        unit: how its numbers are written.
        subgroup: a second spanning head below `group`, "" where there is none.
        n_examples: the number of examples, where all cells of the column share it.
        better: which numbers are better, 'high' or 'low' ones; 'neither' where that is no question, so that none is bold.
    """

    key: str
    head: str
    group: str = ""
    unit: Unit = "percent"
    subgroup: str = ""
    n_examples: int | None = None
    better: Literal["high", "low", "neither"] = "high"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        key: unique within the table and stable, e.g. 'minilm-l6/asa'.
        label: what stands left of the numbers.
        cells: one per column.
        group: the heading that it stands under, "" where there is one group only.
        kind: 'difference' lines belong to the method above them and are set apart by writers, 'detectable' ones to the
            difference above them (`asa_bench.reports.detectable`); 'published' ones were not measured here and are printed
            in grey.
        model, method: of whom the line speaks, "" where of several.
    """

    key: str
    label: str
    cells: tuple[Cell, ...]
    group: str = ""
    kind: RowKind = "method"
    model: str = ""
    method: str = ""


@dataclass(frozen=True)
class Table:
    """One table, ready for every writer.

    Attributes:
        notes: how to read its numbers, and what is missing.
        legend: what its data sets and attacks are.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    legend: tuple[str, ...] = ()
    stub: str = "Method"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"row {row.key!r} has {len(row.cells)} cells for {len(self.columns)} columns"
                )
        for keys in ([column.key for column in self.columns], [row.key for row in self.rows]):
            if len(set(keys)) != len(keys):
                raise ValueError(f"table {self.name!r} has a key twice")


BLANK = Cell()
UNDEFINED = Cell(state="undefined", number="n/a")


def hole(reason: str) -> Cell:
    """A cell whose work failed."""
    return Cell(state="hole", number="--", reason=reason)


def format_number(value: float, unit: Unit, whole: bool = False, digits: int = 1) -> str:
    """A number as tables write it: percent and points with one decimal, points with their sign, losses with three.

    Args:
        whole: for counts: True where the value is an integer and no mean.
        digits: after the point; losses have two more, and three at least.
    """
    if unit == "count" and whole:
        return f"{value:,.0f}"
    if unit in ("count", "number"):
        return f"{value:,.{digits}f}"
    if unit == "decimal":
        return f"{value:,.{max(3, digits + 2)}f}"
    text = f"{100 * abs(value):.{digits}f}"
    if unit == "percent":
        return f"{MINUS}{text}" if value < 0 and float(text) else text
    return f"{MINUS if value < 0 else '+'}{text}" if float(text) else text


def make_cell(
    values: Mapping[str, float],
    unit: Unit = "percent",
    *,
    n_examples: int | None = None,
    seeds: int = 0,
) -> Cell:
    """The cell of one value per seed.

    Args:
        values: seed as text -> value; empty for a combination that does not exist.
        seeds: how many seeds the table has; a cell with fewer, or with one, says so.
    """
    if not values:
        return BLANK
    ordered = tuple(sorted(values.items(), key=lambda item: (len(item[0]), item[0])))
    summary = summarize([value for _, value in ordered])
    # A count that is the same for every seed is no mean.
    whole = unit == "count" and summary.mean.is_integer() and len(set(values.values())) == 1
    return Cell(
        state="value",
        mean=summary.mean,
        spread=summary.sd,
        n_seeds=summary.n,
        n_examples=n_examples,
        values=ordered,
        number=format_number(summary.mean, unit, whole),
        tail="" if summary.sd is None or whole else PLUS_MINUS + format_spread(summary.sd, unit),
        few=summary.n == 1 or summary.n < seeds,
    )


def format_spread(value: float, unit: Unit, digits: int = 1) -> str:
    """A spread, which has no sign, with the digits of its number."""
    return format_number(value, "percent" if unit == "points" else unit, digits=digits)


def fact_cell(value: float | None) -> Cell:
    """A fixed number that has no seeds, such as how many examples there are; None is "no limit"."""
    if value is None:
        return Cell(state="undefined", number="none")
    return Cell(state="value", mean=float(value), number=f"{value:,.0f}")


def published_cell(value: float) -> Cell:
    """A number that somebody else published: no seeds, no spread, no examples of ours behind it."""
    return Cell(state="value", mean=value, number=format_number(value, "percent"))
