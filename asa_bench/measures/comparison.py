"""Two methods on the same examples and seeds: the difference, how sure it is, and what could have been found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from asa_bench.measures.crossed import CrossedMean, crossed_mean
from asa_bench.measures.multiple import holm
from asa_bench.measures.paired import (
    EXACT_BELOW,
    FlipOdds,
    check_level,
    exact_interval,
    flip_odds,
    mcnemar_p,
    score_interval,
    score_p,
)
from asa_bench.measures.power import mcnemar_detectable, t_detectable

K = TypeVar("K")
Interval = tuple[float, float]

#: Below this many clusters the reader is told how few they are.
FEW_CLUSTERS = 10
#: From this many seeds on, intervals were simulated to keep their level (docs/statistics.md); at 2 seeds 95 %
#: intervals cover in 87 % at worst, at 3 in 92 %.
ENOUGH_SEEDS = 5


@dataclass(frozen=True)
class Comparison:
    """The second method minus the first.

    Attributes:
        difference: of the two means, a share in [-1, 1]; positive where the second is better.
        interval: of the difference at `level`, of this comparison alone.
        p: two-sided p value of "no difference", of this comparison alone.
        level: confidence of `interval`.
        method: which test and interval were taken, in words.
        seeds, examples, clusters, strata: how many stand behind it; `clusters` is `examples` where all are
            independent.
        gained, lost: what only the second, or only the first method got right, summed over seeds; whole numbers
            for right and wrong answers, sums of positive and negative differences for other values.
        flipped: examples that differ in at least one seed.
        standard_error, degrees_of_freedom: of the t-interval; None for McNemar's test, which has none.
        seed_variance, example_variance: parts of the squared standard error; `seed_variance` is None for one
            seed, where it is unknown.
        odds: odds ratio of the flips and Cohen's g with exact intervals; None where flips are not independent
            (several seeds, clusters) or values are not right and wrong.
        detectable: the minimum detectable effect, a share: the difference that is found with probability `power`
            at `alpha`.
        alpha: the level that `detectable` is for: 1 - `level`, divided by the size of the family.
        power: see `detectable`.
        notes: what a reader must know, e.g. that there is one seed.
        family: in how large a family it was adjusted; 1 where it stands alone.
        adjusted_p: Holm's; equals `p` where it stands alone. With several seeds a family's p values are the cautious
            ones of `CrossedMean.cautious_interval`, so this may exceed the family's size times `p`.
        adjusted_interval: excludes 0 exactly where Holm rejects (see `Holm.levels`).
        simultaneous_interval: all of the family's together cover with probability `level` (Bonferroni).
    """

    difference: float
    interval: Interval
    p: float
    level: float
    method: str
    seeds: int
    examples: int
    clusters: int
    strata: int
    gained: float
    lost: float
    flipped: int
    standard_error: float | None
    degrees_of_freedom: float | None
    seed_variance: float | None
    example_variance: float | None
    odds: FlipOdds | None
    detectable: float
    alpha: float
    power: float
    notes: tuple[str, ...]
    family: int
    adjusted_p: float
    adjusted_interval: Interval
    simultaneous_interval: Interval

    @property
    def significant(self) -> bool:
        """Whether Holm's procedure rejects "no difference" at 1 - `level` over the family."""
        return self.adjusted_p <= 1 - self.level + 1e-12

    @property
    def conclusive(self) -> bool:
        """Whether a table may print it in bold: significant, and at least as large as what could be found."""
        return self.significant and abs(self.difference) >= self.detectable


