"""The mean over seeds and examples and its standard error, both of them being samples (two-way random effects)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from asa_bench.measures.sampling import Design, Floats


@dataclass(frozen=True)
class CrossedMean:
    """A mean over a table of seeds by examples, with its standard error.

    Attributes:
        mean: over all seeds and examples.
        standard_error: 0 where nothing varies.
        degrees_of_freedom: Satterthwaite's, of the standard error.
        planning_degrees: the same with the seeds counted even where they showed no variance of their own, since they
            may show some in a repetition; for the minimum detectable effect.
        seed_variance: the part of the squared standard error that more seeds would shrink and more examples
            would not; None for one seed, where it is unknown (and not 0).
        example_variance: the rest: the part that comes from the examples (or clusters) and their interaction with
            the seeds.
        seed_mean_variance, interaction_variance: V1 and V3 of `crossed_mean`; 0 for one seed.
        example_degrees: degrees of freedom of the examples' part.
        seed_degrees: degrees of freedom of V1; 0 for one seed.
        seeds, examples, clusters, strata: how many; `clusters` equals `examples` where all are independent.
        pooled_strata: strata that had a single cluster and were therefore pooled with others.
    """

    mean: float
    standard_error: float
    degrees_of_freedom: float
    planning_degrees: float
    seed_variance: float | None
    example_variance: float
    seed_mean_variance: float
    interaction_variance: float
    example_degrees: float
    seed_degrees: float
    seeds: int
    examples: int
    clusters: int
    strata: int
    pooled_strata: int = 0

    def repeated(self, seeds: float = 1.0, examples: float = 1.0, more_seeds: int = 0) -> CrossedMean:
        """What an experiment of another size would give, all variances being as they were estimated here.

        Args:
            seeds: the factor by which the seeds' part of the variance shrinks; `more_seeds` of them are added.
            examples: the factor by which there are more examples (or clusters).
        """
        own = max(self.example_variance - self.interaction_variance, 0.0)
        third = self.interaction_variance * seeds / examples
        clusters = round(self.clusters * examples)
        counts = (self.seeds + more_seeds, round(self.examples * examples), clusters, self.strata)
        freedom = self.example_degrees * examples
        if self.seed_variance is None:
            between = self.example_variance / examples
            return CrossedMean(
                self.mean, between**0.5, freedom, freedom, None, between, 0.0, 0.0, freedom, 0.0, *counts
            )
        first = max(self.seed_mean_variance - self.interaction_variance, 0.0) * seeds + third
        return combined_mean(
            self.mean, first, own / examples + third, third, self.seed_degrees + more_seeds, freedom, *counts
        )

    def with_more(self, variance: float, interaction: bool = True, spread: float = 1.0) -> CrossedMean:
        """The same with so much more in the squared standard error, of examples.

        Args:
            interaction: in interaction with seeds, so that the variance of the seeds' means holds it, too.
            spread: the factor by which the seeds' own part of the variance grows.
        """
        counts = (self.seeds, self.examples, self.clusters, self.strata, self.pooled_strata)
        between = self.example_variance + variance
        if self.seed_variance is None:
            freedom = self.example_degrees
            return CrossedMean(
                self.mean, between**0.5, freedom, freedom, None, between, 0.0, 0.0, freedom, 0.0, *counts
            )
        shared = variance if interaction else 0.0
        return combined_mean(
            self.mean,
            self.seed_mean_variance + shared + (spread - 1) * self.seed_variance,
            between,
            self.interaction_variance + shared,
            self.seed_degrees,
            self.example_degrees,
            *counts,
        )

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Student's t-interval of the mean."""
        from asa_bench.measures.paired import check_level

        check_level(level)
        from scipy.special import stdtrit

        half = float(stdtrit(self.degrees_of_freedom, (1 + level) / 2)) * self.standard_error
        return self.mean - half, self.mean + half

    @property
    def p(self) -> float:
        """Two-sided p value of "the mean is 0"; 1 or 0 where nothing varies."""
        from scipy.special import stdtr

        if self.standard_error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stdtr(self.degrees_of_freedom, -abs(self.mean) / self.standard_error))

    def cautious_half_width(self, level: float) -> float:
        """Half of the width of `cautious_interval`."""
        seeds, examples, least = self._cautious_squares(level)
        return max(seeds + examples, least) ** 0.5

    def cautious_degrees(self, level: float) -> float:
        """Satterthwaite's degrees of freedom of that half width: how much it may differ in a repetition."""
        seeds, examples, least = self._cautious_squares(level)
        if seeds == 0 or least >= seeds + examples:
            return self.example_degrees
        rest = seeds**2 / self.seed_degrees + examples**2 / self.example_degrees
        return (seeds + examples) ** 2 / rest

    def _cautious_squares(self, level: float) -> tuple[float, float, float]:
        """The parts of the squared half width: seeds', examples', and what it is at least."""
        from scipy.special import stdtrit

        examples = float(stdtrit(self.example_degrees, (1 + level) / 2)) ** 2
        if self.seed_variance is None:
            return 0.0, examples * self.example_variance, 0.0
        seeds = float(stdtrit(self.seed_degrees, (1 + level) / 2)) ** 2
        alone = max(self.example_variance - self.interaction_variance, 0.0)
        return seeds * self.seed_mean_variance, examples * alone, examples * self.example_variance

    def cautious_interval(self, level: float) -> tuple[float, float]:
        """An interval that keeps its level far out in the tails, where Satterthwaite's approximation does not.

        Each part of the variance is multiplied by the squared t quantile of its own degrees of freedom (after Cochran and
        Cox 1957, Experimental Designs, who weight the quantiles themselves):
        ``max(t(S-1)^2 V1 + t(f)^2 max(V2 - V3, 0), t(f)^2 V2)`` with f those of the examples. For one seed it is `interval`.
        It is for the levels of a family, such as 99.75 %, where Satterthwaite's t-test rejects several times too often
        with five seeds; at 95 % it is wider than need be where seeds are alike (docs/statistics.md has the simulations).
        """
        half = self.cautious_half_width(level)
        return self.mean - half, self.mean + half

    @property
    def cautious_p(self) -> float:
        """The p value that inverts `cautious_interval`."""
        if self.seed_variance is None or self.mean == 0:
            return self.p
        from scipy.optimize import brentq

        def missing(log_p: float) -> float:
            return abs(self.mean) - self.cautious_half_width(1 - math.exp(log_p))

        smallest = math.log(1e-12)  # below, 1 - p is no longer told apart from 1
        if missing(smallest) >= 0:
            return math.exp(smallest)
        return math.exp(float(brentq(missing, smallest, 0.0, xtol=1e-10)))


