"""The report's charts as figures for papers, each with its numbers beside it as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from asa_bench.reports import curves, drawn
from asa_bench.reports.figures.canvas import FORMATS, plain_text, save, settings, shown
from asa_bench.reports.gather import Gathered
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.palette import DASHES, GREY, INKS, MARKS, METHODS, SHADES, shade_of
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.text import guard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 3  # panels in a row
_WIDE = 6.75  # inches: two columns of most papers
_LETTERS = 30
_MARKERS = {"circle": "o", "diamond": "D", "square": "s", "triangle": "^"}
_RULE = "#D5D9E0"


def render(data: Gathered) -> dict[str, bytes]:
    """File name -> content of every figure that the records make: NAME.pdf, NAME.png and NAME.csv.

    The same records and the same matplotlib give the same bytes.
    """
    found: dict[str, bytes] = {}
    for name, draw in (
        ("seeds", _seeds),
        ("slices", _slices),
        ("attack_slices", _attack_slices),
        ("budgets", _budgets),
        ("reliability", _reliability),
        ("transfer", _transfer),
    ):
        with settings():
            made = draw(data)
            if made is None:
                continue
            figure, lines = made
            for form in FORMATS:
                found[f"{name}.{form}"] = save(figure, form)
        found[f"{name}.csv"] = _csv(lines)
    return found


_Made = tuple[Any, list[Sequence[Any]]] | None


def _csv(lines: Iterable[Sequence[Any]]) -> bytes:
    """Shares in [0, 1] at full precision."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for line in lines:
        writer.writerow(
            [
                "" if value is None else guard(value) if isinstance(value, str) else repr(value)
                for value in line
            ]
        )
    return buffer.getvalue().encode()


# -- what is drawn -------------------------------------------------------------------------------------------


def _seeds(data: Gathered) -> _Made:
    """Every seed a mark, the mean a bar."""
    tables = build_tables(data, ("main",))
    if not tables:
        return None
    (table,) = tables
    names = {row.key: (drawn.label_of(data, row), drawn.colors(data)[row.key]) for row in data.rows}
    rows = [row for row in table.rows if row.kind == "method" and row.key in names]
    columns = [
        (at, column)
        for at, column in enumerate(table.columns)
        if column.unit == "percent" and any(row.cells[at].values for row in rows)
    ]
    lines: list[Sequence[Any]] = [("group", "subgroup", "column", "model", "method", "seed", "value")]
    high = 0.34 + 0.17 * len(rows)
    figure, boxes = _grid(len(columns), high, data)
    for place, (box, (at, column)) in enumerate(zip(boxes, columns, strict=True)):
        _title(box, column.head, ": ".join(part for part in (column.group, column.subgroup) if part))
        for line, row in enumerate(rows):
            cell = row.cells[at]
            color = names[row.key][1]
            for seed, value in cell.values:
                lines.append((column.group, column.subgroup, column.head, row.model, row.method, seed, value))
                box.plot(100 * value, line, **_mark(color))
            if cell.mean is not None and cell.values:
                lines.append(
                    (column.group, column.subgroup, column.head, row.model, row.method, "mean", cell.mean)
                )
                box.plot(
                    [100 * cell.mean] * 2, [line - 0.38, line + 0.38], color=METHODS[color], linewidth=1.4
                )
        labels = [shown(names[row.key][0], 16) for row in rows] if place % _ACROSS == 0 else []
        box.set_yticks(range(len(rows)), labels or [""] * len(rows))
        box.set_ylim(len(rows) - 0.5, -0.5)
        box.set_xlim(-3, 103)
        box.set_xticks((0, 50, 100))
        _finish(box)
    return figure, lines


