"""Schedules that can be worked out by hand."""

from __future__ import annotations

import pytest

from asa_bench.scheduling import Job, Weather, critical_path, remaining, simulate

# A pre-training, two trainings that wait for it, an evaluation behind each, and one that waits for nothing.
JOBS = [
    Job("p", 4),
    Job("e", 1),
    Job("t1", 3, ("p",)),
    Job("t2", 5, ("p",)),
    Job("e1", 2, ("t1",)),
    Job("e2", 1, ("t2",)),
]


def test_chains() -> None:
    assert remaining(JOBS) == {"p": 10, "e": 1, "t1": 5, "t2": 6, "e1": 2, "e2": 1}
    assert critical_path(JOBS) == (("p", "t2", "e2"), 10)
    assert critical_path([]) == ((), 0.0)
    with pytest.raises(ValueError, match="e1 waits"):
        remaining([Job("e1", 2, ("t1",)), Job("t1", 3)])


@pytest.mark.parametrize(("workers", "seconds"), [(1, 16), (2, 10), (100, 10)])
def test_by_hand(workers: int, seconds: float) -> None:
    found = simulate(JOBS, workers)
    assert (found.seconds, found.work, found.wasted) == (seconds, 16, 0)
    assert found.bound == max(10, 16 / workers)
    assert found.efficiency == pytest.approx(16 / (workers * seconds))


def test_the_longest_chain_first_is_shorter_where_the_plan_begins_with_short_ones() -> None:
    jobs = [*(Job(f"s{at}", 1) for at in range(4)), Job("long", 4)]
    assert simulate(jobs, 2).seconds == 6
    assert simulate(jobs, 2, longest_chain_first=True).seconds == 4


def test_weather() -> None:
    jobs = [Job(str(at), 3600.0) for at in range(400)]
    slow = simulate(jobs, 4, Weather(straggling=0.25, slowness=3.0))
    assert slow.wasted / slow.work == pytest.approx(0.5, abs=0.1)  # a quarter takes twice as long in addition
    assert slow.seconds > simulate(jobs, 4).seconds
    # With a loss each 2 hours on average, an hour's job needs exp(1/2) - 1 = 0.65 lost attempts of 0.46 hours.
    lost = simulate(jobs, 4, Weather(hours_between_losses=2.0))
    assert lost.wasted / lost.work == pytest.approx(0.297, abs=0.08)
    assert simulate(jobs, 4, Weather(hours_between_losses=2.0)).seconds == lost.seconds
    with pytest.raises(ValueError, match="at least one worker"):
        simulate(jobs, 0)
