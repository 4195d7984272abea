"""Is a change worse than a margin allows? Non-inferiority of paired outcomes: yes, no, or cannot tell, and what would tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from asa_bench.measures.choosing import Interval, Pair, Tests, choose_tests
from asa_bench.measures.margin_power import detectable_beyond, spread_growth

K = TypeVar("K")
Finding = Literal["worse", "not worse", "cannot tell"]

#: Beyond so many times the examples, or so many seeds, more of them is no advice.
_MOST_EXAMPLES, _MOST_SEEDS = 1_000, 200


@dataclass(frozen=True)
class AgainstMargin:
    """The second minus the first, held against minus the margin.

    Attributes:
        finding: 'worse' where all of `interval` lies below minus the margin, 'not worse' where all of it lies above.
        difference: of the two means, a share in [-1, 1].
        interval: adjusted for the family by Holm's procedure: it excludes minus the margin exactly where that is rejected.
        level: of confidence, of `interval`.
        margin: a share, 0 or more.
        detectable: a loss of the margin and so much more would be found 'worse' with probability `power`; a share. Where
            none would (`findable`), with the margin a loss of everything.
        unchanged: not one value differs. Then there is nothing to test, and the finding is 'not worse'.
        more_examples: how many examples in all would tell a difference as large as this one from the margin with
            probability `power`; None where no number would, or the finding is clear.
        more_seeds: the same for seeds: how many on the second side where seeds are not shared, else on both.
        method, notes: which interval it is, and what a reader must know.
        seeds, examples, clusters: how many stand behind it.
        family: size of the family that it was adjusted for.
    """

    finding: Finding
    difference: float
    interval: Interval
    level: float
    margin: float
    detectable: float
    power: float
    unchanged: bool
    more_examples: int | None
    more_seeds: int | None
    method: str
    notes: tuple[str, ...]
    seeds: int
    examples: int
    clusters: int
    family: int

    @property
    def findable(self) -> bool:
        """Whether any loss beyond the margin would be found with probability `power`; not where it would take all."""
        return self.margin + self.detectable < 1 - 1e-9


def against_margins(
    pairs: Mapping[K, Pair], margins: Mapping[K, float], *, alpha: float = 0.05, power: float = 0.8
) -> dict[K, AgainstMargin]:
    """All scores of one family, each against its margin; of truly unharmed ones, any is found 'worse' at most with `alpha`.

    Tested is "the difference is minus the margin", two-sided, with the tests and intervals of `compare_all`, by Holm's
    procedure (1979) in steps: what the intervals of level 1 - alpha / m exclude is told; those that are left, k say, are
    asked again at 1 - alpha / k, until a step tells nothing new. What stays untold has the interval of the last step.

    The minimum detectable effect is for alpha / m, the strictest step, as in tables.

    Args:
        pairs: second against first (see `Pair`).
        margins: key -> share that the second may lose.

    Raises:
        ValueError: as for `compare`, a margin is below 0 or 1 or more, or alpha or power is no probability.
    """
    if not 0 < power < 1:
        raise ValueError(f"power {power} must lie between 0 and 1")
    tests = {key: replace(choose_tests(pair), cautious=len(pairs) > 1) for key, pair in pairs.items()}
    told = _told(tests, {key for key, pair in pairs.items() if _unchanged(pair)}, margins, alpha)
    family = max(sum(not one.unchanged for one in told.values()), 1)
    return {
        key: _explained(told[key], tests[key], pairs[key], margins[key], alpha / family, power, family)
        for key in pairs
    }


def findings(pairs: Mapping[K, Pair], margins: Mapping[K, float], alpha: float = 0.05) -> dict[K, Finding]:
    """What `against_margins` finds, without what it would take to find more, which is most of the work."""
    tests = {key: replace(choose_tests(pair), cautious=len(pairs) > 1) for key, pair in pairs.items()}
    unchanged = {key for key, pair in pairs.items() if _unchanged(pair)}
    return {key: told.finding for key, told in _told(tests, unchanged, margins, alpha).items()}


def detectable_loss(
    key: K, pairs: Mapping[K, Pair], margins: Mapping[K, float], alpha: float = 0.05, power: float = 0.8
) -> float:
    """What `against_margins` says is `detectable` of one score, without the rest of it, for simulations."""
    family = max(sum(not _unchanged(pair) for pair in pairs.values()), 1)
    tests = replace(choose_tests(pairs[key]), cautious=len(pairs) > 1)
    return beyond(tests, pairs[key], margins[key], alpha / family, power)


@dataclass(frozen=True)
class _Told:
    finding: Finding
    interval: Interval
    level: float
    unchanged: bool


def _told(
    tests: Mapping[K, Tests], unchanged: set[K], margins: Mapping[K, float], alpha: float
) -> dict[K, _Told]:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha {alpha} must lie between 0 and 1")
    if any(not 0 <= margins[key] < 1 for key in tests):
        raise ValueError("a margin is a share, from 0 to below 1")
    left = [key for key in tests if key not in unchanged]
    strictest = 1 - alpha / max(len(left), 1)
    told = {key: _Told("not worse", tests[key].interval(strictest), strictest, True) for key in unchanged}
    while left:
        level = 1 - alpha / len(left)
        before = len(left)
        for key in list(left):
            low, high = tests[key].interval(level)
            finding: Finding = "cannot tell"
            if high < -margins[key]:
                finding = "worse"
            elif low > -margins[key]:
                finding = "not worse"
            told[key] = _Told(finding, (low, high), level, False)
            if finding != "cannot tell":
                left.remove(key)
        if len(left) == before:
            break
    return told


def _unchanged(pair: Pair) -> bool:
    first, second = (
        np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in (pair.first, pair.second)
    )
    return first.shape == second.shape and bool((first == second).all())


def _explained(
    told: _Told, tests: Tests, pair: Pair, margin: float, alpha: float, power: float, family: int
) -> AgainstMargin:
    difference = tests.difference
    examples = seeds = None
    if told.finding == "cannot tell":
        distance = abs(difference + margin)
        examples = _more_examples(tests, distance, alpha, power)
        seeds = _more_seeds(tests, pair, distance, alpha, power)
    return AgainstMargin(
        finding=told.finding,
        difference=difference,
        interval=told.interval,
        level=told.level,
        margin=margin,
        detectable=beyond(tests, pair, margin, alpha, power),
        power=power,
        unchanged=told.unchanged,
        more_examples=examples,
        more_seeds=seeds,
        method=tests.method,
        notes=tests.notes,
        seeds=tests.seeds,
        examples=tests.examples,
        clusters=tests.clusters,
        family=family,
    )


def beyond(tests: Tests, pair: Pair, margin: float, alpha: float, power: float) -> float:
    """The loss beyond the margin that is found with probability `power`.

    A loss brings flips of its own, so it is harder to find than the difference from 0 that `Tests.detectable` is about: a loss
    of the share L of the examples, in each seed others, adds L (1 - L) to the variance of a single answer. And it may drive
    seeds further apart (`spread_growth`), which a test that pools them with the baseline's believes in part only.

    Flips that this very pair owes to a loss are not expected beside another one. Only what a difference exceeds chance by,
    two standard errors, is taken for such: without a change as many come as go but for chance, and all of them are background.
    """
    flips = (tests.gained + tests.lost) / tests.repeats
    chance = math.sqrt(flips) / tests.examples if tests.mean is None else tests.mean.standard_error
    lost = max(abs(tests.difference) - 2 * chance, 0.0)
    background = max(round(flips - lost * tests.examples), 0)
    found = [0.0]
    if tests.score or tests.exact:
        found.append(detectable_beyond(background, tests.examples, margin, alpha, power))
    if tests.mean is None:
        return max(found) if tests.tells else 1.0
    first, second = (
        np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in (pair.first, pair.second)
    )
    seeds = len(first), 1 if pair.seeds == "fixed" else len(second)
    accuracy = float(first.mean())
    extra = 0.0
    for _ in range(12):
        loss = min(margin + extra, 1.0)
        added = max(loss * (1 - loss) - lost, 0.0) / (seeds[1] * tests.examples)
        believed, true = _spreads(pair.seeds == "own", *seeds, spread_growth(accuracy, loss))
        larger = tests.mean.with_more(added, spread=believed)
        growth = 1.0
        if larger.standard_error > 0:
            growth = tests.mean.with_more(added, spread=true).standard_error / larger.standard_error
        extra = replace(tests, mean=larger, score=False, exact=False).detectable(alpha, power, growth)
    return min(1.0, max(*found, extra))


def _spreads(own: bool, first: int, second: int, growth: float) -> tuple[float, float]:
    """By which factors the seeds' part of the variance grows, as the test believes and truly, where one side's alone does."""
    if not own:
        return (1 + growth) / 2, (1 + growth) / 2
    pooled = (first - 1 + (second - 1) * growth) / (first + second - 2)
    return pooled, (1 / first + growth / second) / (1 / first + 1 / second)


def _more_examples(tests: Tests, distance: float, alpha: float, power: float) -> int | None:
    """How many examples would tell `distance`, to two digits; None where no number would."""
    if not tests.tells:
        return None

    def enough(factor: float) -> bool:
        scaled = replace(
            tests,
            gained=tests.gained * factor,
            lost=tests.lost * factor,
            examples=round(tests.examples * factor),
            mean=None if tests.mean is None else tests.mean.repeated(examples=factor),
        )
        return scaled.detectable(alpha, power) <= distance

    factor = _smallest(enough)
    if factor is None:
        return None
    number = tests.examples * factor
    digits = max(0, math.floor(math.log10(number)) - 1)
    return int(math.ceil(number / 10**digits) * 10**digits)


def _smallest(enough: Callable[[float], bool]) -> float | None:
    """The smallest factor above 1 that is enough, to 2 %."""
    high = 1.0
    while not enough(high):
        high *= 2
        if high > _MOST_EXAMPLES:
            return None
    low = high / 2
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return max(high, 1.0)


def _more_seeds(tests: Tests, pair: Pair, distance: float, alpha: float, power: float) -> int | None:
    """How many seeds would tell `distance`; None where no number would, or seeds are not what is asked about."""
    if pair.seeds == "fixed":
        return None
    first, second = (len(np.atleast_2d(np.asarray(values))) for values in (pair.first, pair.second))
    mean = tests.mean
    if mean is None or mean.seed_variance is None:
        return 2 if not tests.tells and pair.seeds == "own" and first == second == 1 else None

    def enough(number: int) -> bool:
        factor = second / number
        if pair.seeds == "own":
            factor = (1 / first + 1 / number) / (1 / first + 1 / second)
        larger = replace(tests, mean=mean.repeated(seeds=factor, more_seeds=number - second))
        return larger.detectable(alpha, power) <= distance

    low, high = second, second + 1
    while not enough(high):
        low, high = high, 2 * high
        if high > _MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
