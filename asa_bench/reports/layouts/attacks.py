"""The table of attacks: every measure with its denominator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asa_bench.measures import AttackMeasures, Proportion
from asa_bench.reports.assemble import (
    DraftColumn,
    finish,
    method_rows,
)
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow
from asa_bench.reports.parts import (
    attack_fact,
    bf16_note,
    clean,
    gate_note,
    people_note,
    robust,
)
from asa_bench.reports.people import accepted_robust
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.tables import Cell, Column, Row, Table, Unit

_ATTACK_MEASURES: tuple[
    tuple[str, str, str, Unit, Callable[[AttackMeasures], float | Proportion | None]], ...
] = (
    ("clean", "No attack", "Accuracy", "percent", clean),
    ("robust", "Attacked", "Accuracy", "percent", robust),
    ("gated", "Attacked, gated", "Accuracy", "percent", lambda found: None),
    ("people", "Attacked, by people", "Accuracy", "percent", lambda found: None),
    ("success", "Success rate", "Attack", "percent", lambda found: found.success),
    ("queries", "Queries", "Attack", "number", lambda found: found.mean_queries),
    ("budget", "Budget", "Attack", "count", lambda found: None),
    ("skipped", "Skipped", "Examples", "count", lambda found: float(found.skipped)),
    ("errored", "Errored", "Examples", "count", lambda found: float(found.errored)),
    ("timed_out", "Timed out", "Examples", "count", lambda found: float(found.timed_out)),
    ("n", "All", "Examples", "count", lambda found: None),
)


def attacks(data: Gathered) -> Table | None:
    """Each attack on each task: every measure with its denominator."""
    rows: list[Row] = []
    known = {"gated": data.judged, "people": bool(data.source.people)}
    shown = [measure for measure in _ATTACK_MEASURES if known.get(measure[0], True)]
    for column in data.attack_columns:
        for attack in data.attacks:
            if not any(data.outcomes(row, column, attack.name) for row in data.rows):
                continue
            drafts = []
            for key, head, group, unit, measure in shown:
                compute: Callable[[MethodRow], Cell] = partial(
                    data.robustness.cell, column=column, attack=attack.name, measure=measure, unit=unit
                )
                if key in ("n", "budget"):
                    compute = partial(attack_fact, data=data, column=column, attack=attack.name, key=key)
                answers = None
                if key == "gated":
                    compute = partial(data.robustness.gated_cell, column=column, attack=attack.name)
                    answers = partial(data.robustness.gated_answers, column=column, attack=attack.name)
                if key == "people":
                    compute = partial(
                        data.robustness.people_cell,
                        column=column,
                        attack=attack.name,
                        measure=partial(accepted_robust, gate=data.source.gate),
                    )
                if key in ("clean", "robust"):
                    answers = partial(
                        data.robustness.answers, column=column, attack=attack.name, robust=key == "robust"
                    )
                if key == "success":
                    answers = partial(data.robustness.success_answers, column=column, attack=attack.name)
                drafts.append(DraftColumn(Column(key, head, group, unit), compute, answers=answers))
            heading = f"{attack_head(data, attack)} on {data.head(column, data.attack_columns)}"
            rows += method_rows(data, drafts, group=heading, prefix=f"{attack.name}/{column.key}/")
    if not rows:
        return None
    columns = [
        Column(key, head, group, unit, better="low" if key == "success" else "high")
        for key, head, group, unit, _ in shown
    ]
    what = (
        "Accuracy without and under attack, in percent of all examples.\nAn example that was wrong before (skipped), or "
        "whose search crashed (errored) or ran out of time (timed out), never counts as robust; each of the three is counted "
        "among all examples. Success rate in percent of the examples that were right before. Queries: mean per completed "
        "search; budget: the most allowed.\n" + gate_note(data) + people_note(data) + bf16_note(data)
    )
    return finish(data, "attacks", "Attacks in detail", what, columns, rows, data.attack_columns, sized=False)
