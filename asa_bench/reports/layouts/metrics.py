"""Tables that look closer at scores: all metrics of a task, and its slices."""

from __future__ import annotations

from functools import partial

from asa_bench.measures import METRICS, Pair, Proportion
from asa_bench.reports.answers import paired
from asa_bench.reports.assemble import (
    DraftColumn,
    baseline_of,
    difference,
    difference_label,
    finish,
    method_rows,
)
from asa_bench.reports.gather import Gathered
from asa_bench.reports.outcomes import Evaluation
from asa_bench.reports.parts import (
    measures_of,
)
from asa_bench.reports.tables import Column, Row, Table, fact_cell
from asa_bench.reports.tested import DifferenceRow


def metrics(data: Gathered) -> Table | None:
    """All metrics of the tasks that have several, such as accuracy, F1 and AUC of paraphrase tasks."""
    faced = [column for column in data.columns if len(measures_of(column.task)) > 1]
    names = {metric.title: metric.name for metric in METRICS.values()}
    drafts = [
        DraftColumn(
            Column(f"{column.key}/{title}", title, data.head(column, faced)),
            partial(data.cell, column=column, measure=measure),
            answers=partial(data.answers, column=column, metric=names[title]) if title in names else None,
        )
        for column in faced
        for title, measure in measures_of(column.task).items()
    ]
    if not drafts:
        return None
    what = (
        "In percent or hundredths. F1 of paraphrase tasks: of the class of paraphrases; AUC: area under the "
        "precision-recall curve; consistency: groups of related examples all of which are right; entity F1: whole "
        "entities; token F1: single tags without O."
    )
    columns, rows = [draft.column for draft in drafts], method_rows(data, drafts)
    return finish(data, "metrics", "Tasks with several metrics", what, columns, rows, faced)


def _slice(item: Evaluation, data: Gathered, name: str, value: str) -> float | Proportion | None:
    return data.slice_scores(item, name)[value][0]


def slices(data: Gathered) -> Table | None:
    """The first metric of each task per slice value: slice values as rows, methods as columns."""
    columns: list[Column] = [Column("n", "n", unit="count")]
    for member in data.rows:
        group = member.model if len(data.models) > 1 else ""
        columns.append(Column(member.key, member.title, group))
        base = baseline_of(data, member)
        if base is not None:
            columns.append(Column(f"{member.key}-", difference_label(member, base), group, "points"))
    at = {column.key: place for place, column in enumerate(columns)}
    places = {member: at[member.key] for member in data.rows}
    faced = [column for column in data.columns if column.task.slices]
    rows: list[Row] = []
    for column in faced:
        evaluations = [item for row in data.rows for item in data.evaluations(row, column).values()]
        for name in column.task.slices:
            for value, (_, size) in data.slice_scores(evaluations[0], name).items():
                measure = partial(_slice, data=data, name=name, value=value)
                cells = [fact_cell(size)]
                pairs: list[Pair | None] = [None]
                rivals: dict[int, tuple[int, int, tuple[int, ...]]] = {}
                for member in data.rows:
                    cell = data.cell(member, column, measure)
                    cells.append(cell)
                    pairs.append(None)
                    base = baseline_of(data, member)
                    if base is not None:
                        cells.append(
                            difference(cell, data.cell(base, column, measure), "percent", data.seeds)
                        )
                        sides = (data.slice_answers(one, column, name, value) for one in (base, member))
                        pairs.append(paired(*sides) if cells[-1].state == "value" else None)
                        rivals[len(cells) - 1] = (
                            places[member],
                            places[base],
                            tuple(at for one, at in places.items() if one.model == member.model),
                        )
                heading = f"{data.head(column, data.columns, metric_shown=True)} by {name.replace('_', ' ')}"
                rows.append(
                    DifferenceRow(
                        f"{column.key}/{name}/{value}",
                        value,
                        tuple(cells),
                        heading,
                        "slice",
                        pairs=tuple(pairs),
                        rivals=rivals,
                    )
                )
    if not rows:
        return None
    what = "Accuracy, or what a heading names, in percent within each slice of a test set; n: examples of the slice."
    return finish(data, "slices", "Scores by slice", what, columns, rows, faced, stub="Slice", sized=False)
