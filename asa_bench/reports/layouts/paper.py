"""The paper's generalization table, with the published numbers beside ours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from asa_bench.reports.assemble import (
    DraftColumn,
    finish,
    method_rows,
    with_average,
)
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import TaskColumn
from asa_bench.reports.published import NOTES, PAPER, PUBLISHED
from asa_bench.reports.scores import metric, score_of
from asa_bench.reports.tables import BLANK, Cell, Column, Row, Table, published_cell


def paper(data: Gathered) -> Table | None:
    """The data sets of the paper's generalization table, with its metrics and the published numbers.

    None where no task of it was faced by models that were trained on it.
    """
    drafts: list[DraftColumn] = []
    faced: list[TaskColumn] = []
    places: list[tuple[str, str]] = []
    for name, score in PAPER:
        for column in data.columns:
            if column.task.name != name or column.train_task != name:
                continue
            title = metric(score).title
            head = f"{data.head(column, data.columns)} ({title})"
            drafts.append(
                DraftColumn(
                    Column(f"{column.key}/{score}", head, "Generalization"),
                    partial(data.cell, column=column, measure=partial(score_of, name=score)),
                    answers=partial(data.answers, column=column, metric=score),
                    faced=column,
                )
            )
            faced.append(column)
            places.append((name, score))
    if not drafts:
        return None
    drafts = with_average(data, drafts, "Generalization")
    columns = [draft.column for draft in drafts]
    rows = method_rows(data, drafts, group="Measured here" if len(data.models) == 1 else None)
    what = "The metric that the paper reports for each data set, in percent or hundredths."
    made = finish(data, "paper", "The paper's generalization table", what, columns, rows, faced)
    published = _published_rows(places, len(columns))
    if not published:
        return made
    shown = {row.label for row in published}
    told = dict.fromkeys(number.attributed for number in PUBLISHED if number.label in shown)
    return replace(made, rows=(*made.rows, *published), notes=(*made.notes, *(NOTES[each] for each in told)))


def _published_rows(places: list[tuple[str, str]], width: int) -> list[Row]:
    """One row per label that has a number in one of the columns."""
    rows = []
    for label in dict.fromkeys(number.label for number in PUBLISHED):
        known = {(n.task, n.metric): n.value for n in PUBLISHED if n.label == label}
        cells: list[Cell] = [published_cell(known[at]) if at in known else BLANK for at in places]
        if all(cell is BLANK for cell in cells):
            continue
        cells += [BLANK] * (width - len(cells))
        rows.append(Row(f"published/{label}", label, tuple(cells), "Published", "published"))
    return rows