def crossed_mean(
    values: ArrayLike, clusters: ArrayLike | None = None, strata: ArrayLike | None = None
) -> CrossedMean:
    """The mean of a table of seeds by examples, with seeds and examples (or clusters of them) as random effects.

    Model: ``y[s, i] = mean + a[s] + b[c(i)] + r[s, i]``, a, b and r having any distribution, r being correlated
    within a cluster as it likes. With S seeds, and per stratum h clusters c of n[c] out of N[h] examples, let

    - ``u[s, c] = sum over i in c of (y[s, i] - mean of seed s in stratum h) / N``, the cluster's share in the mean;
    - ``V1`` = sample variance of the S seed means, divided by S;
    - ``V2`` = sum over clusters of ``k[c] u[., c]^2`` with u averaged over seeds and ``k[c] = 1 / (1 - n[c] / N[h])``;
    - ``V3`` = sum over seeds and clusters of ``k[c] (u[s, c] - u[., c])^2 / (S (S - 1))``.

    V1 estimates the seeds' share and the interaction's, V2 the clusters' share and the interaction's, V3 the
    interaction's alone, which was thus counted twice: the squared standard error is ``max(V1 - V3, 0) + V2``, for
    equal clusters Henderson's method of moments for a crossed design (Searle, Casella and McCulloch 1992, ch. 4),
    ``Var(seed)/S + Var(example)/N + Var(residual)/(S N)``. Degrees of freedom are Satterthwaite's (1946):
    ``(sum of V)^2 / sum of V^2 / df``, with S - 1 for V1, and for V2 those of Bell and McCaffrey (2002) under
    exchangeable correlation within clusters, whose size comes from the data (Imbens and Kolesar 2016,
    https://doi.org/10.1162/REST_a_00552); k[c] is their CR2 correction. For equal clusters that is the number
    of clusters less the number of strata. With one seed V2 is all: the interval then speaks of this one trained
    model and not of its training method.

    Strata are fixed: their sizes and number would be the same in a repetition. A stratum of a single cluster
    has no variance of its own and is pooled with others of the kind, or with the smallest stratum.

    Args:
        values: (seeds, examples) or (examples,), for instance differences of two models' right answers.
        clusters: (examples,) which examples belong together; None where all are independent.
        strata: (examples,) the fixed parts that the examples were drawn within; None for one part.

    Raises:
        ValueError: shapes differ, a value is not finite, a cluster lies in two strata, or there are fewer
            than two clusters.
    """
    table = _table(values)
    seeds, examples = table.shape
    design = Design.of(examples, clusters, strata)
    deviations = design.deviations(table)
    between, freedom = design.between(table, deviations.mean(axis=0))
    mean = float((table.sum(axis=1) / examples).mean())
    if seeds == 1:
        return _assembled(mean, None, between, 0.0, 0.0, freedom, 1, design)
    first = float((table.sum(axis=1) / examples).var(ddof=1)) / seeds
    third = design.within(deviations) / (seeds * (seeds - 1))
    return _assembled(mean, first, between, third, seeds - 1.0, freedom, seeds, design)


