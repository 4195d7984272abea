"""Where the variance comes from: training seed, attack seed, example, and what they do together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Component:
    """One source of variance.

    Attributes:
        source: the factor or, joined by " x ", the factors that vary together; "attack seed in training seed"
            where one is nested in the other.
        variance: of a single value, never below 0.
        truncated: True where the estimate was below 0, as it may be where the true variance is small.
        share: of the variance of a single value, in [0, 1]; None where nothing varies.
        mean_share: of the variance of the grand mean, after dividing by how often each level was drawn.
    """

    source: str
    variance: float
    truncated: bool
    share: float | None
    mean_share: float | None


@dataclass(frozen=True)
class VarianceSplit:
    """The variance of a table of values by source.

    Attributes:
        mean: of all values.
        components: one per source that the design can tell.
        total_variance: their sum, the variance of one value of a random level of every factor.
        mean_variance: the variance of the grand mean, all factors being random.
        unknown: factors with a single level, whose variance cannot be told (and is not 0).
    """

    mean: float
    components: tuple[Component, ...]
    total_variance: float
    mean_variance: float
    unknown: tuple[str, ...]


FACTORS = ("training seed", "attack seed", "example")


def variance_split(
    values: ArrayLike, factors: Sequence[str] = FACTORS, nested: tuple[str, str] | None = None
) -> VarianceSplit:
    """Components of variance of a balanced table with one value per combination, by the method of moments.

    For every set u of factors the mean square ``MS[u]`` of its effects (those of an analysis of variance) has the
    expectation ``sum over v containing u of variance[v] * product of the sizes outside v``, which is solved from
    the largest set down; estimates below 0 become 0 (Searle, Casella and McCulloch 1992, Variance Components,
    ch. 4). The largest set also holds whatever is random beyond the factors. The grand mean has the variance
    ``sum of variance[v] / product of the sizes in v``.

    Args:
        values: one axis per factor, e.g. (training seeds, attack seeds, examples), 1 where the example was right.
        factors: names of the axes.
        nested: (inner, outer): levels of the inner factor mean something else within each level of the outer one,
            as attack seeds do where each search draws its own randomness. Their effects are pooled.

    Raises:
        ValueError: the number of axes and names differ, a value is not finite, or no factor has two levels.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != len(factors) or table.size == 0:
        raise ValueError(f"a table of shape {table.shape} does not have the factors {', '.join(factors)}")
    if not np.isfinite(table).all():
        raise ValueError("a value is not a finite number")
    unknown = tuple(name for name, size in zip(factors, table.shape, strict=True) if size == 1)
    names = [name for name in factors if name not in unknown]
    table = table.reshape([size for size in table.shape if size > 1])
    if not names:
        raise ValueError("no factor has two levels: there is no variance to split")
    if nested is not None and not set(nested) <= set(factors):
        raise ValueError(f"nested names {nested}, but the factors are {', '.join(factors)}")
    squares, degrees = _mean_squares(table)
    sizes = dict(enumerate(table.shape))
    merged = {u: u for u in squares}
    if nested is not None and set(nested) <= set(names):
        inner, outer = names.index(nested[0]), names.index(nested[1])
        merged = {u: frozenset(u | {outer}) if inner in u else u for u in squares}
    pooled: dict[frozenset[int], list[float]] = {}
    for u, square in squares.items():
        entry = pooled.setdefault(merged[u], [0.0, 0.0])
        entry[0] += square * degrees[u]
        entry[1] += degrees[u]
    estimates: dict[frozenset[int], float] = {}
    raw: dict[frozenset[int], float] = {}
    for u in sorted(pooled, key=len, reverse=True):
        expected = pooled[u][0] / pooled[u][1]
        expected -= sum(raw[v] * _product(sizes, v) for v in raw if v > u)
        raw[u] = expected / _product(sizes, u)
        estimates[u] = max(raw[u], 0.0)
    order = sorted(estimates, key=lambda u: (len(u), sorted(u)))
    total = math.fsum(estimates.values())
    of_mean = {u: estimates[u] / math.prod(sizes[axis] for axis in u) for u in order}
    mean_variance = math.fsum(of_mean.values())
    return VarianceSplit(
        mean=float(table.mean()),
        components=tuple(
            Component(
                _source(u, names, nested),
                estimates[u],
                raw[u] < 0,
                estimates[u] / total if total else None,
                of_mean[u] / mean_variance if mean_variance else None,
            )
            for u in order
        ),
        total_variance=total,
        mean_variance=mean_variance,
        unknown=unknown,
    )


def _mean_squares(table: np.ndarray) -> tuple[dict[frozenset[int], float], dict[frozenset[int], float]]:
    """Mean square and degrees of freedom of every set of axes."""
    axes = range(table.ndim)
    effects: dict[frozenset[int], np.ndarray] = {frozenset(): table.mean(keepdims=True)}
    squares, degrees = {}, {}
    for size in range(1, table.ndim + 1):
        for chosen in itertools.combinations(axes, size):
            u = frozenset(chosen)
            others = tuple(axis for axis in axes if axis not in u)
            effect = table.mean(axis=others, keepdims=True) if others else table
            for v, smaller in effects.items():
                if v < u:
                    effect = effect - smaller
            effects[u] = effect
            repeated = math.prod(table.shape[axis] for axis in others)
            degrees[u] = float(math.prod(table.shape[axis] - 1 for axis in u))
            squares[u] = repeated * float((effect**2).sum()) / degrees[u]
    return squares, degrees


def _product(sizes: dict[int, int], u: frozenset[int]) -> int:
    return math.prod(size for axis, size in sizes.items() if axis not in u)


def _source(u: frozenset[int], names: Sequence[str], nested: tuple[str, str] | None) -> str:
    parts = [names[axis] for axis in sorted(u)]
    if nested is not None and set(nested) <= set(parts):
        inner, outer = nested
        parts = [f"{inner} in {outer}" if part == outer else part for part in parts if part != inner]
    return " x ".join(parts)