def _budgets(data: Gathered) -> _Made:
    """Robust accuracy over the number of queries: mean over seeds, its interval as a band."""
    found = curves.curves(data)
    panels = list(dict.fromkeys((curve.column.key, curve.attack) for curve in found))
    if not panels:
        return None
    lines: list[Sequence[Any]] = [
        (
            *("task", "split", "attack", "model", "method", "budget"),
            *("robust", "low", "high", "examples", "undecided"),
        )
    ]
    attacks = {attack.name: attack for attack in data.attacks}
    figure, boxes = _grid(len(panels), 1.35, data)
    for box, panel in zip(boxes, panels, strict=True):
        drawn_here = [curve for curve in found if (curve.column.key, curve.attack) == panel]
        for curve in drawn_here:
            _title(
                box,
                attack_head(data, attacks[curve.attack]),
                f"on {data.head(curve.column, data.attack_columns)}",
            )
            color = drawn.colors(data)[curve.row.key]
            values = [100 * share.value for share in curve.mean]
            low, high = ([100 * float(share.interval[end]) for share in curve.mean] for end in (0, 1))
            box.step(curve.budgets, values, where="post", **_stroke(color))
            if all(map(math.isfinite, [*low, *high])):
                box.fill_between(
                    curve.budgets, low, high, step="post", color=METHODS[color], alpha=0.15, linewidth=0
                )
            task, undecided = curve.column, sum(curve.undecided) / len(curve.undecided)
            lines += [
                (
                    *(task.task.name, task.split, curve.attack, curve.row.model, curve.row.method, budget),
                    *(share.value, *map(float, share.interval), share.examples, undecided),
                )
                for budget, share in zip(curve.budgets, curve.mean, strict=True)
            ]
        most = max(budget for curve in drawn_here for budget in curve.budgets)
        box.set_xscale("log")
        box.set_xticks(
            marks := [10**power for power in range(7) if 10**power <= most], [f"{mark:,}" for mark in marks]
        )
        box.minorticks_off()
        box.set_ylim(-3, 103)
        broken = drawn.undecided(
            [count for curve in drawn_here for count in curve.undecided], drawn_here[0].mean[0].examples
        )
        # Where few queries are allowed, curves are high.
        box.annotate(broken, (0.03, 0.04), xycoords="axes fraction", fontsize=5.8, color="#404040")
        box.set_xlabel("queries allowed", fontsize=7, labelpad=1)
        _finish(box)
    return figure, lines


def _reliability(data: Gathered) -> _Made:
    """How often an answer is right at each confidence."""
    panels = []
    for column in drawn.reliable(data):
        told = [(row, drawn.reliability(list(data.evaluations(row, column).values()))) for row in data.rows]
        if any(points for _, points in told):
            panels.append((column, [(row, points) for row, points in told if points]))
    if not panels:
        return None
    lines: list[Sequence[Any]] = [("task", "split", "model", "method", "confidence", "accuracy", "examples")]
    figure, boxes = _grid(len(panels), 1.6, data)
    for box, (column, found) in zip(boxes, panels, strict=True):
        _title(box, data.head(column, data.columns), "")
        box.plot((0, 100), (0, 100), color=GREY, linewidth=0.7, linestyle=(0, (4, 3)))
        for row, points in found:
            color = drawn.colors(data)[row.key]
            box.plot(
                [100 * x for x, _, _ in points],
                [100 * y for _, y, _ in points],
                **_mark(color) | _stroke(color),
            )
            lines += [(column.task.name, column.split, row.model, row.method, *point) for point in points]
        box.set_xlim(-3, 103)
        box.set_ylim(-3, 103)
        box.set_xlabel("confidence", fontsize=7, labelpad=1)
        _finish(box)
    return figure, lines


def _slices(data: Gathered) -> _Made:
    return _heat(drawn.slices(data), "slice", "method")


def _attack_slices(data: Gathered) -> _Made:
    return _heat(drawn.attack_slices(data), "slice", "method")


def _transfer(data: Gathered) -> _Made:
    table = next(iter(build_tables(data, ("transfer",))), None)
    return _heat(drawn.transfers(table), "faced by", "made against")


