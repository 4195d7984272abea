"""How examples were drawn: alone or in clusters, within fixed strata; and the sums over seeds that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """Which examples belong together, and the sums over them that `crossed_mean` is made of.

    Attributes:
        cluster_of: (examples,) number of each example's cluster; None where each is its own.
        sizes: (clusters,) examples of each.
        stratum: (clusters,) number of each cluster's stratum, single ones pooled.
        strata: how many strata there were before.
    """

    examples: int
    cluster_of: NDArray[np.intp] | None
    sizes: Floats
    stratum: NDArray[np.intp]
    strata: int

    @classmethod
    def of(cls, examples: int, clusters: ArrayLike | None, strata: ArrayLike | None) -> Design:
        """The design of so many examples.

        Args:
            clusters, strata: (examples,) see `asa_bench.measures.crossed.crossed_mean`.

        Raises:
            ValueError: shapes differ, a cluster lies in two strata, or there are fewer than two clusters.
        """
        cluster_of = None if clusters is None else _codes(clusters, examples, "clusters")
        stratum_of = np.zeros(examples, np.intp) if strata is None else _codes(strata, examples, "strata")
        if cluster_of is None:
            sizes, stratum = np.ones(examples), stratum_of
        else:
            number = int(cluster_of.max()) + 1
            sizes = np.bincount(cluster_of, minlength=number).astype(np.float64)
            stratum = np.zeros(number, np.intp)
            stratum[cluster_of] = stratum_of
            if bool((stratum[cluster_of] != stratum_of).any()):
                raise ValueError("a cluster lies in two strata")
        if len(sizes) < 2:
            raise ValueError(
                "a single example or a single cluster: nothing tells how much another would differ"
            )
        return cls(examples, cluster_of, sizes, _pool_single(stratum, sizes), int(stratum.max()) + 1)

    @property
    def number(self) -> int:
        """Of strata, after pooling."""
        return int(self.stratum.max()) + 1

    def _shares(self) -> tuple[Floats, Floats]:
        """(clusters,) each one's share of its stratum, and the CR2 correction."""
        share = self.sizes / np.bincount(self.stratum, self.sizes, self.number)[self.stratum]
        return share, 1 / (1 - share)

    def deviations(self, table: Floats) -> Floats:
        """(seeds, clusters) the u[s, c] of `crossed_mean`."""
        totals = table
        if self.cluster_of is not None:
            totals = np.stack([np.bincount(self.cluster_of, row, len(self.sizes)) for row in table])
        stratum_sizes = np.bincount(self.stratum, self.sizes, self.number)
        means = np.stack([np.bincount(self.stratum, row, self.number) for row in totals]) / stratum_sizes
        return np.asarray((totals - self.sizes * means[:, self.stratum]) / self.examples)

    def between(self, table: Floats, mean_deviation: Floats) -> tuple[float, float]:
        """V2 and its degrees of freedom."""
        share, correction = self._shares()
        parts = np.bincount(self.stratum, correction * mean_deviation**2, self.number)
        rho = _correlation(table, self.sizes, mean_deviation)
        degrees = _stratum_degrees(share, correction, self.sizes, self.stratum, self.number, rho)
        total = float(parts.sum())
        rest = float((parts**2 / degrees).sum())
        return total, total**2 / rest if rest > 0 else float(len(self.sizes) - self.number)

    def within(self, deviations: Floats) -> float:
        """Sum of the squared interactions of seeds and clusters."""
        _, correction = self._shares()
        return float((correction * (deviations - deviations.mean(axis=0)) ** 2).sum())


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