def difference_of_means(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
) -> CrossedMean:
    """The mean of `second` minus that of `first`, both on the same examples but from seeds that share nothing.

    For a model that was trained again from other seeds, or another number of them. The three parts of `crossed_mean`, for two
    independent samples of seeds of S and T members:

    - ``V1`` = (1/S + 1/T) times the variance of the seed means, pooled over both samples (Student's two-sample t-test,
      S + T - 2 degrees of freedom; one sample may have a single seed);
    - ``V2`` = as there, from each example's (or cluster's) difference of the two means;
    - ``V3`` = (1/S + 1/T) times the pooled variance of the interaction of seeds and examples.

    The spread over seeds is thus taken to be the same before and after: true where nothing changed, which is what a false
    alarm is about.

    Args:
        first: (S, examples); second: (T, examples), the same examples in the same order.
        clusters, strata: as for `crossed_mean`.

    Returns:
        `seeds` counts both samples.

    Raises:
        ValueError: as `crossed_mean`, or one seed on both sides, which tells nothing of the spread over seeds.
    """
    tables = [_table(first), _table(second)]
    if tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(
            f"{tables[0].shape[1]} and {tables[1].shape[1]} examples: both must have answered the same"
        )
    seeds, examples = [len(table) for table in tables], tables[0].shape[1]
    if seeds == [1, 1]:
        raise ValueError("one seed on either side: nothing tells how much another one would differ")
    design = Design.of(examples, clusters, strata)
    change = tables[1].mean(axis=0, keepdims=True) - tables[0].mean(axis=0, keepdims=True)
    between, freedom = design.between(change, design.deviations(change)[0])
    pooled, share = sum(seeds) - 2, 1 / seeds[0] + 1 / seeds[1]
    means = [table.sum(axis=1) / examples for table in tables]
    spread = sum(float(((own - own.mean()) ** 2).sum()) for own in means) / pooled
    interaction = sum(design.within(design.deviations(table)) for table in tables) / pooled
    return _assembled(
        float(change.mean()),
        share * spread,
        between,
        share * interaction,
        float(pooled),
        freedom,
        sum(seeds),
        design,
    )


def _table(values: ArrayLike) -> Floats:
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"expected a table of seeds by examples that is not empty, not {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("a value is not a finite number")
    return table


def _assembled(
    mean: float,
    first: float | None,
    between: float,
    third: float,
    seed_degrees: float,
    freedom: float,
    seeds: int,
    design: Design,
) -> CrossedMean:
    """The standard error from V1 (None for one seed), V2 and V3, and Satterthwaite's degrees of freedom."""
    counts = (seeds, design.examples, len(design.sizes), design.strata, design.strata - design.number)
    if first is None:
        return CrossedMean(
            mean, between**0.5, freedom, freedom, None, between, 0.0, 0.0, freedom, 0.0, *counts
        )
    return combined_mean(mean, first, between, third, seed_degrees, freedom, *counts)


def combined_mean(
    mean: float,
    first: float,
    between: float,
    third: float,
    seed_degrees: float,
    freedom: float,
    seeds: int,
    examples: int,
    clusters: int,
    strata: int = 1,
    pooled_strata: int = 0,
) -> CrossedMean:
    """What V1, V2 and V3 of `crossed_mean` make together, measured or supposed.

    Args:
        first, between, third: V1, V2, V3; seed_degrees, freedom: degrees of freedom of V1 and of V2.
    """
    of_seeds = max(first - third, 0.0)
    variance = of_seeds + between
    spread = (first**2 + third**2 / freedom) / seed_degrees + between**2 / freedom
    planning = max(variance**2 / spread, seed_degrees) if spread > 0 else freedom
    combined = variance**2 / spread if of_seeds > 0 else freedom
    return CrossedMean(
        mean,
        variance**0.5,
        combined,
        planning,
        of_seeds,
        between,
        first,
        third,
        freedom,
        seed_degrees,
        seeds,
        examples,
        clusters,
        strata,
        pooled_strata,
    )
