"""Comparisons: which method is picked, and that p values, intervals, Holm's decisions and effects agree."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asa_bench.measures import Combination, Pair, Part, compare, compare_all, mcnemar_p, score_interval
from asa_bench.measures.paired import score_p


def flips(gained: int, lost: int, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Right answers of two methods with so many flips."""
    first, second = np.ones(total), np.ones(total)
    first[:gained] = 0
    second[gained : gained + lost] = 0
    return first, second


def test_many_flips_are_mcnemars_score_test() -> None:
    found = compare(*flips(86, 150, 1600))
    assert found.method == "McNemar, score; score interval"
    assert found.difference == pytest.approx(-64 / 1600)
    assert found.p == pytest.approx(math.erfc(math.sqrt(64**2 / 236 / 2)))
    assert found.interval == pytest.approx(score_interval(86, 150, 1600))
    assert (found.gained, found.lost, found.flipped, found.examples, found.seeds) == (86, 150, 236, 1600, 1)
    assert found.odds is not None
    assert found.odds.odds_ratio == pytest.approx(86 / 150)
    assert (found.seed_variance, found.standard_error) == (None, None)
    assert any("one seed" in note for note in found.notes)
    assert found.significant


def test_few_flips_are_mcnemars_exact_test() -> None:
    found = compare(*flips(8, 2, 100))
    assert "exact" in found.method
    assert found.p == pytest.approx(112 / 1024)
    assert found.interval[0] < 0 < found.interval[1]
    assert any("10 examples flip" in note for note in found.notes)
    assert compare(*flips(0, 0, 100)).p == 1.0
    assert compare(*flips(0, 0, 100)).interval[1] > 0.03


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from([0.9, 0.95, 0.999]), st.booleans())
def test_an_interval_excludes_zero_exactly_where_p_is_small(
    gained: int, lost: int, level: float, stratified: bool
) -> None:
    first, second = flips(gained, lost, 80)
    strata = np.arange(80) % 2 if stratified else None
    found = compare(first, second, strata=strata, level=level)
    alpha = 1 - level
    if abs(found.p - alpha) > 1e-9:
        assert (found.interval[0] > 0 or found.interval[1] < 0) == (found.p < alpha)
    assert found.interval[0] <= found.difference <= found.interval[1]
    mirrored = compare(second, first, strata=strata, level=level)
    assert mirrored.p == pytest.approx(found.p)
    assert mirrored.interval == pytest.approx((-found.interval[1], -found.interval[0]))


def test_exact_and_score_p_values_are_combined_by_the_larger() -> None:
    for total in range(1, 25):
        for gained in range(total + 1):
            p = compare(*flips(gained, total - gained, 60)).p
            assert p == max(mcnemar_p(gained, total - gained, "exact"), score_p(gained, total - gained))


def test_designs_pick_their_method() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.random((5, 300)) < 0.7, generator.random((5, 300)) < 0.8
    clusters, strata = np.repeat(np.arange(60), 5), np.repeat(np.arange(6), 50)
    crossed = compare(first, second)
    assert crossed.method == "t, 5 seeds and examples as crossed random effects"
    assert crossed.seed_variance is not None
    assert crossed.odds is None
    clustered = compare(first[0], second[0], clusters=clusters)
    assert clustered.method == "t, 60 clusters as a sample"
    assert clustered.clusters == 60
    assert clustered.odds is None
    both = compare(first, second, clusters=clusters, strata=strata)
    assert both.method == "t, 5 seeds and 60 clusters as crossed random effects, within strata"
    few = compare(first[0], second[0], clusters=np.repeat(np.arange(6), 50))
    assert any("only 6 clusters" in note for note in few.notes)
    assert crossed.notes == ()
    assert any(note.startswith("3 seeds") for note in compare(first[:3], second[:3]).notes)
    assert few.interval[1] - few.interval[0] > clustered.interval[1] - clustered.interval[0] - 0.05


def test_means_over_attack_seeds_are_compared_too() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 4, (2, 3, 200)) / 3
    found = compare(first, second)
    assert found.difference == pytest.approx(second.mean() - first.mean())
    assert found.odds is None
    assert compare(first[0], second[0]).method == "t, examples as a sample"


def test_few_flips_over_seeds_do_not_give_an_interval_of_no_width() -> None:
    same = np.ones((5, 200))
    found = compare(same, same)
    assert found.p == 1.0
    assert found.interval == pytest.approx(score_interval(0, 0, 200))
    one_way = same.copy()
    one_way[:, :4] = 0
    better = compare(one_way, same)
    assert better.p >= score_p(4, 0) - 1e-12
    assert better.interval[0] <= score_interval(4, 0, 200)[0] + 1e-12


