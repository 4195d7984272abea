"""Attack measures: every denominator, and that nothing but a survived attack counts as robust."""

from __future__ import annotations

import pytest

from asa_bench.measures import Disagreement, Proportion, attack_measures, disagreement, robust_by_budget


def test_each_measure_has_its_own_denominator() -> None:
    found = attack_measures(
        ["successful"] * 3 + ["failed"] * 4 + ["skipped"] * 2 + ["errored"],
        [True] * 7 + [False] * 2 + [True],
        [10, 20, 30, 40, 50, 60, 70, 1, 1, 999],
    )
    assert found.clean == Proportion(8, 10)
    assert found.robust == Proportion(4, 10)
    assert found.success == Proportion(3, 8)
    assert (found.successful, found.failed, found.skipped, found.errored, found.total) == (3, 4, 2, 1, 10)
    assert found.mean_queries == 40.0


def test_crashes_and_wrong_answers_are_never_robust() -> None:
    found = attack_measures(["errored", "errored", "skipped"], [True, False, False], [0, 0, 1])
    assert found.robust == Proportion(0, 3)
    assert found.clean == Proportion(1, 3)
    assert found.mean_queries is None


def test_success_is_undefined_where_nothing_was_right() -> None:
    assert attack_measures(["skipped"], [False], [1]).success is None


@pytest.mark.parametrize(
    ("status", "correct", "words"),
    [
        (["failed"], [False], "must be skipped"),
        (["skipped"], [True], "must be attacked"),
        (["robust"], [True], "unknown status 'robust'"),
        ([], [], "no example"),
        (["failed", "failed"], [True], "differ"),
    ],
)
def test_contradictions_are_refused(status: list[str], correct: list[bool], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        attack_measures(status, correct, [1] * len(status))


def test_timed_out_is_neither_robust_nor_a_success() -> None:
    found = attack_measures(["timed_out", "failed", "successful"], [True, True, True], [9, 4, 6])
    assert found.undecided == 1
    assert (found.timed_out, found.robust, found.success) == (1, Proportion(1, 3), Proportion(1, 3))
    assert found.mean_queries == 5


def test_robust_accuracy_by_budget() -> None:
    statuses = ["successful", "failed", "failed", "skipped", "errored", "timed_out"]
    intervals: list[list[tuple[int, int | None]]] = [[(4, None)], [], [(3, 5)], [], [(2, None)], []]
    found = robust_by_budget(statuses, intervals, [1, 3, 4, 5, 100])
    assert found == [Proportion(hits, 6) for hits in (3, 2, 1, 2, 2)]
    with pytest.raises(ValueError, match="at least 1"):
        robust_by_budget(["failed"], [[]], [0])
    with pytest.raises(ValueError, match="intervals of 2 ids"):
        robust_by_budget(["failed"], [[], []], [1])
    with pytest.raises(ValueError, match="unknown status"):
        robust_by_budget(["won"], [[]], [1])
    with pytest.raises(ValueError, match="nothing to score"):
        robust_by_budget([], [], [1])


def test_disagreement() -> None:
    statuses = [
        "successful",
        "successful",
        "successful",
        "failed",
        "failed",
        "skipped",
        "errored",
        "timed_out",
    ]
    tried = ["successful", "denied", "failed", "failed", "denied", "denied", "failed", "timed_out"]
    assert disagreement(statuses, tried) == Disagreement(ended=5, repeated=4, denied=2, missed=1)
    assert disagreement([], []) == Disagreement(0, 0, 0, 0)
    again = ["", "", "", "successful", "", "", "", ""]
    tried[4] = "failed"
    alone = disagreement(statuses, tried, again)
    assert alone == Disagreement(5, repeated=2, denied=1, missed=1, standing=2, drawn=1, overturned=1)
    again[3:5] = ["errored", "failed"]
    alone = disagreement(statuses, tried, again)
    assert (alone.standing, alone.drawn, alone.overturned) == (2, 1, 0)
    with pytest.raises(ValueError, match="again"):
        disagreement(statuses, tried, again[1:])
    with pytest.raises(ValueError, match="differ"):
        disagreement(statuses, tried[1:])
    with pytest.raises(ValueError, match="must be a success"):
        disagreement(["failed"], ["successful"])
