"""Averages over test sets as one comparison: known answers, shared seeds, shared examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from asa_bench.measures import Combination, Pair, Part, compare_all, crossed_mean
from asa_bench.measures.combining import combined_tests


def pair(generator: np.random.Generator, seeds: int = 5, examples: int = 60) -> Pair:
    return Pair(*(generator.random((seeds, examples)) for _ in range(2)))


def difference(one: Pair) -> np.ndarray:
    return np.asarray(one.second) - np.asarray(one.first)


def test_one_part_is_the_comparison_itself() -> None:
    one = pair(np.random.default_rng(1))
    found = combined_tests(Combination((Part(one, 1.0, "sst2", "sst2"),)))
    alone = crossed_mean(difference(one))
    assert found.mean is not None and found.difference == pytest.approx(alone.mean)
    for name in (
        "standard_error",
        "degrees_of_freedom",
        "planning_degrees",
        "seed_variance",
        "example_variance",
    ):
        assert getattr(found.mean, name) == pytest.approx(getattr(alone, name)), name


def test_parts_on_the_same_examples_are_the_mean_of_their_values() -> None:
    generator = np.random.default_rng(2)
    pairs = [pair(generator), pair(generator)]
    parts = tuple(Part(one, 0.5, "sst2", "sst2") for one in pairs)
    found = combined_tests(Combination(parts)).mean
    alone = crossed_mean(sum(difference(one) for one in pairs) / 2)
    assert found is not None and found.standard_error == pytest.approx(alone.standard_error)
    assert found.examples == 60


def test_other_examples_and_other_models_add_their_variances() -> None:
    generator = np.random.default_rng(3)
    pairs = [pair(generator), pair(generator, examples=90)]
    alone = [crossed_mean(difference(one)) for one in pairs]
    found = combined_tests(
        Combination(tuple(Part(p, 0.5, name, name) for p, name in zip(pairs, ("a", "b"), strict=True)))
    ).mean
    assert found is not None
    for name in ("seed_mean_variance", "example_variance", "interaction_variance"):
        assert getattr(found, name) == pytest.approx(sum(getattr(one, name) for one in alone) / 4), name
    assert 4 < found.seed_degrees <= 8 and found.examples == 150


def test_where_seeds_are_all_that_varies_it_is_the_paired_t_test_of_averages() -> None:
    """Sets of one model whose seeds change every example alike: the test of the five averages, 4 degrees of freedom."""
    effects = np.array([0.01, -0.02, 0.05, 0.03, 0.0])
    pairs = [
        Pair(np.zeros((5, 30)), np.repeat(effects[:, None] * k, 30, axis=1), linear=True, differing=30)
        for k in (1, 2)
    ]
    parts = tuple(Part(one, 0.5, "mnli", f"set {k}") for k, one in enumerate(pairs))
    found = combined_tests(Combination(parts))
    assert found.p == pytest.approx(ttest_rel(1.5 * effects, np.zeros(5)).pvalue)
    # With models of their own, whose seeds have nothing to do with each other, the variances add up instead.
    apart = tuple(Part(one, 0.5, f"model {k}", f"set {k}") for k, one in enumerate(pairs))
    other = combined_tests(Combination(apart)).mean
    assert other is not None and found.mean is not None
    assert other.standard_error**2 == pytest.approx(found.mean.standard_error**2 * (0.25 + 1) / 2.25)


def test_one_seed_few_flips_and_single_examples_say_so() -> None:
    generator = np.random.default_rng(4)
    alike = Pair(np.ones((1, 50)), np.ones((1, 50)))
    parts = (Part(pair(generator, seeds=1), 0.5, "a", "a"), Part(alike, 0.5, "b", "b"))
    found = compare_all({"": Combination(parts)})[""]
    assert found.seed_variance is None and found.gained is None
    told = " ".join(found.notes)
    assert "one seed" in told and "fewer than 25 examples of a test set" in told
    assert "weighted sum of 2 differences on 2 test sets, examples as a sample" in found.method
    single = (*parts, Part(Pair([[1]], [[0]]), 1.0, "c", "c"))
    assert compare_all({"": Combination(single)})[""].p == 1


def test_other_seeds_or_examples_are_refused() -> None:
    generator = np.random.default_rng(5)
    with pytest.raises(ValueError, match="same seeds"):
        combined_tests(
            Combination((Part(pair(generator), 1, "a", "a"), Part(pair(generator, 3), 1, "b", "b")))
        )
    with pytest.raises(ValueError, match="same examples"):
        parts = (Part(pair(generator), 1, "a", "a"), Part(pair(generator, examples=9), 1, "a", "a"))
        combined_tests(Combination(parts))
    with pytest.raises(ValueError, match="nothing"):
        combined_tests(Combination(()))