@dataclass(frozen=True)
class _Tests:
    """The tests that a comparison combines: its p value is their largest, its interval spans all of theirs.

    `cautious` for the far tails that a family needs (`CrossedMean.cautious_interval`).
    With none of them the design cannot tell: p is 1, the interval and the detectable effect are as wide as can be.
    """

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
    cautious: bool = False

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
            found.append(score_p(self.gained / self.seeds, self.lost / self.seeds))
        return max(found)

    def interval(self, level: float) -> Interval:
        found = [] if self.tells else [(-1.0, 1.0)]
        if self.mean is not None:
            found.append(self.mean.cautious_interval(level) if self.cautious else self.mean.interval(level))
        if self.score:
            found.append(
                score_interval(self.gained / self.seeds, self.lost / self.seeds, self.examples, level)
            )
        if self.exact:
            share = exact_interval(round(self.gained), round(self.gained + self.lost), level)
            flips = (self.gained + self.lost) / self.examples
            found.append((flips * (2 * share[0] - 1), flips * (2 * share[1] - 1)))
        return max(-1.0, min(low for low, _ in found)), min(1.0, max(high for _, high in found))

    def detectable(self, alpha: float, power: float) -> float:
        found = [0.0 if self.tells else 1.0]
        if self.mean is not None:
            mean, critical, degrees = self.mean, None, self.mean.planning_degrees
            if self.cautious and mean.standard_error > 0:
                critical = mean.cautious_half_width(1 - alpha) / mean.standard_error
                degrees = mean.cautious_degrees(1 - alpha)
            found.append(t_detectable(mean.standard_error, degrees, alpha, power, critical))
        if self.score or self.exact:
            flips = round((self.gained + self.lost) / self.seeds)
            found.append(mcnemar_detectable(flips, self.examples, alpha, power))
        return min(1.0, max(found))


@dataclass(frozen=True)
class Pair:
    """The values of two methods for one cell of a table, and the design that they come from.

    Attributes:
        first, second: (seeds, examples) or (examples,), the same seeds and examples in the same order; values in
            [0, 1], usually 1 for right and 0 for wrong; a mean over attack seeds is allowed.
        clusters: (examples,) which examples are not independent (template, source sentence, contrast pair); None
            where all are.
        strata: (examples,) fixed parts of the data set, such as HANS' subcases; None for one part.
    """

    first: ArrayLike
    second: ArrayLike
    clusters: ArrayLike | None = None
    strata: ArrayLike | None = None


def compare(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    power: float = 0.8,
) -> Comparison:
    """The second method against the first (see `Pair`); picks what fits the design and says which it picked.

    - One seed, independent examples, no strata, right and wrong answers: McNemar's test with Tango's score interval.
      Below 25 flips the p value is the exact binomial one (or the score test's in the few cases where that is
      larger), and the interval is the span of Tango's and of the exact conditional one.
    - Otherwise: the t-test of `crossed_mean` on the differences, seeds and examples (or clusters) being random.
      Where fewer than 25 examples flip, normal theory is not to be trusted: p is then the largest of it, of the
      score test on the flips per seed and, with one seed, of the exact test; the interval spans those of all.

    So the interval excludes 0 exactly where p is below 1 - `level`. A single cluster cannot tell, and that is the answer:
    p is 1 and the interval (-1, 1).

    Args:
        level: confidence of the interval.
        power: of the minimum detectable effect.

    Raises:
        ValueError: shapes differ, a value lies outside [0, 1], or a cluster lies in two strata.
    """
    return compare_all({"": Pair(first, second, clusters, strata)}, level=level, power=power)[""]


def compare_all(pairs: Mapping[K, Pair], *, level: float = 0.95, power: float = 0.8) -> dict[K, Comparison]:
    """All comparisons of one table, adjusted for one another by Holm's procedure.

    The probability that any true "no difference" of the family is rejected is at most 1 - `level`. Each minimum
    detectable effect is for (1 - `level`) / m, the level of Holm's first step, with m pairs: the strictest. With several
    seeds Holm is given the p values of `CrossedMean.cautious_interval`, which hold at such levels.

    Raises:
        ValueError: as for `compare`.
    """
    if not pairs:
        return {}
    check_level(level)
    tests = {key: _choose(pair) for key, pair in pairs.items()}
    alpha = 1 - level
    strict = {key: replace(test, cautious=len(pairs) > 1) for key, test in tests.items()}
    adjusted = holm([test.p for test in strict.values()], alpha)
    return {
        key: _comparison(
            test,
            strict[key],
            level,
            power,
            len(pairs),
            adjusted.p[at],
            adjusted.levels[at],
            adjusted.simultaneous_level,
        )
        for at, (key, test) in enumerate(tests.items())
    }


