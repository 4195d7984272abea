"""Many comparisons in one table: Holm's adjusted p values and the levels of the intervals that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Holm:
    """Holm's procedure for a family of m hypotheses (Holm 1979, Scandinavian Journal of Statistics 6:65).

    Attributes:
        p: adjusted p values, in the order given: rejecting where one is at most alpha keeps the probability of any
            false rejection at most alpha, however the tests depend on each other.
        rejected: whether p is at most alpha.
        levels: the confidence of the interval that agrees with the decision: 1 - alpha / (m - r + 1) for the r-th
            smallest p value that is rejected; all others take the level of the first that is not. An interval of
            that level excludes 0 exactly where the hypothesis is rejected. Each covers with at least 1 - alpha on
            its own; together they need *not* cover with 1 - alpha.
        simultaneous_level: 1 - alpha / m, Bonferroni's: intervals of this level cover *all* true values at once
            with probability at least 1 - alpha. One that excludes 0 is always rejected by Holm; the converse may
            fail.
    """

    p: tuple[float, ...]
    rejected: tuple[bool, ...]
    levels: tuple[float, ...]
    simultaneous_level: float


def holm(p_values: Sequence[float], alpha: float = 0.05) -> Holm:
    """Holm's adjustment of a family of p values: the r-th smallest of m times m - r + 1, never falling, at most 1.

    Raises:
        ValueError: there are none, one is no probability, or alpha is no level.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha {alpha} must lie between 0 and 1")
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or p.size == 0:
        raise ValueError("no p values to adjust")
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError("a p value lies outside 0 to 1")
    # statsmodels' multipletests gives the same (a test compares them) but collects garbage first, 40 ms and more a call.
    order = np.argsort(p, kind="stable")
    adjusted, ranks = np.empty(p.size), np.empty(p.size, dtype=np.intp)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    ranks[order] = np.arange(p.size)
    rejected = adjusted <= alpha
    steps = p.size - np.minimum(ranks, int(np.sum(rejected)))
    return Holm(
        tuple(float(value) for value in adjusted),
        tuple(bool(value) for value in rejected),
        tuple(float(1 - alpha / max(step, 1)) for step in steps),
        1 - alpha / p.size,
    )
