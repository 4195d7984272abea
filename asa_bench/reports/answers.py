"""What each method answered to the same examples, in the form that a comparison needs: one value per seed and example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures import METRICS, Pair, clusters_of, ratio_values
from asa_bench.measures.accuracy import ENTAILMENT
from asa_bench.reports.scores import scored

if TYPE_CHECKING:
    from asa_bench.reports.outcomes import AttackOutcome, Evaluation, Probe, StoredReplay
    from asa_bench.tasks.base import Task

#: The kinds of task whose accuracy is a mean of right and wrong.
_RIGHT_OR_WRONG = ("classification", "multiple_choice")
#: Slices that stand for clusters or strata where a task names no group: HANS' templates, else its subcases.
_TEMPLATE, _SUBCASE = "template", "subcase"


Order = Callable[[Any], tuple[NDArray[np.intp], NDArray[np.object_]]]


@dataclass(frozen=True)
class Answers:
    """Values of one method for one cell of a table.

    Attributes:
        ids: (examples,) texts, sorted.
        values: seed as text -> (examples,) in [0, 1], in the order of `ids`; of a metric that is no mean of right and wrong,
            what each example adds to it (`asa_bench.measures.linearized`).
        clusters: (examples,) which examples are not independent; None where all are.
        strata: (examples,) fixed parts of the data set; None for one part.
        linear: whether they are such values, which may lie outside [0, 1].
        largest: of such a metric: how large a difference of two of it can be; infinite if not known.
        said: of such a metric: seed -> (examples,) predictions, where it is made of them; None for right and wrong answers.
        gold: (examples,) what they should have been, where predictions are labels; else None.
    """

    ids: NDArray[np.object_]
    values: Mapping[str, NDArray[np.float64]]
    clusters: NDArray[np.object_] | None = None
    strata: NDArray[np.object_] | None = None
    linear: bool = False
    largest: float = np.inf
    said: Mapping[str, NDArray[np.object_]] | None = None
    gold: NDArray[np.object_] | None = None

    def where(self, chosen: NDArray[np.bool_]) -> Answers:
        """Those of some examples alone; only of right and wrong answers, whose mean needs nothing of the others."""
        return Answers(
            self.ids[chosen],
            {seed: values[chosen] for seed, values in self.values.items()},
            None if self.clusters is None else self.clusters[chosen],
            None if self.strata is None else self.strata[chosen],
        )


def of_evaluations(
    found: Mapping[str, Evaluation],
    entailed: bool = False,
    order_by: Order | None = None,
    metric: str = "",
) -> Answers | None:
    """Values of a metric: of accuracy 1 where a prediction is the gold label; None for a metric without such values.

    Args:
        found: seed -> evaluation, of the same examples.
        entailed: right where both or none of gold and prediction are entailment, as HANS' authors count: neutral and
            contradiction are both not entailed.
        order_by: what to use for `order_of`, e.g. what remembers its answers.
        metric: by its name; the task's first one if none is named.
    """
    if not found:
        return None
    first = next(iter(found.values()))
    task, name = first.task, metric or first.task.metrics[0]
    if task.unlabelled and name != "failure_rate":
        return None
    sort = order_by or order_of
    if name == "consistency":
        return _of_groups(found, sort)
    if name != "accuracy":
        return _of_metric(found, name, sort)
    if task.kind not in _RIGHT_OR_WRONG:
        return None
    order, ids = sort(first.rows)
    values: dict[str, NDArray[np.float64]] = {}
    for seed, item in found.items():
        own, _ = sort(item.rows)
        gold, said = (item.rows[name].to_numpy(object)[own] for name in ("label", "prediction"))
        if entailed:
            gold, said = gold == ENTAILMENT, said == ENTAILMENT
        values[seed] = np.asarray(gold == said, dtype=np.float64)
    return _designed(Answers(ids, values), first.rows, order, task)


def _of_metric(found: Mapping[str, Evaluation], name: str, sort: Order) -> Answers | None:
    """Values of a metric that is no mean of right and wrong, in the seeds in which it is defined."""
    first = next(iter(found.values()))
    task, made = first.task, METRICS[name].values
    if made is None:
        return None
    order, ids = sort(first.rows)
    values, said = {}, {}
    for seed, item in found.items():
        own, _ = sort(item.rows)
        each = made(scored(item))
        if each is not None:
            values[seed], said[seed] = each[own], item.rows["prediction"].to_numpy(object)[own]
    if not values:
        return None
    no_labels = task.kind == "regression" or task.unlabelled
    labels = None if no_labels else first.rows["label"].to_numpy(object)[order]
    largest = 1 - METRICS[name].lowest
    made_of = Answers(ids, values, linear=True, largest=largest, said=said, gold=labels)
    return _designed(made_of, first.rows, order, task)


def _of_groups(found: Mapping[str, Evaluation], sort: Order) -> Answers | None:
    """Groups in place of examples, 1 where all of a group's rows are right."""
    task = next(iter(found.values())).task
    if not task.group:
        return None
    names: NDArray[np.object_] = np.array([], dtype=object)
    values = {}
    for seed, item in found.items():
        own, _ = sort(item.rows)
        gold, said = (item.rows[column].to_numpy(object)[own] for column in ("label", "prediction"))
        groups = _texts(item.rows[task.group])[own]
        names, codes = np.unique(groups[groups != ""].astype(str), return_inverse=True)
        wrong = np.bincount(codes, weights=(gold != said)[groups != ""], minlength=len(names))
        values[seed] = np.asarray(wrong == 0, dtype=np.float64)
    return Answers(names.astype(object), values) if len(names) else None


