"""The table of query budgets: robust accuracy at a few of them, from one search per example."""

from __future__ import annotations

from functools import partial

from asa_bench.attacks.base import TABLE_BUDGETS
from asa_bench.measures import macro_average, robust_at
from asa_bench.reports.answers import Answers, of_attacks
from asa_bench.reports.assemble import DraftColumn, finish, method_rows
from asa_bench.reports.curves import half_budget, intervals_of, survivals
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.outcomes import AttackOutcome
from asa_bench.reports.parts import attack_fact, clean, gate_note, robust
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.tables import UNDEFINED, Cell, Column, Row, Table, make_cell

_GROUP = "Robust accuracy at a budget of"


def budget(data: Gathered) -> Table | None:
    """Per task and attack: accuracy without attack, and robust accuracy at query budgets up to that of the search."""
    told = [
        outcome
        for row in data.rows
        for column in data.attack_columns
        for attack in data.attacks
        for many in data.outcomes(row, column, attack.name).values()
        for outcome in many
        if intervals_of(outcome) is not None
    ]
    if not told:
        return None
    # A budget that no search reaches would repeat the full one.
    most = max(int(outcome.rows["queries"].max()) for outcome in told)
    shown = [number for number in TABLE_BUDGETS if number < most]
    columns = [
        Column("clean", "No attack"),
        *(Column(f"at/{number}", f"{number:,}", _GROUP) for number in shown),
        Column("full", "Full", _GROUP),
        *([Column("gated", "Full, gated", _GROUP)] if data.judged else []),
        Column("budget", "Full is", "Queries", "count"),
        Column("half", "Half fall at", "Queries", "number"),
        Column("undecided", "Undecided", "Examples", "count"),
    ]
    rows: list[Row] = []
    for column in data.attack_columns:
        for attack in data.attacks:
            if not any(
                intervals_of(outcome) is not None
                for row in data.rows
                for many in data.outcomes(row, column, attack.name).values()
                for outcome in many
            ):
                continue
            name = attack.name
            drafts = [
                DraftColumn(
                    columns[0],
                    partial(data.robustness.cell, column=column, attack=name, measure=clean),
                    answers=partial(data.robustness.answers, column=column, attack=name, robust=False),
                ),
                *(
                    DraftColumn(
                        each,
                        partial(_at, data=data, column=column, attack=name, budget=number),
                        answers=partial(_survived, data=data, column=column, attack=name, budget=number),
                    )
                    for each, number in zip(columns[1:], shown, strict=False)
                ),
                DraftColumn(
                    columns[1 + len(shown)],
                    partial(data.robustness.cell, column=column, attack=name, measure=robust),
                    answers=partial(data.robustness.answers, column=column, attack=name, robust=True),
                ),
                *(
                    DraftColumn(
                        each,
                        partial(data.robustness.gated_cell, column=column, attack=name),
                        answers=partial(data.robustness.gated_answers, column=column, attack=name),
                    )
                    for each in columns[2 + len(shown) : -3]
                ),
                DraftColumn(
                    columns[-3], partial(attack_fact, data=data, column=column, attack=name, key="budget")
                ),
                DraftColumn(columns[-2], partial(_half, data=data, column=column, attack=name)),
                DraftColumn(
                    columns[-1],
                    partial(
                        data.robustness.cell,
                        column=column,
                        attack=name,
                        measure=lambda found: float(found.undecided),
                        unit="count",
                    ),
                ),
            ]
            heading = f"{attack_head(data, attack)} on {data.head(column, data.attack_columns)}"
            rows += method_rows(data, drafts, group=heading, prefix=f"{name}/{column.key}/")
    what = (
        "Robust accuracy in percent of all examples if a search may ask the model so many times per example, the look at "
        "the original and the probes of words' importance included.\nFull: the budget of the search that was run, from "
        "which the smaller ones are read. Half fall at: the smallest budget at which half of the examples that were "
        "right before have been flipped.\nUndecided: examples whose search crashed or ran out of time; they count as not "
        "robust at every budget, though nobody knows whether they would have been flipped."
    )
    if data.judged:
        what += f"\n{gate_note(data)} Texts of smaller budgets are not kept, so nothing is gated there."
    return finish(data, "budget", "Query budgets", what, columns, rows, data.attack_columns)


def _outcomes(
    row: MethodRow, data: Gathered, column: TaskColumn, attack: str
) -> dict[str, list[AttackOutcome]]:
    found = data.outcomes(row, column, attack)
    return {
        seed: many
        for seed, many in found.items()
        if all(intervals_of(outcome) is not None for outcome in many)
    }


def _at(row: MethodRow, data: Gathered, column: TaskColumn, attack: str, budget: int) -> Cell:
    """Robust accuracy at one budget; blank where the search itself had a smaller one."""
    values: dict[str, float] = {}
    sizes = set()
    for seed, many in _outcomes(row, data, column, attack).items():
        if all(outcome.query_budget is None or outcome.query_budget >= budget for outcome in many):
            values[seed] = macro_average([float(survivals(one, [budget]).mean()) for one in many])
            sizes |= {len(one.rows) for one in many}
    return make_cell(values, n_examples=sizes.pop() if len(sizes) == 1 else None, seeds=data.seeds)


def _survived(row: MethodRow, data: Gathered, column: TaskColumn, attack: str, budget: int) -> Answers | None:
    """The answers behind `_at`."""
    found, values = {}, {}
    for seed, many in _outcomes(row, data, column, attack).items():
        if all(outcome.query_budget is None or outcome.query_budget >= budget for outcome in many):
            searched = [(outcome.rows["status"].tolist(), intervals_of(outcome)) for outcome in many]
            found[seed] = many
            values[seed] = [
                robust_at(statuses, intervals, budget)
                for statuses, intervals in searched
                if intervals is not None
            ]
    return of_attacks(found, values)


def _half(row: MethodRow, data: Gathered, column: TaskColumn, attack: str) -> Cell:
    found = {s: half_budget(many[0]) for s, many in _outcomes(row, data, column, attack).items()}
    values = {seed: value for seed, value in found.items() if value is not None}
    return UNDEFINED if found and len(values) < len(found) else make_cell(values, "number", seeds=data.seeds)
