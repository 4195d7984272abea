"""Tests the differences of a table as one family, and marks what is conclusive."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from asa_bench.measures import Combination, Comparison, Pair, compare_all
from asa_bench.reports.tables import DAGGER, Cell, Column, Row
from asa_bench.reports.text import count_range, shorten

_SIGNS = {"high": 1, "low": -1, "neither": 0}
_MOST = 6  # how many columns a note names before it says that there are others


@dataclass(frozen=True)
class DifferenceRow(Row):
    """A line of differences that `finish` tests.

    Attributes:
        pairs: one per column; None where nothing can be tested.
        of: key of the method's own line.
        baseline: key of the baseline's line.
        rivals: of a line of slices, whose methods stand side by side: column of a difference -> columns of the method,
            of the baseline, and of all that compete with them.
        better: of a line of slices, see `Column.better`.
    """

    pairs: tuple[Pair | Combination | None, ...] = ()
    of: str = ""
    baseline: str = ""
    rivals: Mapping[int, tuple[int, int, tuple[int, ...]]] = field(default_factory=dict)
    better: Literal["high", "low", "neither"] = "high"


def tested(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """The rows with every difference tested, all of them one family, and with what is conclusive marked.

    Differences are told by their own cell, and by the cell of the method that differs from the baseline.
    """
    pairs = {
        (row.key, at): pair
        for row in rows
        if isinstance(row, DifferenceRow)
        for at, pair in enumerate(row.pairs)
        if pair is not None
    }
    found = compare_all(pairs)
    conclusive: dict[tuple[str, int], float] = {}  # method's line and column -> conclusive difference
    compared: dict[tuple[str, int], list[float | None]] = {}  # baseline's line and column -> those against it
    made: list[Row] = []
    for row in rows:
        if not isinstance(row, DifferenceRow):
            made.append(row)
            continue
        cells = list(row.cells)
        if row.rivals:
            made.append(_slice(row, {at: one for (key, at), one in found.items() if key == row.key}))
            continue
        for at in range(len(cells)):
            comparison = found.get((row.key, at))
            if comparison is None:
                continue
            cells[at] = replace(cells[at], comparison=comparison, conclusive=comparison.conclusive)
            told = comparison.difference if comparison.conclusive else None
            compared.setdefault((row.baseline, at), []).append(told)
            if told is not None:
                conclusive[row.of, at] = told
        made.append(Row(row.key, row.label, tuple(cells), row.group, row.kind, row.model, row.method))
    signs = [_SIGNS[column.better] for column in columns]
    highest: dict[tuple[str, str, int, str], float] = {}  # where less is better, of the negative numbers
    for row in made:
        for at, (cell, sign) in enumerate(zip(row.cells, signs, strict=True)):
            if row.kind == "method" and cell.mean is not None:
                place = (row.group, row.model, at, cell.exposure)
                highest[place] = max(highest.get(place, -math.inf), sign * cell.mean)
    return [
        replace(
            row,
            cells=tuple(
                _marked(row, at, cell, conclusive, compared, highest, signs[at])
                for at, cell in enumerate(row.cells)
            ),
        )
        if row.kind == "method"
        else row
        for row in made
    ]


def _slice(row: DifferenceRow, found: Mapping[int, Comparison]) -> Row:
    """A line of slices with its differences tested, and the methods that they tell from the baseline marked."""
    cells, sign = list(row.cells), _SIGNS[row.better]
    for at, one in found.items():
        cells[at] = replace(cells[at], comparison=one, conclusive=one.conclusive)
        method, _, rivals = row.rivals[at]
        alike = [
            row.cells[rival] for rival in rivals if row.cells[rival].exposure == row.cells[method].exposure
        ]
        best = max(sign * cell.mean for cell in alike if cell.mean is not None)
        wins = one.conclusive and sign * one.difference > 0 and sign * (row.cells[method].mean or 0.0) == best
        cells[method] = replace(cells[method], conclusive=one.conclusive, best=wins)
    for base in {base for _, base, _ in row.rivals.values()}:
        ways = [
            at for at, (_, other, _) in row.rivals.items() if other == base and cells[at].state == "value"
        ]
        beaten = [at in found and found[at].conclusive and sign * found[at].difference < 0 for at in ways]
        cells[base] = replace(cells[base], best=bool(ways) and all(beaten))
    return Row(row.key, row.label, tuple(cells), row.group, row.kind, row.model, row.method)


def _marked(
    row: Row,
    at: int,
    cell: Cell,
    conclusive: Mapping[tuple[str, int], float],
    compared: Mapping[tuple[str, int], Sequence[float | None]],
    highest: Mapping[tuple[str, str, int, str], float],
    sign: int,
) -> Cell:
    against = compared.get((row.key, at), ())
    own = conclusive.get((row.key, at))
    is_best = cell.mean is not None and sign * cell.mean >= highest[row.group, row.model, at, cell.exposure]
    wins = (own is not None and sign * own > 0) or (
        bool(against) and all(told is not None and sign * told < 0 for told in against)
    )
    return replace(cell, conclusive=own is not None, best=is_best and wins)


def findable(found: Sequence[Comparison]) -> str:
    """How small a difference could have been found at all: in the surest column, and in the one in the middle of all."""
    values = sorted(100 * one.detectable if one.findable else math.inf for one in found)
    least, middle = values[0], values[len(values) // 2]
    if math.isinf(least):
        return "none at all, with so few seeds or examples"
    if f"{least:.1f}" == f"{values[-1]:.1f}":
        return f"{least:.1f} points"
    if math.isinf(middle):
        return f"{least:.1f} points in the surest column, and in most of them none"
    return f"{least:.1f} points in the surest column, {middle:.1f} in the median one"


def test_notes(rows: Sequence[Row], columns: Sequence[Column], baseline: str, title: str) -> list[str]:
    """How the differences were tested, and which were not."""
    differences = [row for row in rows if row.kind in ("difference", "slice")]
    found = [cell.comparison for row in differences for cell in row.cells if cell.comparison is not None]
    if not differences:
        return []
    if not found:
        return [
            f"{shorten(title, 60)}: differences are not tested for significance; the spread is over seeds alone."
        ]
    family = found[0].family
    alpha = f"{100 * (1 - found[0].level):g} %"
    tests = "McNemar's test" if all(one.standard_error is None for one in found) else "paired t-tests"
    if any(one.standard_error is None for one in found) and tests != "McNemar's test":
        tests += " or, for one seed, McNemar's"
    random = "seeds and examples" if max(one.seeds for one in found) > 1 else "examples"
    random += " (or what they belong to)" if any(one.clusters < one.examples for one in found) else ""
    notes = [
        f"{DAGGER} differs from {baseline}: {tests} with {random} as random, Holm over the "
        f"{count_range([family], 'difference')} of this table at {alpha}, and no smaller than the smallest difference that "
        f"would be found with 80 % power (MDE; none: not even the largest possible): {findable(found)}. Bold: the best, if it is "
        f"better than {baseline} by that rule. No dagger does not mean no difference: it cannot be told."
    ]
    heads = [
        column.head
        for at, column in enumerate(columns)
        if any(row.cells[at].state == "value" for row in differences if row.kind == "difference")
        and not any(row.cells[at].comparison for row in differences)
    ]
    if heads:
        notes.append(
            f"Not tested: {', '.join(dict.fromkeys(shorten(head, 60) for head in heads[:_MOST]))}"
            + (" and others." if len(heads) > _MOST else ".")
        )
    groups = dict.fromkeys(
        shorten(row.group, 60)
        for row in differences
        if row.kind == "slice" and not any(cell.comparison for cell in row.cells)
    )
    if groups and any(row.kind == "slice" and any(cell.comparison for cell in row.cells) for row in rows):
        notes.append(f"Not tested: {', '.join(list(groups)[:_MOST])}{' and others' * (len(groups) > _MOST)}.")
    singles = [one for one in found if one.seeds == 1]
    if singles:
        notes.append(
            f"{len(singles)} of {len(found)} differences rest on one seed: how much another training seed would change them "
            "is unknown and not counted."
        )
    return notes
