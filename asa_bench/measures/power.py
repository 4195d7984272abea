"""How small a difference a comparison could have found: power, and the minimum detectable effect as its inverse."""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures.paired import EXACT_BELOW, McNemarMethod

_NODES = 48  # quadrature points a dimension; 48 and 200 agree to four decimals of power
_NORMAL_FROM = 2_000.0  # degrees of freedom from which t is the normal distribution to four decimals


def t_power(effect: float, standard_error: float, degrees_of_freedom: float, alpha: float) -> float:
    """Power of a two-sided t-test whose *true* standard error is given: ``P(|T| > t(1 - alpha/2))``.

    T is noncentral t with noncentrality effect / standard_error (Cohen 1988, ch. 2). `alpha` is the level that
    counts, divided by the number of comparisons where there are several.

    Raises:
        ValueError: alpha is no level, or the standard error is not above 0.
    """
    _check(alpha, 0.5)
    if standard_error <= 0:
        raise ValueError(f"a standard error of {standard_error} gives no power")
    critical = _quantile(degrees_of_freedom, alpha)
    return _expected_power(abs(effect) / standard_error, degrees_of_freedom, critical, estimated=False)


def t_detectable(
    standard_error: float,
    degrees_of_freedom: float,
    alpha: float,
    power: float = 0.8,
    critical: float | None = None,
    growth: float = 1.0,
) -> float:
    """The effect that a repetition of this experiment would find with probability `power`.

    The standard error at hand is an estimate itself. With k = effect / standard_error the power of a repetition,
    averaged over how far the estimate may be off, is ``P(|Z + k U| > t(1 - alpha/2) V)`` with Z standard normal and
    U, V independent, each the root of a chi-squared variable over its degrees of freedom. k is solved for. Taking the
    estimate as true (U = 1) would promise 80 % and keep 69 % at 4 degrees of freedom.

    Args:
        critical: how many standard errors the test asks for, where it is not Student's quantile.
        growth: how many times the standard error, which is what the test will believe, the effect truly scatters.

    Returns:
        The effect in the unit of the standard error; 0 where that is 0.
    """
    _check(alpha, power)
    if standard_error == 0:
        return 0.0
    # Rounding degrees of freedom changes the effect by less than half a percent, and makes the cache worth having.
    df = min(degrees_of_freedom, _NORMAL_FROM)
    df = round(df, 2 if df < 3 else (1 if df < 30 else 0))
    asked = _quantile(df, alpha) if critical is None else critical
    return _multiple(df, float(f"{asked / growth:.4g}"), power) * growth * standard_error


@lru_cache(maxsize=4096)
def _multiple(degrees_of_freedom: float, critical: float, power: float) -> float:
    from scipy.optimize import brentq

    def missing(k: float) -> float:
        return power - _expected_power(k, degrees_of_freedom, critical, estimated=True)

    high = 8.0
    while missing(high) > 0:
        high *= 2
    return float(brentq(missing, 0.0, high, xtol=1e-6))


def _quantile(degrees_of_freedom: float, alpha: float) -> float:
    from scipy.special import stdtrit

    return -float(stdtrit(degrees_of_freedom, alpha / 2))


def _expected_power(k: float, degrees_of_freedom: float, critical: float, *, estimated: bool) -> float:
    from scipy.special import ndtr

    roots, weights = _chi_roots(min(degrees_of_freedom, _NORMAL_FROM))
    reach = critical * roots[:, None]
    shift = k * (roots[None, :] if estimated else np.ones((1, 1)))
    found = ndtr(shift - reach) + ndtr(-shift - reach)
    return float(weights @ found @ weights) if estimated else float(weights @ found[:, 0])


@cache
def _gauss() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(_NODES)


