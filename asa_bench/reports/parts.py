"""Measures of single cells that layouts are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asa_bench.attacks.base import BF16_STATUS, FLOAT32_STATUS
from asa_bench.measures import (
    AttackMeasures,
    Disagreement,
    Proportion,
    disagreement,
    exact_interval,
    hans_cells,
    precision_recall_area,
    ratio_values,
    slice_accuracies,
)
from asa_bench.reports.answers import Answers, order_of, pooled
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.outcomes import Evaluation
from asa_bench.reports.scores import metric, score_of
from asa_bench.reports.tables import BLANK, Cell, fact_cell, make_cell
from asa_bench.reports.text import visible

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.tasks.base import Task

HANS_LABELS = frozenset({"entailment", "neutral", "contradiction", "non-entailment"})


def clean(found: AttackMeasures) -> Proportion:
    """Accuracy without attack, over all attacked ids."""
    return found.clean


def robust(found: AttackMeasures) -> Proportion:
    """Robust accuracy, over all attacked ids."""
    return found.robust


def gate_note(data: Gathered) -> str:
    """What gated numbers are, for the caption of a table that has them; "" where none has."""
    if not data.judged:
        return ""
    judges = next((item.judges for item in data.source.qualities), {})
    bounds = data.source.gate.applied(judges).sentence()
    by = "; ".join(
        f"{role} by {visible(judges[role]['model'])}"
        for role in ("similarity", "fluency")
        if judges.get(role)
    )
    return (
        f"Gated: a success counts only if its text stays close to the original ({bounds}{'; ' + by if by else ''}); the "
        "search did not know of these bounds, so gated numbers are upper ones."
    )


def bf16_note(data: Gathered) -> str:
    """What searches in bf16 are, and how far float32 disagreed with them; "" where none was made."""
    found = [item.rows for item in data.source.attacks if BF16_STATUS in item.rows.columns]
    first = _total([rows for rows in found if FLOAT32_STATUS not in rows.columns])
    alone = _total([rows for rows in found if FLOAT32_STATUS in rows.columns])
    note = ""
    if first is not None:
        note += (
            "\nbf16: searched in bf16 first, and in float32 where that ended without a success that float32 confirms; so every "
            f"outcome is one of float32. Of {first.ended:,} searches {first.repeated:,} were repeated; {first.denied:,} had a "
            f"success in bf16 that float32 denied, {first.missed:,} had one in float32 alone."
        )
    if alone is not None:
        note += (
            "\nbf16 alone: searched in bf16; float32 confirmed every success, but a failure is one of bf16. "
            f"Of {alone.standing:,} failures {alone.drawn:,}, drawn by id, were searched in float32, too, which found a success "
            f"in {alone.overturned:,}"
        )
        if alone.drawn:
            _, most = exact_interval(alone.overturned, alone.drawn)
            note += f" (the rate is at most {100 * most:.1f} % with 97.5 % confidence)"
        note += "."
    return note


def _total(frames: Sequence[pd.DataFrame]) -> Disagreement | None:
    """The disagreement of all these attacks together; None where there is none."""
    each = [disagreement(rows["status"], rows[BF16_STATUS], rows.get(FLOAT32_STATUS)) for rows in frames]
    if not each:
        return None
    return Disagreement(
        **{field.name: sum(getattr(one, field.name) for one in each) for field in fields(Disagreement)}
    )


def people_note(data: Gathered) -> str:
    """What numbers by people are, for the caption of a table that has them; "" where none has."""
    if not data.source.people:
        return ""
    most = data.source.gate.max_grammar_loss
    grammar = "" if most is None else f" and grades its grammar at most {most:g} of 5 below the original's"
    return (
        " By people: a success counts only if a majority, not told which text is which, gives both texts the same label"
        f"{grammar}; the judged ones stand for all successes."
    )


def hans_cells_of(item: Evaluation) -> dict[tuple[str, str], Proportion]:
    """The cells of one evaluation on a HANS-like task."""
    rows = item.rows
    return hans_cells(*(rows[name].to_numpy(dtype=object) for name in ("heuristic", "label", "prediction")))


def slices_of(item: Evaluation, name: str) -> dict[str, Proportion]:
    """Accuracy by the values of one slice column."""
    rows = item.rows
    return slice_accuracies(
        *(rows[column].to_numpy(dtype=object) for column in ("label", "prediction", name))
    )


def pooled_slice(
    row: MethodRow, data: Gathered, members: Sequence[TaskColumn], name: str, value: str
) -> Cell:
    """Accuracy on a slice value, the examples of several tasks pooled seed by seed."""
    found = _pooled(row, data, members, name, value)
    sizes = {proportion.total for proportion in found.values()}
    return make_cell(
        {seed: proportion.value for seed, proportion in found.items()},
        n_examples=sizes.pop() if len(sizes) == 1 else None,
        seeds=data.seeds,
    )


def pooled_reliance(row: MethodRow, data: Gathered, members: Sequence[TaskColumn]) -> Cell:
    """Accuracy where the shortcut agrees minus accuracy where it is reversed, seed by seed."""
    agrees = _pooled(row, data, members, "shortcut", "agrees")
    turned = _pooled(row, data, members, "shortcut", "reversed")
    shared = sorted(agrees.keys() & turned.keys())
    return make_cell({s: agrees[s].value - turned[s].value for s in shared}, "points", seeds=data.seeds)


def pooled_slice_answers(
    row: MethodRow, data: Gathered, members: Sequence[TaskColumn], name: str, value: str
) -> Answers | None:
    """The answers behind `pooled_slice`."""
    whole, slices = _pooled_answers(row, data, members, name)
    return None if whole is None else whole.where(np.asarray(slices == value, dtype=np.bool_))


def pooled_reliance_answers(row: MethodRow, data: Gathered, members: Sequence[TaskColumn]) -> Answers | None:
    """What each example adds to `pooled_reliance`, a difference of two ratios of totals."""
    whole, slices = _pooled_answers(row, data, members, "shortcut")
    if whole is None:
        return None
    agrees, turned = (np.asarray(slices == value, dtype=np.float64) for value in ("agrees", "reversed"))
    values = {
        seed: ratio_values(right * agrees, agrees) - ratio_values(right * turned, turned)
        for seed, right in whole.values.items()
    }
    return replace(whole, values=values, linear=True, largest=2.0)


def _pooled_answers(
    row: MethodRow, data: Gathered, members: Sequence[TaskColumn], name: str
) -> tuple[Answers | None, NDArray[np.object_]]:
    """Right and wrong answers to the examples of several tasks, and each one's slice."""
    parts, slices = [], []
    for column in members:
        found = data.evaluations(row, column)
        answers = data.answers(row, column, metric="accuracy")
        if found and answers is not None:
            rows = next(iter(found.values())).rows
            parts.append((column.key, answers))
            slices.append(rows[name].to_numpy(dtype=object)[order_of(rows)[0]])
    return pooled(parts), np.concatenate(slices) if slices else np.array([], dtype=object)


