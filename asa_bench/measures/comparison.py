"""Two methods on the same examples and seeds: the difference, how sure it is, and what could have been found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from numpy.typing import ArrayLike

from asa_bench.measures.choosing import Interval, Pair, Tests
from asa_bench.measures.combining import Combination, tests_of
from asa_bench.measures.multiple import holm
from asa_bench.measures.paired import FlipOdds, check_level, flip_odds

K = TypeVar("K")


@dataclass(frozen=True)
class Comparison:
    """The second method minus the first.

    Attributes:
        difference: of the two means, or of two metrics; a share in [-1, 1] for right and wrong answers. Positive where the
            second is higher.
        interval: of the difference at `level`, of this comparison alone.
        p: two-sided p value of "no difference", of this comparison alone.
        level: confidence of `interval`.
        method: which test and interval were taken, in words.
        seeds, examples, clusters, strata: how many stand behind it; `clusters` is `examples` where all are
            independent; seeds of both methods together where each has its own.
        gained, lost: what only the second, or only the first method got right, summed over seeds; whole numbers
            for right and wrong answers, sums of positive and negative differences for other values. Where seeds are
            not shared: sums over examples of the positive and negative differences of the two means.
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
        largest: how large the difference can be, either way: 1 for shares, 2 for correlations; infinite where that is not
            known.
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
    gained: float | None
    lost: float | None
    flipped: int
    standard_error: float | None
    degrees_of_freedom: float | None
    seed_variance: float | None
    example_variance: float | None
    odds: FlipOdds | None
    detectable: float
    alpha: float
    power: float
    largest: float
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
    def findable(self) -> bool:
        """Whether any difference would be found with probability `power`; not where it would take the largest one."""
        return self.detectable < self.largest - 1e-9

    @property
    def conclusive(self) -> bool:
        """Whether a table may print it in bold: significant, and at least as large as what could be found."""
        return self.significant and abs(self.difference) >= self.detectable


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


def compare_all(
    pairs: Mapping[K, Pair | Combination], *, level: float = 0.95, power: float = 0.8
) -> dict[K, Comparison]:
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
    tests = {key: tests_of(pair) for key, pair in pairs.items()}
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


def _comparison(
    tests: Tests,
    strict: Tests,
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
        difference=tests.difference,
        interval=tests.interval(level),
        p=tests.p,
        level=level,
        method=tests.method,
        seeds=tests.seeds,
        examples=tests.examples,
        clusters=tests.clusters,
        strata=1 if mean is None else mean.strata,
        gained=tests.gained if tests.counted else None,
        lost=tests.lost if tests.counted else None,
        flipped=tests.flipped,
        standard_error=None if mean is None else mean.standard_error,
        degrees_of_freedom=None if mean is None else mean.degrees_of_freedom,
        seed_variance=None if mean is None else mean.seed_variance,
        example_variance=None if mean is None else mean.example_variance,
        odds=odds,
        detectable=strict.detectable(alpha, power),
        alpha=alpha,
        power=power,
        largest=tests.largest,
        notes=tests.notes,
        family=family,
        adjusted_p=adjusted_p,
        adjusted_interval=strict.interval(adjusted_level),
        simultaneous_interval=strict.interval(simultaneous_level),
    )