def of_attacks(
    found: Mapping[str, Sequence[AttackOutcome | StoredReplay]],
    values: Mapping[str, list[NDArray[np.bool_]]],
) -> Answers | None:
    """Means over attack seeds of a truth about each example, such as whether it is robust.

    Args:
        found: training seed -> outcomes, one per attack seed, of the same examples.
        values: the same shape; (examples,) in the order of each outcome's rows.
    """
    if not found:
        return None
    first = next(iter(found.values()))[0]
    order, ids = order_of(first.rows)
    means: dict[str, NDArray[np.float64]] = {}
    for seed, outcomes in found.items():
        each = [truth[order_of(item.rows)[0]] for item, truth in zip(outcomes, values[seed], strict=True)]
        means[seed] = np.stack(each).astype(np.float64).mean(axis=0)
    return _designed(Answers(ids, means), first.rows, order, first.task)


def of_ratios(
    found: Mapping[str, Sequence[Evaluation | AttackOutcome | Probe]],
    totals: Mapping[str, Sequence[tuple[NDArray[Any], NDArray[Any]]]],
    largest: float,
) -> Answers | None:
    """Values of a ratio of totals, such as a mean over some examples or a success rate; means over attack seeds.

    Args:
        found: training seed -> records, one per attack seed, of the same examples.
        totals: the same shape; what each row adds to the numerator and to the denominator. Where nothing adds to the
            denominator the ratio is undefined, and the record does not count.
        largest: see `Answers`.
    """
    values = {}
    for seed, items in found.items():
        each = [
            ratio_values(part, whole)[order_of(item.rows)[0]]
            for item, (part, whole) in zip(items, totals[seed], strict=True)
            if np.any(whole)
        ]
        if each:
            values[seed] = np.stack(each).mean(axis=0)
    return of_values({seed: items[0] for seed, items in found.items()}, values, largest)


def of_values(
    found: Mapping[str, Evaluation | AttackOutcome | Probe],
    values: Mapping[str, NDArray[np.float64]],
    largest: float,
) -> Answers | None:
    """Values of a metric that is no mean of right and wrong, one per example in the order of their ids.

    Args:
        found: training seed -> a record of the same examples, any of which tells what belongs together.
        values: by seed; not of every one where the metric is undefined.
        largest: see `Answers`.
    """
    if not values:
        return None
    first = next(iter(found.values()))
    order, ids = order_of(first.rows)
    return _designed(Answers(ids, values, linear=True, largest=largest), first.rows, order, first.task)