@lru_cache(maxsize=4096)
def _chi_roots(degrees_of_freedom: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quadrature of the root of a chi-squared variable over its degrees of freedom: points and weights."""
    from scipy.special import gammaincinv

    nodes, weights = _gauss()
    points = gammaincinv(degrees_of_freedom / 2, (nodes + 1) / 2) * 2
    return np.sqrt(points / degrees_of_freedom), weights / 2


def mcnemar_power(
    effect: float, discordance: float, total: int, alpha: float, method: McNemarMethod
) -> float:
    """Power of McNemar's two-sided test.

    'score': ``P(|gained - lost| > z sqrt(flips))``, by the normal approximation of Connor (1987, Biometrics
    43:207): ``Phi((d sqrt(n) - z sqrt(w)) / sqrt(w - d^2))`` for the difference d, discordance w and n examples.
    'exact': the mean over the number of flips, binomial(n, w), of the probability that their exact test
    rejects, the share of gained ones being ``(1 + d / w) / 2``.

    Args:
        effect: true difference of the two accuracies.
        discordance: share of examples that flip. A discordance below the effect is impossible and raised to it.

    Raises:
        ValueError: the method is neither 'exact' nor 'score', or alpha is no level.
    """
    _check(alpha, 0.5)
    d = abs(effect)
    w = min(1.0, max(discordance, d))
    if w == 0:
        return 0.0
    if method == "score":
        from scipy.special import ndtr, ndtri

        z = -float(ndtri(alpha / 2))
        spread = math.sqrt(max(w - d * d, 1e-12))
        near = ndtr((d * math.sqrt(total) - z * math.sqrt(w)) / spread)
        return float(near + ndtr((-d * math.sqrt(total) - z * math.sqrt(w)) / spread))
    if method != "exact":
        raise ValueError(f"no power of McNemar's {method!r} test")
    from scipy.special import bdtr, bdtrc

    high = min(
        total, math.ceil(w * total + 8 * math.sqrt(w * total)) + 16
    )  # more flips have no probability to speak of
    flips = np.arange(high + 1)
    probability = np.diff(bdtr(flips, total, w), prepend=0.0)
    # The largest minority that is still rejected, -1 for none; in steps of 64 flips, so that it is found once.
    most = _critical(64 * (high // 64 + 1), alpha)[flips]
    gained = (1 + d / w) / 2
    rejected = np.where(
        most >= 0,
        bdtr(np.maximum(most, 0), flips, 1 - gained) + bdtrc(flips - most - 1, flips, 1 - gained),
        0.0,
    )
    return float(probability @ rejected)


@lru_cache(maxsize=256)
def _critical(flips: int, alpha: float) -> NDArray[np.int64]:
    """(flips + 1,) for each number of flips the largest x with 2 P(X <= x) <= alpha, X ~ Binomial(flips, 1/2)."""
    from scipy.stats import binom

    counts = np.arange(flips + 1)
    x = binom.ppf(alpha / 2, counts, 0.5)  # the smallest x with P(X <= x) >= alpha / 2
    over = 2 * binom.cdf(x, counts, 0.5) > alpha * (1 + 1e-12)
    found = np.where(over, x - 1, x)
    return np.where(counts == 0, -1, found).astype(np.int64)


@lru_cache(maxsize=4096)
def mcnemar_detectable(flips: int, total: int, alpha: float, power: float = 0.8) -> float:
    """The difference of accuracies that McNemar's test finds with probability `power` at this discordance.

    Discordance is the observed flips / total; where the effect would exceed it, the discordance grows with it,
    as if all flips went one way. The test is the one that `mcnemar` would take: exact below 25 expected flips.

    Returns:
        A difference in [0, 1]; 1 where even that would not be found, for there are too few examples.
    """
    _check(alpha, power)

    def found(effect: float) -> float:
        discordance = max(flips / total, effect)
        method: McNemarMethod = "exact" if discordance * total < EXACT_BELOW else "score"
        return mcnemar_power(effect, discordance, total, alpha, method)

    if found(1.0) < power:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > 1e-6:  # bisection, since power has a step where the test changes
        middle = (low + high) / 2
        low, high = (middle, high) if found(middle) < power else (low, middle)
    return high


def _check(alpha: float, power: float) -> None:
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(f"alpha {alpha} and power {power} must lie between 0 and 1")