def _choose(pair: Pair) -> _Tests:
    """The tests that fit the design of a pair."""
    first, second = (
        np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in (pair.first, pair.second)
    )
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(
            f"{first.shape} and {second.shape}: both methods must have the same seeds and answered the same examples"
        )
    if first.size == 0:
        raise ValueError("nothing to compare: there are no examples")
    if not all(bool(((values >= 0) & (values <= 1)).all()) for values in (first, second)):
        raise ValueError("a value lies outside 0 to 1")
    differences = second - first
    seeds, examples = differences.shape
    gained = float(differences[differences > 0].sum())
    lost = float(-differences[differences < 0].sum())
    flipped = int(np.count_nonzero(differences.any(axis=0)))
    binary = bool(np.isin(differences, (-1, 0, 1)).all())
    few = flipped < EXACT_BELOW
    exact = few and seeds == 1 and binary
    notes = []
    if seeds == 1:
        notes.append("one seed: how much another training seed would change this is unknown and not counted")
    if 1 < seeds < ENOUGH_SEEDS:
        notes.append(
            f"{seeds} seeds: with fewer than {ENOUGH_SEEDS} the interval covers less often than it says"
        )
    if few:
        notes.append(f"only {flipped} examples flip")
    if seeds == 1 and binary and pair.clusters is None and pair.strata is None:
        method = (
            "McNemar, exact; interval: score and exact conditional"
            if exact
            else "McNemar, score; score interval"
        )
        return _Tests(
            gained, lost, flipped, None, True, exact, binary, examples, examples, seeds, method, tuple(notes)
        )
    units = examples if pair.clusters is None else len(set(np.asarray(pair.clusters).tolist()))
    if units < 2:
        notes.append(
            "cannot tell: a single example or cluster says nothing about how much another would differ"
        )
        return _Tests(
            gained, lost, flipped, None, False, False, binary, examples, units, seeds, "none", tuple(notes)
        )
    mean = crossed_mean(differences, pair.clusters, pair.strata)
    named = "examples" if pair.clusters is None else f"{mean.clusters} clusters"
    if pair.clusters is not None and mean.clusters < FEW_CLUSTERS:
        notes.append(f"only {mean.clusters} clusters")
    if mean.pooled_strata:
        notes.append("strata of a single cluster are pooled with others")
    method = "t, " + (
        f"{named} as a sample" if seeds == 1 else f"{seeds} seeds and {named} as crossed random effects"
    )
    method += ", within strata" if pair.strata is not None else ""
    method += (
        " (with score and exact tests, for few flips)"
        if exact
        else (" (with a score test, for few flips)" if few else "")
    )
    return _Tests(
        gained, lost, flipped, mean, few, exact, binary, examples, mean.clusters, seeds, method, tuple(notes)
    )


def _comparison(
    tests: _Tests,
    strict: _Tests,
    level: float,
    power: float,
    family: int,
    adjusted_p: float,
    adjusted_level: float,
    simultaneous_level: float,
) -> Comparison:
    mean = tests.mean
    odds = None
    if tests.seeds == 1 and tests.binary and tests.clusters == tests.examples:
        odds = flip_odds(int(tests.gained), int(tests.lost), level)
    alpha = (1 - level) / family
    return Comparison(
        difference=(tests.gained - tests.lost) / (tests.seeds * tests.examples),
        interval=tests.interval(level),
        p=tests.p,
        level=level,
        method=tests.method,
        seeds=tests.seeds,
        examples=tests.examples,
        clusters=tests.clusters,
        strata=1 if mean is None else mean.strata,
        gained=tests.gained,
        lost=tests.lost,
        flipped=tests.flipped,
        standard_error=None if mean is None else mean.standard_error,
        degrees_of_freedom=None if mean is None else mean.degrees_of_freedom,
        seed_variance=None if mean is None else mean.seed_variance,
        example_variance=None if mean is None else mean.example_variance,
        odds=odds,
        detectable=strict.detectable(alpha, power),
        alpha=alpha,
        power=power,
        notes=tests.notes,
        family=family,
        adjusted_p=adjusted_p,
        adjusted_interval=strict.interval(adjusted_level),
        simultaneous_interval=strict.interval(simultaneous_level),
    )