def pooled(parts: Sequence[tuple[str, Answers]]) -> Answers | None:
    """The examples of several test sets in one, each set being a stratum; only seeds that have all of them.

    Args:
        parts: (name of a set, right and wrong answers to it).
    """
    if not parts:
        return None
    seeds = set.intersection(*(set(part.values) for _, part in parts))
    if not seeds:
        return None
    if len(parts) == 1:
        return replace(parts[0][1], values={seed: parts[0][1].values[seed] for seed in sorted(seeds)})

    def joined(pick: Callable[[Answers], NDArray[Any] | None]) -> NDArray[np.object_]:
        columns = []
        for name, part in parts:
            own = pick(part)
            columns.append([f"{name}/{'' if own is None else own[at]}" for at in range(len(part.ids))])
        return np.array([value for column in columns for value in column], dtype=object)

    clustered = any(part.clusters is not None for _, part in parts)
    return Answers(
        joined(lambda part: part.ids),
        {seed: np.concatenate([part.values[seed] for _, part in parts]) for seed in sorted(seeds)},
        joined(lambda part: part.ids if part.clusters is None else part.clusters) if clustered else None,
        joined(lambda part: part.strata),
    )


def paired(first: Answers | None, second: Answers | None) -> Pair | None:
    """Both methods on the seeds that they share; None where they share none or one has no values to compare.

    A checkpoint without a seed shares the seed "" with another one; what has seeds and what has none share nothing.
    """
    if first is None or second is None or len(first.ids) == 0:
        return None
    shared = sorted(first.values.keys() & second.values.keys(), key=lambda seed: (len(seed), seed))
    if not shared or not np.array_equal(first.ids, second.ids):
        return None
    arrays = [np.stack([answers.values[seed] for seed in shared]) for answers in (first, second)]
    if not first.linear and not second.linear:
        return Pair(arrays[0], arrays[1], first.clusters, first.strata)
    units = first.ids if first.clusters is None else first.clusters
    if len(set(units.tolist())) < 2:  # which say nothing about how much another would change the metric
        return None
    differing = None
    if first.said is not None and second.said is not None:
        differ = [np.asarray(first.said[seed] != second.said[seed], dtype=np.bool_) for seed in shared]
        differing = int(np.logical_or.reduce(differ).sum())
    return Pair(
        arrays[0],
        arrays[1],
        first.clusters,
        first.strata,
        linear=True,
        differing=differing,
        largest=max(first.largest, second.largest),
    )


def judged(first: Answers, second: Answers) -> Pair | None:
    """Both as right and wrong answers, whatever the metric; None where predictions are no labels, or as for `paired`."""
    sides = []
    for side in (first, second):
        if not side.linear:
            sides.append(side)
        elif side.said is None or side.gold is None:
            return None
        else:
            right = {s: np.asarray(said == side.gold, dtype=np.float64) for s, said in side.said.items()}
            sides.append(Answers(side.ids, right))
    return paired(*sides)


def order_of(rows: Any) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
    """The places of a record's rows in the order of their ids, and the ids in that order."""
    ids = rows["id"].to_numpy(dtype=object)
    order = np.argsort(_texts(ids).astype(str), kind="stable")
    return order, ids[order]


def _texts(column: Any) -> NDArray[np.object_]:
    # Not by pandas, whose strings hold no lone surrogates.
    return np.array([str(value) for value in column], dtype=object)


def _designed(answers: Answers, rows: Any, order: NDArray[np.intp], task: Task) -> Answers:
    """With the design of the data set: what belongs together, and what is fixed."""
    group = task.clusters if task.clusters in rows.columns else ""
    if not group and _TEMPLATE in task.slices and _TEMPLATE in rows.columns:
        group = _TEMPLATE
    if group:
        clusters = clusters_of(_texts(rows[group])[order])
        if clusters is not None:
            return replace(answers, clusters=clusters.astype(object))
    if _SUBCASE in task.slices and _SUBCASE in rows.columns:
        return replace(answers, strata=_texts(rows[_SUBCASE])[order])
    return answers
