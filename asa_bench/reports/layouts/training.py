"""The table of what happened while models were trained: losses, masks, gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asa_bench.reports.assemble import DraftColumn, finish, method_rows
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, row_key, seed_text
from asa_bench.reports.outcomes import TrainingOutcome
from asa_bench.reports.tables import Cell, Column, Row, Table, Unit, make_cell

_LAYER = "kept_fraction/"


def _loss(item: TrainingOutcome, name: str) -> float | None:
    return item.losses.get(name)


def _least_kept(item: TrainingOutcome) -> float | None:
    return min((value for name, value in item.losses.items() if name.startswith(_LAYER)), default=None)


def _norm(item: TrainingOutcome, name: str) -> float | None:
    return item.gradient_norms.get(name)


_MEASURES: tuple[tuple[str, str, str, Unit, Callable[[TrainingOutcome], float | None]], ...] = (
    ("steps", "Steps", "", "count", lambda item: float(item.steps)),
    ("cross_entropy", "Cross-entropy", "Loss", "decimal", partial(_loss, name="cross_entropy")),
    ("divergence", "Divergence", "Loss", "decimal", partial(_loss, name="divergence")),
    ("kept", "Kept", "Attention mask", "percent", partial(_loss, name="kept_fraction")),
    ("least", "Least kept layer", "Attention mask", "percent", _least_kept),
    ("empty", "Empty rows", "Attention mask", "number", partial(_loss, name="fully_masked_rows")),
    ("model", "Model", "Gradient norm", "decimal", partial(_norm, name="model")),
    ("method", "Method", "Gradient norm", "decimal", partial(_norm, name="method")),
)


def training(data: Gathered) -> Table | None:
    """Per training task: what each method logged, as means over all steps."""
    by_place: dict[tuple[tuple[str, str, bool], str], dict[str, TrainingOutcome]] = {}
    titles: dict[str, str] = {}
    for item in data.source.trainings:
        by_place.setdefault((row_key(item.subject), item.subject.train_task), {})[seed_text(item.subject)] = (
            item
        )
        titles[item.subject.train_task] = item.task_title
    columns = [Column(key, head, group, unit) for key, head, group, unit, _ in _MEASURES]

    def cell(
        row: MethodRow, task: str, unit: Unit, measure: Callable[[TrainingOutcome], float | None]
    ) -> Cell:
        found = by_place.get(((row.model, row.method, row.loaded), task), {})
        values = {seed: measure(item) for seed, item in found.items()}
        known = {seed: value for seed, value in values.items() if value is not None}
        return make_cell(known, unit, seeds=data.seeds)

    rows: list[Row] = []
    for task in sorted(titles, key=data.task_rank):
        drafts = [
            DraftColumn(column, partial(cell, task=task, unit=column.unit, measure=measure))
            for column, (*_, measure) in zip(columns, _MEASURES, strict=True)
        ]
        made = method_rows(data, drafts, group=titles[task], prefix=f"{task}/")
        rows += [row for row in made if row.kind == "method"]
    if not rows:
        return None
    what = (
        "Means over all steps of a training.\nCross-entropy of the clean pass (of FreeLB: of its perturbed ones); "
        "divergence between the two predictions that a method compares.\nKept: percent of the units of attention that a "
        "mask leaves, in all layers together and in the layer that keeps least; empty rows: queries per step, over all "
        "layers, whose every key is masked.\nGradient norms before clipping, of the model and of the method's own "
        "parameters (adversaries)."
    )
    faced = [column for column in data.columns if column.task.name in titles]
    return finish(data, "training", "What happened in training", what, columns, rows, faced, sized=False)
