"""The bootstrap over whole clusters, for measures that are no mean of examples, such as F1 of two models."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asa_bench.measures.paired import check_level

Floats = NDArray[np.float64]
_CHUNK = 2_000_000  # counts held at a time: 16 MB


@dataclass(frozen=True)
class BootstrapInterval:
    """A bootstrap interval of a statistic of totals.

    Attributes:
        estimate: the statistic of the sample itself.
        low, high: the interval's ends.
        standard_error: standard deviation of the resampled statistic.
        units: how many units (clusters, or examples where independent) were drawn from.
        resamples: how many resamples had a defined statistic.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    units: int
    resamples: int


def resampled_totals(
    totals: ArrayLike, generator: np.random.Generator, resamples: int, strata: ArrayLike | None = None
) -> Floats:
    """Column sums of `totals` in bootstrap samples of its rows, drawn within strata.

    Rows that are equal are counted instead of drawn one by one: a multinomial over the distinct rows of a
    stratum is the same as drawing its rows with replacement. So 30,000 right and wrong answers cost no more than
    four distinct rows, and no array of resamples by examples is made.

    Args:
        totals: (units, quantities) for each unit (example or cluster) what it adds, e.g. (right answers of A, right
            answers of B, examples).
        strata: (units,) drawn within; None for one stratum.

    Returns:
        (resamples, quantities)

    Raises:
        ValueError: shapes differ, there are no units, or fewer than one resample is wanted.
    """
    values = np.asarray(totals, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] == 0 or resamples < 1:
        raise ValueError(f"expected units by quantities and resamples, not {values.shape} and {resamples}")
    units = values.shape[0]
    kinds = np.zeros(units, np.intp)
    if strata is not None:
        array = np.asarray(strata)
        if array.shape != (units,):
            raise ValueError(f"strata {array.shape} must have one value for each of the {units} units")
        kinds = np.unique(array.astype(str), return_inverse=True)[1].astype(np.intp)
    result = np.zeros((resamples, values.shape[1]))
    for kind in range(int(kinds.max()) + 1):
        rows, counts = np.unique(values[kinds == kind], axis=0, return_counts=True)
        drawn, size = int(counts.sum()), max(1, _CHUNK // len(rows))
        for start in range(0, resamples, size):
            end = min(resamples, start + size)
            weights = generator.multinomial(drawn, counts / drawn, size=end - start)
            result[start:end] += weights @ rows
    return result


def bootstrap_interval(
    totals: ArrayLike,
    statistic: Callable[[Floats], Floats],
    generator: np.random.Generator,
    *,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
) -> BootstrapInterval:
    """Percentile bootstrap interval, widened for few units, of any statistic of totals.

    Args:
        totals: (units, quantities), see `resampled_totals`; a unit is a cluster where examples are not independent.
        statistic: from (samples, quantities) to (samples,); may give nan where it is undefined.

    Percentiles are taken at ``Phi(t sqrt(n / (n - 1)))`` instead of at alpha / 2, with t Student's quantile of n - 1
    degrees of freedom for n units: for a mean this is the t-interval, and few clusters are not taken for many
    (Hesterberg 2015, sec. 3.6, https://doi.org/10.1080/00031305.2015.1089789). Seeds are *not* resampled: the
    interval speaks of the trained models at hand.

    Raises:
        ValueError: there are fewer than two units, or the statistic is undefined for most resamples.
    """
    check_level(level)
    values = np.asarray(totals, dtype=np.float64)
    units = values.shape[0] if values.ndim == 2 else 0
    if units < 2:
        raise ValueError("a bootstrap needs at least two units")
    degrees = units - (1 if strata is None else len(np.unique(np.asarray(strata).astype(str))))
    if degrees < 1:
        raise ValueError("every stratum holds a single unit: there is nothing to draw from")
    from scipy.special import ndtr, stdtrit

    sampled = np.asarray(statistic(resampled_totals(values, generator, resamples, strata)), dtype=np.float64)
    sampled = sampled[np.isfinite(sampled)]
    if len(sampled) < resamples / 2:
        raise ValueError("the statistic is undefined for most resamples")
    inflation = math.sqrt(units / degrees)
    tail = float(ndtr(float(stdtrit(degrees, (1 - level) / 2)) * inflation))
    low, high = np.quantile(sampled, [tail, 1 - tail])
    estimate = float(np.asarray(statistic(values.sum(axis=0, keepdims=True)))[0])
    return BootstrapInterval(
        estimate, float(low), float(high), float(sampled.std(ddof=1)), units, len(sampled)
    )