def _heat(found: Sequence[drawn.Matrix], row_name: str, column_name: str) -> _Made:
    """Numbers on the page's shades, in blocks."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    if not found:
        return None
    lines: list[Sequence[Any]] = [("table", row_name, column_name, "value")]
    line, gap, stub, cell = 0.17, 0.58, 1.9, 0.68  # inches
    each = stub + cell * max(len(matrix.columns) for matrix in found) + 0.15
    tops = [0.0] * min(len(found), max(1, int(7.2 / each)))
    places = []  # of each block: its column and its top, in the column that is shortest so far
    for matrix in found:
        column = min(range(len(tops)), key=lambda at: (tops[at], at))
        places.append((column, tops[column] + gap))
        tops[column] += gap + line * len(matrix.rows)
    high, wide = max(tops) + 0.1, each * len(tops)
    figure = Figure(figsize=(wide, high), facecolor="white")
    for matrix, (column, top) in zip(found, places, strict=True):
        tall, across = line * len(matrix.rows), cell * len(matrix.columns)
        left = (column * each + stub) / wide
        box = figure.add_axes((left, (high - top - tall) / high, across / wide, tall / high))
        values = [[math.nan if value is None else value for value in row] for row in matrix.cells]
        box.imshow(
            values, cmap=ListedColormap(SHADES), vmin=0, vmax=1, aspect="auto", interpolation="nearest"
        )
        for y, (label, row) in enumerate(zip(matrix.rows, matrix.cells, strict=True)):
            for x, value in enumerate(row):
                lines.append((matrix.title, label, matrix.columns[x], value))
                if value is not None:
                    ink = INKS[shade_of(value)]
                    box.text(x, y, f"{100 * value:.1f}", ha="center", va="center", color=ink, fontsize=6.5)
        box.set_yticks(
            range(len(matrix.rows)), [shown(label, _LETTERS) for label in matrix.rows], fontsize=6.5
        )
        box.set_xticks(range(len(matrix.columns)), [shown(head, 14) for head in matrix.columns], fontsize=6.5)
        box.xaxis.tick_top()
        box.tick_params(length=0)
        for side in box.spines.values():
            side.set_visible(False)
        box.annotate(
            shown(matrix.title, 44),
            (0, 1),
            (-stub * 72 + 6, 18),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=8,
            fontweight="bold",
            annotation_clip=False,
        )
        plain_text(box)
    return figure, lines


# -- what they share -----------------------------------------------------------------------------------------


def _grid(count: int, height: float, data: Gathered) -> tuple[Figure, list[Axes]]:
    """Panels of `height` inches side by side, and above them which mark is whose."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    down = math.ceil(count / _ACROSS)
    each, legend, room = height + 0.62, 0.3, 1.0
    high = legend + down * each
    figure = Figure(figsize=(_WIDE, high), facecolor="white")
    across = (_WIDE - room) / _ACROSS
    boxes = []
    for place in range(count):
        row, column = divmod(place, _ACROSS)
        bottom = high - legend - row * each - 0.32 - height
        left = room + column * across
        boxes.append(figure.add_axes((left / _WIDE, bottom / high, (across - 0.28) / _WIDE, height / high)))
    handles = [
        Line2D([], [], label=shown(drawn.label_of(data, row), _LETTERS), **_mark(color) | _stroke(color))
        for row in data.rows
        for color in (drawn.colors(data)[row.key],)
    ]
    key = figure.legend(
        handles=handles, loc="upper left", ncols=4, frameon=False, fontsize=7, borderaxespad=0.3
    )
    for text in key.get_texts():
        text.set_parse_math(False)
    return figure, boxes


def _mark(color: int) -> dict[str, Any]:
    return {
        "marker": _MARKERS[MARKS[color % 4]],
        "markersize": 3.6,
        "color": METHODS[color],
        "markeredgewidth": 0,
        "linestyle": "none",
    }


def _stroke(color: int) -> dict[str, Any]:
    dash = DASHES[color % 4]
    return {
        "color": METHODS[color],
        "linewidth": 1.2,
        "linestyle": (0, [part / 2 for part in dash]) if dash else "-",
    }


def _title(box: Axes, head: str, over: str) -> None:
    size = 7.5 if len(head) <= 22 else 6
    box.set_title(shown(head, 30), fontsize=size, fontweight="bold", loc="left", pad=3)
    if over:
        box.annotate(
            shown(over, 40),
            (0, 1),
            (0, 13),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=5.8,
            color="#404040",
        )


def _finish(box: Axes) -> None:
    box.grid(visible=True, color=_RULE, linewidth=0.5)
    box.set_axisbelow(True)
    box.tick_params(labelsize=6.5, length=2, width=0.5)
    plain_text(box)
