"""Two models on the same examples: McNemar's test, the score interval of the difference, odds of the flips."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

McNemarMethod = Literal["exact", "mid-p", "score", "corrected"]

#: Below this many flips the normal approximation is not used (Agresti 2013, sec. 11.1).
EXACT_BELOW = 25


def mcnemar_p(gained: int, lost: int, method: McNemarMethod) -> float:
    """Two-sided p value of McNemar's test from the two kinds of flip.

    'exact' is ``2 P(X <= min(gained, lost))`` with ``X ~ Binomial(gained + lost, 1/2)``, never above 1; it keeps
    its level always. 'mid-p' counts the observed outcome half (Fagerland, Lydersen and Laake 2013,
    https://doi.org/10.1186/1471-2288-13-91). 'score' refers ``(gained - lost)^2 / (gained + lost)`` to
    chi-squared with one degree of freedom, 'corrected' ``(|gained - lost| - 1)^2 / (gained + lost)``, as R's
    `mcnemar.test` does by default. No flips: p = 1. Computed by scipy and statsmodels.
    """
    from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

    flips = gained + lost
    if flips == 0:
        return 1.0
    if method in ("exact", "mid-p"):
        from scipy.special import bdtr
        from scipy.stats import binom

        fewer = min(gained, lost)
        p = 2 * float(bdtr(fewer, flips, 0.5))
        if method == "mid-p":
            p -= float(binom.pmf(fewer, flips, 0.5))
        return min(1.0, p)
    table = [[0, lost], [gained, 0]]
    return float(statsmodels_mcnemar(table, exact=False, correction=method == "corrected").pvalue)


def score_statistic(gained: float, lost: float, total: float, difference: float) -> float:
    """Tango's score statistic of H0: p(gained) - p(lost) = `difference`; standard normal under H0.

    ``(gained - lost - total * d) / sqrt(total * (2 q + d (1 - d)))`` with q, the maximum-likelihood estimate of
    p(lost) under H0, the larger root of ``2 n q^2 + ((2 n - gained + lost) d - gained - lost) q - lost d (1 - d)``
    (Tango 1998, Statistics in Medicine 17:891). At d = 0 its square is McNemar's chi-squared.
    """
    b = -gained - lost + (2 * total - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 8 * total * c, 0.0)) - b) / (4 * total)
    variance = total * (2 * q + difference * (1 - difference))
    distance = gained - lost - total * difference
    if variance <= 1e-12 * total:
        return 0.0 if abs(distance) < 1e-9 * total else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def score_p(gained: float, lost: float) -> float:
    """Two-sided p value of McNemar's score test; the flips may be fractions, such as means over seeds."""
    from scipy.special import chdtrc

    flips = gained + lost
    return 1.0 if flips == 0 else float(chdtrc(1, (gained - lost) ** 2 / flips))


def score_interval(gained: float, lost: float, total: float, level: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of the difference of two paired proportions, in [-1, 1].

    It holds the differences that the score test does not reject, so it excludes 0 exactly where McNemar's
    'score' p is below 1 - level. Counts may be fractions, such as means over seeds.

    Raises:
        ValueError: `level` is no confidence, or the counts are no counts.
    """
    check_level(level)
    if total <= 0 or min(gained, lost) < 0 or gained + lost > total * (1 + 1e-9):
        raise ValueError(f"{gained} gained and {lost} lost of {total} are no flips")
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    estimate = (gained - lost) / total

    def bound(end: float, target: float) -> float:
        def distance(difference: float) -> float:
            found = score_statistic(gained, lost, total, difference) - target
            return max(min(found, 1e6), -1e6)

        # The estimate may be the end of the scale, and even that end may not be rejected.
        if abs(estimate - end) < 1e-12 or distance(end) * target <= 0:
            return end
        return float(brentq(distance, end, estimate, xtol=1e-10))

    return bound(-1.0, z), bound(1.0, -z)


def exact_interval(hits: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval of one proportion (1934); (0, 1) where `total` is 0."""
    check_level(level)
    if total == 0:
        return 0.0, 1.0
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, total - hits + 1, tail))
    high = 1.0 if hits == total else float(betaincinv(hits + 1, total - hits, 1 - tail))
    return low, high


@dataclass(frozen=True)
class FlipOdds:
    """How one-sided the flips are, given that there are some.

    Attributes:
        odds_ratio: gained / lost, the conditional odds ratio of paired data; infinite where nothing was lost,
            None where nothing flipped.
        odds_ratio_interval: its exact interval.
        cohens_g: gained / (gained + lost) - 1/2, in [-1/2, 1/2] (Cohen 1988, ch. 5); 0.05, 0.15 and 0.25 are
            his small, medium and large. None where nothing flipped.
        cohens_g_interval: its exact interval.
    """

    odds_ratio: float | None
    odds_ratio_interval: tuple[float, float]
    cohens_g: float | None
    cohens_g_interval: tuple[float, float]


def flip_odds(gained: int, lost: int, level: float = 0.95) -> FlipOdds:
    """Odds ratio and Cohen's g of the flips, with exact intervals.

    Given their number, the gained flips are binomial; Clopper and Pearson's interval of their share s is carried
    to the odds s / (1 - s) and to s - 1/2 (Agresti 2013, sec. 11.1.4). Independent examples are assumed.
    """
    low, high = exact_interval(gained, gained + lost, level)

    def odds(share: float) -> float:
        return math.inf if share >= 1 else share / (1 - share)

    flips = gained + lost
    ratio = None if flips == 0 else (math.inf if lost == 0 else gained / lost)
    return FlipOdds(
        ratio, (odds(low), odds(high)), None if flips == 0 else gained / flips - 0.5, (low - 0.5, high - 0.5)
    )


def check_level(level: float) -> None:
    """Refuses what is no confidence.

    Raises:
        ValueError: it is not within (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"confidence {level} must lie between 0 and 1")
