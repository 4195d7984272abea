"""Spread and intervals: mean and deviation over seeds, t-intervals for few units, Wilson for one rate."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation (n - 1) of `n` seeds; `sd` is None for one seed, never 0."""

    mean: float
    sd: float | None
    n: int


def summarize(values: Sequence[float]) -> Summary:
    """Mean and sample standard deviation of one value per seed, the same to the bit in any order.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to summarize")
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Summary(mean, None, 1)
    return Summary(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)), n)


def paired_differences(treated: Mapping[S, float], control: Mapping[S, float]) -> dict[S, float]:
    """treated - control for every seed that both have; seeds that only one has are left out."""
    return {seed: value - control[seed] for seed, value in treated.items() if seed in control}


def t_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Student's t-interval of the mean: mean +- t(n - 1) * sd / sqrt(n). None for one value.

    For few units, such as five seeds, a percentile bootstrap would cover far less than it says.

    Args:
        level: confidence in (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"confidence {level} must lie between 0 and 1")
    summary = summarize(values)
    if summary.sd is None:
        return None
    from scipy import stats

    half = float(stats.t.ppf((1 + level) / 2, summary.n - 1)) * summary.sd / math.sqrt(summary.n)
    return summary.mean - half, summary.mean + half


def wilson_interval(hits: float, total: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of one proportion (Wilson 1927), the examples being the sample.

    `hits` may be a mean over seeds.

    Raises:
        ValueError: `hits` of `total` is no proportion.
    """
    if not 0 < level < 1:
        raise ValueError(f"confidence {level} must lie between 0 and 1")
    if total < 1 or not 0 <= hits <= total:
        raise ValueError(f"{hits} of {total} is no proportion")
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(hits, total, alpha=1 - level, method="wilson")
    return float(low), float(high)
