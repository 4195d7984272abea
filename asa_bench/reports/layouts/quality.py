"""The table of quality: how good the texts are with which attacks succeeded, and how many of them pass the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from asa_bench.measures import macro_average
from asa_bench.quality import QualityGate
from asa_bench.reports.assemble import DraftColumn, finish, method_rows
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.outcomes import AttackOutcome, PeopleOutcome
from asa_bench.reports.parts import clean, gate_note, people_note, robust
from asa_bench.reports.people import accepted_robust, notes
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.tables import BLANK, UNDEFINED, Cell, Column, Row, Table, Unit, make_cell
from asa_bench.reports.text import visible

if TYPE_CHECKING:
    import pandas as pd

_TEXTS, _ACCURACY, _JUDGED = "Texts that succeeded", "Accuracy", "Judged by people"


def _share_changed(rows: pd.DataFrame) -> float:
    return float((rows["words_changed"] / rows["words"].clip(lower=1)).mean())


def _more_bits(rows: pd.DataFrame) -> float:
    return float((np.log2(rows["perplexity_after"]) - np.log2(rows["perplexity_before"])).mean())


# Key, head, unit, measure of the rows of successes, and the judge that it needs, if any.
_MEASURES: tuple[tuple[str, str, Unit, Callable[[pd.DataFrame], float], str], ...] = (
    ("words", "Words changed", "number", lambda rows: float(rows["words_changed"].mean()), ""),
    ("share", "Share of words", "percent", _share_changed, ""),
    ("characters", "Characters edited", "number", lambda rows: float(rows["edit_distance"].mean()), ""),
    ("similarity", "Similarity", "decimal", lambda rows: float(rows["similarity"].mean()), "similarity"),
    ("bits", "Bits per word, more", "number", _more_bits, "fluency"),
)


def _mean(column: str) -> Callable[..., float | None]:
    def of(outcome: AttackOutcome, judged: PeopleOutcome, gate: QualityGate) -> float | None:
        return float(judged.rows[column].mean())

    return of


def _number(outcome: AttackOutcome, judged: PeopleOutcome, gate: QualityGate) -> float:
    return float(len(judged.rows))


# Key, head, group, unit, measure of an attack and of what people judged of it.
_PEOPLE: tuple[tuple[str, str, str, Unit, Callable[..., float | None]], ...] = (
    ("people", "Attacked, by people", _ACCURACY, "percent", accepted_robust),
    ("judged", "Texts", _JUDGED, "count", _number),
    ("kept", "Label kept", _JUDGED, "percent", _mean("kept")),
    ("grammar_before", "Grammar, original", _JUDGED, "number", _mean("grammar_before")),
    ("grammar_after", "Grammar, text", _JUDGED, "number", _mean("grammar_after")),
)


def quality(data: Gathered) -> Table | None:
    """Per task and attack: means over the perturbed texts, and accuracy without attack, raw and gated."""
    judges = next((item.judges for item in data.source.qualities), None)
    if judges is None:
        return None
    measures = [measure for measure in _MEASURES if not measure[4] or judges.get(measure[4])]
    columns = [
        Column("successes", "Texts", _TEXTS, "count"),
        *(Column(key, head, _TEXTS, unit) for key, head, unit, _, _ in measures),
        Column("passing", "Pass the gate", _TEXTS, "percent"),
        Column("clean", "No attack", _ACCURACY),
        Column("robust", "Attacked", _ACCURACY),
        Column("gated", "Attacked, gated", _ACCURACY),
    ]
    people = [Column(key, head, group, unit) for key, head, group, unit, _ in _PEOPLE if data.source.people]
    rows: list[Row] = []
    for column in data.attack_columns:
        for attack in data.attacks:
            if not any(data.robustness.gated_outcomes(row, column, attack.name) for row in data.rows):
                continue
            at = partial(_cell, data=data, column=column, attack=attack.name)
            drafts = [
                DraftColumn(columns[0], partial(at, measure=_count, unit="count")),
                *(
                    DraftColumn(each, partial(at, measure=_of_successes(measure), unit=unit))
                    for each, (_, _, unit, measure, _) in zip(columns[1:], measures, strict=False)
                ),
                DraftColumn(columns[-4], partial(at, measure=_passing, unit="percent")),
                DraftColumn(
                    columns[-3],
                    partial(data.robustness.cell, column=column, attack=attack.name, measure=clean),
                ),
                DraftColumn(
                    columns[-2],
                    partial(data.robustness.cell, column=column, attack=attack.name, measure=robust),
                ),
                DraftColumn(
                    columns[-1], partial(data.robustness.gated_cell, column=column, attack=attack.name)
                ),
                *(
                    DraftColumn(
                        each,
                        partial(
                            data.robustness.people_cell,
                            column=column,
                            attack=attack.name,
                            measure=partial(measured, gate=data.source.gate),
                            unit=each.unit,
                        ),
                    )
                    for each, (_, _, _, _, measured) in zip(people, _PEOPLE, strict=False)
                ),
            ]
            heading = f"{attack_head(data, attack)} on {data.head(column, data.attack_columns)}"
            rows += [
                row
                for row in method_rows(data, drafts, group=heading, prefix=f"{attack.name}/{column.key}/")
                if row.kind == "method"
            ]
    what = (
        "How good the texts are with which attacks succeeded: words and characters replaced, put in or taken out, on the "
        "mean of all successes of a model. Accuracy in percent of all attacked examples.\n"
    )
    if judges.get("similarity"):
        what += f"Similarity: {judges['similarity']['how']} by {visible(judges['similarity']['model'])}. "
    if judges.get("fluency"):
        what += (
            f"Bits per word, more: how much harder {visible(judges['fluency']['model'])} finds the text than the original, "
            f"the binary logarithm of the perplexities' ratio ({judges['fluency']['how']}). "
        )
    what += f"\n{gate_note(data)}{people_note(data)}"
    made = finish(
        data,
        "quality",
        "Quality of adversarial texts",
        what,
        [*columns, *people],
        rows,
        data.attack_columns,
        sized=False,
    )
    return replace(made, notes=(*notes(data.source.sheets), *made.notes))


def _cell(
    row: MethodRow,
    data: Gathered,
    column: TaskColumn,
    attack: str,
    measure: Callable[[Gathered, AttackOutcome], float | None],
    unit: Unit,
) -> Cell:
    found = data.robustness.gated_outcomes(row, column, attack)
    values = {}
    for seed, outcomes in found.items():
        each = [value for value in (measure(data, outcome) for outcome in outcomes) if value is not None]
        if each:
            values[seed] = macro_average(each)
    if not values:
        return UNDEFINED if found else BLANK
    return make_cell(values, unit, seeds=data.seeds)


def _successes(data: Gathered, outcome: AttackOutcome) -> pd.DataFrame:
    found = data.quality(outcome)
    if found is None:
        raise ValueError("the quality of this attack is not recorded")
    return found.rows[found.rows["status"] == "successful"]


def _count(data: Gathered, outcome: AttackOutcome) -> float | None:
    return float(len(_successes(data, outcome)))


def _of_successes(
    measure: Callable[[pd.DataFrame], float],
) -> Callable[[Gathered, AttackOutcome], float | None]:
    def of(data: Gathered, outcome: AttackOutcome) -> float | None:
        rows = _successes(data, outcome)
        value = measure(rows) if len(rows) else float("nan")
        return value if np.isfinite(value) else None

    return of


def _passing(data: Gathered, outcome: AttackOutcome) -> float | None:
    passes, number = data.passes(outcome), len(_successes(data, outcome))
    return None if passes is None or not number else float(passes.sum()) / number
