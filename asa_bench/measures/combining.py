"""Weighted sums of differences, such as the difference of two averages over test sets, in the form of one comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from asa_bench.measures.choosing import (
    ENOUGH_SEEDS,
    Pair,
    Tests,
    choose_tests,
    with_more_flips,
)
from asa_bench.measures.crossed import CrossedMean, combined_mean, crossed_mean
from asa_bench.measures.paired import EXACT_BELOW
from asa_bench.measures.sampling import Floats


@dataclass(frozen=True)
class Part:
    """One difference of a sum.

    Attributes:
        pair: with shared seeds; the same seeds in the same order in every part.
        weight: 1/K in an average of K.
        model: parts of one name are answered by the same trained models, so that they share what a training seed does; parts
            of different names have models of their own, trained from seeds that have nothing in common but their number.
        sample: parts of one name ask the same examples in the same order, such as two attacks on them.
    """

    pair: Pair
    weight: float
    model: str
    sample: str


@dataclass(frozen=True)
class Combination:
    """A weighted sum of differences, see `combined_tests`."""

    parts: tuple[Part, ...]


def tests_of(asked: Pair | Combination) -> Tests:
    """The tests that fit a pair or a combination of pairs.

    Raises:
        ValueError: as for `choose_tests` and `combined_tests`.
    """
    return choose_tests(asked) if isinstance(asked, Pair) else combined_tests(asked)


def combined_tests(asked: Combination) -> Tests:
    """The t-test of a weighted sum of differences, seeds and the examples of every sample being random.

    With D[k, s] the difference of part k in seed s and w[k] its weight, let

    - ``V1`` = sum over models m of the sample variance over seeds of ``sum over k in m of w[k] D[k, s]``, divided by S:
      effects of a seed add up within a model before their variance is taken, and models are independent;
    - ``V2``, ``V3`` = sums over samples of those of `crossed_mean` for ``sum over k in the sample of w[k] y[k, s, i]``:
      what several parts ask of one example is added up before, and samples are independent.

    Each estimates the same as in `crossed_mean`, whose standard error they make; degrees of freedom of V1 and of V2 are
    Satterthwaite's (1946), ``(sum of V)^2 / sum of V^2 / df``. Where fewer than 25 examples of a sample are answered
    differently, its variance is that of a few more (`with_more_flips`).

    Raises:
        ValueError: there are no parts, their seeds or the examples of one sample differ in number, or as for `Pair`.
    """
    if not asked.parts:
        raise ValueError("nothing to combine")
    tables = [_differences(part.pair) for part in asked.parts]
    seeds = len(tables[0])
    if any(len(table) != seeds for table in tables):
        raise ValueError("the parts of a combination need the same seeds")
    value = 0.0
    effects: dict[str, Floats] = {}  # model -> (seeds,)
    samples: dict[str, list[tuple[Part, Floats]]] = {}
    for part, table in zip(asked.parts, tables, strict=True):
        value += part.weight * float(table.mean())
        effect = part.weight * table.mean(axis=1)
        effects[part.model] = effects.get(part.model, np.zeros(seeds)) + effect
        samples.setdefault(part.sample, []).append((part, table))
    means = [found for members in samples.values() if (found := _sample_mean(members)) is not None]
    flipped = sum(_flipped(members) for members in samples.values())
    examples = sum(members[0][1].shape[1] for members in samples.values())
    notes = []
    if seeds == 1:
        notes.append("one seed: how much another training seed would change this is unknown and not counted")
    elif seeds < ENOUGH_SEEDS and len(effects) == 1:
        notes.append(
            f"{seeds} seeds: with fewer than {ENOUGH_SEEDS} the interval covers less often than it says"
        )
    told = Tests(
        value,
        0.0,
        0.0,
        flipped,
        None,
        False,
        False,
        False,
        examples,
        examples,
        seeds,
        "none",
        (),
        largest=sum(
            abs(part.weight) * (part.pair.largest if part.pair.linear else 1.0) for part in asked.parts
        ),
        counted=False,
    )
    if len(means) < len(samples):
        notes.append(
            "cannot tell: a single example or cluster says nothing about how much another would differ"
        )
        return _with(told, None, "none", notes)
    if any(_flipped(members) < EXACT_BELOW for members in samples.values()):
        notes.append(f"fewer than {EXACT_BELOW} examples of a test set are answered differently")
    between, freedom = _summed([(one.example_variance, one.example_degrees) for one in means])
    counts = tuple(sum(getattr(one, name) for one in means) for name in ("examples", "clusters", "strata"))
    sets = "test set" if len(samples) == 1 else "test sets"
    units = "examples" if counts[0] == counts[1] else f"{counts[1]} clusters"
    method = f"t, weighted sum of {len(tables)} differences on {len(samples)} {sets}, "
    if seeds == 1:
        mean = CrossedMean(
            value, between**0.5, freedom, freedom, None, between, 0.0, 0.0, freedom, 0.0, 1, *counts
        )
        return _with(told, mean, method + f"{units} as a sample", notes)
    first, degrees = _summed([(float(each.var(ddof=1)) / seeds, seeds - 1.0) for each in effects.values()])
    third = sum(one.interaction_variance for one in means)
    mean = combined_mean(value, first, between, third, degrees, freedom, seeds, *counts)
    models = f" of {len(effects)} training tasks" if len(effects) > 1 else ""
    return _with(told, mean, method + f"{seeds} seeds{models} and {units} as crossed random effects", notes)


def _with(told: Tests, mean: CrossedMean | None, method: str, notes: list[str]) -> Tests:
    clusters = told.clusters if mean is None else mean.clusters
    return replace(told, mean=mean, clusters=clusters, method=method, notes=tuple(notes))


def _differences(pair: Pair) -> Floats:
    """(seeds, examples) the second minus the first."""
    if pair.seeds != "shared":
        raise ValueError("a combination is of differences over shared seeds")
    first, second = (
        np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in (pair.first, pair.second)
    )
    if first.shape != second.shape or first.ndim != 2 or first.size == 0:
        raise ValueError(
            f"{first.shape} and {second.shape}: both methods must have answered the same examples"
        )
    return second - first


def _sample_mean(members: list[tuple[Part, Floats]]) -> CrossedMean | None:
    """Of the weighted sum of what is asked of one sample of examples; None for a single example or cluster."""
    if len({table.shape for _, table in members}) > 1:
        raise ValueError("the parts of one sample need the same examples")
    clusters, strata = members[0][0].pair.clusters, members[0][0].pair.strata
    table = sum((part.weight * one for part, one in members), np.zeros_like(members[0][1]))
    if (table.shape[1] if clusters is None else len(set(np.asarray(clusters).tolist()))) < 2:
        return None
    mean = crossed_mean(table, clusters, strata)
    if _flipped(members) >= EXACT_BELOW:
        return mean
    return with_more_flips(mean, sum(abs(part.weight) * _reach(part.pair) for part, _ in members))


def _reach(pair: Pair) -> float:
    """By how much another answer can change the value of an example."""
    if not pair.linear:
        return 1.0
    return float(max(np.ptp(np.atleast_2d(values), axis=1).max() for values in (pair.first, pair.second)))


def _flipped(members: list[tuple[Part, Floats]]) -> int:
    """How many examples are answered differently, in the part with the most."""
    return max(
        int(np.count_nonzero(table.any(axis=0))) if part.pair.differing is None else part.pair.differing
        for part, table in members
    )


def _summed(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum of variances, each with its degrees of freedom, and Satterthwaite's degrees of freedom of the sum."""
    total = sum(variance for variance, _ in parts)
    rest = sum(variance**2 / degrees for variance, degrees in parts)
    return total, total**2 / rest if rest > 0 else sum(degrees for _, degrees in parts)
