"""One accuracy with the interval that fits its design."""

from __future__ import annotations

import numpy as np
import pytest

from asa_bench.measures import clusters_of, crossed_mean, share, wilson_interval


def test_independent_examples_get_wilsons_interval() -> None:
    found = share(np.arange(263) < 81)
    assert found.interval == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe (1998), table I
    assert (found.method, found.hits, found.examples, found.seeds) == ("Wilson", 81, 263, 1)


def test_clusters_seeds_and_strata_get_t_intervals() -> None:
    generator = np.random.default_rng(0)
    values = generator.random((5, 300)) < 0.6
    clusters = np.repeat(np.arange(60), 5)
    found = share(values, clusters=clusters, strata=clusters % 3)
    assert found.interval == pytest.approx(crossed_mean(values, clusters, clusters % 3).interval())
    assert found.method == "t, 5 seeds and 60 clusters as crossed random effects, within strata"
    assert found.value == pytest.approx(values.mean())


def test_all_right_has_an_interval_of_some_width() -> None:
    found = share(np.ones((3, 50)))
    assert found.interval == pytest.approx(wilson_interval(50, 50))
    assert "Wilson" in found.method
    nearly = np.ones(400)
    nearly[:2] = 0
    low, high = share(nearly, strata=np.arange(400) % 2).interval
    assert (low, high) == pytest.approx(wilson_interval(398, 400), abs=2e-3)
    assert high <= 1.0


def test_a_single_cluster_counts_as_one_example() -> None:
    found = share(np.ones(30), clusters=np.zeros(30, int))
    assert found.interval == pytest.approx(wilson_interval(1, 1))
    assert found.clusters == 1


def test_groups_make_clusters() -> None:
    found = clusters_of(["a", "", "b", "a", "", "b"])
    assert found is not None
    assert len(set(found)) == 4
    assert found[0] == found[3]
    assert found[1] != found[4]
    assert clusters_of(["", "", "a"]) is None
    assert clusters_of([]) is None
    assert clusters_of(["a", "a"]) is not None


@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_a_metric_and_its_interval_stay_within_what_it_can_be(lowest: float) -> None:
    values = np.where(np.arange(6) == 0, 1.0, -0.1)  # half the interval lies below 0
    found = share(values, linear=True, lowest=lowest)
    assert crossed_mean(values).interval()[0] == pytest.approx(-0.3878, abs=1e-3)
    assert found.interval[0] == pytest.approx(max(lowest, crossed_mean(values).interval()[0]))
    assert share(values[:1], linear=True, lowest=lowest).interval == (lowest, 1.0)


def test_no_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        share([])
    with pytest.raises(ValueError, match="outside"):
        share([0.5, 2])
