"""Holm's procedure against the table of a textbook and against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from asa_bench.measures import holm


def test_adjusted_p_values_by_hand() -> None:
    # Wright (1992, Biometrics 48:1005) style: 0.01 * 4, 0.02 * 3, then never falling: 0.03 * 2, 0.04 -> 0.06.
    found = holm([0.04, 0.01, 0.03, 0.02])
    assert found.p == pytest.approx((0.06, 0.04, 0.06, 0.06))
    assert found.rejected == (False, True, False, False)
    assert found.levels == pytest.approx((1 - 0.05 / 3, 1 - 0.05 / 4, 1 - 0.05 / 3, 1 - 0.05 / 3))
    assert found.simultaneous_level == pytest.approx(1 - 0.05 / 4)


def test_statsmodels_agrees() -> None:
    p = np.random.default_rng(0).beta(0.3, 3, 40)
    rejected, adjusted, _, _ = multipletests(p, alpha=0.05, method="holm")
    found = holm(p.tolist())
    assert found.p == pytest.approx(adjusted)
    assert found.rejected == tuple(rejected)
    assert 2 < sum(rejected) < 38


def test_one_hypothesis_needs_no_adjustment() -> None:
    assert holm([0.03]).p == (0.03,)
    assert holm([0.03]).levels == (0.95,)
    assert not holm([0.06]).rejected[0]


def test_all_rejected() -> None:
    found = holm([0.001, 0.002, 0.003])
    assert found.rejected == (True, True, True)
    assert found.levels == pytest.approx((1 - 0.05 / 3, 1 - 0.05 / 2, 0.95))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_levels_agree_with_decisions(p_values: list[float]) -> None:
    found = holm(p_values)
    for p, rejected, level, adjusted in zip(p_values, found.rejected, found.levels, found.p, strict=True):
        if abs(p - (1 - level)) > 1e-9:
            assert rejected == (p < 1 - level)
            assert rejected == (adjusted < 0.05) or abs(adjusted - 0.05) < 1e-9


@pytest.mark.parametrize("p_values", [[], [1.2], [-0.1], [float("nan")]])
def test_no_p_values_are_refused(p_values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"p value"):
        holm(p_values)
    with pytest.raises(ValueError, match="alpha"):
        holm(np.array([0.5]), alpha=5)
