"""The table of replays: every model before the adversarial sets that were stored before this run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from asa_bench.quality import QualityGate
from asa_bench.reports.assemble import DraftColumn, finish, method_rows
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import TaskColumn
from asa_bench.reports.tables import Column, Row, Table


def right(rows: Any) -> Any:
    """(rows,) right about the original text."""
    return rows["outcome"] != "wrong"


def robust(rows: Any) -> Any:
    """(rows,) right about it and about what the attack made of it."""
    return rows["outcome"] == "robust"


def gated(rows: Any, gate: QualityGate) -> Any:
    """(rows,) robust, or fooled by a text that does not pass the quality gate."""
    return robust(rows) | (fooled(rows) & ~gate.passes(rows))


def fooled(rows: Any) -> Any:
    """(rows,) right about the original text only."""
    return rows["outcome"] == "fooled"


_MEASURES: tuple[tuple[str, str, Callable[..., Any], bool], ...] = (
    ("clean", "Original", right, True),
    ("robust", "Attacked", robust, True),
    ("fooled", "Fooled", fooled, False),
)
_NAMED = 6


def replays(data: Gathered) -> Table | None:
    """Per stored set: accuracy on its original texts, and robust accuracy."""
    rows: list[Row] = []
    judges = next((of.judges for of in data.stored_sets if of.judges is not None), None)
    gate = data.source.gate.applied(judges or {})
    measures = list(_MEASURES)
    if judges is not None:
        measures.insert(2, ("gated", "Attacked, gated", partial(gated, gate=gate), True))
    for of in data.stored_sets:
        drafts = [
            DraftColumn(
                Column(key, head),
                partial(data.stored_cell, of=of, survived=measure),
                answers=partial(data.stored_answers, of=of, survived=measure) if tested else None,
            )
            for key, head, measure, tested in measures
        ]
        heading = f"{of.name}, on {of.task.title}"
        rows += method_rows(data, drafts, group=heading, prefix=f"{of.name}/")
    if not rows:
        return None
    columns = [Column(key, head) for key, head, _, _ in measures]
    faced = [TaskColumn(of.task, of.split, of.subject.train_task) for of in data.stored_sets]
    sets = [f"{of.name}: {of.title}" for of in data.stored_sets[:_NAMED]]
    if len(data.stored_sets) > _NAMED:
        sets.append(f"and {len(data.stored_sets) - _NAMED} more")
    what = (
        "Stored adversarial sets, faced again: accuracy on their original texts, and robust accuracy, both in percent of all "
        "examples. An example whose search had errored or timed out is never robust. The texts were made against another "
        "model, so that a search of its own usually finds more. Fooled: by the attacked text alone. "
        + f"{'; '.join(sets)}."
    )
    if judges is not None:
        what += f" Gated: being fooled counts only if the text passes the quality gate ({gate.sentence()})."
    return finish(data, "replays", "Stored adversarial sets", what, columns, rows, faced)
