"""What all kinds of cells share: their rows, the model that is asked, and what their work gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from asa_bench import calibrating, checkpoints
from asa_bench.cell import Cell
from asa_bench.record import Record
from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import Kind, Source, Task, TaskData, choose

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.victims import Victim


# progress(done, total) in units of the cell's own: steps, batches or examples.
Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """What the work of a cell gives.

    Attributes:
        rows: per-example rows, if any.
        result: JSON; fingerprints, counts and summaries for the manifest.
        timings: JSON; what differs from run to run.
    """

    rows: pd.DataFrame | None = None
    result: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)


@lru_cache(maxsize=64)
def rows_of(task: str, split: str, source: Source, count: int | None) -> TaskData:
    return loading.load(TASKS.get(task), split, source, count)


def chosen(cell: Cell, split: str, purpose: str) -> tuple[Task, TaskData, pd.DataFrame]:
    """The task, the rows of its split, and the fixed sample of them that this cell works on."""
    return sample_of(cell.spec, cell.context["source"], split, purpose)


def sample_of(
    spec: Mapping[str, Any], source: Source, split: str, purpose: str
) -> tuple[Task, TaskData, pd.DataFrame]:
    """As `chosen`, for whoever has no more than the spec's ``task``, ``examples`` and perhaps ``held_out``."""
    task = TASKS.get(spec["task"])
    data = rows_of(task.name, split, source, spec["examples"])
    frame = data.frame.iloc[: max(0, len(data.frame) - spec.get("held_out", 0))]
    return task, data, choose(frame, task.columns, spec["examples"], purpose)


def held_out(cell: Cell) -> tuple[Task, TaskData, pd.DataFrame]:
    """The task, its training data, and the rows of them that neither its trainings nor any report looks at."""
    spec, source = cell.spec, cell.context["source"]
    task, trained, count = TASKS.get(spec["task"]), spec["trained_on"], spec["examples"]
    if trained is None:  # the trainings leave so many out, see `_chosen`
        data = rows_of(task.name, "train", source, None)
        learned = data.frame.iloc[: max(0, len(data.frame) - count)]
    else:
        # Some to spare, since a few rows may stand in the evaluation data, too.
        data = rows_of(task.name, "train", source, trained + count + count // 4)
        learned = rows_of(task.name, "train", source, trained).frame
    reported = rows_of(task.name, task.evaluation_split, source, spec["reported"]).frame
    hashes = set(calibrating.text_hashes(reported, task))
    return task, data, calibrating.held_out(task, data.frame, learned, hashes, count)


def data_result(data: TaskData, used: int) -> dict[str, Any]:
    return {"fingerprint": data.fingerprint, "origin": dict(data.origin), "examples": used}


@lru_cache(maxsize=1)
def victim_of(
    where: str,
    revision: str | None,
    labels: tuple[str, ...],
    kind: Kind,
    max_length: int,
    device: str,
    said: str,
) -> Victim:
    return checkpoints.load_victim(
        where, revision, labels, kind=kind, max_length=max_length, device=device, said=said
    )


def asked(cell: Cell, waits: Mapping[str, Record]) -> Victim:
    """The model of this cell; kept from the cell before where it is the same one."""
    spec = cell.spec
    loaded = "model" not in waits
    if loaded:
        where, revision = cell.context["model"], cell.context.get("revision")
    else:
        where, revision = str(waits["model"].model_folder()), None
    said = f"--load {cell.subject.method}" if loaded and cell.subject else "the trained model"
    labels = tuple(spec["model_labels"])
    victim = victim_of(where, revision, labels, spec["kind"], spec["max_length"], spec["device"], said)
    if loaded and cell.subject:
        task = TASKS.get(cell.subject.train_task)
        # A text entails itself; a question (QNLI) does not answer itself.
        if task.family == "inference" and task.columns[0] != "question":
            _probe(
                task.name,
                cell.context["source"],
                where,
                revision,
                labels,
                spec["max_length"],
                spec["device"],
                said,
            )
    return victim


@lru_cache(maxsize=64)
def _probe(
    task_name: str,
    source: Source,
    where: str,
    revision: str | None,
    labels: tuple[str, ...],
    max_length: int,
    device: str,
    said: str,
) -> None:
    """Refuses an inference model that denies that premises entail themselves; each model is asked once."""
    task = TASKS.get(task_name)
    data = rows_of(task_name, task.evaluation_split, source, None)
    sample = choose(data.frame, task.columns, 64, "probe")
    victim = victim_of(where, revision, labels, task.kind, max_length, device, said)
    checkpoints.probe_inference(victim, sample[task.columns[0]].tolist(), said)


def texts_of(rows: pd.DataFrame, task: Task) -> list[tuple[str, ...]]:
    return list(zip(*(rows[column].tolist() for column in task.columns), strict=True))


def seen_in_training(waits: Mapping[str, Record], hashes: Sequence[str]) -> dict[str, int]:
    """How many texts the subject's training learned from; nothing where it was not trained here, or its record does not tell."""
    trained = waits.get("model")
    if trained is None or not trained.has_rows:
        return {}
    known = set(trained.rows()["text_hash"].tolist())
    return {"seen_in_training": sum(text in known for text in hashes)}


def temperature_of(waits: Mapping[str, Record]) -> float:
    """By which the logits of the victim are divided before a search sees them."""
    return float(waits["calibration"].manifest["result"]["temperature"]) if "calibration" in waits else 1.0
