"""Groups of columns that several tables share."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from asa_bench.reports.assemble import (
    DraftColumn,
    with_average,
)
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import TaskColumn
from asa_bench.reports.parts import (
    clean,
    robust,
)
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.scores import metric, score_of
from asa_bench.reports.tables import Column

#: Ends the key of a column of gated robust accuracy.
GATED = "/gated"


def score_columns(data: Gathered, faced: list[TaskColumn], group: str) -> list[DraftColumn]:
    """One column per task, its first metric; and their average, but for rates of failures."""
    drafts = [
        DraftColumn(
            Column(
                column.key,
                data.head(column, faced, metric_shown=True),
                group,
                better="high" if metric(column.task.metrics[0]).higher_is_better else "low",
            ),
            partial(data.cell, column=column, measure=score_of),
            averaged=metric(column.task.metrics[0]).higher_is_better,
            answers=partial(data.answers, column=column),
            faced=column,
        )
        for column in faced
    ]
    return with_average(data, drafts, group)


def attack_columns(data: Gathered, group: str) -> list[DraftColumn]:
    """Per attacked task: accuracy without attack, under each attack and in the worst case; and the attacks' average.

    Where the quality of the attacks' texts is known, each robust accuracy has the gated one beside it.
    """
    drafts: list[DraftColumn] = []
    for column in data.attack_columns:
        subgroup = data.head(column, data.attack_columns)
        used = [a for a in data.real_attacks if any(data.outcomes(row, column, a.name) for row in data.rows)]
        known = {a.name for a in used}
        # Controls are no attacks of their own, and what the worst case has of a calibrated victim needs no second column;
        # the table of attacks has them all side by side.
        used = [a for a in used if not (a.raw in known and a.name in data.source.ensemble)]
        if not used:
            continue
        beside = {a.name for a in used if a.raw in known}  # the average counts every attack once
        wanted = [
            ("clean", "No attack", used[0].name, clean),
            *((a.name, attack_head(data, a), a.name, robust) for a in used),
        ]
        for key, head, attack, measure in wanted:
            drafts.append(
                DraftColumn(
                    Column(f"{column.key}/{key}", head, group, subgroup=subgroup),
                    partial(data.robustness.cell, column=column, attack=attack, measure=measure),
                    averaged=measure is robust and key not in beside,
                    answers=partial(
                        data.robustness.answers, column=column, attack=attack, robust=measure is robust
                    ),
                    faced=column,
                )
            )
            if data.judged and measure is robust:
                drafts.append(
                    DraftColumn(
                        Column(f"{column.key}/{key}{GATED}", f"{head}, gated", group, subgroup=subgroup),
                        partial(data.robustness.gated_cell, column=column, attack=attack),
                        averaged=False,  # they have an average of their own
                        answers=partial(data.robustness.gated_answers, column=column, attack=attack),
                        faced=column,
                    )
                )
        ensemble = data.source.ensemble
        if ensemble and set(ensemble) <= known:
            for end, said in (("", ""), (GATED, ", gated")) if data.judged else (("", ""),):
                head = f"Worst of {len(ensemble)}{said}"
                drafts.append(
                    DraftColumn(
                        Column(f"{column.key}/worst{end}", head, group, subgroup=subgroup),
                        partial(
                            data.robustness.ensemble_cell, column=column, attacks=ensemble, by_gate=bool(end)
                        ),
                        averaged=False,  # it is made of the columns beside it
                        answers=partial(
                            data.robustness.ensemble_answers,
                            column=column,
                            attacks=ensemble,
                            by_gate=bool(end),
                        ),
                    )
                )
    found = with_average(data, drafts, group, head="Average, attacked")
    if len(found) == len(drafts) or not data.judged:
        return found
    # Those whose raw columns are averaged, so that both averages are of the same attacks.
    counted = {draft.column.key + GATED for draft in drafts if draft.averaged}
    by_gate = [replace(draft, averaged=True) for draft in drafts if draft.column.key in counted]
    return [*found, with_average(data, by_gate, f"{group}{GATED}", head="Average, gated", under=group)[-1]]
