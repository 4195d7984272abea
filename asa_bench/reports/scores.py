"""One number of one record: a metric of an evaluation, the worst case of several attacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.errors import BadInput, nearest
from asa_bench.measures import METRICS, Metric, Proportion, Scored

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.reports.outcomes import AttackOutcome, Evaluation
    from asa_bench.tasks.base import Task


def worst_case(
    outcomes: Sequence[AttackOutcome],
    robust: Callable[[AttackOutcome], NDArray[np.bool_] | None] | None = None,
) -> Proportion:
    """The ids that survive every one of several attacks on one model, over all ids.

    An id that was skipped, errored or timed out in any of them is not robust.

    Args:
        robust: tells which rows of an attack are robust; by default those whose search failed.

    Raises:
        BadInput: the attacks were not run on the same ids.
    """
    ids = [set(outcome.rows["id"]) for outcome in outcomes]
    for outcome, these in zip(outcomes, ids, strict=True):
        if these != ids[0]:
            raise BadInput(
                f"attacks {outcomes[0].attack.name!r} and {outcome.attack.name!r} were run on different examples; a worst "
                "case needs the same ids"
            )
    return Proportion(int(survivors(outcomes, robust).sum()), len(ids[0]))


def survivors(
    outcomes: Sequence[AttackOutcome],
    robust: Callable[[AttackOutcome], NDArray[np.bool_] | None] | None = None,
) -> NDArray[np.bool_]:
    """(examples,) which rows of the first of several attacks survive them all; see `worst_case`."""
    survived = []
    for outcome in outcomes:
        truth = None if robust is None else robust(outcome)
        chosen = (outcome.rows["status"] == "failed").to_numpy() if truth is None else truth
        survived.append(set(outcome.rows["id"].to_numpy(object)[chosen].tolist()))
    left = set.intersection(*survived)
    return np.array([name in left for name in outcomes[0].rows["id"].tolist()], dtype=np.bool_)


def label_named_by(logits: Any, labels: tuple[str, ...]) -> str | None:
    scores = np.asarray(logits if logits is not None else [], dtype=np.float64)
    return labels[int(scores.argmax())] if scores.shape == (len(labels),) else None


def value_of(value: float | Proportion) -> float:
    return value.value if isinstance(value, Proportion) else float(value)


def metric(name: str) -> Metric:
    """The metric that a task names.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in METRICS:
        raise BadInput(f"unknown metric {name!r}; {nearest(name, METRICS)}")
    return METRICS[name]


def scored(item: Evaluation) -> Scored:
    """What a metric may look at of one evaluation."""
    gold, said = (item.rows[name].to_numpy(dtype=object) for name in ("label", "prediction"))
    return scored_rows(item.task, item.rows, gold, said)


def scored_rows(
    task: Task, rows: pd.DataFrame, gold: NDArray[np.object_], said: NDArray[np.object_]
) -> Scored:
    """What a metric may look at of predictions for some rows of a task.

    Args:
        rows: with the task's group and slices, where they have them.
        gold, said: (rows,) labels.
    """

    def texts(name: str) -> NDArray[np.object_]:
        # Not by pandas, whose strings cannot hold what hostile text may have.
        return np.array([str(value) for value in rows[name].tolist()], dtype=object)

    groups = texts(task.group) if task.group in rows else np.full(len(rows), "", dtype=object)
    slices = {name: texts(name) for name in task.slices if name in rows}
    return Scored(gold, said, task.labels, groups, slices)


def score_of(item: Evaluation, name: str = "") -> float | Proportion | None:
    """One evaluation by one metric; by the task's first one if none is named."""
    return metric(name or item.task.metrics[0]).compute(scored(item))
