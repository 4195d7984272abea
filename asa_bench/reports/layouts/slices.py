"""The tables of slices: accuracy, and robust accuracy under each attack, within the parts of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from asa_bench.measures import METRICS, Pair, Proportion
from asa_bench.reports.answers import Answers, paired
from asa_bench.reports.assemble import baseline_of, difference, difference_label, finish
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.outcomes import Evaluation
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.sliced import metric_of
from asa_bench.reports.tables import Cell, Column, Row, Table, fact_cell
from asa_bench.reports.tested import DifferenceRow
from asa_bench.tasks.slicing import slices_of

if TYPE_CHECKING:
    from asa_bench.attacks.base import Attack


def slices(data: Gathered) -> Table | None:
    """The score of each task within its slices: slices as rows, methods as columns."""
    rows: list[Row] = []
    for column in data.columns:
        evaluations = [item for row in data.rows for item in data.evaluations(row, column).values()]
        for name in slices_of(column.task):
            scores = data.sliced.scores(evaluations[0], name)
            rows += _lines(
                data,
                f"{column.key}/{name}",
                slice_title(data, column, name),
                {value: size for value, (_, size) in scores.items()},
                partial(_score_cell, data=data, column=column, name=name),
                partial(data.sliced.answers, column=column, name=name),
                METRICS[metric_of(column.task, name)].higher_is_better,
            )
    what = (
        "Accuracy, or what a heading names, in percent within each slice of a test set; n: examples of the slice. Class: the "
        "gold label. Length: words of the text, or of both of a pair."
    )
    faced = [column for column in data.columns if slices_of(column.task)]
    return _table(data, "slices", "Scores by slice", what, rows, faced)


def attack_slices(data: Gathered) -> Table | None:
    """Robust accuracy under each attack within the slices of the attacked data."""
    rows: list[Row] = []
    for column in data.attack_columns:
        for attack in data.real_attacks:
            there = [row for row in data.rows if data.outcomes(row, column, attack.name)]
            for name in slices_of(column.task) if there else ():
                scores = data.sliced.robust_scores(there[0], column, attack.name, name)
                rows += _lines(
                    data,
                    f"{column.key}/{attack.name}/{name}",
                    attack_slice_title(data, column, attack, name),
                    {value: size for value, (_, size) in scores.items()},
                    partial(data.robustness.slice_cell, column=column, attack=attack.name, name=name),
                    partial(data.sliced.robust_answers, column=column, attack=attack.name, name=name),
                )
    what = (
        "Robust accuracy in percent within each slice; n: attacked examples of the slice, all of which count: one that was "
        "wrong without attack, or whose search broke off, was not robust. Slices as in table slices."
    )
    return _table(data, "attack_slices", "Robust accuracy by slice", what, rows, data.attack_columns)


def slice_title(data: Gathered, column: TaskColumn, name: str) -> str:
    """The heading of a task's slices, with the metric where it is not accuracy."""
    own = metric_of(column.task, name) == column.task.metrics[0]
    return f"{data.head(column, data.columns, metric_shown=own)} by {name.replace('_', ' ')}"


def attack_slice_title(data: Gathered, column: TaskColumn, attack: Attack, name: str) -> str:
    """The same under an attack."""
    where = data.head(column, data.attack_columns)
    return f"{where} under {attack_head(data, attack)} by {name.replace('_', ' ')}"


def _score(data: Gathered, name: str, value: str, item: Evaluation) -> float | Proportion | None:
    found = data.sliced.scores(item, name).get(value)
    return None if found is None else found[0]


def _score_cell(row: MethodRow, value: str, data: Gathered, column: TaskColumn, name: str) -> Cell:
    return data.cell(row, column, partial(_score, data, name, value))


def _columns(data: Gathered) -> Iterator[Column]:
    yield Column("n", "n", unit="count")
    for member in data.rows:
        group = member.model if len(data.models) > 1 else ""
        yield Column(member.key, member.title, group)
        base = baseline_of(data, member)
        if base is not None:
            yield Column(f"{member.key}-", difference_label(member, base), group, "points")


def _lines(
    data: Gathered,
    key: str,
    heading: str,
    sizes: Mapping[str, int],
    cell_of: Callable[..., Cell],
    answers_of: Callable[..., Answers | None],
    higher_is_better: bool = True,
) -> Iterator[Row]:
    """One line per slice: how many examples it has, each method, and each one's difference to its baseline."""
    places = {column.key: place for place, column in enumerate(_columns(data))}
    for value, size in sizes.items():
        cells = [fact_cell(size)]
        pairs: list[Pair | None] = [None]
        rivals: dict[int, tuple[int, int, tuple[int, ...]]] = {}
        for member in data.rows:
            cell = cell_of(member, value=value)
            cells.append(cell)
            pairs.append(None)
            base = baseline_of(data, member)
            if base is None:
                continue
            cells.append(difference(cell, cell_of(base, value=value), "percent", data.seeds))
            sides = (answers_of(one, value=value) for one in (base, member))
            pairs.append(paired(*sides) if cells[-1].state == "value" else None)
            rivals[len(cells) - 1] = (
                places[member.key],
                places[base.key],
                tuple(places[one.key] for one in data.rows if one.model == member.model),
            )
        yield DifferenceRow(
            f"{key}/{value}",
            value,
            tuple(cells),
            heading,
            "slice",
            pairs=tuple(pairs),
            rivals=rivals,
            better="high" if higher_is_better else "low",
        )


def _table(
    data: Gathered, name: str, title: str, what: str, rows: list[Row], faced: list[TaskColumn]
) -> Table | None:
    if not rows:
        return None
    return finish(data, name, title, what, list(_columns(data)), rows, faced, stub="Slice", sized=False)
