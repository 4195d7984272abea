"""Changes of texts and gated robust accuracy, by hand."""

from __future__ import annotations

import pytest

from asa_bench.measures import Proportion, change, gated, gated_robust, within


@pytest.mark.parametrize(
    ("before", "after", "words", "words_changed", "edit_distance"),
    [
        ("a good film", "a good film", 3, 0, 0),
        ("a good film", "a godo film", 3, 1, 2),
        ("a good film", "a fine film", 3, 1, 4),
        ("a good film", "a film", 3, 1, 5),
        ("a good film", "a very good film", 3, 1, 5),
        ("a good  film", "a good film", 3, 0, 1),
        ("good", "g ood", 1, 2, 1),
        ("", "x", 0, 1, 1),
        ("kitten", "sitting", 1, 1, 3),
        ("lone \ud800 surrogate", "lone \ud801 surrogate", 3, 1, 1),
    ],
)
def test_changes_are_levenshteins(
    before: str, after: str, words: int, words_changed: int, edit_distance: int
) -> None:
    found = change(before, after)
    assert (found.words, found.words_changed, found.edit_distance) == (words, words_changed, edit_distance)


def test_bounds_are_included_and_what_is_not_known_lies_outside() -> None:
    values = [0.1 + 0.2, 0.31, float("nan")]
    assert within(values, most=0.3).tolist() == [True, False, False]
    assert within(values, least=0.3).tolist() == [True, True, False]
    assert within(values).tolist() == [True, True, True]


def test_a_success_counts_only_if_its_text_passes() -> None:
    statuses = ["failed", "successful", "successful", "skipped", "errored", "timed_out"]
    passes = [False, True, False, True, True, True]
    assert gated(statuses, passes).tolist() == [True, False, True, False, False, False]
    assert gated_robust(statuses, passes) == Proportion(2, 6)
    assert gated_robust(statuses, [True] * 6) == Proportion(1, 6)
    with pytest.raises(ValueError, match="as many"):
        gated(statuses, [True])
    with pytest.raises(ValueError, match="at least one"):
        gated([], [])
