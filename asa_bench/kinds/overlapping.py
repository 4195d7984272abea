"""How many rows of a test set stand in the data that a model was trained on here: counted while the model is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from asa_bench.cell import Cell
from asa_bench.errors import BadInput, Unavailable
from asa_bench.kinds.common import sample_of, texts_of
from asa_bench.overlap import NEAR, overlap
from asa_bench.record import Record
from asa_bench.tasks.base import Source, row_hash

# Near duplicates are counted up to so many rows, both sets together: a quarter of a minute once for each pair of sets.
MOST_ROWS = 100_000

# Of the training and of the evaluation: task, examples, rows left out.
_Key = tuple[str, int | None, int]


def counted(cell: Cell, waits: Mapping[str, Record]) -> dict[str, Any]:
    """The counts of `asa_bench.overlap.Overlap` that an evaluation records as ``overlap``.

    Nothing where the model was not trained here, or where the training data are not there any more or are not those that its
    record tells.
    """
    trained = waits.get("model")
    if trained is None or not trained.has_rows:
        return {}
    source: Source = cell.context["source"]
    learned = (trained.spec["task"], trained.spec["examples"], trained.spec.get("held_out", 0))
    faced = (cell.spec["task"], cell.spec["examples"], cell.spec.get("held_out", 0))
    try:
        if _learned(learned, source)[1] != set(trained.rows()["text_hash"].tolist()):
            return {}
        return {"overlap": dict(_overlap(learned, faced, cell.spec["split"], source))}
    except (BadInput, Unavailable):  # the model can be asked all the same
        return {}


def _texts(key: _Key, split: str, source: Source, purpose: str) -> list[tuple[str, ...]]:
    spec = {"task": key[0], "examples": key[1], "held_out": key[2]}
    task, _, rows = sample_of(spec, source, split, purpose)
    return texts_of(rows, task)


@lru_cache(maxsize=4)
def _learned(key: _Key, source: Source) -> tuple[list[tuple[str, ...]], frozenset[str]]:
    """The texts of a training, and their hashes as its record has them."""
    texts = _texts(key, "train", source, "train")
    return texts, frozenset(row_hash(text)[:16] for text in texts)


@lru_cache(maxsize=256)
def _overlap(learned: _Key, faced: _Key, split: str, source: Source) -> tuple[tuple[str, int | None], ...]:
    """The counts of a pair of sets, once for all models: methods and seeds share their data."""
    training, test = _learned(learned, source)[0], _texts(faced, split, source, "evaluate")
    near = len(training) + len(test) <= MOST_ROWS
    found = overlap(training, test, NEAR if near else None)
    return (
        ("trained", found.trained),
        ("exact", found.exact),
        ("near", found.near if near else None),
        ("shared_text", found.shared_text),
    )
