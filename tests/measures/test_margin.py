"""Non-inferiority against a margin: by hand, by known intervals, and what more examples or seeds would tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from asa_bench.measures import Pair, against_margins, difference_of_means, findings
from asa_bench.measures.margin import detectable_loss
from asa_bench.measures.margin_power import detectable_beyond, spread_growth
from asa_bench.measures.paired import score_interval


def flips(gained: int, lost: int, total: int) -> Pair:
    first, second = np.ones(total), np.ones(total)
    first[:gained], second[gained : gained + lost] = 0, 0
    return Pair(first, second)


def test_one_seed_is_tangos_interval_against_the_margin() -> None:
    low, high = score_interval(10, 60, 1000)
    found = against_margins({"a": flips(10, 60, 1000)}, {"a": 0.02})["a"]
    assert found.interval == pytest.approx((low, high))
    assert (found.finding, found.more_examples, found.more_seeds) == ("worse", None, None)
    assert against_margins({"a": flips(10, 60, 1000)}, {"a": 0.08})["a"].finding == "not worse"
    untold = against_margins({"a": flips(10, 60, 1000)}, {"a": 0.06})["a"]
    assert untold.finding == "cannot tell"
    assert untold.more_examples is not None and untold.more_examples > 1000


def test_so_many_more_examples_do_tell() -> None:
    untold = against_margins({"a": flips(10, 60, 1000)}, {"a": 0.06})["a"]
    factor = (untold.more_examples or 0) / 1000
    larger = flips(round(10 * factor), round(60 * factor), round(1000 * factor))
    assert findings({"a": larger}, {"a": 0.06}) == {"a": "not worse"}


def test_a_family_is_asked_in_steps() -> None:
    """At 1 - alpha / 2 only the second is told; the first then is asked at 1 - alpha."""
    near, far = flips(0, 30, 400), flips(0, 200, 400)
    margin = -score_interval(0, 30, 400, 0.96)[1]
    assert findings({"near": near, "far": far}, {"near": margin, "far": 0.02}) == {
        "near": "worse",
        "far": "worse",
    }
    assert findings({"near": near, "far": near}, {"near": margin, "far": margin}) == {
        "near": "cannot tell",
        "far": "cannot tell",
    }


def test_unchanged_is_not_worse_however_few_examples() -> None:
    found = against_margins({"a": flips(0, 0, 5), "b": flips(3, 90, 1000)}, {"a": 0.0, "b": 0.01})
    assert found["a"].unchanged and found["a"].finding == "not worse"
    assert found["b"].family == 1, "what did not change is not part of the family"


def test_own_seeds_are_students_two_samples_where_examples_do_not_matter() -> None:
    """Every example of a seed has the same value: the interval is the pooled t-test's."""
    first, second = np.array([0.5, 0.6, 0.4, 0.7]), np.array([0.3, 0.45])
    mean = difference_of_means(np.repeat(first[:, None], 50, 1), np.repeat(second[:, None], 50, 1))
    expected = stats.ttest_ind(second, first)
    assert mean.mean == pytest.approx(-0.175)
    assert mean.p == pytest.approx(expected.pvalue)
    assert mean.interval(0.95) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_one_new_seed_is_held_against_the_spread_of_the_baselines() -> None:
    generator = np.random.default_rng(1)
    rates = generator.normal(0.8, 0.03, (6, 1))
    first = (generator.random((6, 2000)) < rates).astype(float)
    wide = difference_of_means(first, first[:1])
    narrow = difference_of_means(first, first[:3])
    assert wide.seed_degrees == 5 and wide.seeds == 7
    assert wide.standard_error > narrow.standard_error > 0.015


def test_one_seed_on_either_side_cannot_tell_and_asks_for_a_second() -> None:
    found = against_margins({"a": Pair(np.ones((1, 100)), np.zeros((1, 100)), seeds="own")}, {"a": 0.02})["a"]
    assert (found.finding, found.interval, found.more_seeds) == ("cannot tell", (-1.0, 1.0), 2)
    fixed = Pair(np.ones((1, 100)), np.zeros((1, 100)), seeds="fixed")
    assert findings({"a": fixed}, {"a": 0.02}) == {"a": "worse"}


def test_a_loss_that_drives_seeds_apart_is_harder_to_find() -> None:
    """Half of all seeds 2 points apart at 95 %: at 50 % the same shift of a normal variable moves 3.87 times as many answers."""
    assert spread_growth(0.95, 0.45) == pytest.approx(
        (stats.norm.pdf(0) / stats.norm.pdf(stats.norm.ppf(0.95))) ** 2
    )
    assert spread_growth(0.95, 0.0) == pytest.approx(1.0)
    assert spread_growth(0.95, 0.9) == spread_growth(0.95, 0.45), "never less than on the way there"
    assert spread_growth(0.3, 0.2) == 1.0
    generator = np.random.default_rng(3)
    rates = np.array([[0.98], [0.94], [0.96], [0.92], [0.95]])
    high = (generator.random((5, 2000)) < rates).astype(float)
    low = (generator.random((5, 2000)) < rates - 0.45).astype(float)
    printed = [
        against_margins({"a": Pair(right, right[:3], seeds="own")}, {"a": 0.02})["a"].detectable
        for right in (high, low)
    ]
    assert printed[0] > 1.15 * printed[1], "near 100 % a loss makes seeds less alike, near 50 % it does not"


def test_what_is_detectable_of_one_score_is_what_the_family_is_told() -> None:
    generator = np.random.default_rng(4)
    right = (generator.random((4, 300)) < 0.8).astype(float)
    pairs = {"a": Pair(right[:2], right[2:], seeds="own"), "b": flips(10, 20, 300), "c": flips(0, 0, 9)}
    margins = {"a": 0.02, "b": 0.03, "c": 0.0}
    told = against_margins(pairs, margins)
    assert {key: detectable_loss(key, pairs, margins) for key in pairs} == {
        key: found.detectable for key, found in told.items()
    }


def test_a_loss_of_all_is_not_one_that_could_be_found() -> None:
    told = against_margins({"few": flips(1, 0, 3), "many": flips(10, 20, 300)}, {"few": 0.02, "many": 0.02})
    assert not told["few"].findable and told["many"].findable
    assert told["few"].detectable == 0.98
    assert replace(told["many"], detectable=0.97).findable
    assert not replace(told["many"], detectable=0.98).findable, "with the margin that is all there is to lose"


def test_of_six_examples_all_must_be_lost_to_be_told() -> None:
    """Six losses alone have an exact p of 2/64, five of 2/32: so all six must be lost, which a loss of x does in x^6 of cases."""
    needed = 0.8 ** (1 / 6)
    assert detectable_beyond(0, 6, 0.02, 0.05, 0.8) == pytest.approx(needed - 0.02, abs=1e-4)
    assert detectable_beyond(0, 5, 0.02, 0.05, 0.8) == 0.98
    assert detectable_beyond(6, 6, 0.02, 0.05, 0.8) == 0.98, (
        "where all flip anyway nothing is left to be lost"
    )


@pytest.mark.parametrize(("margin", "alpha"), [(-0.1, 0.05), (1.0, 0.05), (0.1, 0.0), (0.1, 1.0)])
def test_nonsense_is_refused(margin: float, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"margin|alpha"):
        findings({"a": flips(1, 2, 10)}, {"a": margin}, alpha)
