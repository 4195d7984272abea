"""Robust accuracy as a function of the query budget, read off one search per example."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asa_bench.measures import UNDECIDED, Share, robust_at, share
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asa_bench.reports.outcomes import AttackOutcome

FILE = "budget_curves.csv"
_HEAD = (
    "task",
    "split",
    "attack",
    "search_budget",
    "model",
    "method",
    "seed",
    "budget",
    "robust",
    "low",
    "high",
    "n",
    "undecided",
)
_Intervals = list[list[tuple[int, int | None]]]


@dataclass(frozen=True)
class Curve:
    """Robust accuracy of one method under one attack at every query budget at which it changes.

    Attributes:
        search_budget: of the searches that it is read off; None for no limit.
        budgets: ascending, from 1; between two of them nothing changes. The last is the search budget, or the
            last one at which anything changes.
        seeds: names of the training seeds ("" for none).
        robust: (seeds, budgets), shares in [0, 1].
        mean: over seeds, with its 95 % interval over seeds and examples, one per budget.
        undecided: by seed: how many ids count as not robust at every budget because their search errored or timed out.
    """

    row: MethodRow
    column: TaskColumn
    attack: str
    search_budget: int | None
    budgets: tuple[int, ...]
    seeds: tuple[str, ...]
    robust: tuple[tuple[float, ...], ...]
    mean: tuple[Share, ...]
    undecided: tuple[int, ...]


def curves(data: Gathered) -> list[Curve]:
    """Every curve that the records tell; an attack whose kind of search tells nothing has none."""
    found = []
    for column in data.attack_columns:
        for attack in data.attacks:
            for row in data.rows:
                outcomes = {seed: many[0] for seed, many in data.outcomes(row, column, attack.name).items()}
                curve = _curve(row, column, attack.name, dict(sorted(outcomes.items())))
                if curve is not None:
                    found.append(curve)
    return found


def _curve(
    row: MethodRow, column: TaskColumn, attack: str, outcomes: dict[str, AttackOutcome]
) -> Curve | None:
    told = {seed: intervals_of(outcome) for seed, outcome in outcomes.items()}
    limits = {outcome.query_budget for outcome in outcomes.values()}
    if not told or None in told.values() or len(limits) != 1:
        return None
    limit = limits.pop()
    ends = {1} | ({limit} if limit is not None else set())
    for found in told.values():
        ends |= {end for each in found or () for interval in each for end in interval if end is not None}
    budgets = sorted(end for end in ends if limit is None or end <= limit)
    tables = [survivals(outcome, budgets) for outcome in outcomes.values()]
    return Curve(
        row=row,
        column=column,
        attack=attack,
        search_budget=limit,
        budgets=tuple(budgets),
        seeds=tuple(told),
        robust=tuple(tuple(float(v) for v in table.mean(axis=1)) for table in tables),
        mean=tuple(share(np.stack([table[at] for table in tables])) for at in range(len(budgets))),
        undecided=tuple(int(outcome.rows["status"].isin(UNDECIDED).sum()) for outcome in outcomes.values()),
    )


def intervals_of(outcome: AttackOutcome) -> _Intervals | None:
    """Per id of an outcome, in the order of its rows, the budgets at which its search succeeds; None where it tells none."""
    if "success_budgets" not in outcome.rows:
        return None
    texts = outcome.rows["success_budgets"].tolist()
    if not all(texts):
        return None
    return [[(int(start), end) for start, end in json.loads(text)] for text in texts]


def survivals(outcome: AttackOutcome, budgets: Sequence[int]) -> NDArray[np.bool_]:
    """Which ids are robust at which budget: (budgets, ids), ids in ascending order.

    Raises:
        ValueError: the search does not tell.
    """
    intervals = intervals_of(outcome)
    if intervals is None:
        raise ValueError("this kind of search tells no budgets")
    order = np.argsort(outcome.rows["id"].to_numpy(dtype=str), kind="stable")
    statuses = outcome.rows["status"].tolist()
    return np.stack([robust_at(statuses, intervals, budget)[order] for budget in budgets])


def half_budget(outcome: AttackOutcome) -> float | None:
    """The smallest query budget at which at most half of the ids that were right before are robust.

    Only searches that ended count, so errored and timed-out ids are left out. None where the search's own budget does not
    suffice, or nothing was searched.
    """
    intervals = intervals_of(outcome)
    if intervals is None:
        return None
    ended = [status in ("successful", "failed") for status in outcome.rows["status"]]
    if not any(ended):
        return None
    starts = sorted({start for each in intervals for start, _ in each})
    for budget in starts:
        if 2 * int(survivals(outcome, [budget]).sum()) <= sum(ended):
            return float(budget)
    return None


def to_csv(found: Sequence[Curve], guard: Callable[[str], str]) -> str:
    """All curves in long format: a line per seed and budget, and one per budget for their mean (seed "mean") with its interval.

    Args:
        guard: makes text from outside harmless for a spreadsheet.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_HEAD)
    for curve in found:
        task = curve.column
        limit = "" if curve.search_budget is None else curve.search_budget
        texts = [*map(guard, (task.task.name, task.split, curve.attack))]
        who = [*map(guard, (curve.row.model, curve.row.method))]
        for seed, values, undecided in zip(curve.seeds, curve.robust, curve.undecided, strict=True):
            for budget, value, whole in zip(curve.budgets, values, curve.mean, strict=True):
                writer.writerow(
                    [*texts, limit, *who, seed, budget, repr(value), "", "", whole.examples, undecided]
                )
        mean = repr(sum(curve.undecided) / len(curve.undecided))
        for budget, whole in zip(curve.budgets, curve.mean, strict=True):
            low, high = (repr(float(end)) for end in whole.interval)
            writer.writerow(
                [*texts, limit, *who, "mean", budget, repr(whole.value), low, high, whole.examples, mean]
            )
    return buffer.getvalue()
