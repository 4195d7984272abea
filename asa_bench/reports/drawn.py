"""The numbers that charts of the page and figures for papers share: slices, reliability, transfer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asa_bench.measures.calibration import softmax
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.layouts.slices import attack_slice_title, slice_title
from asa_bench.reports.outcomes import Evaluation
from asa_bench.reports.tables import Table
from asa_bench.tasks.slicing import slices_of

BINS = 10
#: Fewer examples than this are few.
FEW = 10


@dataclass(frozen=True)
class Matrix:
    """Numbers by row and column.

    Attributes:
        rows, columns: what they are called.
        cells: (rows, columns) shares in [0, 1], means over seeds; None where there is nothing.
        few: labels of rows with so few examples behind them that their numbers tell nothing.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]
    few: frozenset[str] = frozenset()


def colors(data: Gathered) -> dict[str, int]:
    """Key of a method's row -> number of its colour."""
    return {row.key: at % 7 for at, row in enumerate(data.rows)}


def label_of(data: Gathered, row: MethodRow) -> str:
    """A method as charts name it, with its encoder where there are several."""
    title = f"{row.title} (loaded)" if row.loaded else row.title
    return f"{row.model}: {title}" if len(data.models) > 1 else title


def slices(data: Gathered) -> list[Matrix]:
    """Per data set and kind of slice: the score in each slice, by method."""
    found = []
    for column in data.columns:
        for name in slices_of(column.task):
            values: dict[str, dict[str, list[float]]] = {}
            few: set[str] = set()
            for row in data.rows:
                for item in data.evaluations(row, column).values():
                    for value, (score, n) in data.sliced.scores(item, name).items():
                        if score is not None:
                            number = score if isinstance(score, float) else score.value
                            label = f"{value} (n={n:,})"
                            few |= {label} if n < FEW else set()
                            values.setdefault(label, {}).setdefault(row.key, []).append(number)
            if values:
                found.append(_by_method(data, slice_title(data, column, name), values, few))
    return found


def attack_slices(data: Gathered) -> list[Matrix]:
    """Per attack, data set and kind of slice: robust accuracy in each slice, by method."""
    found = []
    for column in data.attack_columns:
        for attack in data.real_attacks:
            for name in slices_of(column.task):
                values: dict[str, dict[str, list[float]]] = {}
                few: set[str] = set()
                for row in data.rows:
                    scores = data.sliced.robust_scores(row, column, attack.name, name)
                    for value, (by_seed, n) in scores.items():
                        label = f"{value} (n={n:,})"
                        few |= {label} if n < FEW else set()
                        values.setdefault(label, {})[row.key] = list(by_seed.values())
                if values:
                    found.append(
                        _by_method(data, attack_slice_title(data, column, attack, name), values, few)
                    )
    return found


def _by_method(
    data: Gathered, title: str, values: Mapping[str, Mapping[str, Sequence[float]]], few: set[str]
) -> Matrix:
    labels = tuple(sorted(values))
    cells = tuple(tuple(_mean(values[label].get(row.key, [])) for row in data.rows) for label in labels)
    return Matrix(title, labels, tuple(label_of(data, row) for row in data.rows), cells, frozenset(few))


def transfers(table: Table | None) -> list[Matrix]:
    """Per attack and task: who faces the texts (rows) that were made against whom (columns), robust accuracy."""
    if table is None:
        return []
    kept = [
        (at, column)
        for at, column in enumerate(table.columns)
        if column.group.startswith("Texts made against") or column.key == "clean"
    ]
    found = []
    for heading in dict.fromkeys(row.group for row in table.rows):
        rows = [row for row in table.rows if row.group == heading]
        cells = tuple(tuple(row.cells[at].mean for at, _ in kept) for row in rows)
        found.append(
            Matrix(heading, tuple(row.label for row in rows), tuple(column.head for _, column in kept), cells)
        )
    return found


def undecided(counts: Sequence[int], examples: int) -> str:
    """What a curve over budgets says of the examples whose search broke off, which it takes for not robust; "" for none.

    Args:
        counts: how many there are, of each search behind the curves.
    """
    most = max(counts, default=0)
    return f"{'up to ' if min(counts) < most else ''}{most} of {examples} undecided" if most else ""


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def reliable(data: Gathered) -> list[TaskColumn]:
    """What a model's confidence can be told for: the logits' order is the task's own only where it was trained on it."""
    return [
        column
        for column in data.columns
        if column.task.kind == "classification" and column.train_task == column.task.name
    ]


def reliability(items: Sequence[Evaluation]) -> tuple[tuple[float, float, int], ...]:
    """(confidence, accuracy, examples) in bins of equal width, the seeds' answers in one pool; empty bins have none.

    () where logits are of different lengths or not finite.
    """
    sure: list[float] = []
    right: list[bool] = []
    for item in items:
        logits = [np.asarray(row, dtype=np.float64) for row in item.rows["logits"]]
        if len({scores.shape for scores in logits}) != 1 or not np.isfinite(np.stack(logits)).all():
            return ()
        sure += softmax(np.stack(logits)).max(axis=1).tolist()
        right += (item.rows["prediction"].to_numpy() == item.rows["label"].to_numpy()).tolist()
    confidence, correct = np.asarray(sure), np.asarray(right, dtype=np.float64)
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    points = []
    for place in range(BINS):
        chosen = places == place
        if chosen.any():
            count = int(chosen.sum())
            # fsum, so that the order of records changes no digit.
            points.append(
                (
                    math.fsum(confidence[chosen].tolist()) / count,
                    math.fsum(correct[chosen].tolist()) / count,
                    count,
                )
            )
    return tuple(points)