def test_a_single_cluster_cannot_tell() -> None:
    found = compare(np.zeros(30), np.ones(30), clusters=np.zeros(30, int))
    assert (found.p, found.interval, found.detectable, found.clusters) == (1.0, (-1.0, 1.0), 1.0, 1)
    assert any("cannot tell" in note for note in found.notes)
    assert found.difference == 1.0
    assert not found.significant
    assert compare(np.zeros((5, 1)), np.ones((5, 1))).p == 1.0
    assert compare([0], [1]).p == 1.0  # McNemar's exact test of one flip


def test_a_family_is_adjusted_by_holm() -> None:
    counts = {"a": (60, 20), "b": (40, 25), "c": (30, 29), "d": (45, 20)}
    found = compare_all({key: Pair(*flips(*pair, 500)) for key, pair in counts.items()})
    p = {key: score_p(*pair) for key, pair in counts.items()}
    # By hand: sorted p is a, d, b, c; multiplied by 4, 3, 2, 1, never falling.
    expected, running = {}, 0.0
    for factor, key in zip((4, 3, 2, 1), sorted(p, key=p.get), strict=True):
        running = max(running, min(1.0, factor * p[key]))
        expected[key] = running
    assert {key: c.adjusted_p for key, c in found.items()} == pytest.approx(expected)
    for key, comparison in found.items():
        low, high = comparison.adjusted_interval
        assert (low > 0 or high < 0) == comparison.significant
        assert comparison.simultaneous_interval == pytest.approx(
            score_interval(*counts[key], 500, 1 - 0.05 / 4), abs=1e-6
        )
        assert comparison.family == 4
        assert comparison.alpha == pytest.approx(0.05 / 4)
        assert comparison.detectable > compare(*flips(*counts[key], 500)).detectable
    assert {key for key, c in found.items() if c.significant} == {"a", "d"}
    assert compare_all({}) == {}


def test_nothing_is_conclusive_below_the_detectable_effect() -> None:
    # 34 against 17 of 1,000: p = 0.017, but the difference of 1.7 points is below what 80 % power would need.
    found = compare(*flips(34, 17, 1000))
    assert found.significant
    assert found.difference < found.detectable
    assert not found.conclusive
    assert compare(*flips(60, 17, 1000)).conclusive


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (np.ones(3), np.ones(4), "same seeds"),
        (np.ones((2, 3)), np.ones((3, 3)), "same seeds"),
        (np.ones((1, 1, 3)), np.ones((1, 1, 3)), "same seeds"),
        (np.ones(0), np.ones(0), "no examples"),
        (np.ones(3), np.full(3, 1.5), "outside 0 to 1"),
        (np.ones(3), np.full(3, np.nan), "outside 0 to 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(first: np.ndarray, second: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compare(first, second)


def test_a_metric_differs_by_no_more_than_it_can() -> None:
    """Accuracies of linear values, such as those behind calibration: two seeds that disagree would say 1,000 points."""
    first = np.zeros((2, 40))
    second = np.stack([np.full(40, 1.0), np.full(40, -0.9)]) + np.linspace(-0.1, 0.1, 40)
    free = compare_all({"": Pair(first, second, linear=True)})[""]
    held = compare_all({"": Pair(first, second, linear=True, largest=1.0)})[""]
    assert free.detectable > 1 and held.detectable == 1
    assert held.interval == (-1, 1) and free.interval[1] > 1


@pytest.mark.parametrize(
    ("detectable", "largest", "findable"),
    [
        *((0.3, 1.0, True), (0.999, 1.0, True), (1.0, 1.0, False)),
        *((1.0, 2.0, True), (1.2, 2.0, True), (2.0, 2.0, False)),
        *((1.2, 1.5, True), (1.5, 1.5, False)),
        *((1.2, math.inf, True), (math.inf, math.inf, False)),
    ],
)
def test_what_can_be_found_lies_below_the_largest_difference_that_there_can_be(
    detectable: float, largest: float, findable: bool
) -> None:
    told = replace(compare(*flips(8, 2, 100)), detectable=detectable, largest=largest)
    assert told.findable is findable


def test_the_largest_difference_is_that_of_the_metric() -> None:
    """Of an average half of accuracy (1) and half of a correlation (2) it is 1.5."""
    right, wrong = np.ones((2, 40)), np.zeros((2, 40))
    turned = np.stack([right[0], wrong[0]]), np.stack([wrong[0], right[0]])
    shares, numbers = Pair(*turned), Pair(*turned, linear=True, largest=2.0)
    both = Combination((Part(shares, 0.5, "m", "a"), Part(numbers, 0.5, "m", "b")))
    alone = [compare_all({"": each})[""] for each in (shares, numbers, both)]
    assert [one.largest for one in alone] == [1.0, 2.0, 1.5]
    # Two seeds that disagree wholly: not even the largest would be found, whatever it is.
    assert [one.detectable for one in alone] == [1.0, 2.0, 1.5]
    assert not any(one.findable for one in alone)
