"""The main table: generalization, challenge sets and attacks beside each other."""

from __future__ import annotations

from asa_bench.reports.assemble import (
    finish,
    method_rows,
)
from asa_bench.reports.gather import Gathered
from asa_bench.reports.layouts.columns import attack_columns, score_columns
from asa_bench.reports.parts import gate_note
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.scores import metric
from asa_bench.reports.tables import Table


def main(data: Gathered) -> Table | None:
    """Methods as rows; generalization, challenge sets and attacks as columns."""
    return summary(data, "main", "generalization and robustness")


def summary(data: Gathered, name: str, what_of: str) -> Table | None:
    """Every method against the baseline on everything that was faced.

    Args:
        what_of: ends the title.
    """
    by_role = {role: [c for c in data.columns if c.task.role == role] for role in ("train", "challenge")}
    attacked = attack_columns(data, "Robustness: attacks")
    drafts = [
        *score_columns(data, by_role["train"], "Generalization"),
        *score_columns(data, by_role["challenge"], "Robustness: challenge sets"),
        *attacked,
    ]
    if not drafts:
        return None
    heads = {metric(column.task.metrics[0]).title for column in data.columns}
    others = sorted(heads - {metric("accuracy").title})
    what = "Accuracy in percent."
    if others:
        what = f"Accuracy, or what a column names ({', '.join(others)}), in percent or hundredths."
    if attacked:
        what += (
            " Under attack: robust accuracy over all attacked examples, beside the accuracy on the same "
            "examples without attack."
        )
        what += f"\nQueries allowed per example: {_budgets(data)}."
        what += f"\n{gate_note(data)}" if data.judged else ""
        if any(draft.column.key.endswith("/worst") for draft in attacked):
            names = [
                attack_head(data, attack) for attack in data.attacks if attack.name in data.source.ensemble
            ]
            what += f"\nWorst: an example counts only if it survives every one of {', '.join(names)}."
    faced = [*data.columns, *(c for c in data.attack_columns if c not in data.columns)]
    columns = [draft.column for draft in drafts]
    rows = method_rows(data, drafts)
    return finish(data, name, f"{data.source.title}: {what_of}", what, columns, rows, faced)


def _budgets(data: Gathered) -> str:
    """The query budget of every attack, once where all have the same."""
    found = {}
    for attack in data.real_attacks:
        numbers = {item.query_budget for item in data.source.attacks if item.attack.name == attack.name}
        shown = [
            "no limit" if n is None else f"{n:,}" for n in sorted(numbers, key=lambda n: (n is None, n or 0))
        ]
        found[attack_head(data, attack)] = " or ".join(shown)
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{budget} ({head})" for head, budget in found.items())
