"""Power against scipy's noncentral t and enumeration; the detectable effect as its inverse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.power import TTestPower

from asa_bench.measures import mcnemar_detectable, mcnemar_p, mcnemar_power, t_detectable, t_power


@pytest.mark.parametrize("degrees", [1.0, 4.0, 9.5, 120.0])
@pytest.mark.parametrize("alpha", [0.05, 0.002])
def test_t_power_is_that_of_the_noncentral_t(degrees: float, alpha: float) -> None:
    critical = stats.t.ppf(1 - alpha / 2, degrees)
    expected = stats.nct.sf(critical, degrees, 2.5) + stats.nct.cdf(-critical, degrees, 2.5)
    assert t_power(5.0, 2.0, degrees, alpha) == pytest.approx(expected, abs=1e-4)
    assert t_power(-5.0, 2.0, degrees, alpha) == pytest.approx(t_power(5.0, 2.0, degrees, alpha))


def test_t_power_agrees_with_statsmodels() -> None:
    # 20 differences, standardized effect 0.7: standard error 1 / sqrt(20).
    expected = TTestPower().power(0.7, nobs=20, alpha=0.05)
    assert t_power(0.7, 20**-0.5, 19, 0.05) == pytest.approx(expected, abs=1e-4)


def test_detectable_with_a_known_error_is_the_textbook_one() -> None:
    # (1.959964 + 0.841621) standard errors.
    assert t_detectable(2.0, 1e9, 0.05) == pytest.approx(2 * 2.801585, rel=2e-3)
    assert t_detectable(0.0, 4, 0.05) == 0.0
    assert t_detectable(1.0, 4, 0.05) > t_detectable(1.0, 30, 0.05) > t_detectable(1.0, 1e6, 0.05)
    assert t_detectable(1.0, 30, 0.005) > t_detectable(1.0, 30, 0.05)


@pytest.mark.parametrize("degrees", [2, 4, 20])
def test_detectable_keeps_its_power_when_the_error_is_estimated(degrees: int) -> None:
    """Experiments print an effect; repetitions with that effect as the truth find it in 80 %."""
    generator = np.random.default_rng(degrees)
    runs = 40_000
    printed = t_detectable(1.0, degrees, 0.05) * np.sqrt(generator.chisquare(degrees, runs) / degrees)
    again = (printed + generator.normal(size=runs)) / np.sqrt(generator.chisquare(degrees, runs) / degrees)
    power = np.mean(np.abs(again) > stats.t.ppf(0.975, degrees))
    assert power == pytest.approx(0.8, abs=0.008)


def test_an_error_taken_as_known_would_promise_too_much() -> None:
    generator = np.random.default_rng(0)
    effect = brentq(lambda k: t_power(k, 1, 4, 0.05) - 0.8, 0, 50)
    printed = effect * np.sqrt(generator.chisquare(4, 40_000) / 4)
    again = (printed + generator.normal(size=40_000)) / np.sqrt(generator.chisquare(4, 40_000) / 4)
    assert np.mean(np.abs(again) > stats.t.ppf(0.975, 4)) == pytest.approx(0.69, abs=0.01)


def test_exact_power_by_enumeration() -> None:
    # 12 examples, 30 % gained, 10 % lost: every (gained, lost) with its multinomial probability.
    total, gained, lost, alpha = 12, 0.3, 0.1, 0.1
    expected = sum(
        stats.multinomial.pmf([b, c, total - b - c], total, [gained, lost, 1 - gained - lost])
        for b, c in itertools.product(range(total + 1), repeat=2)
        if b + c <= total and mcnemar_p(b, c, "exact") <= alpha
    )
    assert mcnemar_power(gained - lost, gained + lost, total, alpha, "exact") == pytest.approx(
        expected, abs=1e-8
    )


def test_power_at_no_effect_is_the_level() -> None:
    assert mcnemar_power(0.0, 0.3, 2000, 0.05, "score") == pytest.approx(0.05, abs=1e-6)
    assert mcnemar_power(0.0, 0.02, 500, 0.05, "exact") < 0.05
    assert mcnemar_power(0.0, 0.0, 500, 0.05, "exact") == 0.0


def test_detectable_inverts_power() -> None:
    found = mcnemar_detectable(200, 1000, 0.05)
    assert mcnemar_power(found, 0.2, 1000, 0.05, "score") == pytest.approx(0.8, abs=1e-4)
    # Connor (1987): (z sqrt(w) + z' sqrt(w - d^2)) / sqrt(n) = d.
    again = (1.959964 * 0.2**0.5 + 0.841621 * (0.2 - found**2) ** 0.5) / 1000**0.5
    assert found == pytest.approx(again, rel=1e-3)
    assert mcnemar_detectable(200, 1000, 0.005) > found


def test_no_flips_need_a_handful_one_way() -> None:
    # The exact test at 5 % needs six flips one way: n d = 7.906 gives Poisson(7.906) >= 6 with probability 0.8.
    found = mcnemar_detectable(0, 10_000, 0.05)
    assert stats.binom.sf(5, 10_000, found) == pytest.approx(0.8, abs=1e-3)
    assert mcnemar_detectable(0, 3, 0.05) == 1.0


def test_advglue_detects_no_small_difference() -> None:
    # 148 examples at 30 % discordance: about 12 points (148 rows), as planned for AdvGLUE's largest part.
    assert mcnemar_detectable(44, 148, 0.05) == pytest.approx(0.125, abs=0.01)


@pytest.mark.parametrize("call", [lambda: t_power(1, 0, 3, 0.05), lambda: t_power(1, 1, 3, 5)])
def test_nonsense_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"power|alpha"):
        call()  # type: ignore[operator]
    with pytest.raises(ValueError, match="mid-p"):
        mcnemar_power(0.1, 0.2, 100, 0.05, "mid-p")
    with pytest.raises(ValueError, match="power"):
        t_detectable(1.0, 3, 0.05, power=80)
