"""Two models on the same examples: McNemar's test of whether their flips are one-sided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

#: Below this many flips the chi-squared approximation is not used (Agresti 2013, sec. 11.1).
EXACT_BELOW = 25


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two classifiers on the same examples.

    Attributes:
        gained: examples that only the second model got right.
        lost: examples that only the first model got right.
        total: examples in all.
        difference: accuracy of the second minus that of the first, (gained - lost) / total.
        p: two-sided p value.
        exact: True for the binomial test, False for chi-squared with continuity correction.
    """

    gained: int
    lost: int
    total: int
    difference: float
    p: float
    exact: bool


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> McNemar:
    """McNemar's test, exact below 25 flips, else chi-squared with continuity correction (statsmodels).

    Args:
        first_correct: (examples,) bool.
        second_correct: (examples,) bool, the same examples in the same order.

    Raises:
        ValueError: lengths differ or there are no examples.
    """
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(
            f"{first.shape} and {second.shape}: both models must have answered the same examples"
        )
    if first.size == 0:
        raise ValueError("nothing to compare: there are no examples")
    from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

    both, neither = int(np.sum(first & second)), int(np.sum(~first & ~second))
    lost, gained = int(np.sum(first & ~second)), int(np.sum(~first & second))
    exact = gained + lost < EXACT_BELOW
    result = statsmodels_mcnemar([[both, lost], [gained, neither]], exact=exact, correction=True)
    total = int(first.size)
    return McNemar(gained, lost, total, (gained - lost) / total, min(1.0, float(result.pvalue)), exact)
