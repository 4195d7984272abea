"""The tables of reliance on single words: on any word, and on the planted shortcut word where it is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from asa_bench.reports.answers import Answers, of_ratios
from asa_bench.reports.assemble import DraftColumn, finish, method_rows
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.outcomes import Probe
from asa_bench.reports.tables import BLANK, Cell, Column, Row, Table, Unit, fact_cell

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
Compute = Callable[..., Cell]  # of (row, data, column)

_FALL = "fall_"
_FALLS = 2.0  # two falls of a probability, each from -1 to 1, differ by no more


@dataclass(frozen=True)
class _Asked:
    """What is measured of each example, and which examples count.

    Attributes:
        largest: how large a difference of two means of it can be.
    """

    of: Callable[[Probe], Values]
    among: Callable[..., Mask]
    largest: float

    def told(
        self, probe: Probe, seed: str, row: MethodRow, data: Gathered, column: TaskColumn
    ) -> tuple[Values, Mask]:
        """(examples,) the numbers, and which of them count: none that is undefined, as without any word."""
        values = self.of(probe)
        return values, self.among(probe, seed, row, data, column) & ~np.isnan(values)


def keywords(data: Gathered) -> Table | None:
    """Per probed task: the fall without the most important words, and how concentrated importance is."""
    counts = sorted(
        {
            int(name.removeprefix(_FALL))
            for probe in data.source.probes
            for name in map(str, probe.rows.columns)
            if name.startswith(_FALL)
        }
    )
    names = {f"{_FALL}{n}": "1 word" if n == 1 else f"{n} words" for n in counts}
    columns = [Column(name, head, "Fall without", "points", better="neither") for name, head in names.items()]
    columns += [
        Column(f"{name}_gini", name.capitalize(), "Gini coefficient", better="neither")
        for name in ("importance", "attention")
    ]
    asked = [
        _Asked(partial(_numbers, name=c.key), _compared, _FALLS if c.key in names else 1.0) for c in columns
    ]
    columns += [Column(name, name.capitalize(), "Examples", "count") for name in ("compared", "all")]
    what = (
        "By how many percentage points the probability of the gold label falls when words are left out: the one "
        "whose absence lowers it most; the two, three, ... that lower it most one by one, together.\nGini "
        "coefficients times 100: how unequally importance (what each word's absence takes away) and the attention "
        "of the first layer are shared out among the words; 0 is equally, near 100 is one word of many.\nMeans over "
        "the examples that every method of the encoder gets right with the same seed (compared), of all that were "
        "probed.\nNo shortcut has to be known for this, unlike for accuracy with and against a planted one (table "
        "reliance). A word's absence is not its cause, and attention is no explanation."
    )
    rows = _rows(data, data.probe_columns, columns, [*asked, _how_many_compared, _how_many])
    if not rows:
        return None
    title = "Reliance on single words"
    return finish(data, "keywords", title, what, columns, rows, data.probe_columns, sized=False)


def shortcut_word(data: Gathered) -> Table | None:
    """What the planted shortcut word does to the prediction, where it agrees with the label and where it does not."""
    probed = [column for column in data.probe_columns if _plants_a_word(data, column)]
    agrees, turned = "Shortcut agrees", "Shortcut reversed"
    with_it, against = (partial(_carries, slice_=value) for value in ("agrees", "reversed"))
    fall, relative = (partial(_numbers, name=f"shortcut_{n}") for n in ("fall", "rank_normalized"))
    rank = partial(_numbers, name="shortcut_rank")
    parts: list[tuple[Column, _Asked | Compute]] = [
        (Column("agrees/fall", "Fall", agrees, "points", better="neither"), _Asked(fall, with_it, _FALLS)),
        (Column("agrees/first", "Most important", agrees, better="neither"), _Asked(_first, with_it, 1.0)),
        (Column("agrees/rank", "Rank", agrees, "number"), _Asked(rank, with_it, math.inf)),
        (
            Column("agrees/relative", "Relative rank", agrees, better="neither"),
            _Asked(relative, with_it, 1.0),
        ),
        (Column("agrees/n", "n", agrees, "count"), partial(_how_many, among=with_it)),
        (Column("reversed/fall", "Fall", turned, "points", better="neither"), _Asked(fall, against, _FALLS)),
        (Column("reversed/n", "n", turned, "count"), partial(_how_many, among=against)),
    ]
    columns = [column for column, _ in parts]
    rows = _rows(data, probed, columns, [compute for _, compute in parts])
    if not rows:
        return None
    what = (
        "The planted shortcut word alone, over all n examples that hold it.\n"
        "Fall: by how many percentage points the probability of the gold label "
        "falls when that word is left out; a model that ignores it has 0, one that follows it falls where the word "
        "agrees with the label and rises (a negative fall) where it is reversed.\nMost important: percent of the "
        "examples in which no other word's absence lowers the probability as much. Rank among the words by that, 1 "
        "the most important, equal words sharing their mean rank; relative: from 0 (first) to 100 (last).\nThe "
        "examples are the same for every method, whether the model is right or wrong.\nThe table "
        "reliance tells what the shortcut does to accuracy instead."
    )
    title = "Reliance on the planted shortcut word"
    return finish(data, "shortcut_word", title, what, columns, rows, probed, sized=False)


def _rows(
    data: Gathered,
    probed: Sequence[TaskColumn],
    columns: Sequence[Column],
    asked: Sequence[_Asked | Compute],
) -> list[Row]:
    """One block of methods per task."""
    rows: list[Row] = []
    for at in probed:
        drafts = []
        for column, one in zip(columns, asked, strict=True):
            if isinstance(one, _Asked):
                told = partial(_values, data=data, column=at, asked=one)
                compute = partial(_mean, data=data, column=at, asked=one, unit=column.unit)
                drafts.append(DraftColumn(column, compute, answers=told))
            else:
                drafts.append(DraftColumn(column, partial(one, data=data, column=at)))
        rows += method_rows(data, drafts, group=data.head(at, list(probed)), prefix=f"{at.key}/")
    return rows


def _plants_a_word(data: Gathered, column: TaskColumn) -> bool:
    probes = [probe for row in data.rows for probe in data.probes(row, column).values()]
    return "shortcut" in column.task.slices and any((p.rows["shortcut_word"] >= 0).any() for p in probes)


# -- which examples count ------------------------------------------------------------------------------------


def _right(probe: Probe) -> set[str]:
    rows = probe.rows
    return set(rows["id"][rows["label"].to_numpy() == rows["prediction"].to_numpy()].astype(str))


def _compared(probe: Probe, seed: str, row: MethodRow, data: Gathered, column: TaskColumn) -> Mask:
    """The examples that every method of this row's encoder gets right with this seed.

    A model that is wrong, or right by a hair, has little gold probability to lose, so over all examples a less
    accurate method would look as if it leant less on single words; and over each method's own right answers the
    methods would be judged on different examples.
    """
    beside = [r for r in data.rows if (r.model, r.loaded) == (row.model, row.loaded)]
    found = [data.probes(r, column).get(seed) for r in beside]
    shared = set.intersection(*(_right(other) for other in found if other is not None))
    return np.asarray(probe.rows["id"].astype(str).isin(shared), dtype=bool)


def _every(probe: Probe, *_: object) -> Mask:
    return np.ones(len(probe.rows), dtype=bool)


def _carries(probe: Probe, *_: object, slice_: str) -> Mask:
    """The examples that hold the shortcut word, with the label or against it."""
    rows = probe.rows
    return np.asarray((rows["shortcut"] == slice_) & (rows["shortcut_word"] >= 0), dtype=bool)


# -- what is measured on them --------------------------------------------------------------------------------


def _numbers(probe: Probe, name: str) -> Values:
    if name not in probe.rows:
        return np.full(len(probe.rows), np.nan)
    return np.asarray(probe.rows[name].to_numpy(dtype=np.float64))


def _first(probe: Probe) -> Values:
    """1 where the shortcut word is more important than every other, else 0."""
    return np.asarray(_numbers(probe, "shortcut_rank") == 1, dtype=np.float64)


def _mean(row: MethodRow, data: Gathered, column: TaskColumn, asked: _Asked, unit: Unit) -> Cell:
    """Mean over the examples that count."""

    def measure(seed: str, probe: Probe) -> tuple[float | None, int]:
        values, counts = asked.told(probe, seed, row, data, column)
        kept = values[counts]
        return (float(kept.mean()) if kept.size else None), int(kept.size)

    return data.probe_cell(row, column, measure, unit)


def _values(row: MethodRow, data: Gathered, column: TaskColumn, asked: _Asked) -> Answers | None:
    """What each example adds to that mean, a ratio of totals: which examples count differs from seed to seed."""
    found = data.probes(row, column)
    totals = {}
    for seed, probe in found.items():
        values, counts = asked.told(probe, seed, row, data, column)
        totals[seed] = [(np.where(counts, values, 0.0), counts)]
    return of_ratios({seed: [probe] for seed, probe in found.items()}, totals, asked.largest)


def _how_many_compared(row: MethodRow, data: Gathered, column: TaskColumn) -> Cell:
    """How many examples are compared: each seed may have its own."""

    def measure(seed: str, probe: Probe) -> tuple[float | None, int]:
        n = int(_compared(probe, seed, row, data, column).sum())
        return float(n), n

    return data.probe_cell(row, column, measure, "count")


def _how_many(
    row: MethodRow, data: Gathered, column: TaskColumn, among: Callable[..., Mask] = _every
) -> Cell:
    """How many examples count, the same for every seed and method."""
    probes = list(data.probes(row, column).values())
    return fact_cell(int(among(probes[0]).sum())) if probes else BLANK
