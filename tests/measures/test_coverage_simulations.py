"""Simulated experiments: intervals cover, families raise few false alarms, printed effects are found in 80 %.

Two methods answer the same examples; a method is right where a latent normal variable is positive. The variable
adds what example, cluster, method x example, method x cluster, method x seed and the single answer contribute, so the
true accuracies are known exactly whatever the correlations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import ndtri

from asa_bench.measures import (
    Pair,
    bootstrap_interval,
    compare,
    compare_all,
    crossed_mean,
    mcnemar_detectable,
    mcnemar_p,
)
from asa_bench.measures.comparison import Comparison
from asa_bench.measures.paired import EXACT_BELOW

pytestmark = pytest.mark.slow
RUNS = 2_000


@dataclass(frozen=True)
class Design:
    """How examples and seeds make right answers; the numbers are standard deviations of the latent parts.

    Attributes:
        examples: how many, where they are independent.
        clusters: how many clusters of 2 to about 40 examples; 0 where examples are independent.
        strata: clusters (or examples) are dealt out to so many; each shifts the difference by another amount.
        accuracies: true accuracy of either method.
        seed: method x seed: what training again changes for all examples at once.
        cluster: method x cluster; example: method x example.
        answer: what is left to chance in each single answer.
    """

    examples: int = 0
    clusters: int = 0
    strata: int = 1
    seeds: int = 1
    accuracies: tuple[float, float] = (0.80, 0.83)
    shared: float = 1.0
    seed: float = 0.0
    cluster: float = 0.0
    example: float = 0.5
    answer: float = 1.0

    @property
    def difference(self) -> float:
        """The true one."""
        return self.accuracies[1] - self.accuracies[0]

    def experiment(self, generator: np.random.Generator) -> Pair:
        """One experiment."""
        clusters = strata = None
        examples = self.examples
        if self.clusters:
            sizes = 1 + generator.geometric(1 / 12, self.clusters)
            clusters = np.repeat(np.arange(self.clusters), sizes)
            examples = len(clusters)
        units = np.arange(examples) if clusters is None else clusters
        if self.strata > 1:
            strata = units % self.strata
        spread = np.sqrt(self.shared**2 + self.seed**2 + self.cluster**2 + self.example**2 + self.answer**2)
        common = generator.normal(0, self.shared, examples)
        right = []
        for accuracy in self.accuracies:
            latent = ndtri(accuracy) * spread + common + generator.normal(0, self.example, examples)
            if clusters is not None:
                latent = latent + generator.normal(0, self.cluster, self.clusters)[clusters]
            latent = latent + generator.normal(0, self.seed, (self.seeds, 1))
            right.append(latent + generator.normal(0, self.answer, (self.seeds, examples)) > 0)
        return Pair(right[0], right[1], clusters, strata)


def compared(pair: Pair) -> Comparison:
    return compare(pair.first, pair.second, clusters=pair.clusters, strata=pair.strata)


INDEPENDENT = Design(examples=400)
FEW_FLIPS = Design(examples=300, accuracies=(0.955, 0.96), shared=2.0)
STRATIFIED = Design(examples=400, strata=8)
CLUSTERED = Design(clusters=40, cluster=0.5)
CLUSTERED_STRATIFIED = Design(clusters=60, strata=6, cluster=0.5)
FEW_CLUSTERS = Design(clusters=8, cluster=0.5)
FIVE_SEEDS_ALIKE = Design(examples=400, seeds=5)
FIVE_SEEDS = Design(examples=400, seeds=5, seed=0.1)
FIVE_SEEDS_UNLIKE = Design(examples=400, seeds=5, seed=0.5)
FIVE_SEEDS_CLUSTERED = Design(clusters=40, seeds=5, cluster=0.4, seed=0.1)

EXACT = (FEW_FLIPS,)  # conservative on purpose
FEW_UNITS = (FEW_CLUSTERS,)


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(INDEPENDENT, id="independent"),
        pytest.param(FEW_FLIPS, id="few flips, exact"),
        pytest.param(STRATIFIED, id="stratified"),
        pytest.param(CLUSTERED, id="40 clusters"),
        pytest.param(CLUSTERED_STRATIFIED, id="60 clusters in 6 strata"),
        pytest.param(FEW_CLUSTERS, id="8 clusters"),
        pytest.param(FIVE_SEEDS_ALIKE, id="5 seeds, alike"),
        pytest.param(FIVE_SEEDS, id="5 seeds"),
        pytest.param(FIVE_SEEDS_UNLIKE, id="5 seeds, unlike"),
        pytest.param(FIVE_SEEDS_CLUSTERED, id="5 seeds, 40 clusters"),
    ],
)
def test_intervals_cover(design: Design) -> None:
    generator = np.random.default_rng(11)
    intervals = np.array([compared(design.experiment(generator)).interval for _ in range(RUNS)])
    covered = float(np.mean((intervals[:, 0] <= design.difference) & (design.difference <= intervals[:, 1])))
    print(f"coverage {covered:.4f}")
    assert covered >= 0.93
    if design not in EXACT + FEW_UNITS:
        assert covered <= 0.97


def test_a_percentile_bootstrap_over_five_seeds_would_not_cover() -> None:
    """Why seeds are a random effect with t quantiles: the usual bootstrap covers about 83 %."""
    generator = np.random.default_rng(12)
    values = generator.normal(size=(RUNS, 5))
    drawn = values[:, generator.integers(0, 5, (1_000, 5))].mean(axis=2)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.83, abs=0.02)


@pytest.mark.parametrize(("seeds", "lowest", "highest"), [(2, 0.84, 0.90), (3, 0.90, 0.94), (5, 0.93, 0.97)])
def test_fewer_than_five_seeds_cover_less_as_is_said(seeds: int, lowest: float, highest: float) -> None:
    """Near the worst mixture: the seeds' part of the variance is ten times the examples' at two seeds."""
    generator = np.random.default_rng(17)
    covered = 0
    for _ in range(RUNS):
        values = generator.normal(0, 20**0.5, (seeds, 1)) + generator.normal(0, 30**0.5, 30)
        low, high = crossed_mean(values).interval()
        covered += low <= 0 <= high
    print(f"coverage {covered / RUNS:.4f}")
    assert lowest <= covered / RUNS <= highest


def test_the_clustered_bootstrap_covers() -> None:
    """F1 of one method over 40 clusters: totals are true positives and claims."""
    generator = np.random.default_rng(13)
    rates = (
        generator.beta(6, 3, 200_000),
        generator.beta(2, 6, 200_000),
    )  # of hits and false alarms, per cluster

    def totals(hit: np.ndarray, alarm: np.ndarray) -> np.ndarray:
        true, false = generator.binomial(10, hit), generator.binomial(10, alarm)
        return np.column_stack([true, 10 + true + false]).astype(float)

    truth = 2 * rates[0].mean() / (1 + rates[0].mean() + rates[1].mean())
    covered = 0
    for _ in range(RUNS):
        chosen = generator.integers(0, 200_000, 40)
        found = bootstrap_interval(
            totals(rates[0][chosen], rates[1][chosen]),
            lambda t: 2 * t[:, 0] / t[:, 1],
            generator,
            resamples=600,
        )
        covered += found.low <= truth <= found.high
    print(f"coverage {covered / RUNS:.4f}")
    assert 0.93 <= covered / RUNS <= 0.97


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(replace(INDEPENDENT, accuracies=(0.8, 0.8)), id="one seed"),
        pytest.param(replace(FIVE_SEEDS, examples=150, accuracies=(0.8, 0.8)), id="5 seeds"),
    ],
)
def test_families_raise_few_false_alarms(design: Design) -> None:
    """Six cells without any difference: at most 6 % of tables call one of them significant."""
    generator = np.random.default_rng(14)
    alarms = 0
    for _ in range(RUNS):
        found = compare_all({cell: design.experiment(generator) for cell in range(6)})
        alarms += any(comparison.significant for comparison in found.values())
    print(f"family-wise error {alarms / RUNS:.4f}")
    assert alarms / RUNS <= 0.06


def test_large_families_need_caution() -> None:
    """Twenty cells, five seeds that differ much: Satterthwaite's test, well at 5 %, fails at 0.25 %."""
    generator = np.random.default_rng(18)
    alpha = 0.05 / 20
    plain = cautious = 0
    for _ in range(RUNS):
        means = [
            crossed_mean(generator.normal(0, 10**0.5, (5, 1)) + generator.normal(0, 6**0.5, 30))
            for _ in range(20)
        ]
        plain += any(found.p <= alpha for found in means)
        cautious += any(abs(found.mean) >= found.cautious_half_width(1 - alpha) for found in means)
    print(f"family-wise error {plain / RUNS:.4f} plain, {cautious / RUNS:.4f} cautious")
    assert cautious / RUNS <= 0.06
    assert plain / RUNS > 0.08


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(replace(FIVE_SEEDS_ALIKE, accuracies=(0.7, 0.7)), id="5 seeds, alike"),
        pytest.param(replace(FIVE_SEEDS, accuracies=(0.7, 0.7)), id="5 seeds"),
        pytest.param(replace(FIVE_SEEDS_UNLIKE, accuracies=(0.6, 0.6), seed=0.2), id="5 seeds, unlike"),
    ],
)
def test_the_effect_printed_in_a_family_is_found_in_four_of_five(design: Design) -> None:
    """The same for a cell of a family of ten, at the strict level of its first step."""
    generator = np.random.default_rng(19)
    found, runs = 0, RUNS // 2
    others = dict.fromkeys(
        range(10), Pair([1, 1], [1, 1])
    )  # p = 1, so that Holm's first step decides the cell
    for _ in range(runs):
        pair = design.experiment(generator)
        printed = compare_all({**others, 0: pair})[0].detectable
        middle = sum(design.accuracies) / 2
        truth = replace(design, accuracies=(middle - printed / 2, min(middle + printed / 2, 0.9999)))
        found += compare_all({**others, 0: truth.experiment(generator)})[0].significant
    print(f"power {found / runs:.4f}")
    assert 0.75 <= found / runs <= 0.85


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(replace(INDEPENDENT, accuracies=(0.75, 0.75)), id="independent"),
        pytest.param(replace(CLUSTERED, accuracies=(0.7, 0.7)), id="40 clusters"),
        pytest.param(replace(FIVE_SEEDS_ALIKE, accuracies=(0.7, 0.7)), id="5 seeds, alike"),
        pytest.param(replace(FIVE_SEEDS, accuracies=(0.7, 0.7)), id="5 seeds"),
        pytest.param(replace(FIVE_SEEDS_UNLIKE, accuracies=(0.6, 0.6), seed=0.3), id="5 seeds, unlike"),
    ],
)
def test_the_printed_detectable_effect_is_found_in_four_of_five(design: Design) -> None:
    """Each experiment prints an effect; a second experiment in which that is the truth looks for it."""
    generator = np.random.default_rng(15)
    found = 0
    for _ in range(RUNS):
        printed = compared(design.experiment(generator)).detectable
        middle = sum(design.accuracies) / 2
        truth = replace(design, accuracies=(middle - printed / 2, min(middle + printed / 2, 0.9999)))
        again = compared(truth.experiment(generator))
        found += again.p <= 0.05
    print(f"power {found / RUNS:.4f}")
    assert 0.75 <= found / RUNS <= 0.85


@pytest.mark.parametrize(("examples", "discordance"), [(300, 0.05), (1000, 0.01), (148, 0.3)])
def test_mcnemars_printed_effect_is_found_where_discordance_stays(examples: int, discordance: float) -> None:
    """The same, with flips drawn directly, few (exact test) or many: discordance is that of the first experiment."""
    generator = np.random.default_rng(16)
    found = 0
    for flips in generator.binomial(examples, discordance, RUNS):
        printed = mcnemar_detectable(int(flips), examples, 0.05)
        share = max(discordance, printed)
        gained, lost, _ = generator.multinomial(
            examples, [(share + printed) / 2, (share - printed) / 2, 1 - share]
        )
        found += mcnemar_p(gained, lost, "exact" if gained + lost < EXACT_BELOW else "score") <= 0.05
    print(f"power {found / RUNS:.4f}")
    assert 0.75 <= found / RUNS <= 0.85
