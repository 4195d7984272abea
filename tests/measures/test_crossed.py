"""The standard error over seeds and examples against analyses of variance and regressions by others."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from asa_bench.measures import crossed_mean
from asa_bench.measures.crossed import CrossedMean


def test_one_seed_is_the_one_sample_t_test() -> None:
    values = np.array([0.0, 1, 1, -1, 0, 1, 0, 0, 1, -1])
    found = crossed_mean(values)
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx((interval.low, interval.high))
    assert found.degrees_of_freedom == pytest.approx(9)
    assert found.seed_variance is None


def test_seeds_alone_are_the_t_test_of_five_differences() -> None:
    # Every example answers alike within a seed, so that examples add nothing.
    per_seed = np.array([0.1, 0.3, 0.2, 0.5, 0.4])
    found = crossed_mean(np.repeat(per_seed[:, None], 40, axis=1))
    interval = stats.ttest_1samp(per_seed, 0).confidence_interval(0.95)
    assert found.interval() == pytest.approx((interval.low, interval.high))
    assert found.degrees_of_freedom == pytest.approx(4)
    assert found.example_variance == pytest.approx(0, abs=1e-20)


def test_equal_clusters_are_the_t_test_of_their_means() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=60) + np.repeat(generator.normal(size=12), 5)
    found = crossed_mean(values, np.repeat(np.arange(12), 5))
    means = values.reshape(12, 5).mean(axis=1)
    assert found.standard_error == pytest.approx(stats.sem(means))
    assert found.degrees_of_freedom == pytest.approx(11)
    assert (found.clusters, found.examples) == (12, 60)


def test_unequal_clusters_are_close_to_the_robust_regression_of_statsmodels() -> None:
    generator = np.random.default_rng(2)
    clusters = np.repeat(np.arange(80), generator.integers(1, 12, 80))
    values = generator.normal(size=len(clusters)) + generator.normal(size=80)[clusters]
    found = crossed_mean(values, [f"cluster {c}" for c in clusters])
    fit = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert found.mean == pytest.approx(fit.params[0])
    assert found.standard_error == pytest.approx(fit.bse[0], rel=0.01)  # CR2 against CR1
    assert 40 < found.degrees_of_freedom < 79


def test_two_way_table_by_hand() -> None:
    # Mean 2; mean squares: rows (2 - 1)^2 etc. from the classical two-way analysis of variance.
    table = np.array([[1.0, 2, 3, 6], [2, 2, 5, 3], [4, 3, 3, 8]])
    seeds, examples = table.shape
    grand = table.mean()
    ms_seed = examples * ((table.mean(1) - grand) ** 2).sum() / (seeds - 1)
    ms_example = seeds * ((table.mean(0) - grand) ** 2).sum() / (examples - 1)
    residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + grand
    ms_rest = (residual**2).sum() / ((seeds - 1) * (examples - 1))
    found = crossed_mean(table)
    assert found.seed_variance == pytest.approx(max(ms_seed - ms_rest, 0) / (seeds * examples))
    assert found.example_variance == pytest.approx(ms_example / (seeds * examples))
    parts = [(ms_seed, 2), (ms_example, 3), (ms_rest, 6)]
    whole = ms_seed + ms_example - ms_rest
    assert ms_seed > ms_rest
    assert found.degrees_of_freedom == pytest.approx(whole**2 / sum(ms**2 / df for ms, df in parts))


def test_the_cautious_interval_by_hand() -> None:
    found = crossed_mean(np.array([[1.0, 2, 3, 6], [2, 2, 5, 3], [4, 3, 3, 8]]))
    v1, v2, v3 = found.seed_mean_variance, found.example_variance, found.interaction_variance
    assert v1 == pytest.approx(np.var([3, 3, 4.5], ddof=1) / 3)
    assert v2 > v3 > 0
    for level in (0.9, 0.999):
        seeds, examples = stats.t.ppf((1 + level) / 2, 2) ** 2, stats.t.ppf((1 + level) / 2, 3) ** 2
        half = max(seeds * v1 + examples * (v2 - v3), examples * v2) ** 0.5
        assert found.cautious_interval(level) == pytest.approx((found.mean - half, found.mean + half))
    # The p value is one less the level whose interval just reaches 0.
    assert found.cautious_half_width(1 - found.cautious_p) == pytest.approx(found.mean)
    assert found.cautious_p > found.p
    assert 1.9 < found.cautious_degrees(0.99) < 5


def test_with_one_seed_caution_changes_nothing() -> None:
    found = crossed_mean([0.0, 1, 1, -1, 0, 1, 0, 0, 1, -1])
    assert found.cautious_p == found.p
    assert found.cautious_interval(0.99) == pytest.approx(found.interval(0.99))
    assert found.cautious_degrees(0.99) == pytest.approx(9)


def test_cautious_p_at_the_ends() -> None:
    assert crossed_mean(np.zeros((3, 5))).cautious_p == 1.0
    assert crossed_mean(np.ones((3, 5))).cautious_p <= 1e-11
    balanced = crossed_mean(np.array([[1.0, -1], [-1, 1], [1, -1], [-1, 1]]))
    assert balanced.cautious_p == 1.0


def test_a_negative_seed_variance_becomes_zero() -> None:
    table = np.array(
        [[1.0, -1, 1, -1], [-1, 1, -1, 1], [1, 1, -1, -1]]
    )  # seed means are all 0, residuals are not
    found = crossed_mean(table)
    assert found.seed_variance == 0.0
    assert found.standard_error == pytest.approx(np.sqrt(found.example_variance))
    assert found.degrees_of_freedom == pytest.approx(3)
    # V1 = 0, V2 = V3 = 2 / 9: V^2 / (V2^2 / 3 + V3^2 / 6) = 2, and at least S - 1.
    assert found.planning_degrees == pytest.approx(2)


def test_strata_take_their_means_out() -> None:
    values = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 5.3])
    strata = ["a"] * 3 + ["b"] * 3
    found = crossed_mean(values, strata=strata)
    # Var = sum over strata of W^2 s^2 / n with W = 1/2.
    expected = sum(0.25 * np.var(values[part], ddof=1) / 3 for part in (slice(0, 3), slice(3, 6)))
    assert found.standard_error == pytest.approx(np.sqrt(expected))
    assert found.strata == 2
    assert 2 <= found.degrees_of_freedom <= 4
    assert crossed_mean(values).standard_error > 10 * found.standard_error


def test_a_stratum_of_one_cluster_is_pooled_and_said() -> None:
    values = np.arange(7.0)
    found = crossed_mean(values, strata=["a", "b", "b", "b", "c", "c", "c"])
    assert found.pooled_strata == 1
    two_single = crossed_mean(values, strata=["a", "d", "b", "b", "c", "c", "c"])
    assert two_single.pooled_strata == 1
    joined = crossed_mean(values, strata=["x", "x", "b", "b", "c", "c", "c"])
    assert two_single.standard_error == pytest.approx(joined.standard_error)


def test_order_and_names_of_examples_do_not_count() -> None:
    generator = np.random.default_rng(3)
    table = generator.integers(-1, 2, (4, 90))
    clusters = np.repeat(np.arange(30), 3)
    strata = clusters % 3
    order = generator.permutation(90)
    first = crossed_mean(table, clusters, strata)
    names = np.array([f"t{c}" for c in clusters], dtype=object)
    second = crossed_mean(table[::-1][:, order], names[order], strata[order])
    assert (second.standard_error, second.degrees_of_freedom) == pytest.approx(
        (first.standard_error, first.degrees_of_freedom)
    )


def test_nothing_varies() -> None:
    assert crossed_mean([0.0, 0.0, 0.0]).p == 1.0
    certain = crossed_mean([1.0, 1.0, 1.0])
    assert (certain.standard_error, certain.p, certain.interval()) == (0.0, 0.0, (1.0, 1.0))
    assert isinstance(certain, CrossedMean)


@pytest.mark.parametrize(
    ("values", "clusters", "strata", "words"),
    [
        ([], None, None, "not empty"),
        ([1.0, float("nan")], None, None, "finite"),
        ([1.0, 2.0], [1, 1], None, "single cluster"),
        ([1.0], None, None, "single example"),
        ([1.0, 2.0, 3.0], [1, 2], None, "clusters"),
        ([1.0, 2.0, 3.0], None, ["a"], "strata"),
        ([1.0, 2.0, 3.0, 4.0], [1, 1, 2, 3], ["a", "b", "a", "b"], "two strata"),
    ],
)
def test_designs_without_an_answer_are_refused(
    values: list[float], clusters: list[int] | None, strata: list[str] | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        crossed_mean(values, clusters, strata)
