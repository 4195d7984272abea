"""How large a loss beyond a margin would be found: the minimum detectable effect of a test against a margin other than 0."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures.paired import EXACT_BELOW

_EXPECTED = 150  # flips from which the normal approximation is exact to half a percent of power


def spread_growth(accuracy: float, loss: float) -> float:
    """By which factor the variance over seeds grows where accuracy falls by `loss`.

    A model near 0 or 100 % has no room to differ from the next. Supposed is that a training shifts a normal latent variable,
    and that an answer is right where it is positive: the shift then moves accuracy by the density at the threshold, so by
    ``phi(z(accuracy - loss)) / phi(z(accuracy))`` times as much as before, which is squared here. A loss beyond a half would
    make seeds more alike again; that is not counted on.
    """
    from scipy.special import ndtri

    before = min(max(accuracy, 1e-3), 1 - 1e-3)
    after = max(min(before, 0.5), before - loss)
    return math.exp(float(ndtri(before)) ** 2 - float(ndtri(after)) ** 2)


@lru_cache(maxsize=4096)
def detectable_beyond(background: int, total: int, margin: float, alpha: float, power: float) -> float:
    """The loss beyond `margin` that the score test of "the loss is the margin" finds with probability `power`.

    The true loss L adds one-sided flips to those that come and go without a loss: p(lost) = background/2 + L and
    p(gained) = background/2. Below 25 flips the exact conditional interval must exclude the margin, too
    (see `asa_bench.measures.choosing.Tests`). Power is summed over all outcomes where flips are few, and by the normal
    approximation where they are many.

    Args:
        background: flips that cancel out, of `total` examples.
        alpha: two-sided level.

    Returns:
        A share; 1 - margin, a loss of everything, where no loss would be found.
    """
    share = min(background / total, 1.0)
    most = 1.0 - share - margin

    if background + margin * total > _EXPECTED:

        def found(extra: float) -> float:
            return _normal_power(share, total, margin, extra, alpha)
    else:
        regions = _Regions(total, margin, alpha)

        def found(extra: float) -> float:
            return regions.power(share / 2, min(share / 2 + margin + extra, 1.0))

    low, high = 0.0, min(1.0 / total, most)
    while most <= 0 or found(high) < power:
        if high >= most:
            return 1.0 - margin
        low, high = high, min(2 * high, most)
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (middle, high) if found(middle) < power else (low, middle)
    return high


def _normal_power(background: float, total: int, margin: float, extra: float, alpha: float) -> float:
    """``Phi((extra sqrt(n) - z sqrt(v0)) / sqrt(v1))``, v0 the variance under the margin that the test takes, v1 the true one."""
    from scipy.special import ndtr, ndtri

    loss = margin + extra
    gained, lost = background / 2, background / 2 + loss
    restricted = _restricted(np.array([gained]), np.array([lost]), 1.0, -margin)[0]
    true = max(background + loss - loss**2, 1e-12)
    z = -float(ndtri(alpha / 2))
    return float(ndtr((extra * math.sqrt(total) - z * math.sqrt(restricted)) / math.sqrt(true)))


def _restricted(
    gained: NDArray[np.float64], lost: NDArray[np.float64], total: float, difference: float
) -> NDArray[np.float64]:
    """``2 q + d (1 - d)`` of Tango's statistic, see `asa_bench.measures.paired.score_statistic`."""
    b = -gained - lost + (2 * total - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    q = (np.sqrt(np.maximum(b * b - 8 * total * c, 0.0)) - b) / (4 * total)
    return np.asarray(np.maximum(2 * q + difference * (1 - difference), 1e-12))


class _Regions:
    """Which outcomes (gained, lost) are found to lose more than the margin."""

    def __init__(self, total: int, margin: float, alpha: float) -> None:
        from scipy.special import betaincinv, ndtri

        self.total = total
        gained, lost = np.meshgrid(
            np.arange(min(total, _EXPECTED) + 1), np.arange(min(total, 4 * _EXPECTED) + 1), indexing="ij"
        )
        flips = gained + lost
        distance = gained - lost + total * margin
        spread = np.sqrt(total * _restricted(gained.astype(float), lost.astype(float), float(total), -margin))
        worse = distance / spread < float(ndtri(alpha / 2))
        few = flips < EXACT_BELOW
        high = np.ones(flips.shape)
        inside = few & (lost > 0)
        high[inside] = betaincinv(gained[inside] + 1, lost[inside], 1 - alpha / 2)
        worse &= ~few | (flips / total * (2 * high - 1) < -margin)
        self.worse = worse

    def power(self, gained: float, lost: float) -> float:
        from scipy.stats import binom

        counts = np.arange(self.worse.shape[1])
        of_lost = binom.pmf(counts, self.total, lost)
        likely = np.flatnonzero(of_lost > 1e-9)
        share = min(gained / max(1 - lost, 1e-12), 1.0)
        numbers = np.arange(self.worse.shape[0])[:, None]
        of_gained = binom.pmf(numbers, self.total - counts[likely], share)
        return float((of_gained * self.worse[:, likely] * of_lost[likely]).sum())
