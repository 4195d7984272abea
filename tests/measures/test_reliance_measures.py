"""Measures of reliance on single words against answers worked out by hand or by the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from asa_bench.measures import reliance

SHARES = st.lists(st.floats(0, 1e3, allow_subnormal=False), min_size=1, max_size=12)


def test_importance_is_the_fall_of_the_gold_probability() -> None:
    found = reliance.leave_one_out(0.9, [0.2, 0.9, 0.95, 0.9000001])
    assert found.tolist() == pytest.approx([0.7, 0.0, -0.05, 0.0])
    assert (found[3], bool(np.signbit(found[3]))) == (0.0, False)  # what float32 cannot tell is no importance
    assert reliance.leave_one_out(0.5, []).tolist() == []


@pytest.mark.parametrize(("full", "left"), [(1.5, [0.1]), (0.5, [-0.1]), (float("nan"), [0.1])])
def test_what_is_no_probability_is_refused(full: float, left: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        reliance.leave_one_out(full, left)
    with pytest.raises(ValueError, match="one probability per word"):
        reliance.leave_one_out(0.5, [[0.1]])


def test_the_most_important_words_come_first_and_of_equal_ones_the_first_in_the_text() -> None:
    values = [0.1, 0.4, -0.2, 0.4, 0.0]
    assert reliance.most_important(values, 3).tolist() == [1, 3, 0]
    assert reliance.most_important(values, 9).tolist() == [1, 3, 0, 4, 2]
    assert reliance.most_important([0.1, 0.1 + 1e-8, 0.3], 2).tolist() == [2, 0]  # noise decides nothing
    assert reliance.most_important([], 1).tolist() == []
    with pytest.raises(ValueError, match="at least one word"):
        reliance.most_important(values, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 1, 1, 1], 0.0),
        ([0, 0, 0, 5], 3 / 4),
        ([7], 0.0),
        ([0, 0, 0], 0.0),
        ([1, 3], 1 / 4),  # |1-3| * 2 / (2 * 2 * 4)
        ([3, 1, 2], 2 / 9),  # (1 + 1 + 2) * 2 / (2 * 3 * 6)
        ([], None),
    ],
)
def test_gini_by_hand(values: list[float], expected: float | None) -> None:
    assert reliance.gini(values) == (None if expected is None else pytest.approx(expected, abs=1e-15))


@settings(deadline=None)  # processors may be busy
@given(SHARES)
def test_gini_is_the_mean_difference_of_all_pairs(values: list[float]) -> None:
    array = np.asarray(values)
    n, total = len(values), array.sum()
    pairs = np.abs(array[:, None] - array[None, :]).sum()
    expected = pairs / (2 * n * total) if total else 0.0
    found = reliance.gini(values)
    assert found is not None
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 <= found <= (n - 1) / n


@settings(deadline=None)  # processors may be busy
@given(SHARES, st.floats(0.001, 1000), st.randoms())
def test_gini_knows_neither_scale_nor_order(values: list[float], scale: float, random: object) -> None:
    other = [value * scale for value in values]
    random.shuffle(other)  # type: ignore[attr-defined]
    assert reliance.gini(other) == pytest.approx(reliance.gini(values), abs=1e-9)


def test_gini_refuses_what_is_no_share() -> None:
    for values in ([0.1, -0.1], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="negative"):
            reliance.gini(values)
    with pytest.raises(ValueError, match="list of values"):
        reliance.gini([[1.0]])


def test_words_against_the_label_share_nothing() -> None:
    assert reliance.importance_gini([0.5, -0.9, 0.5, 0.0]) == reliance.gini([0.5, 0, 0.5, 0])
    assert reliance.importance_gini([-0.5, -0.1]) == 0.0


@pytest.mark.parametrize(
    ("values", "place", "expected", "relative"),
    [
        ([0.1, 0.9, 0.3], 1, 1.0, 0.0),
        ([0.1, 0.9, 0.3], 0, 3.0, 1.0),
        ([0.9, 0.9, 0.3], 0, 1.5, 0.25),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 4, 3.0, 0.5),
        ([0.4], 0, 1.0, None),
        ([0.4, 0.4 + 1e-8, 0.1], 0, 1.5, 0.25),
    ],
)
def test_rank_by_hand(values: list[float], place: int, expected: float, relative: float | None) -> None:
    assert reliance.rank(values, place) == expected
    assert reliance.normalized_rank(values, place) == relative


@settings(deadline=None)  # processors may be busy
@given(st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.5]), min_size=1, max_size=9), st.data())
def test_rank_is_scipys_average_rank(values: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(values) - 1))
    assert reliance.rank(values, place) == rankdata([-value for value in values], method="average")[place]


def test_a_rank_needs_its_word() -> None:
    for place in (-1, 2):
        with pytest.raises(ValueError, match="no word"):
            reliance.rank([0.1, 0.2], place)


def test_attention_of_words_by_hand() -> None:
    """[CLS] one tw ##o [SEP]: means over two heads and five queries, special tokens left out, subwords added."""
    first = np.tile([0.5, 0.1, 0.1, 0.1, 0.2], (5, 1))
    second = np.tile([0.1, 0.3, 0.2, 0.2, 0.2], (5, 1))
    found = reliance.word_attention([first, second], [-1, 0, 1, 1, -1], 2)
    assert found is not None
    # one: (0.1 + 0.3) / 2 = 0.2; two: (0.2 + 0.4) / 2 = 0.3.
    assert found.tolist() == pytest.approx([0.4, 0.6])


def test_every_query_counts_and_rows_are_queries() -> None:
    attention = np.zeros((1, 3, 3))
    attention[0, 0] = [0.0, 1.0, 0.0]  # the special token looks at word 0
    attention[0, 1] = [0.0, 0.0, 1.0]
    attention[0, 2] = [1.0, 0.0, 0.0]
    found = reliance.word_attention(attention, [-1, 0, 1], 2)
    assert found is not None
    assert found.tolist() == [0.5, 0.5]
    attention[0, 2] = [0.0, 1.0, 0.0]
    found = reliance.word_attention(attention, [-1, 0, 1], 2)
    assert found is not None
    assert found.tolist() == pytest.approx([2 / 3, 1 / 3])


def test_no_attention_to_words_is_none() -> None:
    assert reliance.word_attention(np.ones((2, 2, 2)) / 2, [-1, -1], 0) is None
    only_special = np.zeros((1, 2, 2))
    only_special[:, :, 0] = 1.0
    assert reliance.word_attention(only_special, [-1, 0], 1) is None


def test_shapes_of_attention_are_checked() -> None:
    with pytest.raises(ValueError, match=r"must be \(heads, tokens, tokens\)"):
        reliance.word_attention(np.ones((1, 3, 4)), [0, 0, 0], 1)
    with pytest.raises(ValueError, match="there are 1"):
        reliance.word_attention(np.ones((1, 2, 2)), [0, 1], 1)
