"""McNemar's test against textbook answers."""

from __future__ import annotations

import numpy as np
import pytest

from asa_bench.measures import mcnemar


def table(both: int, lost: int, gained: int, neither: int) -> tuple[list[bool], list[bool]]:
    first = [True] * (both + lost) + [False] * (gained + neither)
    second = [True] * both + [False] * lost + [True] * gained + [False] * neither
    return first, second


def test_agresti_approval_ratings() -> None:
    # Agresti's 1,600 voters, also the example of R's mcnemar.test: chi-squared (64 - 1)^2 / 236 = 16.818.
    found = mcnemar(*table(794, 150, 86, 570))
    assert (found.lost, found.gained, found.total, found.exact) == (150, 86, 1600, False)
    assert found.p == pytest.approx(4.115e-05, rel=1e-3)
    assert found.difference == pytest.approx((86 - 150) / 1600)


def test_few_flips_are_tested_exactly() -> None:
    # 2 against 8: 2 * P(X <= 2), X ~ Binomial(10, 1/2) = 2 * 56 / 1024.
    found = mcnemar(*table(50, 2, 8, 40))
    assert found.exact
    assert found.p == pytest.approx(112 / 1024)


def test_no_flips_say_nothing() -> None:
    found = mcnemar(*table(5, 0, 0, 5))
    assert (found.p, found.difference) == (1.0, 0.0)


def test_the_same_examples_are_needed() -> None:
    with pytest.raises(ValueError, match="same examples"):
        mcnemar(np.ones(3), np.ones(4))