def _pooled(
    row: MethodRow, data: Gathered, members: Sequence[TaskColumn], name: str, value: str
) -> dict[str, Proportion]:
    """Seed -> proportion; only seeds that have every task of the row, so that seeds stay comparable."""
    per_task = [data.evaluations(row, column) for column in members]
    per_task = [found for found in per_task if found]
    if not per_task:
        return {}
    pooled: dict[str, Proportion] = {}
    for seed in sorted(set.intersection(*(set(found) for found in per_task))):
        for found in per_task:
            part = slices_of(found[seed], name).get(value)
            if part is not None:
                pooled[seed] = pooled[seed] + part if seed in pooled else part
    return pooled


def attack_fact(row: MethodRow, data: Gathered, column: TaskColumn, attack: str, key: str) -> Cell:
    """How many examples an attack was run on, or its query budget per example."""
    outcomes = [outcome for many in data.outcomes(row, column, attack).values() for outcome in many]
    if not outcomes:
        return BLANK
    if key == "n":
        return fact_cell(len(outcomes[0].rows))
    budgets = {outcome.query_budget for outcome in outcomes}
    return fact_cell(budgets.pop()) if len(budgets) == 1 else BLANK


def paraphrase_area(item: Evaluation) -> float | None:
    """Area under the precision-recall curve of the second label, as PAWS reports it.

    None where the logits do not tell which class is which: their order is the model's, not the task's, so it is
    read off the predictions themselves.
    """
    positive = item.task.labels[-1]
    logits = np.asarray(item.rows["logits"].tolist(), dtype=np.float64)
    if logits.ndim != 2 or logits.shape[1] != 2:
        return None
    predicted = item.rows["prediction"].to_numpy(dtype=object) == positive
    high = logits.argmax(axis=1)
    sides = set(high[predicted].tolist()) | {1 - side for side in set(high[~predicted].tolist())}
    if len(sides) != 1 or not (item.rows["label"] == positive).any():
        return None
    side = int(sides.pop())
    return precision_recall_area(
        item.rows["label"].to_numpy(dtype=object), logits[:, side] - logits[:, 1 - side], positive
    )


def measures_of(task: Task) -> dict[str, Callable[[Evaluation], float | Proportion | None]]:
    """Title -> measure: the task's metrics, and for a paraphrase task what GLUE and PAWS report beside accuracy."""
    paraphrase = task.family == "paraphrase" and task.kind == "classification" and len(task.labels) == 2
    names = dict.fromkeys((*task.metrics, *(("accuracy", "f1") if paraphrase else ())))
    found: dict[str, Callable[[Evaluation], float | Proportion | None]] = {
        metric(name).title: partial(score_of, name=name) for name in names
    }
    return found | {"AUC": paraphrase_area} if paraphrase else found
