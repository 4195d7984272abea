"""Groups of columns that several tables share."""

from __future__ import annotations

from functools import partial

from asa_bench.reports.assemble import (
    DraftColumn,
    attack_head,
    with_average,
)
from asa_bench.reports.gather import Gathered, TaskColumn, metric, score_of
from asa_bench.reports.parts import (
    clean,
    robust,
)
from asa_bench.reports.tables import Column


def score_columns(data: Gathered, faced: list[TaskColumn], group: str) -> list[DraftColumn]:
    """One column per task, its first metric; and their average, but for rates of failures."""
    drafts = [
        DraftColumn(
            Column(column.key, data.head(column, faced, metric_shown=True), group),
            partial(data.cell, column=column, measure=score_of),
            averaged=metric(column.task.metrics[0]).higher_is_better,
            answers=partial(data.answers, column=column),
        )
        for column in faced
    ]
    return with_average(data, drafts, group)


def attack_columns(data: Gathered, group: str) -> list[DraftColumn]:
    """Per attacked task: accuracy without attack, under each attack and in the worst case; and the attacks' average."""
    drafts: list[DraftColumn] = []
    for column in data.attack_columns:
        subgroup = data.head(column, data.attack_columns)
        used = [a for a in data.attacks if any(data.outcomes(row, column, a.name) for row in data.rows)]
        wanted = [
            ("clean", "No attack", used[0].name, clean),
            *((a.name, attack_head(a), a.name, robust) for a in used),
        ]
        drafts += [
            DraftColumn(
                Column(f"{column.key}/{key}", head, group, subgroup=subgroup),
                partial(data.attack_cell, column=column, attack=attack, measure=measure),
                averaged=measure is robust,
                answers=partial(data.attack_answers, column=column, attack=attack, robust=measure is robust),
            )
            for key, head, attack, measure in wanted
        ]
        ensemble = data.source.ensemble
        if ensemble and set(ensemble) <= {attack.name for attack in used}:
            drafts.append(
                DraftColumn(
                    Column(f"{column.key}/worst", f"Worst of {len(ensemble)}", group, subgroup=subgroup),
                    partial(data.ensemble_cell, column=column, attacks=ensemble),
                    averaged=False,  # it is made of the columns beside it
                )
            )
    return with_average(data, drafts, group, head="Average, attacked")
