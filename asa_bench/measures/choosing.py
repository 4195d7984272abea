"""Which tests and intervals fit a design, and what they give together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from asa_bench.measures.crossed import CrossedMean, crossed_mean, difference_of_means
from asa_bench.measures.paired import (
    EXACT_BELOW,
    exact_interval,
    mcnemar_p,
    score_interval,
    score_p,
)
from asa_bench.measures.power import mcnemar_detectable, t_detectable

Interval = tuple[float, float]

#: Below this many clusters the reader is told how few they are.
FEW_CLUSTERS = 10
#: Where few examples are answered differently, the variance is that of so many more, each changed as much as one can be: the
#: squared normal quantile of 95 %, as Agresti and Coull (1998, The American Statistician 52:119) add to a proportion.
MORE_FLIPS = 4
#: From this many seeds on, intervals were simulated to keep their level (docs/statistics.md); at 2 seeds 95 %
#: intervals cover in 87 % at worst, at 3 in 92 %.
ENOUGH_SEEDS = 5


@dataclass(frozen=True)
class Pair:
    """The values of two methods for one cell of a table, and the design that they come from.

    Attributes:
        first, second: (seeds, examples) or (examples,), the same examples in the same order; values in [0, 1], usually
            1 for right and 0 for wrong; a mean over attack seeds is allowed.
        clusters: (examples,) which examples are not independent (template, source sentence, contrast pair); None
            where all are.
        strata: (examples,) fixed parts of the data set, such as HANS' subcases; None for one part.
        seeds: 'shared': the rows of both come from the same seeds, in the same order. 'own': from seeds that have nothing in
            common, such as a model that was trained again; there may be more rows of one. 'fixed': the question is about
            these trained models and no others, such as one checkpoint before and after a change of the code around it.
        linear: the values are those of a metric that is no mean of right and wrong (`asa_bench.measures.linearized`), so that
            any number is allowed, and there are no flips to count in them.
        differing: of linear values: how many examples the two answered differently in at least one seed; None: not known.
        largest: of linear values: how large a difference of the two metrics can be, either way; infinite if not known.
    """

    first: ArrayLike
    second: ArrayLike
    clusters: ArrayLike | None = None
    strata: ArrayLike | None = None
    seeds: Literal["shared", "own", "fixed"] = "shared"
    linear: bool = False
    differing: int | None = None
    largest: float = np.inf


@dataclass(frozen=True)
class Tests:
    """The tests that a comparison combines: its p value is their largest, its interval spans all of theirs.

    `cautious` for the far tails that a family needs (`CrossedMean.cautious_interval`).
    With none of them the design cannot tell: p is 1, the interval and the detectable effect are as wide as can be.

    Attributes:
        difference: the second minus the first.
        gained, lost: see `asa_bench.measures.comparison.Comparison`; each example counts in them `repeats` times.
        mean: what the t-test is about, None for McNemar's.
        score, exact: whether McNemar's score test and his exact one are among them.
        binary: whether all differences are -1, 0 or 1.
        largest: how large the difference can be, either way; infinite where that is not known.
        counted: whether the values have flips to count; else `gained` and `lost` are 0.
    """

    difference: float
    gained: float
    lost: float
    flipped: int
    mean: CrossedMean | None
    score: bool
    exact: bool
    binary: bool
    examples: int
    clusters: int
    seeds: int
    method: str
    notes: tuple[str, ...]
    repeats: int = 1
    cautious: bool = False
    largest: float = 1.0
    counted: bool = True

    @property
    def tells(self) -> bool:
        return self.mean is not None or self.score or self.exact

    @cached_property
    def p(self) -> float:
        found = [0.0 if self.tells else 1.0]
        if self.mean is not None:
            found.append(self.mean.cautious_p if self.cautious else self.mean.p)
        if self.exact:
            found.append(mcnemar_p(round(self.gained), round(self.lost), "exact"))
        if self.score:
            found.append(score_p(self.gained / self.repeats, self.lost / self.repeats))
        return max(found)

    def interval(self, level: float) -> Interval:
        most = self.largest
        found = [] if self.tells else [(-most, most)]
        if self.mean is not None:
            found.append(self.mean.cautious_interval(level) if self.cautious else self.mean.interval(level))
        if self.score:
            found.append(
                score_interval(self.gained / self.repeats, self.lost / self.repeats, self.examples, level)
            )
        if self.exact:
            share = exact_interval(round(self.gained), round(self.gained + self.lost), level)
            flips = (self.gained + self.lost) / self.examples
            found.append((flips * (2 * share[0] - 1), flips * (2 * share[1] - 1)))
        return max(-most, min(low for low, _ in found)), min(most, max(high for _, high in found))

    def detectable(self, alpha: float, power: float, growth: float = 1.0) -> float:
        """See `asa_bench.measures.power.t_detectable`, and McNemar's where that is among the tests."""
        found = [0.0 if self.tells else self.largest]
        if self.mean is not None:
            mean, critical, degrees = self.mean, None, self.mean.planning_degrees
            if self.cautious and mean.standard_error > 0:
                critical = mean.cautious_half_width(1 - alpha) / mean.standard_error
                degrees = mean.cautious_degrees(1 - alpha)
            found.append(t_detectable(mean.standard_error, degrees, alpha, power, critical, growth))
        if self.score or self.exact:
            flips = round((self.gained + self.lost) / self.repeats)
            found.append(mcnemar_detectable(flips, self.examples, alpha, power))
        return min(self.largest, max(found))


