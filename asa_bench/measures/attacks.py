"""What an attack did: clean and robust accuracy, success rate and cost, each with its denominator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asa_bench.measures.accuracy import Proportion

STATUSES = ("successful", "failed", "skipped", "errored", "timed_out")
#: Of searches that broke off: nobody knows whether the example would have been flipped.
UNDECIDED = ("errored", "timed_out")


@dataclass(frozen=True)
class AttackMeasures:
    """The outcome of one attack on one victim over a fixed list of ids.

    Attributes:
        clean: the victim's right answers before the attack, over all ids.
        robust: right answers that survived the attack (status "failed"), over all ids. An example that was
            wrong before ("skipped"), whose search crashed ("errored") or was given up ("timed_out") never counts as
            robust.
        success: successful attacks over the ids that were right before; None where none was.
        successful, failed, skipped, errored, timed_out: how many ids ended so; they sum to `total`.
        total: how many ids there are.
        mean_queries: queries per search that ran to its end (successful or failed); None where none did.
    """

    clean: Proportion
    robust: Proportion
    success: Proportion | None
    successful: int
    failed: int
    skipped: int
    errored: int
    timed_out: int
    total: int
    mean_queries: float | None

    @property
    def undecided(self) -> int:
        """How many ids count as not robust although no success was found, at this budget and at every smaller one."""
        return self.errored + self.timed_out


def attack_measures(statuses: ArrayLike, clean_correct: ArrayLike, queries: ArrayLike) -> AttackMeasures:
    """Measures of one attack.

    Args:
        statuses: (ids,) one of "successful", "failed", "skipped" (wrong before the attack), "errored", "timed_out".
        clean_correct: (ids,) bool: was the victim right before the attack?
        queries: (ids,) how often the victim was asked in the search for this id.

    Raises:
        ValueError: an unknown status; lengths differ; no ids; or a status that contradicts `clean_correct`
            (a skipped example that was right, a searched one that was wrong).
    """
    status = np.asarray(statuses, dtype=object)
    correct = np.asarray(clean_correct, dtype=bool)
    asked = np.asarray(queries, dtype=np.float64)
    if status.ndim != 1 or status.shape != correct.shape or status.shape != asked.shape:
        raise ValueError(
            f"statuses {status.shape}, clean_correct {correct.shape}, queries {asked.shape} differ"
        )
    if status.size == 0:
        raise ValueError("nothing to score: no example was attacked")
    unknown = sorted({str(value) for value in status.tolist()} - set(STATUSES))
    if unknown:
        raise ValueError(f"unknown status {unknown[0]!r} (known: {', '.join(STATUSES)})")
    ended = (status == "successful") | (status == "failed")
    if bool(np.any(ended & ~correct)):
        raise ValueError("an example that the victim got wrong was attacked; it must be skipped")
    if bool(np.any((status == "skipped") & correct)):
        raise ValueError("an example that the victim got right was skipped; it must be attacked")
    counts = {name: int(np.count_nonzero(status == name)) for name in STATUSES}
    total, right = int(status.size), int(np.count_nonzero(correct))
    return AttackMeasures(
        clean=Proportion(right, total),
        robust=Proportion(counts["failed"], total),
        success=Proportion(counts["successful"], right) if right else None,
        successful=counts["successful"],
        failed=counts["failed"],
        skipped=counts["skipped"],
        errored=counts["errored"],
        timed_out=counts["timed_out"],
        total=total,
        mean_queries=math.fsum(asked[ended].tolist()) / int(ended.sum()) if ended.any() else None,
    )


@dataclass(frozen=True)
class Disagreement:
    """How often searches in bf16 ended otherwise than what counts.

    Attributes:
        ended: examples whose outcome is known: robust or fooled.
        repeated: of these, those that were searched again in float32.
        denied: of these, those where bf16 had a success that float32 did not confirm.
        missed: of these, those where float32 found a success and bf16 had none.
        standing: failures of bf16 that count as such, though float32 did not search, or searched for comparison only.
        drawn: of the standing ones, those that were searched in float32 for comparison, and came to an end.
        overturned: of the drawn ones, those where float32 found a success.
    """

    ended: int
    repeated: int
    denied: int
    missed: int
    standing: int = 0
    drawn: int = 0
    overturned: int = 0


def disagreement(statuses: ArrayLike, tried: ArrayLike, again: ArrayLike | None = None) -> Disagreement:
    """Compares what came of searches in bf16 with what was recorded.

    That float32 would have missed what bf16 found is not counted: nobody searches again there.

    Args:
        statuses: (ids,) as in `attack_measures`.
        tried: (ids,) what came of the search in bf16: such a status, or "denied".
        again: (ids,) of searches in bf16 alone: what a search in float32 came to for comparison, "" where there was none.
            None where every failure is searched again and that search counts.

    Raises:
        ValueError: lengths differ, or a success in bf16 stands beside another outcome than success.
    """
    status, before = np.asarray(statuses, dtype=object), np.asarray(tried, dtype=object)
    if status.ndim != 1 or status.shape != before.shape:
        raise ValueError(f"statuses {status.shape} and tried {before.shape} differ")
    won, confirmed = status == "successful", before == "successful"
    if bool(np.any(confirmed & ~won)):
        raise ValueError("a success in bf16 that float32 confirmed must be a success")
    ended = won | (status == "failed")
    denied = ended & (before == "denied")
    standing = np.zeros(len(status), dtype=bool)
    compared = np.full(len(status), "", dtype=object)
    if again is not None:
        compared = np.asarray(again, dtype=object)
        if compared.shape != status.shape:
            raise ValueError(f"statuses {status.shape} and again {compared.shape} differ")
        standing = (status == "failed") & (before == "failed")
    overturned = standing & (compared == "successful")
    return Disagreement(
        ended=int(ended.sum()),
        repeated=int((ended & ~confirmed & ~standing).sum()),
        denied=int(denied.sum()),
        missed=int((won & ~confirmed & ~denied).sum()),
        standing=int(standing.sum()),
        drawn=int((overturned | (standing & (compared == "failed"))).sum()),
        overturned=int(overturned.sum()),
    )


def robust_by_budget(
    statuses: ArrayLike,
    success_budgets: Sequence[Sequence[tuple[int, int | None]]],
    budgets: Sequence[int],
) -> list[Proportion]:
    """Robust accuracy at each query budget, from one search per id.

    An id is robust at budget B if it was right before, its search was neither errored nor timed out, and a search of
    budget B does not succeed. An errored or timed-out id counts as not robust at every budget, also at those below the
    query at which it stopped: so the curve is a lower bound, by the share of such ids (`AttackMeasures.undecided`) at most.

    Args:
        statuses: (ids,) see `attack_measures`.
        success_budgets: per id the intervals [from, to) of budgets at which its search succeeds; `to` None has no end.
        budgets: queries, each at least 1 and none above the budget of the search itself.

    Returns:
        One proportion over all ids per budget.

    Raises:
        ValueError: lengths differ, no ids, an unknown status, or a budget below 1.
    """
    status = [str(value) for value in np.asarray(statuses, dtype=object).tolist()]
    if len(status) != len(success_budgets):
        raise ValueError(f"{len(status)} statuses, but intervals of {len(success_budgets)} ids")
    if not status:
        raise ValueError("nothing to score: no example was attacked")
    unknown = sorted(set(status) - set(STATUSES))
    if unknown:
        raise ValueError(f"unknown status {unknown[0]!r} (known: {', '.join(STATUSES)})")
    if any(budget < 1 for budget in budgets):
        raise ValueError(f"a query budget is at least 1, not {min(budgets)}")

    return [
        Proportion(int(robust_at(status, success_budgets, budget).sum()), len(status)) for budget in budgets
    ]


def robust_at(
    statuses: Sequence[str], success_budgets: Sequence[Sequence[tuple[int, int | None]]], budget: int
) -> NDArray[np.bool_]:
    """Which ids are robust at one query budget; see `robust_by_budget`, which also checks its arguments.

    Returns:
        (ids,) bool.
    """

    def succeeds(intervals: Sequence[tuple[int, int | None]]) -> bool:
        return any(start <= budget and (end is None or budget < end) for start, end in intervals)

    return np.array(
        [
            ended in ("successful", "failed") and not succeeds(intervals)
            for ended, intervals in zip(statuses, success_budgets, strict=True)
        ],
        dtype=np.bool_,
    )
