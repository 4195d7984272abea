"""Components of variance against the textbook solution, by hand, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from asa_bench.measures import variance_split


def of(split: object, source: str) -> float:
    return next(c.variance for c in split.components if c.source == source)  # type: ignore[attr-defined]


def test_one_factor_is_the_sample_variance() -> None:
    found = variance_split(np.array([[[1.0]], [[2.0]], [[4.0]]]))
    assert found.components[0].source == "training seed"
    assert found.total_variance == pytest.approx(np.var([1, 2, 4], ddof=1))
    assert found.mean_variance == pytest.approx(np.var([1, 2, 4], ddof=1) / 3)
    assert found.unknown == ("attack seed", "example")


def test_two_factors_by_hand() -> None:
    # Rows 1 3 / 5 9: effects rows -2.5, 2.5; columns -1.5, 1.5; rest 0.5, -0.5, -0.5, 0.5.
    # MS rows 25, columns 9, rest 1: rest 1, rows (25 - 1) / 2, columns (9 - 1) / 2.
    found = variance_split(np.array([[1.0, 3], [5, 9]]), ("training seed", "example"))
    assert of(found, "training seed x example") == pytest.approx(1)
    assert of(found, "training seed") == pytest.approx(12)
    assert of(found, "example") == pytest.approx(4)
    assert found.mean_variance == pytest.approx(12 / 2 + 4 / 2 + 1 / 4)
    assert sum(c.share or 0 for c in found.components) == pytest.approx(1)
    assert sum(c.mean_share or 0 for c in found.components) == pytest.approx(1)


def test_what_is_below_zero_is_zero_and_said() -> None:
    found = variance_split(np.array([[1.0, 2, 1, 2], [2, 1, 2, 1]]), ("training seed", "example"))
    by_source = {c.source: c for c in found.components}
    assert by_source["training seed"].truncated
    assert by_source["training seed"].variance == 0.0
    assert not by_source["training seed x example"].truncated


TRUE = {"training seed": 0.5, "attack seed": 0.3, "example": 2.0, "training seed x example": 0.7}


def made(generator: np.random.Generator, nested: bool) -> np.ndarray:
    s, a, e = 6, 5, 30
    table = generator.normal(0, TRUE["training seed"] ** 0.5, (s, 1, 1))
    table = table + generator.normal(0, TRUE["attack seed"] ** 0.5, (s if nested else 1, a, 1))
    table = table + generator.normal(0, TRUE["example"] ** 0.5, (1, 1, e))
    table = table + generator.normal(0, TRUE["training seed x example"] ** 0.5, (s, 1, e))
    return table + generator.normal(0, 1.1**0.5, (s, a, e))


@pytest.mark.parametrize("nested", [False, True])
def test_planted_variances_are_found_on_average(nested: bool) -> None:
    generator = np.random.default_rng(5)
    runs = [
        variance_split(made(generator, nested), nested=("attack seed", "training seed") if nested else None)
        for _ in range(300)
    ]

    def mean(source: str) -> float:
        return float(np.mean([of(run, source) for run in runs]))

    attack = "attack seed in training seed" if nested else "attack seed"
    rest = f"{attack} x example" if nested else "training seed x attack seed x example"
    assert mean("training seed") == pytest.approx(0.5, abs=0.08)
    assert mean(attack) == pytest.approx(0.3, abs=0.05)
    assert mean("example") == pytest.approx(2.0, abs=0.15)
    assert mean("training seed x example") == pytest.approx(0.7, abs=0.05)
    assert mean(rest) == pytest.approx(1.1, abs=0.05)
    assert len(runs[0].components) == (5 if nested else 7)


def test_constant_values_have_no_shares() -> None:
    found = variance_split(np.ones((2, 2, 3)))
    assert found.total_variance == 0.0
    assert all(c.share is None and c.mean_share is None for c in found.components)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.ones((2, 2)), "does not have the factors"),
        (np.ones((1, 1, 1)), "no factor has two levels"),
        (np.full((2, 2, 2), np.nan), "finite"),
    ],
)
def test_tables_without_a_split_are_refused(values: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        variance_split(values)
    with pytest.raises(ValueError, match="nested"):
        variance_split(np.ones((2, 2, 2)), nested=("batch", "example"))
