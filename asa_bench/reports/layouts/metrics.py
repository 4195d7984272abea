"""The table of tasks with several metrics."""

from __future__ import annotations

from functools import partial

from asa_bench.measures import METRICS
from asa_bench.reports.assemble import DraftColumn, finish, method_rows
from asa_bench.reports.gather import Gathered
from asa_bench.reports.parts import measures_of
from asa_bench.reports.tables import Column, Table


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
