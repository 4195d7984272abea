"""What a model was trained on, held against what a test set must not share: who may stand in one ranking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asa_bench.reports.outcomes import Evaluation
    from asa_bench.tasks.base import Task

ZERO_SHOT = "zero-shot"
UNKNOWN = "training data unknown"


def seen(names: Iterable[str]) -> frozenset[str]:
    """Training data as 'task:split', from names with or without a split: a bare name is that task's training split.

    A task whose training split joins other data (`Task.holds`) stands for these too.
    """
    from asa_bench.tasks import TASKS

    found = set()
    for name in names:
        task, colon, split = name.partition(":")
        found.add(f"{task}:{split if colon else 'train'}")
        if task in TASKS and (not colon or split == "train"):
            found.update(TASKS.get(task).holds)
    return frozenset(found)


def exposure(task: Task, split: str, trained_on: Sequence[str] | None) -> str:
    """How a score on `task` must be read: `ZERO_SHOT`, 'saw paws_qqp:train', or `UNKNOWN`.

    Args:
        split: which part of the task was faced; to have trained on that is an exposure, whatever the task declares.
        trained_on: see `seen`; None where nobody said.
    """
    if trained_on is None:
        return UNKNOWN
    hits = sorted(seen(trained_on) & {*task.exposure, f"{task.name}:{split}"})
    return f"saw {', '.join(hits)}" if hits else ZERO_SHOT


def trained_on(
    declared: Mapping[str, Sequence[str]], model: str, method: str, loaded: bool, train_task: str
) -> tuple[str, ...] | None:
    """What one row of a table was trained on: what was done here and said of its encoder, or said of a checkpoint.

    Args:
        declared: title of an encoder, or name of a loaded checkpoint -> names of data.
    """
    if loaded:
        said = declared.get(method)
        return None if said is None else tuple(said)
    return (train_task, *declared.get(model, ()))


def apart(who: Mapping[str, str]) -> str:
    """One sentence on rows that are not ranked together; "" where all are alike.

    Args:
        who: row, as people read it -> its exposure.
    """
    if len(set(who.values())) < 2:
        return ""
    groups: dict[str, list[str]] = {}
    for name, what in who.items():
        groups.setdefault(what, []).append(name)
    return "; ".join(f"{', '.join(names)}: {what}" for what, names in sorted(groups.items()))


def most_overlapping(items: Iterable[Evaluation]) -> Evaluation | None:
    """The evaluation whose model was trained on most of the rows that it faced; None where that is not known of any."""
    found = [(item.overlap, item) for item in items if item.overlap is not None]
    counts = [(met.exact, met.near or 0, met.shared_text) for met, _ in found]
    return found[counts.index(max(counts))][1] if found else None
