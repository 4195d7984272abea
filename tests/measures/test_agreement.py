"""Agreement of people: known answers, and what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from asa_bench.measures import agreement


def test_two_people_by_hand() -> None:
    """Cohen's kappa of 20 yes-yes, 15 no-no, 5 and 10 otherwise is 0.4 (0.7 agree, 0.5 by chance)."""
    judged = [(1, 1)] * 20 + [(0, 0)] * 15 + [(1, 0)] * 5 + [(0, 1)] * 10
    found = agreement(judged)
    assert found.kappa == pytest.approx(0.4) and found.share == pytest.approx(0.7)
    # Alpha: 1 - (n - 1) * disagreements / (ones * zeros) over the 100 pooled judgements, pairs counted both ways.
    ones = 20 * 2 + 15
    assert found.alpha == pytest.approx(1 - 99 * 15 / (ones * (100 - ones)))
    assert found.low is not None and found.high is not None and found.low < found.alpha < found.high
    assert (found.units, found.people) == (50, 2)


def test_three_people_by_hand() -> None:
    """Fleiss' kappa: agreement (1 + 1 + 1/3) / 3 of three units, chance (5/9)^2 + (4/9)^2."""
    found = agreement([(1, 1, 1), (0, 0, 0), (1, 1, 0)])
    chance = (5 / 9) ** 2 + (4 / 9) ** 2
    assert found.share == pytest.approx(7 / 9)
    assert found.kappa == pytest.approx((7 / 9 - chance) / (1 - chance))


def test_an_ordinal_scale_forgives_near_misses() -> None:
    near = [(1, 2), (2, 2), (3, 4), (4, 4), (5, 5), (1, 1), (5, 4)]
    far = [(1, 5), (2, 2), (3, 1), (4, 4), (5, 5), (1, 1), (5, 1)]
    told = [agreement(judged, "ordinal").alpha for judged in (near, far)]
    assert told[0] is not None and told[1] is not None and told[0] > 0.8 > told[1]


def test_perfect_chance_and_nothing_to_tell() -> None:
    perfect = agreement([(0, 0), (1, 1), (2, 2)] * 5)
    assert (perfect.alpha, perfect.low, perfect.high, perfect.kappa) == (1, 1, 1, 1)
    dice = np.random.default_rng(0).integers(0, 2, (2000, 2))
    assert abs(agreement(dice.tolist()).alpha or 1) < 0.05
    alike = agreement([(1, 1)] * 9)
    assert (alike.alpha, alike.low, alike.kappa, alike.share) == (None, None, None, 1)
    assert agreement([(0, 1)]).alpha is not None
    for bad in ([(1,)], [], [1, 2]):
        with pytest.raises(ValueError, match="at least two people"):
            agreement(bad)  # type: ignore[arg-type]


def test_the_same_judgements_give_the_same_interval() -> None:
    judged = np.random.default_rng(1).integers(0, 3, (40, 3)).tolist()
    assert agreement(judged) == agreement(judged)
