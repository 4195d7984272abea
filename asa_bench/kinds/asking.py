"""Cells that ask a model: evaluate, calibrate, probe its reliance on words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asa_bench import calibrating
from asa_bench.cell import Cell
from asa_bench.kinds import overlapping
from asa_bench.kinds.common import (
    Outcome,
    Progress,
    asked,
    chosen,
    data_result,
    held_out,
    seen_in_training,
    texts_of,
)
from asa_bench.record import Record
from asa_bench.tasks.base import row_hash
from asa_bench.tasks.slicing import WORDS, words_in

if TYPE_CHECKING:
    pass


def evaluate(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    import pandas as pd

    task, data, rows = chosen(cell, cell.spec["split"], "evaluate")
    victim = asked(cell, waits)
    texts = texts_of(rows, task)
    if task.kind == "token_classification":
        per_word = victim.token_logits(texts, progress=progress)
        logits = [array.reshape(-1) for array in per_word]
        said = [" ".join(map(victim.said, array)) for array in per_word]
    else:
        logits = list(victim.logits(texts, progress=progress))
        said = [victim.said(array) for array in logits]
    frame = pd.DataFrame(
        {
            "id": rows["id"].astype(str),
            "text_hash": [row_hash(text)[:16] for text in texts],
            **{name: rows[name].astype(str) for name in task.extra_columns},
            WORDS: [words_in(text) for text in texts],
            "label": rows["label"].astype(str),
            "prediction": [task.label_map.get(label, label) for label in said],
            "logits": [[float(value) for value in array] for array in logits],
        }
    ).sort_values(["id"], kind="stable", ignore_index=True)
    seen = {**seen_in_training(waits, frame["text_hash"].tolist()), **overlapping.counted(cell, waits)}
    return Outcome(frame, {**data_result(data, len(rows)), **seen, "task": task.model_dump(mode="json")})


def calibrate(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    import pandas as pd

    task, data, rows = held_out(cell)
    logits, fitted = calibrating.calibrate(asked(cell, waits), task, rows, progress)
    frame = pd.DataFrame(
        {
            "id": rows["id"].astype(str),
            "text_hash": [row_hash(text)[:16] for text in texts_of(rows, task)],
            "label": rows["label"].astype(str),
            "logits": [[float(value) for value in array] for array in logits],
        }
    ).sort_values(["id"], kind="stable", ignore_index=True)
    return Outcome(frame, {**data_result(data, len(rows)), **fitted, "task": task.model_dump(mode="json")})


def probe_reliance(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    from asa_bench import reliance
    from asa_bench.tasks.laboratory.shortcuts import planted_word

    spec = cell.spec
    task, data, rows = chosen(cell, spec["split"], "reliance")
    texts = texts_of(rows, task)
    frame = reliance.measure(
        asked(cell, waits),
        texts,
        rows["label"].astype(str).tolist(),
        removed=spec["removed"],
        max_words=spec["max_words"],
        label_map=task.label_map,
        shortcuts=[planted_word(task.name, text) for text in texts],
        progress=progress,
    )
    named: dict[str, Any] = {
        "id": rows["id"].astype(str),
        "text_hash": [row_hash(text)[:16] for text in texts],
        **{name: rows[name].astype(str) for name in task.slices},
    }
    for place, (name, values) in enumerate(named.items()):
        frame.insert(place, name, values)
    frame = frame.sort_values(["id"], kind="stable", ignore_index=True)
    return Outcome(frame, {**data_result(data, len(rows)), "task": task.model_dump(mode="json")})
