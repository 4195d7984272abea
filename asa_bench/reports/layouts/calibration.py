"""The table of calibration: how far confidence can be believed, clean and under attack, without and with a temperature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from asa_bench.attacks.labels import label_groups, pool
from asa_bench.errors import BadInput
from asa_bench.measures import (
    UNDECIDED,
    Calibration,
    calibration,
    calibration_error_values,
    macro_average,
    risk_coverage_values,
    softmax,
)
from asa_bench.reports.answers import Answers, of_values, order_of
from asa_bench.reports.assemble import DraftColumn, finish, method_rows
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.outcomes import FITTING, AttackOutcome, Evaluation
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.tables import UNDEFINED, Cell, Column, Row, Table, Unit, hole, make_cell

# What each example adds to a measure, from confidences and right answers; None where its differences are not shown.
_Values = Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float64]]
_MEASURES: tuple[tuple[str, str, Unit, Callable[[Calibration], float], _Values | None], ...] = (
    ("ece", "ECE", "percent", lambda found: found.expected_calibration_error, calibration_error_values),
    ("brier", "Brier", "decimal", lambda found: found.brier, None),
    ("nll", "NLL", "decimal", lambda found: found.nll, None),
    ("aurc", "AURC", "percent", lambda found: found.risk_coverage_area, risk_coverage_values),
)
_VICTIMS = (("raw", "As it is"), ("calibrated", "Calibrated"))
# Seed -> what was asked there; several of an attack with several seeds of its own.
_Asked = Callable[[MethodRow], Mapping[str, Sequence[Evaluation | AttackOutcome]]]


def calibration_table(data: Gathered) -> Table | None:
    """Per test set and attack: temperature, accuracy, and measures of confidence before and after calibration."""
    if not data.source.calibrations:
        return None
    columns = [
        Column("temperature", "Temperature", unit="decimal"),
        Column("accuracy", "Accuracy"),
        *(
            Column(f"{key}/{measure}", head, group, unit, better="low")
            for measure, group, unit, _, _ in _MEASURES
            for key, head in _VICTIMS
        ),
    ]
    rows: list[Row] = []
    faced: list[TaskColumn] = []
    for column in data.columns:
        if column.task.kind == "classification":
            clean = partial(_evaluations, data=data, column=column)
            heading = data.head(column, data.columns)
            rows += _block(data, columns, column, clean, heading, f"{column.key}/")
            faced.append(column)
    for column in data.attack_columns:
        for attack in data.attacks:
            attacked = partial(data.outcomes, column=column, attack=attack.name)
            heading = f"{data.head(column, data.attack_columns)} under {attack_head(data, attack)}"
            rows += _block(data, columns, column, attacked, heading, f"{attack.name}/{column.key}/")
    if not rows:
        return None
    unbounded = sum(item.bounded for item in data.source.calibrations)
    what = (
        "How far confidence can be believed, with the logits as they are and divided by a temperature.\n"
        f"The temperature was fitted on {_rows(data)} rows of the training data that no training and no reported number uses "
        "(Guo et al. 2017); answers do not depend on it.\n"
        "ECE: expected calibration error over 15 bins of equal mass, in percent; Brier score, in [0, 2]; NLL: negative "
        "log-likelihood in nats; AURC: area under the risk-coverage curve, in percent (lower is better in all).\n"
        "Under an attack: of the texts that it ends with, changed ones where it succeeded and the originals elsewhere, without "
        "those whose search errored or timed out."
    )
    if unbounded:
        what += (
            f"\nIn {unbounded} of {len(data.source.calibrations)} fits the rows do not bound the temperature; "
            "where no answer was wrong it is 1."
        )
    if any(item.subject.loaded for item in data.source.calibrations):
        what += "\nA loaded checkpoint may have learned from these rows; its temperature is then too low."
    return finish(data, "calibration", "Calibration", what, columns, rows, faced, sized=False)


def _rows(data: Gathered) -> str:
    sizes = sorted({len(item.rows) for item in data.source.calibrations})
    return f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"


def _block(
    data: Gathered, columns: Sequence[Column], column: TaskColumn, asked: _Asked, heading: str, prefix: str
) -> list[Row]:
    """The lines of one test set or attack; none where no method has a number."""
    at = partial(_cell, data=data, column=column, asked=asked)
    told = partial(_answers, data=data, asked=asked)
    drafts = [
        DraftColumn(columns[0], partial(at, measure=lambda found: found[2], unit="decimal")),
        DraftColumn(
            columns[1],
            partial(at, measure=lambda found: found[0].accuracy, unit="percent"),
            answers=partial(told, which=0, values=lambda sure, right: right.astype(np.float64)),
        ),
    ]
    asked_for = [(which, *measure[2:]) for measure in _MEASURES for which in (0, 1)]
    for each, (which, unit, measure, values) in zip(columns[2:], asked_for, strict=True):
        compute = partial(at, measure=partial(_of, which=which, measure=measure), unit=unit)
        answers = None if values is None else partial(told, which=which, values=values)
        drafts.append(DraftColumn(each, compute, answers=answers))
    rows = method_rows(data, drafts, group=heading, prefix=prefix)
    return rows if any(cell.state == "value" for row in rows for cell in row.cells) else []


def _of(
    found: tuple[Calibration, Calibration, float], which: int, measure: Callable[[Calibration], float]
) -> float:
    return measure(found[which])  # type: ignore[arg-type]


def _evaluations(row: MethodRow, data: Gathered, column: TaskColumn) -> Mapping[str, Sequence[Evaluation]]:
    return {seed: [item] for seed, item in data.evaluations(row, column).items()}


def _cell(
    row: MethodRow,
    data: Gathered,
    column: TaskColumn,
    asked: _Asked,
    measure: Callable[[tuple[Calibration, Calibration, float]], float],
    unit: Unit,
) -> Cell:
    items = asked(row)
    values = {}
    for seed, many in items.items():
        found = [one for one in (data.once("calibration", item, partial(both, data)) for item in many) if one]
        if found:
            values[seed] = macro_average([measure(one) for one in found])
    if values:
        return make_cell(values, unit, seeds=data.seeds)
    gaps = [gap for gap in data.source.holes if gap.attack == FITTING and _is_of(gap.subject, row, column)]
    if gaps:
        return hole(gaps[0].error)
    return UNDEFINED if items else make_cell({})


def _answers(row: MethodRow, data: Gathered, asked: _Asked, which: int, values: _Values) -> Answers | None:
    """What each example adds to a measure; one that does not count has its mean, and adds nothing to the spread.

    Args:
        which: 0 for the victim as it is, 1 for the calibrated one.
    """
    found, made = asked(row), {}
    for seed, items in found.items():
        each = []
        for item in items:
            told = data.once("logits", item, partial(_logits, data))
            if told is None:
                continue
            probabilities = softmax(told.logits / (told.temperature if which else 1.0))
            own = values(probabilities.max(axis=1), probabilities.argmax(axis=1) == told.gold)
            whole = np.full(len(told.counts), own.mean())
            whole[told.counts] += (own - own.mean()) * len(told.counts) / len(own)
            each.append(whole[order_of(item.rows)[0]])
        if each:
            made[seed] = np.stack(each).mean(axis=0)
    return of_values({seed: items[0] for seed, items in found.items() if seed in made}, made, 1.0)


def _is_of(subject: object, row: MethodRow, column: TaskColumn) -> bool:
    names = ("model", "method", "loaded", "train_task")
    return tuple(getattr(subject, name) for name in names) == (
        *(row.model, row.method, row.loaded),
        column.train_task,
    )


@dataclass(frozen=True)
class _Told:
    """The logits of a record's rows that count, with gold labels and the subject's temperature; calibration without it.

    Attributes:
        logits: (counted, labels); gold: (counted,); counts: (rows,).
    """

    logits: NDArray[np.float64]
    gold: NDArray[np.intp]
    counts: NDArray[np.bool_]
    temperature: float
    raw: Calibration


def both(data: Gathered, item: Evaluation | AttackOutcome) -> tuple[Calibration, Calibration, float] | None:
    """Calibration of an evaluation or of an attack's texts, without and with the subject's temperature, and that.

    None where there is no temperature, or logits that do not tell the probability of each label.
    """
    told: _Told | None = data.once("logits", item, partial(_logits, data))
    if told is None:
        return None
    return (
        told.raw,
        calibration(told.logits, told.gold, told.temperature),
        told.temperature,
    )


def _logits(data: Gathered, item: Evaluation | AttackOutcome) -> _Told | None:
    temperature = next(
        (one.temperature for one in data.source.calibrations if one.subject == item.subject), None
    )
    if temperature is None:
        return None
    counts = (item.rows["label"] != "").to_numpy(np.bool_)
    if isinstance(item, AttackOutcome):
        counts = counts & ~item.rows["status"].isin(UNDECIDED).to_numpy(np.bool_)
    rows = item.rows[counts]
    if isinstance(item, AttackOutcome):
        logits = [
            changed if len(changed) else original
            for changed, original in zip(rows["perturbed_logits"], rows["original_logits"], strict=True)
        ]
    else:
        logits = rows["logits"].tolist()
    try:
        groups = label_groups(item.labels or item.task.labels, item.task)
        pooled = pool(np.array([list(each) for each in logits], dtype=np.float64), groups)
        gold = np.array([item.task.labels.index(label) for label in rows["label"].tolist()], dtype=np.intp)
        raw = calibration(pooled, gold)  # which refuses what has no probabilities
    except (BadInput, ValueError, IndexError):
        return None
    return _Told(pooled, gold, counts, temperature, raw)
