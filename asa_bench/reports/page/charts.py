"""What the charts of the page show: numbers from records, and where they stand in a picture. No files, no text set."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asa_bench.measures import UNDECIDED, robust_by_budget
from asa_bench.reports.drawn import Matrix, colors, label_of, reliability, reliable, undecided
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import TaskColumn
from asa_bench.reports.palette import shade_of
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.tables import Table, format_number

WIDTH, HEIGHT = 300, 200  # of a picture's field, in its own units
_SAMPLES = 40  # budgets at which a curve is drawn


@dataclass(frozen=True)
class Dots:
    """One line of a chart of seeds.

    Attributes:
        label: the method.
        color: number of its colour and mark.
        points: (seed, place in [0, 100], text) of each seed.
        mean: place of the mean.
        text: the cell as the table writes it.
    """

    label: str
    color: int
    points: tuple[tuple[str, float, str], ...]
    mean: float
    text: str


@dataclass(frozen=True)
class DotPanel:
    """The methods' seeds in one column of the main table.

    Attributes:
        group: of the column; its panels share an axis.
        ticks: (place in [0, 100], text) of the axis.
    """

    group: str
    title: str
    lines: tuple[Dots, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Line:
    """One method in a chart: points in field units (y downwards), one mean over seeds each."""

    label: str
    color: int
    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """For the attribute `points` of a polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class LinePanel:
    """A chart with one line per method.

    Attributes:
        ticks: (x, text) of the horizontal axis.
    """

    title: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class HeatRow:
    """One line: (text, shade 0 to 9, or -1 for nothing) per column."""

    label: str
    cells: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class HeatMap:
    """A table of shades, such as the slices of one data set by method."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[HeatRow, ...]


def dot_panels(data: Gathered, table: Table) -> list[DotPanel]:
    """One panel per column of shares: each seed a dot, the mean a line."""
    shade, names = colors(data), {row.key: label_of(data, row) for row in data.rows}
    panels = []
    groups = [": ".join(part for part in (column.group, column.subgroup) if part) for column in table.columns]
    for at, column in enumerate(table.columns):
        low, high = _axis(
            value
            for other, group in enumerate(groups)
            if group == groups[at] and table.columns[other].unit == "percent"
            for row in table.rows
            if row.kind == "method"
            for _, value in row.cells[other].values
        )

        def place(value: float, low: int = low, high: int = high) -> float:
            return round(100 * (100 * min(max(value, 0.0), 1.0) - low) / (high - low), 2)

        lines = [
            Dots(
                names.get(row.key, row.label),
                shade.get(row.key, 6),
                tuple((seed, place(v), format_number(v, "percent")) for seed, v in row.cells[at].values),
                place(row.cells[at].mean or 0.0),
                row.cells[at].text,
            )
            for row in table.rows
            if row.kind == "method" and row.cells[at].state == "value" and row.cells[at].values
        ]
        if lines and column.unit == "percent":
            step = next(step for step in (5, 10, 20, 25) if (high - low) / step <= 4 or step == 25)
            ticks = tuple((place(mark / 100), f"{mark}") for mark in range(low, high + 1, step))
            panels.append(DotPanel(groups[at], column.head, tuple(lines), ticks))
    return panels


def _axis(values: Iterable[float]) -> tuple[int, int]:
    """Tens of percent between which all values lie."""
    found = [100 * min(max(value, 0.0), 1.0) for value in values] or [0.0, 100.0]
    low = 10 * math.floor(min(min(found), 90) / 10)
    return low, max(low + 10, 10 * math.ceil(max(found) / 10))


def heat_maps(found: Sequence[Matrix]) -> list[HeatMap]:
    """Numbers with a shade each."""
    return [
        HeatMap(
            matrix.title,
            matrix.columns,
            tuple(
                HeatRow(label, tuple(_shaded(value, label in matrix.few) for value in cells))
                for label, cells in zip(matrix.rows, matrix.cells, strict=True)
            ),
        )
        for matrix in found
    ]


def _shaded(value: float | None, few: bool = False) -> tuple[str, int]:
    if value is None:
        return "", -1
    return format_number(value, "percent"), -1 if few else shade_of(value)


def budget_panels(data: Gathered) -> list[LinePanel]:
    """Robust accuracy over the number of queries, per attack and data set, mean over seeds; logarithmic in queries."""
    shade, panels = colors(data), []
    for column in data.attack_columns:
        for attack in data.attacks:
            curves, most = _searches(data, column, attack.name)
            if not curves or most < 2:
                continue
            budgets = sorted({round(most ** (i / (_SAMPLES - 1))) for i in range(_SAMPLES)})
            lines = []
            for row in data.rows:
                seeds = [
                    [share.value for share in robust_by_budget(*searches, budgets)]
                    for searches in curves.get(row.key, [])
                ]
                if seeds:
                    # fsum, so that the order of records changes no digit.
                    mean = [math.fsum(at) / len(at) for at in zip(*seeds, strict=True)]
                    points = tuple(
                        (round(WIDTH * math.log(b) / math.log(most), 2), round(HEIGHT * (1 - y), 2))
                        for b, y in zip(budgets, mean, strict=True)
                    )
                    lines.append(Line(label_of(data, row), shade[row.key], points))
            marks = [mark for mark in (1, 10, 100, 1000, 10000) if mark <= most]
            ticks = tuple((WIDTH * math.log(mark) / math.log(most), f"{mark:,}") for mark in marks)
            title = f"{attack_head(data, attack)} on {data.head(column, data.attack_columns)}"
            statuses = [status for searches in curves.values() for status, _ in searches]
            broken = undecided([sum(s in UNDECIDED for s in each) for each in statuses], len(statuses[0]))
            panels.append(LinePanel(f"{title}; {broken}" if broken else title, tuple(lines), ticks))
    return panels


def _searches(
    data: Gathered, column: TaskColumn, attack: str
) -> tuple[dict[str, list[tuple[list[str], list[list[tuple[int, int | None]]]]]], int]:
    """Row key -> (statuses, success budgets) of every search whose budgets are known; and the most queries."""
    found: dict[str, list[tuple[list[str], list[list[tuple[int, int | None]]]]]] = {}
    most = 0
    for row in data.rows:
        for outcomes in data.outcomes(row, column, attack).values():
            for outcome in outcomes:
                if "success_budgets" not in outcome.rows.columns:
                    continue
                texts = outcome.rows["success_budgets"].tolist()
                if any(not isinstance(text, str) or not text for text in texts):
                    continue
                read = [json.loads(text) for text in texts]
                if any(value is None for value in read):  # a search that is not understood
                    continue
                intervals = [[(int(a), None if b is None else int(b)) for a, b in value] for value in read]
                found.setdefault(row.key, []).append((outcome.rows["status"].tolist(), intervals))
                asked = int(outcome.rows["queries"].max())
                most = max(most, min(asked, outcome.query_budget or asked))
    return found, most


def reliability_panels(data: Gathered) -> list[LinePanel]:
    """How often an answer is right at each confidence, per data set; the seeds' answers in one pool."""
    shade, panels = colors(data), []
    ticks = tuple((WIDTH * share / 100, f"{share}") for share in (0, 50, 100))
    for column in reliable(data):
        lines = []
        for row in data.rows:
            points = reliability(list(data.evaluations(row, column).values()))
            if points:
                placed = tuple((round(WIDTH * x, 2), round(HEIGHT * (1 - y), 2)) for x, y, _ in points)
                lines.append(Line(label_of(data, row), shade[row.key], placed))
        if lines:
            panels.append(LinePanel(data.head(column, data.columns), tuple(lines), ticks))
    return panels