def choose_tests(pair: Pair) -> Tests:
    """The tests that fit the design of a pair, see `asa_bench.measures.comparison.compare`.

    Raises:
        ValueError: as for `compare`.
    """
    first, second = (
        np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in (pair.first, pair.second)
    )
    shared = pair.seeds == "shared"
    if first.ndim != 2 or second.ndim != 2 or first.shape[not shared :] != second.shape[not shared :]:
        raise ValueError(
            f"{first.shape} and {second.shape}: both methods must have answered the same examples"
            + (" with the same seeds" if shared else "")
        )
    if first.size == 0 or second.size == 0:
        raise ValueError("nothing to compare: there are no examples")
    if not pair.linear and not all(bool(((values >= 0) & (values <= 1)).all()) for values in (first, second)):
        raise ValueError("a value lies outside 0 to 1")
    if shared:
        differences, seeds = second - first, len(first)
    else:
        differences = second.mean(axis=0, keepdims=True) - first.mean(axis=0, keepdims=True)
        seeds = len(first) + len(second) if pair.seeds == "own" else 1
    examples = first.shape[1]
    gained = float(differences[differences > 0].sum())
    lost = float(-differences[differences < 0].sum())
    flipped = int(np.count_nonzero(differences.any(axis=0))) if pair.differing is None else pair.differing
    few = flipped < EXACT_BELOW
    binary = not pair.linear and bool(np.isin(differences, (-1, 0, 1)).all())
    exact = few and seeds == 1 and binary
    notes = _notes(pair, seeds, len(first))
    if few:
        notes.append(f"only {flipped} examples {'are answered differently' if pair.linear else 'flip'}")
    found = Tests(
        (gained - lost) / differences.size,
        0.0 if pair.linear else gained,
        0.0 if pair.linear else lost,
        flipped,
        None,
        few and not pair.linear,
        exact,
        binary,
        examples,
        examples,
        seeds,
        "",
        tuple(notes),
        len(differences),
        largest=pair.largest if pair.linear else 1.0,
        counted=not pair.linear,
    )
    if seeds == 1 and binary and pair.clusters is None and pair.strata is None:
        method = "McNemar, score; score interval"
        if exact:
            method = "McNemar, exact; interval: score and exact conditional"
        return replace(found, score=True, method=method)
    units = examples if pair.clusters is None else len(set(np.asarray(pair.clusters).tolist()))
    lonely = pair.seeds == "own" and seeds == 2
    if units < 2 or lonely:
        reason = "one seed on either side" if lonely else "a single example or cluster"
        notes.append(f"cannot tell: {reason} says nothing about how much another would differ")
        return replace(found, score=False, exact=False, clusters=units, method="none", notes=tuple(notes))
    if pair.seeds == "own":
        mean = difference_of_means(first, second, pair.clusters, pair.strata)
        sampled = f"{len(first)} and {len(second)} seeds of their own"
    else:
        mean = crossed_mean(differences, pair.clusters, pair.strata)
        sampled = f"{seeds} seeds"
    if pair.linear and few:
        mean = with_more_flips(mean, float(max(np.ptp(table, axis=1).max() for table in (first, second))))
    named = "examples" if pair.clusters is None else f"{mean.clusters} clusters"
    if pair.clusters is not None and mean.clusters < FEW_CLUSTERS:
        notes.append(f"only {mean.clusters} clusters")
    if mean.pooled_strata:
        notes.append("strata of a single cluster are pooled with others")
    method = ("t on linearized values, " if pair.linear else "t, ") + (
        f"{named} as a sample" if seeds == 1 else f"{sampled} and {named} as crossed random effects"
    )
    method += ", within strata" if pair.strata is not None else ""
    if few:
        more = f"variance of {MORE_FLIPS} more" if pair.linear else "with a score test"
        method += f" ({'with score and exact tests' if exact else more}, for few flips)"
    return replace(found, mean=mean, clusters=mean.clusters, method=method, notes=tuple(notes))


def with_more_flips(mean: CrossedMean, largest: float) -> CrossedMean:
    """A mean of differences with the variance of `MORE_FLIPS` more examples answered differently.

    So that the few that differ are not taken for all that could, and two that answer alike get an interval of some width:
    about that of Tango for right and wrong answers.

    Args:
        largest: by how much one other answer can change the value of an example.
    """
    return mean.with_more(MORE_FLIPS * (largest / mean.examples) ** 2 / mean.seeds, interaction=False)


def _notes(pair: Pair, seeds: int, first: int) -> list[str]:
    """What a reader must know of the seeds."""
    if pair.seeds == "fixed":
        return [
            "about these trained models alone: how much another training seed would differ is not counted"
        ]
    if seeds == 1:
        return ["one seed: how much another training seed would change this is unknown and not counted"]
    if pair.seeds == "shared" and seeds < ENOUGH_SEEDS:
        return [f"{seeds} seeds: with fewer than {ENOUGH_SEEDS} the interval covers less often than it says"]
    if pair.seeds == "own" and 2 < seeds <= ENOUGH_SEEDS:
        return [f"{first} and {seeds - first} seeds: with so few the interval covers less often than it says"]
    return []
