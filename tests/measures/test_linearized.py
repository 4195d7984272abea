"""Values per example of metrics that are no mean: their mean is the metric, their spread that of the delta method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef

from asa_bench.measures import (
    METRICS,
    Pair,
    Proportion,
    Scored,
    calibration_error,
    calibration_error_values,
    compare,
    compare_all,
    crossed_mean,
    f1_values,
    matthews_values,
    pearson_values,
    ratio_values,
    risk_coverage,
    risk_coverage_values,
    spearman_values,
)

GENERATOR = np.random.default_rng(5)
GOLD = GENERATOR.choice(np.array(["no", "yes"], dtype=object), 40, p=[0.3, 0.7])
SAID = np.where(GENERATOR.random(40) < 0.7, GOLD, "no").astype(object)
THREE = GENERATOR.choice(np.array(["a", "b", "c"], dtype=object), 40)
THREE_SAID = np.where(GENERATOR.random(40) < 0.6, THREE, "b").astype(object)
FIRST = GENERATOR.normal(size=40).round(1)  # with ties
SECOND = (FIRST + GENERATOR.normal(size=40)).round(1)


def weighted_pearson(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> float:
    table = np.cov(first, second, aweights=weights)
    return float(table[0, 1] / np.sqrt(table[0, 0] * table[1, 1]))


def weighted_spearman(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> float:
    """Weights are made whole: every example is repeated."""
    times = np.round(weights * 2_000).astype(int)
    return float(spearmanr(np.repeat(first, times), np.repeat(second, times)).statistic)


@pytest.mark.parametrize(
    ("values", "weighted", "step"),
    [
        pytest.param(
            f1_values(GOLD, SAID, "yes"),
            lambda w: f1_score(GOLD == "yes", SAID == "yes", sample_weight=w),
            1e-6,
            id="F1",
        ),
        pytest.param(
            matthews_values(GOLD, SAID),
            lambda w: matthews_corrcoef(GOLD.astype(str), SAID.astype(str), sample_weight=w),
            1e-6,
            id="MCC",
        ),
        pytest.param(
            matthews_values(THREE, THREE_SAID),
            lambda w: matthews_corrcoef(THREE.astype(str), THREE_SAID.astype(str), sample_weight=w),
            1e-6,
            id="MCC of three classes",
        ),
        pytest.param(
            pearson_values(FIRST, SECOND), lambda w: weighted_pearson(FIRST, SECOND, w), 1e-6, id="Pearson"
        ),
        pytest.param(
            spearman_values(FIRST, SECOND),
            lambda w: weighted_spearman(FIRST, SECOND, w),
            1 / 500,
            id="Spearman",
        ),
    ],
)
def test_values_are_the_metric_and_its_derivative_by_the_weight_of_each_example(
    values: np.ndarray, weighted: Callable[[np.ndarray], float], step: float
) -> None:
    ones = np.ones(40)
    metric = weighted(ones)
    assert values.mean() == pytest.approx(metric, abs=1e-12)
    for at in range(0, 40, 3):
        more, less = (ones + sign * step * (np.arange(40) == at) for sign in (1, -1))
        # A weight of 1 + e is a share of (1 + e) / (n + e): the derivative by e is the influence / n.
        slope = (weighted(more) - weighted(less)) / (2 * step) * 40
        assert slope == pytest.approx(values[at] - metric, rel=1e-3, abs=1e-3)


def test_f1_has_the_variance_of_the_delta_method() -> None:
    """By hand: 30 hits, 10 misses, 20 false alarms, 40 others. F1 = 60 / 90; its gradient by the four shares is taken."""
    gold, said = np.repeat([1, 1, 0, 0], [30, 10, 20, 40]), np.repeat([1, 0, 1, 0], [30, 10, 20, 40])
    found = crossed_mean(f1_values(gold, said, 1))
    share = np.array([0.3, 0.1, 0.2, 0.4])
    claims = 2 * 0.3 + 0.1 + 0.2
    gradient = np.array([2 / claims - 1.2 / claims**2, -0.6 / claims**2, -0.6 / claims**2, 0])
    variance = (gradient**2 @ share - (gradient @ share) ** 2) / 99  # n - 1
    assert found.mean == pytest.approx(2 / 3)
    assert found.standard_error == pytest.approx(variance**0.5)


def test_correlations_have_the_variances_of_the_textbook() -> None:
    """Pearson of normal numbers: (1 - rho^2)^2 / n; Spearman of unrelated ones: 1 / (n - 1), whatever their distribution."""
    generator, n = np.random.default_rng(6), 40_000
    first = generator.normal(size=n)
    second = 0.6 * first + 0.8 * generator.normal(size=n)
    values = pearson_values(first, second)
    assert values is not None
    assert crossed_mean(values).standard_error == pytest.approx((1 - 0.36) / n**0.5, rel=0.02)
    values = spearman_values(first**3, generator.exponential(size=n))
    assert values is not None
    assert crossed_mean(values).standard_error == pytest.approx(1 / (n - 1) ** 0.5, rel=0.02)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.values is not None])
def test_every_metrics_values_have_the_metric_as_their_mean(name: str) -> None:
    generator = np.random.default_rng(7)
    labels: tuple[str, ...] = ("no", "yes")
    if name in ("pearson", "spearman"):
        gold, said = (generator.integers(0, 6, 50).astype(str).astype(object) for _ in range(2))
    elif name in ("entity_f1", "token_f1"):
        labels = ("O", "B-person", "I-person", "B-place", "I-place")
        rows = [[generator.choice(np.array(labels), size) for size in range(1, 30)] for _ in range(2)]
        gold, said = (np.array([" ".join(tags) for tags in row], dtype=object) for row in rows)
    else:
        gold, said = (generator.choice(np.array(labels, dtype=object), 50) for _ in range(2))
    groups = np.array([f"case {at // 3}" for at in range(len(gold))], dtype=object)
    asked = np.array(["label", "same", "given"] * len(gold), dtype=object)[: len(gold)]
    scored = Scored(gold, said, labels, groups, {"expectation": asked})
    metric = METRICS[name]
    assert metric.values is not None
    values = metric.values(scored)
    assert values is not None and values.shape == gold.shape
    whole = metric.compute(scored)
    assert values.mean() == pytest.approx(whole.value if isinstance(whole, Proportion) else whole, abs=1e-12)


def test_what_is_undefined_or_the_same_everywhere_says_so() -> None:
    assert pearson_values([1, 1, 1], [1, 2, 3]) is None and spearman_values([1, 2, 3], [4, 4, 4]) is None
    constant = np.full(40, "no", object)
    assert not matthews_values(GOLD, constant).any()  # 0 by convention, as scikit-learn has it
    assert not f1_values(constant, constant, "yes").any()
    assert ratio_values([1, 2], [2, 2]).tolist() == [0.5, 1.0]


def test_linear_values_of_two_methods_are_a_t_test() -> None:
    first, second = (matthews_values(GOLD, said) for said in (SAID, GOLD))
    found = compare_all({"": Pair(first, second, linear=True, differing=30)})[""]
    alone = crossed_mean(second - first)
    expected = matthews_corrcoef(GOLD.astype(str), SAID.astype(str))
    assert found.difference == pytest.approx(1 - expected)
    assert found.interval == pytest.approx(alone.interval()) and found.p == pytest.approx(alone.p)
    assert found.method == "t on linearized values, examples as a sample"
    assert found.gained is None and found.lost is None and found.odds is None and found.flipped == 30


def test_few_different_answers_are_not_taken_for_all_that_could_differ() -> None:
    """Two that answer alike have an interval, about as wide as Tango's for right and wrong answers."""
    values = np.repeat([0.0, 1.0], 200)
    same = compare_all({"": Pair(values, values, linear=True, differing=0)})[""]
    tango = compare(values, values)
    assert same.interval[1] == pytest.approx(tango.interval[1], rel=0.05) and same.p == 1
    assert same.detectable == pytest.approx(tango.detectable, rel=0.35)
    assert "only 0 examples are answered differently" in " ".join(same.notes)
    one = compare_all({"": Pair([1.0], [0.5], linear=True)})[""]
    assert one.p == 1 and one.interval == (-np.inf, np.inf) and not one.conclusive


def test_measures_of_confidence_have_values_with_the_measure_as_their_mean() -> None:
    """Ties in confidence among them; three examples of the risk's area by hand."""
    generator = np.random.default_rng(9)
    sure = generator.random(200).round(2)
    right = generator.random(200) < sure
    values = calibration_error_values(sure, right)
    assert values.mean() == pytest.approx(calibration_error(sure, right)[0])
    values = risk_coverage_values(sure, right)
    assert values.mean() == pytest.approx(risk_coverage(sure, right).area)
    # Surest first: right, wrong, right. Risks 0, 1/2, 1/3; the wrong one in place 2 adds 1/2 + 1/2 (1 - 1/2) + 1/3 (1 - 1/3).
    found = risk_coverage_values([0.9, 0.8, 0.7], [True, False, True])
    assert found[1] == pytest.approx(0.5 + 0.25 + 2 / 9)
    assert found[0] == pytest.approx(0 - 0 - 0.25 - 1 / 9) and found[2] == pytest.approx(1 / 3 - 1 / 9)
