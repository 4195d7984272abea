"""Attack measures: every denominator, and that nothing but a survived attack counts as robust."""

from __future__ import annotations

import pytest

from asa_bench.measures import Proportion, attack_measures


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
