"""Looks into the models of a run at its own examples, and keeps what was seen for the run's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asa_bench import gathering, last_run
from asa_bench.errors import BadInput, nearest
from asa_bench.inside import explain
from asa_bench.reporting import report
from asa_bench.reports.explanation import Explanation
from asa_bench.reports.outcomes import Subject
from asa_bench.reports.page.examples import find, texts_of
from asa_bench.store import Store
from asa_bench.stores import open_store


def look(
    folder: Path,
    texts: Sequence[str] = (),
    *,
    example: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    layer: int = 1,
    label: str | None = None,
) -> list[Explanation]:
    """What the models that a run trained make of a text, or of one of its attacked examples before and after.

    Args:
        folder: the run's output folder.
        example: address of an attacked example as the page's links have it; the models are those of its task, encoder
            and seed.
        task: whose models, for texts of one's own; needed where the run trained on several.
        seed: whose models; the lowest by default.

    Raises:
        BadInput: no such example, task or seed, or no models are left; see also `asa_bench.explain`.
    """
    store = open_store(folder)
    if example is None:
        subjects = _trained(store)
        tasks = list(dict.fromkeys(subject.train_task for subject in subjects))
        if task is None and len(tasks) > 1:
            raise BadInput(f"--run {folder}: it trained on {', '.join(tasks)}; choose one with --task")
        if task is not None and task not in tasks:
            raise BadInput(f"--task {task!r}: {folder} trained on no such task; {nearest(task, tasks)}")
        chosen = [subject for subject in subjects if subject.train_task == (task or tasks[0])]
        encoder = chosen[0].model
        return [explain(_models(store, chosen, encoder, seed, folder), texts, layer=layer, label=label)]
    source = gathering.gather(store)
    place = find(source, example)
    if place is None:
        raise BadInput(f"--example {example!r}: {folder} has no attacked example of this address")
    item, identifier = place
    who = item.subject
    same = [subject for subject in _trained(store) if subject.train_task == who.train_task]
    models = _models(store, same, who.model, who.seed, folder)
    before, after = texts_of(item, identifier)
    found = [
        replace(explain(models, before, layer=layer, label=label), example=example, about="before the attack")
    ]
    if after and after != before:
        said = f"after {item.attack.title} against {who.method_title}"
        found.append(replace(explain(models, after, layer=layer, label=label), example=example, about=said))
    return found


def keep(folder: Path, found: Sequence[Explanation]) -> None:
    """Put explanations onto the page of an output folder, which is written anew.

    Raises:
        BadInput: this is not an output folder.
        StoreError: it cannot be written.
    """
    store = open_store(folder)
    last_run.planned(store)
    with store.lock():
        store.share([store.write_explanation(one.address, one.to_json()) for one in found])
    report([folder])


def _trained(store: Store) -> list[Subject]:
    found = [
        cell.subject
        for cell in last_run.planned(store).cells
        if cell.kind == "train" and cell.subject is not None
    ]
    if not found:
        raise BadInput(f"--run {store.shown}: the run trained no model; name models with --model")
    return found


def _models(
    store: Store, subjects: Sequence[Subject], encoder: str, seed: int | None, folder: Path
) -> dict[str, str | Path]:
    """Title of a method -> its checkpoint, all of one encoder and seed."""
    seeds = sorted({subject.seed for subject in subjects if subject.seed is not None})
    if seed is not None and seed not in seeds:
        raise BadInput(f"--seed {seed}: {folder} has seeds {', '.join(map(str, seeds))}")
    wanted = seeds[0] if seed is None else seed
    cells = {
        cell.subject: cell.address
        for cell in last_run.planned(store).cells
        if cell.kind == "train" and cell.subject
    }
    found: dict[str, str | Path] = {}
    for subject in subjects:
        if (subject.model, subject.seed) == (encoder, wanted):
            record = store.find("train", cells[subject])
            if record is not None:
                found[subject.method_title] = record.model_folder()
    if not found:
        raise BadInput(f"{folder}: no model of {encoder}, seed {wanted}, is left; run the suite again")
    return found
