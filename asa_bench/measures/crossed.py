"""The mean over seeds and examples and its standard error, both of them being samples (two-way random effects)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


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
    seeds: int
    examples: int
    clusters: int
    strata: int
    pooled_strata: int = 0

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
        rest = seeds**2 / (self.seeds - 1) + examples**2 / self.example_degrees
        return (seeds + examples) ** 2 / rest

    def _cautious_squares(self, level: float) -> tuple[float, float, float]:
        """The parts of the squared half width: seeds', examples', and what it is at least."""
        from scipy.special import stdtrit

        examples = float(stdtrit(self.example_degrees, (1 + level) / 2)) ** 2
        if self.seeds == 1:
            return 0.0, examples * self.example_variance, 0.0
        seeds = float(stdtrit(self.seeds - 1, (1 + level) / 2)) ** 2
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
        if self.seeds == 1 or self.mean == 0:
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
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"expected a table of seeds by examples that is not empty, not {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("a value is not a finite number")
    seeds, examples = table.shape
    cluster_of = None if clusters is None else _codes(clusters, examples, "clusters")
    stratum_of = np.zeros(examples, np.intp) if strata is None else _codes(strata, examples, "strata")
    if cluster_of is None:
        sizes, totals, stratum = np.ones(examples), table, stratum_of
    else:
        number = int(cluster_of.max()) + 1
        sizes = np.bincount(cluster_of, minlength=number).astype(np.float64)
        totals = np.stack([np.bincount(cluster_of, row, number) for row in table])
        stratum = np.zeros(number, np.intp)
        stratum[cluster_of] = stratum_of
        if bool((stratum[cluster_of] != stratum_of).any()):
            raise ValueError("a cluster lies in two strata")
    if len(sizes) < 2:
        raise ValueError("a single example or a single cluster: nothing tells how much another would differ")
    strata_found = int(stratum.max()) + 1
    stratum = _pool_single(stratum, sizes)
    number = int(stratum.max()) + 1
    stratum_sizes = np.bincount(stratum, sizes, number)
    seed_means = totals.sum(axis=1) / examples
    share = sizes / stratum_sizes[stratum]
    correction = 1 / (1 - share)
    stratum_means = np.stack([np.bincount(stratum, row, number) for row in totals]) / stratum_sizes
    deviations = (totals - sizes * stratum_means[:, stratum]) / examples
    mean_deviation = deviations.mean(axis=0)
    parts = np.bincount(stratum, correction * mean_deviation**2, number)
    degrees = _stratum_degrees(
        share, correction, sizes, stratum, number, _correlation(table, sizes, mean_deviation)
    )
    between = float(parts.sum())
    rest = float((parts**2 / degrees).sum())
    freedom = between**2 / rest if rest > 0 else float(len(sizes) - number)
    mean = float(seed_means.mean())
    pooled = strata_found - number
    counts = (seeds, examples, len(sizes), strata_found, pooled)
    if seeds == 1:
        return CrossedMean(mean, between**0.5, freedom, freedom, None, between, 0.0, 0.0, freedom, *counts)
    first = float(seed_means.var(ddof=1)) / seeds
    third = float((correction * (deviations - mean_deviation) ** 2).sum()) / (seeds * (seeds - 1))
    of_seeds = max(first - third, 0.0)
    variance = of_seeds + between
    spread = (first**2 + third**2 / freedom) / (seeds - 1) + between**2 / freedom
    planning = max(variance**2 / spread, seeds - 1.0) if spread > 0 else freedom
    combined = variance**2 / spread if of_seeds > 0 else freedom
    return CrossedMean(
        mean, variance**0.5, combined, planning, of_seeds, between, first, third, freedom, *counts
    )


def clusters_of(groups: Sequence[str] | NDArray[np.object_]) -> NDArray[np.intp] | None:
    """Groups of rows as clusters, each row without a group ("") being its own; None where no two rows share one.

    Args:
        groups: (examples,) e.g. names of templates, source sentences or contrast pairs.
    """
    named = np.array([group or f"\0{row}" for row, group in enumerate(map(str, groups))])
    if len(named) == 0:
        return None
    codes = np.unique(named, return_inverse=True)[1].astype(np.intp)
    return codes if int(codes.max()) + 1 < len(codes) else None


def _codes(values: ArrayLike, examples: int, name: str) -> NDArray[np.intp]:
    """Each value as the number of its kind."""
    array = np.asarray(values)
    if array.shape != (examples,):
        raise ValueError(f"{name} {array.shape} must have one value for each of the {examples} examples")
    if array.dtype == object:
        array = array.astype(str)
    codes: Any = np.unique(array, return_inverse=True)[1]
    return np.asarray(codes, dtype=np.intp)


def _pool_single(stratum: NDArray[np.intp], sizes: Floats) -> NDArray[np.intp]:
    """`stratum` with strata of a single cluster pooled, so that every one has at least two."""
    counts = np.bincount(stratum)
    single = np.flatnonzero(counts == 1)
    if len(single) == 0:
        return stratum
    joined = single
    if len(single) == 1:
        others = np.flatnonzero(counts > 1)
        joined = np.append(single, others[np.argmin(np.bincount(stratum, sizes)[others])])
    result = np.where(np.isin(stratum, joined), joined[0], stratum)
    return np.unique(result, return_inverse=True)[1].astype(np.intp)


def _correlation(table: Floats, sizes: Floats, mean_deviation: Floats) -> float:
    """Correlation of two examples of one cluster, by moments, in [0, 1]: from the spread of cluster totals.

    ``Var(total) = v n (1 + (n - 1) rho)``, so ``rho = (sum of squared total deviations / v - N) / sum of n (n - 1)``.
    """
    pairs = float((sizes * (sizes - 1)).sum())
    per_example = table.mean(axis=0)
    variance = float(per_example.var())
    if pairs == 0 or variance == 0:
        return 0.0
    examples = table.shape[1]
    squares = float(((mean_deviation * examples) ** 2).sum())
    return min(max((squares / variance - examples) / pairs, 0.0), 1.0)


def _stratum_degrees(
    share: Floats, correction: Floats, sizes: Floats, stratum: NDArray[np.intp], number: int, rho: float
) -> Floats:
    """(strata,) Bell and McCaffrey's degrees of freedom of each stratum's part of V2.

    The corrected deviations have the covariance ``M = D - a b' - b a' + W a a'`` (a diagonal and a matrix of rank
    two), and the degrees of freedom are ``trace(M)^2 / trace(M M)``.
    """
    weight = sizes * (1 + (sizes - 1) * rho)
    root = np.sqrt(correction)
    a, b, diagonal = share * root, weight * root, weight * correction

    def total(values: Floats) -> Floats:
        return np.bincount(stratum, weights=values, minlength=number).astype(np.float64)

    w = total(weight)
    aa, bb, ab = total(a * a), total(b * b), total(a * b)
    trace = total(diagonal) - 2 * ab + w * aa
    square = (
        total(diagonal**2)
        + 2 * (aa * bb + ab**2)
        - 4 * w * ab * aa
        + w**2 * aa**2
        + 2 * (w * total(diagonal * a * a) - 2 * total(diagonal * a * b))
    )
    return trace**2 / square
