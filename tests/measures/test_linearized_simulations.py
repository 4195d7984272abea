"""Simulated experiments with metrics that are no mean, and with averages: intervals cover, printed effects are found.

A latent normal number stands behind every example. Gold labels tell whether it is high (in 30 % of the examples), gold numbers
are the number itself; a method sees it with noise of its own and of the example's, and with a shift and a slope that every
training seed draws anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, ndtri

from asa_bench.measures import (
    Combination,
    Comparison,
    Pair,
    Part,
    calibration_error_values,
    compare_all,
    f1_values,
    matthews_values,
    pearson_values,
    ratio_values,
    risk_coverage_values,
    spearman_values,
)

pytestmark = pytest.mark.slow
RUNS = 2_000
HIGH = float(ndtri(0.7))


@dataclass(frozen=True)
class Design:
    """An experiment; the numbers are standard deviations beside the latent number's 1.

    Attributes:
        noise: of either method: the smaller, the better it is.
        seed: by how much training seeds shift and tilt what a method sees.
        sizes: rows per cluster; 1 where examples are independent.
    """

    metric: str
    examples: int = 200
    seeds: int = 1
    noise: tuple[float, float] = (0.8, 0.7)
    seed: float = 0.0
    sizes: int = 1

    def experiment(self, generator: np.random.Generator) -> Pair:
        number = self.examples // self.sizes
        clusters = np.repeat(np.arange(number), self.sizes)
        latent = generator.normal(0, 0.6, number)[clusters] + generator.normal(0, 0.8, len(clusters))
        common = generator.normal(0, 0.5, len(clusters))
        seen = []
        for noise in self.noise:
            shift, slope = generator.normal(0, self.seed, (2, self.seeds, 1))
            own = generator.normal(0, noise, (self.seeds, len(clusters)))
            seen.append((1 + slope) * latent + shift + common + own)
        made = [np.stack([_values(self.metric, latent, each) for each in table]) for table in seen]
        differing = len(clusters)  # numbers are never the same
        if self.metric in ("MCC", "F1"):
            differing = int(((seen[0] > HIGH) != (seen[1] > HIGH)).any(axis=0).sum())
        return Pair(made[0], made[1], clusters if self.sizes > 1 else None, linear=True, differing=differing)


def _values(metric: str, latent: np.ndarray, seen: np.ndarray) -> np.ndarray:
    if (
        metric == "entity F1"
    ):  # of ten tags each, an example holds up to four entities; claims follow what is seen
        true, said = (np.clip(np.round(1.5 + 1.2 * each), 0, 4) for each in (latent, seen))
        return ratio_values(2 * np.minimum(true, said), true + said)
    if metric == "Pearson" or metric == "Spearman":
        found = (pearson_values if metric == "Pearson" else spearman_values)(latent, seen)
        assert found is not None
        return found
    if metric in ("ECE", "AURC"):  # too sure of what is seen, by a slope that is not that of the noise
        says = seen > HIGH
        sure = expit(np.abs(seen - HIGH) * 3)
        measure = calibration_error_values if metric == "ECE" else risk_coverage_values
        return measure(sure, says == (latent > HIGH))
    return {"MCC": matthews_values, "F1": _f1}[metric](latent > HIGH, seen > HIGH)


def _f1(gold: np.ndarray, said: np.ndarray) -> np.ndarray:
    return f1_values(gold, said, True)  # type: ignore[arg-type]


@cache
def truth(design: Design) -> float:
    """The difference in the population, averaged over seeds."""
    pair = replace(design, examples=2_000, seeds=500 if design.seed else 200).experiment(
        np.random.default_rng(0)
    )
    return float(np.mean(pair.second) - np.mean(pair.first))


def compared(asked: Pair | Combination) -> Comparison:
    return compare_all({"": asked})[""]


METRICS = ("MCC", "F1", "Pearson", "Spearman", "entity F1")
FIVE: dict[str, Any] = {"seeds": 5, "seed": 0.15}
ALIKE = (1.1, 1.1)


@pytest.mark.parametrize(
    "design",
    [
        *(pytest.param(Design(metric), id=metric) for metric in METRICS),
        *(pytest.param(Design(metric, **FIVE), id=f"{metric}, 5 seeds") for metric in METRICS),
        pytest.param(Design("MCC", examples=400, sizes=4), id="MCC, 100 clusters"),
        pytest.param(
            Design("entity F1", examples=200, sizes=5, **FIVE), id="entity F1, 40 clusters, 5 seeds"
        ),
        pytest.param(Design("Pearson", examples=60), id="Pearson of 60"),
        pytest.param(Design("MCC", seeds=5, seed=0.4), id="MCC, 5 seeds, unlike"),
        pytest.param(Design("AURC", examples=400), id="AURC"),
        pytest.param(Design("AURC", examples=400, **FIVE), id="AURC, 5 seeds"),
        pytest.param(Design("ECE", examples=600, noise=(1.6, 1.3)), id="ECE"),
        pytest.param(Design("ECE", examples=600, noise=(1.6, 1.3), **FIVE), id="ECE, 5 seeds"),
    ],
)
def test_intervals_of_metrics_cover(design: Design) -> None:
    generator = np.random.default_rng(21)
    true = truth(design)
    intervals = np.array([compared(design.experiment(generator)).interval for _ in range(RUNS)])
    covered = float(np.mean((intervals[:, 0] <= true) & (true <= intervals[:, 1])))
    print(f"coverage {covered:.4f} of {true:.4f}")
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(Design("MCC", examples=500, noise=ALIKE), id="MCC"),
        pytest.param(Design("F1", examples=500, noise=ALIKE, **FIVE), id="F1, 5 seeds"),
        pytest.param(Design("Spearman", examples=500, noise=ALIKE, **FIVE), id="Spearman, 5 seeds"),
    ],
)
def test_the_printed_effect_of_a_metric_is_found_in_four_of_five(design: Design) -> None:
    """Each experiment prints an effect; a second one, in which one method sees less and the other more, looks for it."""
    generator = np.random.default_rng(22)
    steps = np.linspace(0, 0.95, 9)  # the few effects beyond the last are looked for there
    unlike = [replace(design, noise=(ALIKE[0] * (1 + step), ALIKE[0] * (1 - step))) for step in steps]
    effects = [truth(each) for each in unlike]
    found, runs = 0, RUNS // 2
    for _ in range(runs):
        printed = compared(design.experiment(generator)).detectable
        step = float(np.interp(printed, effects, steps))
        again = replace(design, noise=(ALIKE[0] * (1 + step), ALIKE[0] * (1 - step)))
        found += compared(again.experiment(generator)).p <= 0.05
    print(f"power {found / runs:.4f}")
    assert 0.75 <= found / runs <= 0.85


@dataclass(frozen=True)
class Averaged:
    """An average over test sets: how many examples each has, and whose model answers it; see `Design` for the rest."""

    sizes: tuple[int, ...]
    models: tuple[int, ...]
    seeds: int = 5
    seed: float = 0.1
    accuracies: tuple[float, float] = (0.75, 0.78)

    @property
    def difference(self) -> float:
        return self.accuracies[1] - self.accuracies[0]

    def experiment(self, generator: np.random.Generator) -> Combination:
        effects = generator.normal(0, self.seed, (len(set(self.models)), 2, self.seeds, 1))
        spread = np.sqrt(1 + 0.5**2 + 1 + self.seed**2)
        parts = []
        for at, (size, model) in enumerate(zip(self.sizes, self.models, strict=True)):
            common = generator.normal(size=size)
            right = [
                ndtri(accuracy) * spread
                + common
                + generator.normal(0, 0.5, size)
                + effects[model, side]
                + generator.normal(size=(self.seeds, size))
                > 0
                for side, accuracy in enumerate(self.accuracies)
            ]
            parts.append(Part(Pair(*right), 1 / len(self.sizes), f"m{model}", f"s{at}"))
        return Combination(tuple(parts))


ONE_MODEL = Averaged((400, 150, 80), (0, 0, 0))
THREE_MODELS = Averaged((400, 150, 80, 300), (0, 1, 1, 2))


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(ONE_MODEL, id="one model"),
        pytest.param(THREE_MODELS, id="three models"),
        pytest.param(replace(THREE_MODELS, seed=0.5), id="three models, unlike seeds"),
        pytest.param(replace(ONE_MODEL, seed=0.5), id="one model, unlike seeds"),
        pytest.param(replace(THREE_MODELS, seeds=1, seed=0.0), id="one seed"),
    ],
)
def test_intervals_of_averages_cover(design: Averaged) -> None:
    generator = np.random.default_rng(23)
    intervals = np.array([compared(design.experiment(generator)).interval for _ in range(RUNS)])
    covered = float(np.mean((intervals[:, 0] <= design.difference) & (design.difference <= intervals[:, 1])))
    print(f"coverage {covered:.4f}")
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("design", [ONE_MODEL, THREE_MODELS], ids=["one model", "three models"])
def test_the_printed_effect_of_an_average_is_found_in_four_of_five(design: Averaged) -> None:
    generator = np.random.default_rng(24)
    design, found, runs = replace(design, accuracies=(0.75, 0.75)), 0, RUNS // 2
    for _ in range(runs):
        printed = compared(design.experiment(generator)).detectable
        again = replace(design, accuracies=(0.75 - printed / 2, 0.75 + printed / 2))
        found += compared(again.experiment(generator)).p <= 0.05
    print(f"power {found / runs:.4f}")
    assert 0.75 <= found / runs <= 0.85


def test_a_family_of_averages_and_metrics_raises_few_false_alarms() -> None:
    """Three averages of unlike seeds and three coefficients without any difference, in one family."""
    generator = np.random.default_rng(25)
    average = replace(THREE_MODELS, seed=0.5, accuracies=(0.75, 0.75))
    metric = Design("MCC", noise=ALIKE, **FIVE)
    alarms, runs = 0, RUNS // 2
    for _ in range(runs):
        asked = [
            *(average.experiment(generator) for _ in range(3)),
            *(metric.experiment(generator) for _ in range(3)),
        ]
        alarms += any(one.significant for one in compare_all(dict(enumerate(asked))).values())
    print(f"family-wise error {alarms / runs:.4f}")
    assert alarms / runs <= 0.06
