"""Tiny data sets in the original layouts, written by the tests themselves."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Sequence
from pathlib import Path

from asa_bench.tasks.base import Source, Split, Task, TaskData
from asa_bench.tasks.loading import load


def unpublished(task: Task) -> Task:
    """The task without its published counts, so that a tiny file passes for the whole."""
    return task.model_copy(update={"splits": {name: Split() for name in task.splits}})


def folder(root: Path) -> Source:
    return Source(kind="folder", root=root)


def tsv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    """Writes a tab-separated file, packed where its name says so."""
    return write(path, "".join("\t".join(row) + "\n" for row in [header, *rows]))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    if path.suffix == ".xz":
        data = lzma.compress(data)
    elif path.suffix == ".gz":
        data = gzip.compress(data)
    path.write_bytes(data)
    return path


def rows(data: TaskData) -> list[tuple[str, ...]]:
    """Texts, label and slices of every row, sorted."""
    columns = [*data.task.columns, "label", *data.task.slices]
    return sorted(tuple(row) for row in data.frame[columns].itertuples(index=False, name=None))


def loaded(task: Task, split: str, root: Path) -> list[tuple[str, ...]]:
    """The rows of a tiny file in `root`, read as if it were the published one."""
    return rows(load(unpublished(task), split, folder(root)))
