"""The bootstrap against exact moments, the t-interval and drawing rows one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from asa_bench.measures import bootstrap_interval, crossed_mean, resampled_totals


def test_resampled_totals_have_the_moments_of_drawing_rows() -> None:
    generator = np.random.default_rng(0)
    totals = np.array([[1.0, 1], [0, 1], [0, 1], [3, 2], [5, 4]])
    found = resampled_totals(totals, generator, 40_000)
    # A sum of n draws has n times the mean and n times the population covariance of the rows.
    assert found.mean(axis=0) == pytest.approx(totals.sum(axis=0), rel=0.02)
    assert np.cov(found.T) == pytest.approx(5 * np.cov(totals.T, bias=True), rel=0.05)


def test_strata_keep_their_sizes() -> None:
    totals = np.column_stack([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], np.ones(5)])
    found = resampled_totals(totals, np.random.default_rng(0), 500, ["a", "a", "b", "b", "b"])
    assert (found == [2, 2, 5]).all()


def test_a_mean_gets_the_t_interval() -> None:
    generator = np.random.default_rng(1)
    half = generator.normal(0, 3, 6)
    values = 2 + np.concatenate([half, -half])  # of no skew, for which percentiles and t agree
    totals = np.column_stack([values, np.ones(12)])
    found = bootstrap_interval(totals, lambda t: t[:, 0] / t[:, 1], generator, resamples=60_000)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.12)
    assert found.estimate == pytest.approx(values.mean())
    assert found.units == 12


def test_f1_of_counts_needs_no_more_than_the_kinds_of_answer() -> None:
    # (true positives, claims) of 30,000 answers: three kinds of row.
    kinds = np.array([[1.0, 2], [0, 1], [0, 0]])
    totals = kinds[np.repeat([0, 1, 2], [9_000, 6_000, 15_000])]
    found = bootstrap_interval(
        totals, lambda t: 2 * t[:, 0] / t[:, 1], np.random.default_rng(2), resamples=20_000
    )
    assert found.estimate == pytest.approx(18_000 / 24_000)
    # Delta method: variance of 2 tp / claims with multinomial counts.
    influence = 2 * totals[:, 0] / 24_000 - 0.75 * totals[:, 1] / 24_000
    assert found.standard_error == pytest.approx(influence.std() * 30_000**0.5, rel=0.03)


def test_a_paired_difference_over_clusters_agrees_with_its_standard_error() -> None:
    generator = np.random.default_rng(4)
    clusters = np.repeat(np.arange(60), generator.integers(3, 20, 60))
    tilt = generator.normal(0, 0.5, 60)[clusters]
    first = generator.normal(size=len(clusters)) + tilt > -0.8
    second = generator.normal(size=len(clusters)) - tilt > -0.8
    totals = np.array(
        [[first[clusters == c].sum(), second[clusters == c].sum(), (clusters == c).sum()] for c in range(60)]
    )
    found = bootstrap_interval(totals, lambda t: (t[:, 1] - t[:, 0]) / t[:, 2], generator)
    expected = crossed_mean(second.astype(float) - first, clusters)
    assert found.estimate == pytest.approx(expected.mean)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.04)
    assert (found.low, found.high) == pytest.approx(expected.interval(), abs=0.1 * (found.high - found.low))


def test_the_same_generator_gives_the_same_bits() -> None:
    totals = np.random.default_rng(3).random((40, 2))
    one, other = (
        bootstrap_interval(totals, lambda t: t[:, 0] / t[:, 1], np.random.default_rng(7), resamples=500)
        for _ in range(2)
    )
    assert one == other


def test_what_cannot_be_drawn_is_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="two units"):
        bootstrap_interval([[1.0]], lambda t: t[:, 0], generator)
    with pytest.raises(ValueError, match="single unit"):
        bootstrap_interval([[1.0], [2.0]], lambda t: t[:, 0], generator, strata=["a", "b"])
    with pytest.raises(ValueError, match="undefined"):
        bootstrap_interval([[1.0], [2.0]], lambda t: t[:, 0] * np.nan, generator)
    with pytest.raises(ValueError, match="strata"):
        resampled_totals([[1.0], [2.0]], generator, 10, ["a"])
