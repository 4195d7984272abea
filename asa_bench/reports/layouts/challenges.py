"""Tables of single challenge sets: HANS, AdvGLUE, and the laboratory with its planted shortcuts."""

from __future__ import annotations

from functools import partial

from asa_bench.measures import HANS_CELLS, Proportion
from asa_bench.reports.assemble import (
    DraftColumn,
    finish,
    method_rows,
)
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import TaskColumn
from asa_bench.reports.layouts.columns import score_columns
from asa_bench.reports.outcomes import Evaluation
from asa_bench.reports.parts import (
    HANS_LABELS,
    hans_cells_of,
    pooled_reliance,
    pooled_reliance_answers,
    pooled_slice,
    pooled_slice_answers,
)
from asa_bench.reports.tables import Column, Table
from asa_bench.reports.text import visible


def reliance(data: Gathered) -> Table | None:
    """How much each method relies on the planted shortcuts, per task family."""
    families: dict[str, list[TaskColumn]] = {}
    for column in data.columns:
        if "shortcut" in column.task.slices:
            families.setdefault(column.task.family, []).append(column)
    for family, members in families.items():
        # A challenge set is balanced: the same sentences with and against the shortcut. Where there is none,
        # the evaluation split of the training task still has some of both.
        families[family] = [c for c in members if c.task.role == "challenge"] or members
    drafts: list[DraftColumn] = []
    for family, members in families.items():
        evaluations = [e for row in data.rows for c in members for e in data.evaluations(row, c).values()]
        present = {str(value) for item in evaluations for value in item.rows["shortcut"].unique()}
        for value in ("agrees", "reversed", "absent"):
            if value in present:
                head = Column(f"{family}/{value}", value.capitalize(), family.capitalize())
                compute = partial(pooled_slice, data=data, members=members, name="shortcut", value=value)
                told = partial(pooled_slice_answers, data=data, members=members, name="shortcut", value=value)
                drafts.append(DraftColumn(head, compute, answers=told))
        if {"agrees", "reversed"} <= present:
            head = Column(f"{family}/reliance", "Reliance", family.capitalize(), "points", better="low")
            drafts.append(
                DraftColumn(
                    head,
                    partial(pooled_reliance, data=data, members=members),
                    answers=partial(pooled_reliance_answers, data=data, members=members),
                )
            )
    if not drafts:
        return None
    faced = [column for members in families.values() for column in members]
    names = ", ".join(dict.fromkeys(visible(column.task.title) for column in faced))
    what = (
        "Accuracy in percent where the planted shortcut agrees with the gold label, where it is reversed and "
        "where it is absent. Reliance: agrees minus reversed, in percentage points; a model that ignores the "
        f"shortcut has 0, lower is better. Examples pooled per family over {names}."
    )
    columns, rows = [draft.column for draft in drafts], method_rows(data, drafts)
    return finish(data, "reliance", "Reliance on the planted shortcuts", what, columns, rows, faced)


def _hans(item: Evaluation, data: Gathered, cell: tuple[str, str]) -> Proportion | None:
    """One of the six; None where the set has no such example."""
    found: dict[tuple[str, str], Proportion] = data.once("hans", item, hans_cells_of)
    return found.get(cell)


def hans(data: Gathered) -> Table | None:
    """The six cells of HANS: heuristic by entailed and not entailed."""
    faced = [
        c for c in data.columns if "heuristic" in c.task.slices and HANS_LABELS.issuperset(c.task.labels)
    ]
    drafts: list[DraftColumn] = []
    for column in faced:
        evaluations = [item for row in data.rows for item in data.evaluations(row, column).values()]
        found = {cell for item in evaluations for cell in data.once("hans", item, hans_cells_of)}
        ordered = [cell for cell in HANS_CELLS if cell in found] + sorted(found - set(HANS_CELLS))
        # Spanning heads need their columns side by side: all that is entailed, then all that is not.
        for heuristic, label in sorted(ordered, key=lambda cell: cell[1] != "entailment"):
            head = heuristic.replace("_", " ").capitalize()
            subgroup = "Entailed" if label == "entailment" else "Not entailed"
            drafts.append(
                DraftColumn(
                    Column(
                        f"{column.key}/{heuristic}/{label}", head, data.head(column, faced), subgroup=subgroup
                    ),
                    partial(
                        data.cell, column=column, measure=partial(_hans, data=data, cell=(heuristic, label))
                    ),
                    answers=partial(data.hans_answers, column=column, cell=(heuristic, label)),
                )
            )
    if not drafts:
        return None
    what = (
        "Accuracy in percent per heuristic and gold label. A model that follows a heuristic is right where "
        "the hypothesis is entailed, wrong where it is not. Neutral and contradiction count as not entailed."
    )
    columns, rows = [draft.column for draft in drafts], method_rows(data, drafts)
    return finish(data, "hans", "HANS by heuristic and gold label", what, columns, rows, faced)


def advglue(data: Gathered) -> Table | None:
    """AdvGLUE per task, with its number of examples."""
    faced = [column for column in data.columns if "advglue" in column.task.name]
    drafts: list[DraftColumn] = []
    for prefix in sorted({column.task.name.split("advglue")[0] for column in faced}):
        members = [column for column in faced if column.task.name.split("advglue")[0] == prefix]
        group = f"AdvGLUE-like ({prefix.strip('/')})" if prefix else "AdvGLUE"
        drafts += score_columns(data, members, group)
    if not drafts:
        return None
    columns, rows = [draft.column for draft in drafts], method_rows(data, drafts)
    what = "Accuracy in percent on adversarial examples; n: examples of each task."
    return finish(data, "advglue", "AdvGLUE by task", what, columns, rows, faced)
