"""Slices: the parts of a test set that scores are also reported by, one definition for every score.

A task names columns of its data (heuristic, construction, perturbation, ...). Beside them every task of classes has two
that follow from its rows: `CLASS`, the gold label, and `LENGTH`, how many words a row has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.tasks.base import Task

CLASS, LENGTH = "class", "length"
#: Column of records: how many words a row's texts have together.
WORDS = "word_count"
#: The most words of a row of each length, and what the length is called. Names sort as lengths do.
LENGTHS: tuple[tuple[float, str], ...] = (
    (10, "1-10 words"),
    (20, "11-20 words"),
    (40, "21-40 words"),
    (float("inf"), "41+ words"),
)


def words_in(texts: Iterable[str]) -> int:
    """Words of all texts of a row (of both of a pair): runs of characters without white space."""
    return sum(len(text.split()) for text in texts)


def lengths_of(words: ArrayLike) -> NDArray[np.object_]:
    """(rows,) what the length of each row is called; "", which is no slice, for a row without words.

    Args:
        words: (rows,) how many each has.
    """
    counts = np.asarray(words, dtype=np.int64)
    names = np.array([name for _, name in LENGTHS], dtype=object)
    found = names[np.searchsorted([most for most, _ in LENGTHS], counts)]
    found[counts < 1] = ""
    return found


def derived(task: Task) -> tuple[str, ...]:
    """The slices that follow from rows; none where not every row has a gold class."""
    if task.kind != "classification" or task.unlabelled:
        return ()
    return tuple(name for name in (CLASS, LENGTH) if name not in task.slices)


def slices_of(task: Task) -> tuple[str, ...]:
    """All slices of a task: columns of its data, then those that follow from its rows."""
    return (*task.slices, *derived(task))


def values_of(task: Task, name: str, rows: pd.DataFrame) -> NDArray[np.object_] | None:
    """(rows,) the slice of each row of a record or a frame, "" where it has none; None where these rows do not tell.

    Args:
        rows: a task's frame, or rows of a record. A length is told by the texts, by `WORDS`, or by the column
            ``original`` of an attack.
    """
    if name not in derived(task):
        return rows[name].to_numpy(dtype=object) if name in rows.columns else None
    if name == CLASS:
        return rows["label"].to_numpy(dtype=object)
    counts = _words(task, rows)
    return None if counts is None else lengths_of(counts)


def _words(task: Task, rows: pd.DataFrame) -> ArrayLike | None:
    if WORDS in rows.columns:
        return rows[WORDS].to_numpy()
    if task.columns and set(task.columns) <= set(rows.columns):  # a forged record may name none
        texts = zip(*(rows[column].tolist() for column in task.columns), strict=True)
        return [words_in(map(str, row)) for row in texts]
    if "original" not in rows.columns:
        return None
    try:
        return [words_in(json.loads(texts)) for texts in rows["original"].tolist()]
    except (TypeError, ValueError, AttributeError):  # not of this asa-bench: the lengths are not known
        return None


def kept(task: Task, name: str, values: NDArray[np.object_] | None) -> list[str]:
    """The values by which scores are reported, sorted; none where they are not known.

    A length or class that all rows share is none: it would say again what the whole says.
    """
    found = sorted({str(value) for value in ([] if values is None else values.tolist())} - {""})
    return [] if name in derived(task) and len(found) < 2 else found
