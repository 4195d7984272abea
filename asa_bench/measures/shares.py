"""One accuracy with its interval, chosen by how the examples were drawn: alone, in clusters, within strata, over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from asa_bench.measures.crossed import crossed_mean
from asa_bench.measures.paired import EXACT_BELOW
from asa_bench.measures.sampling import Floats
from asa_bench.measures.seeds import wilson_interval


@dataclass(frozen=True)
class Share:
    """A share of right answers, or another metric.

    Attributes:
        value: in [0, 1], or what the metric can be, over all seeds and examples.
        interval: its confidence interval, within the same bounds.
        level: of confidence.
        method: how the interval was made, in words.
        hits: right answers, summed over seeds (a mean over attack seeds counts as a part); None for another metric.
        examples, clusters, strata, seeds: how many stand behind it.
    """

    value: float
    interval: tuple[float, float]
    level: float
    method: str
    hits: float | None
    examples: int
    clusters: int
    strata: int
    seeds: int


def share(
    values: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    linear: bool = False,
    lowest: float = 0.0,
) -> Share:
    """The mean of right (1) and wrong (0) answers with the interval that fits the design.

    One seed, independent examples, no strata: Wilson's interval. Otherwise the t-interval of `crossed_mean`; where
    fewer than 25 examples were right, or wrong, in any seed, it is not to be trusted alone and the interval spans
    Wilson's of the mean count as well. Ends are kept within [0, 1]. A single cluster counts as one example.

    Args:
        values: (seeds, examples) or (examples,), in [0, 1].
        clusters, strata: see `crossed_mean`.
        linear: the values are those of a metric that is no mean of right and wrong (`asa_bench.measures.linearized`): always
            the t-interval; a single example or cluster tells nothing.
        lowest: value of such a metric, whose highest is 1; the interval is kept between them.

    Raises:
        ValueError: shapes differ, a value lies outside [0, 1], or several seeds answered a single example.
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"expected a table of seeds by examples that is not empty, not {table.shape}")
    if linear:
        return _linear(table, clusters, strata, level, lowest)
    if not bool(((table >= 0) & (table <= 1)).all()):
        raise ValueError("a value lies outside 0 to 1")
    seeds, examples = table.shape
    hits = float(table.sum())
    wilson = wilson_interval(hits / seeds, examples, level)
    if seeds == 1 and clusters is None and strata is None:
        return Share(hits / examples, wilson, level, "Wilson", hits, examples, examples, 1, 1)
    if clusters is not None and len(set(np.asarray(clusters).tolist())) == 1:
        low, high = wilson_interval(hits / seeds / examples, 1, level)
        method = "Wilson, a single cluster counting as one example"
        return Share(hits / seeds / examples, (low, high), level, method, hits, examples, 1, 1, seeds)
    found = crossed_mean(table, clusters, strata)
    low, high = found.interval(level)
    units = "examples" if clusters is None else f"{found.clusters} clusters"
    method = "t, " + (
        f"{units} as a sample" if seeds == 1 else f"{seeds} seeds and {units} as crossed random effects"
    )
    method += ", within strata" if strata is not None else ""
    rarer = min(int(table.any(axis=0).sum()), int((table < 1).any(axis=0).sum()))
    if rarer < EXACT_BELOW:
        low, high = min(low, wilson[0]), max(high, wilson[1])
        method += " (with Wilson's interval, for few right or wrong answers)"
    return Share(
        found.mean,
        (max(low, 0.0), min(high, 1.0)),
        level,
        method,
        hits,
        examples,
        found.clusters,
        found.strata,
        seeds,
    )


def _linear(
    table: Floats, clusters: ArrayLike | None, strata: ArrayLike | None, level: float, lowest: float
) -> Share:
    seeds, examples = table.shape
    value = float(table.mean())
    if (examples if clusters is None else len(set(np.asarray(clusters).tolist()))) < 2:
        return Share(value, (lowest, 1.0), level, "none", None, examples, 1, 1, seeds)
    found = crossed_mean(table, clusters, strata)
    low, high = found.interval(level)
    units = "examples" if clusters is None else f"{found.clusters} clusters"
    method = "t on linearized values, " + (
        f"{units} as a sample" if seeds == 1 else f"{seeds} seeds and {units} as crossed random effects"
    )
    ends = (max(low, lowest), min(high, 1.0))
    return Share(value, ends, level, method, None, examples, found.clusters, found.strata, seeds)
