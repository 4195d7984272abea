"""McNemar's test, the score interval and the odds of flips against textbook answers."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom, binomtest

from asa_bench.measures import exact_interval, flip_odds, mcnemar_p, score_interval
from asa_bench.measures.paired import score_p, score_statistic


def test_agresti_approval_ratings() -> None:
    # Agresti's 1,600 voters, also the example of R's mcnemar.test: 794, 150, 86, 570. By hand: 64^2 / 236 = 17.356,
    # and with R's default, the continuity correction, 63^2 / 236 = 16.818. Agresti (1990, p. 350) gives z = -4.17.
    assert score_statistic(86, 150, 1600, 0.0) == pytest.approx(-4.17, abs=5e-3)
    assert mcnemar_p(86, 150, "score") == pytest.approx(math.erfc(math.sqrt(64**2 / 236 / 2)))
    assert mcnemar_p(86, 150, "corrected") == pytest.approx(math.erfc(math.sqrt(63**2 / 236 / 2)))
    assert mcnemar_p(86, 150, "corrected") == pytest.approx(4.115e-05, rel=1e-3)
    assert score_p(86, 150) == pytest.approx(mcnemar_p(86, 150, "score"))


def test_few_flips_are_tested_exactly() -> None:
    # 2 against 8: 2 * P(X <= 2), X ~ Binomial(10, 1/2) = 2 * 56 / 1024.
    assert mcnemar_p(8, 2, "exact") == pytest.approx(112 / 1024)
    # Half of the probability of the observed 2 less, on both sides: 45 / 1024.
    assert mcnemar_p(8, 2, "mid-p") == pytest.approx((112 - 45) / 1024)
    assert mcnemar_p(5, 5, "exact") == 1.0


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (3, 9), (12, 12), (7, 40), (60, 45)])
def test_exact_p_is_the_binomial_test(gained: int, lost: int) -> None:
    assert mcnemar_p(gained, lost, "exact") == pytest.approx(binomtest(gained, gained + lost).pvalue)
    assert mcnemar_p(gained, lost, "exact") == mcnemar_p(lost, gained, "exact")


def test_no_flips_say_nothing() -> None:
    assert [mcnemar_p(0, 0, method) for method in ("exact", "mid-p", "score", "corrected")] == [1.0] * 4
    assert score_p(0, 0) == 1.0


def test_score_interval_of_published_tables() -> None:
    # Fagerland, Lydersen and Laake (2014, Statistics in Medicine 33:2850), airway data of Bentur et al.: 1, 1, 7, 12.
    assert score_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("gained", "lost", "total"), [(1, 7, 21), (0, 0, 30), (10, 0, 100), (40, 31, 300)])
def test_score_interval_holds_what_the_score_test_does_not_reject(gained: int, lost: int, total: int) -> None:
    low, high = score_interval(gained, lost, total, 0.9)
    z = 1.6448536
    assert score_statistic(gained, lost, total, low) == pytest.approx(z, abs=1e-4)
    assert score_statistic(gained, lost, total, high) == pytest.approx(-z, abs=1e-4)
    mirrored = score_interval(lost, gained, total, 0.9)
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high), abs=1e-8)


def test_score_interval_at_the_ends_of_the_scale() -> None:
    low, high = score_interval(100, 0, 100)
    assert high == 1.0
    # All of 100: the score interval of one proportion, whose lower end is n / (n + z^2) for p = 1, rescaled to [-1, 1].
    assert low == pytest.approx(0.926, abs=1e-3)
    assert score_interval(0, 100, 100) == pytest.approx((-1.0, -low))
    with pytest.raises(ValueError, match="no flips"):
        score_interval(60, 60, 100)
    with pytest.raises(ValueError, match="confidence"):
        score_interval(1, 1, 10, 95)


def test_exact_interval_inverts_the_binomial() -> None:
    low, high = exact_interval(7, 20, 0.95)
    assert binom.sf(6, 20, low) == pytest.approx(0.025, abs=1e-9)
    assert binom.cdf(7, 20, high) == pytest.approx(0.025, abs=1e-9)
    assert exact_interval(0, 10)[0] == 0.0
    assert exact_interval(10, 10)[1] == 1.0
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_odds_ratio_and_g_of_the_flips() -> None:
    # Agresti (2013, sec. 11.1.4): approval ratings, conditional odds ratio 86 / 150.
    found = flip_odds(86, 150)
    assert found.odds_ratio == pytest.approx(0.573, abs=5e-4)
    low, high = found.odds_ratio_interval
    assert 0.43 < low < 0.573 < high < 0.76
    share = binomtest(86, 236).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((share.low / (1 - share.low), share.high / (1 - share.high)))
    assert found.cohens_g == pytest.approx(86 / 236 - 0.5)
    assert found.cohens_g_interval == pytest.approx((share.low - 0.5, share.high - 0.5))
    assert flip_odds(3, 0).odds_ratio == math.inf
    assert flip_odds(0, 0).odds_ratio is None
    assert flip_odds(0, 0).odds_ratio_interval == (0.0, math.inf)
