"""Spread and intervals against textbook answers."""

from __future__ import annotations

import itertools

import pytest

from asa_bench.measures import Summary, paired_differences, summarize, t_interval, wilson_interval


def test_spread_is_the_sample_standard_deviation() -> None:
    found = summarize([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert found.mean == 5.0
    assert found.sd == pytest.approx((32 / 7) ** 0.5)
    assert found.n == 8


def test_one_seed_has_no_spread() -> None:
    assert summarize([0.9]) == Summary(0.9, None, 1)
    assert t_interval([0.9]) is None
    with pytest.raises(ValueError, match="no values"):
        summarize([])


def test_the_order_of_seeds_does_not_change_a_bit() -> None:
    values = [0.1, 0.2, 0.30000000000000004, 1e-17]
    assert len({summarize(list(order)) for order in itertools.permutations(values)}) == 1


def test_t_interval_of_five_units() -> None:
    # t(0.975, 4) = 2.776445; sd of 1..5 is sqrt(2.5).
    low, high = t_interval([1, 2, 3, 4, 5]) or (0, 0)
    assert low == pytest.approx(3 - 2.776445 * (2.5 / 5) ** 0.5, abs=1e-6)
    assert high == pytest.approx(3 + 2.776445 * (2.5 / 5) ** 0.5, abs=1e-6)
    with pytest.raises(ValueError, match="confidence"):
        t_interval([1, 2], level=95)


def test_wilson_interval_of_newcombe_1998() -> None:
    # Newcombe (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for hits, total, expected in [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ]:
        assert wilson_interval(hits, total) == pytest.approx(expected, abs=5e-5)
    with pytest.raises(ValueError, match="no proportion"):
        wilson_interval(3, 0)


def test_differences_pair_the_seeds_that_both_have() -> None:
    assert paired_differences({1: 0.75, 2: 0.5}, {2: 0.25, 3: 0.1}) == {2: 0.25}
