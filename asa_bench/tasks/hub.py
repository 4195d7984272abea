"""Reads a task's rows from the Hugging Face hub: parquet files of one commit, never a script."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput, Unavailable
from asa_bench.tasks.files import Row, shown

if TYPE_CHECKING:
    from asa_bench.tasks.base import Hub, Task

TIMEOUT_S = 10.0


def resolve(task: Task) -> tuple[Hub, str]:
    """The task's hub entry and the commit that is read: the pinned one, or the head of its branch.

    The head is asked for once a process. Offline, the head that an earlier download saw is taken.

    Raises:
        Unavailable: the task is not on the hub, or the hub does not answer and nothing is cached.
    """
    hub = _entry(task)
    if hub.revision is not None:
        return hub, hub.revision
    try:
        return hub, _head(hub.repo, hub.branch)
    except _failures() as error:
        cached = _cache_folder(hub) / "refs" / hub.branch
        if cached.is_file():
            return hub, cached.read_text(encoding="utf-8").strip()
        raise Unavailable(_refusal(task, hub, error)) from error


def read(task: Task, split: str, revision: str) -> tuple[Iterator[Row], str]:
    """The rows of a split at a commit, and a name for the place in messages.

    Raises:
        Unavailable: the hub does not answer and the files are not cached.
        BadInput: a file is no parquet or lacks a column, a column has another type, or the hub's own label
            names differ from the task's.
    """
    hub = _entry(task)
    if split not in hub.files:
        raise Unavailable(f"task {task.name!r}: the hub data set {hub.repo} has no split {split!r}")
    paths = _download(task, hub, split, revision)
    return _rows(task, hub, paths), f"hub data set {hub.repo} at {revision[:12]}"


def _entry(task: Task) -> Hub:
    if task.hub is None:
        provided = f"; it is provided by {task.layout.provided_by}" if task.layout else ""
        raise Unavailable(
            f"task {task.name!r} is not on the Hugging Face hub: give --data-dir FOLDER with its files"
            f"{provided}"
        )
    return task.hub


def _failures() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises when it cannot deliver; network errors of `requests` are OSErrors."""
    from huggingface_hub.errors import HfHubHTTPError

    return (HfHubHTTPError, OSError, ValueError)


def _refusal(task: Task, hub: Hub, error: Exception) -> str:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE is set and it is not in the cache"
    elif isinstance(error, errors.GatedRepoError):
        reason = "access to it must be granted first"
    elif isinstance(error, errors.RepositoryNotFoundError):
        reason = "there is no such data set, or it needs a login"
    elif isinstance(error, errors.RevisionNotFoundError):
        reason = f"it has no revision {hub.revision or hub.branch}"
    else:
        reason = shown((str(error).strip() or type(error).__name__).splitlines()[0], 160)
    provided = task.layout.provided_by if task.layout else "its authors"
    return (
        f"task {task.name!r}: the hub data set {hub.repo} cannot be read from {constants.ENDPOINT} "
        f"({reason}); without the hub, give --data-dir FOLDER with its files, provided by {provided}"
    )


@cache
def _head(repo: str, branch: str) -> str:
    from huggingface_hub import HfApi

    commit = HfApi().dataset_info(repo, revision=branch, timeout=TIMEOUT_S).sha
    if not commit:
        raise ValueError(f"no commit is told for branch {branch}")
    return commit


def _cache_folder(hub: Hub) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=hub.repo, repo_type="dataset")


def _download(task: Task, hub: Hub, split: str, revision: str) -> list[tuple[str, Path]]:
    """Name in the repository and local path of every parquet file of a split."""
    from huggingface_hub import HfApi, hf_hub_download

    pattern = hub.files[split]
    try:
        # The listing comes first because it fails at once when the network does; downloads would retry.
        listed = HfApi().dataset_info(hub.repo, revision=revision, timeout=TIMEOUT_S).siblings or []
        names = sorted(file.rfilename for file in listed if fnmatch.fnmatchcase(file.rfilename, pattern))
    except _failures() as error:
        snapshot = _cache_folder(hub) / "snapshots" / revision
        cached = sorted(snapshot.glob(pattern))
        if not cached:
            raise Unavailable(_refusal(task, hub, error)) from error
        return [(path.relative_to(snapshot).as_posix(), path) for path in cached]
    if not names:
        raise BadInput(
            f"task {task.name!r}: the hub data set {hub.repo} has no parquet file {pattern} at "
            f"{revision[:12]}"
        )
    # Asking for the branch by name leaves its head in the cache, where a later offline run finds it.
    wanted = hub.revision or hub.branch
    try:
        paths = [
            Path(
                hf_hub_download(hub.repo, name, repo_type="dataset", revision=wanted, etag_timeout=TIMEOUT_S)
            )
            for name in names
        ]
    except _failures() as error:
        raise Unavailable(_refusal(task, hub, error)) from error
    snapshot = _cache_folder(hub) / "snapshots" / revision
    for path in paths:
        if not path.is_relative_to(snapshot):
            raise Unavailable(
                f"task {task.name!r}: the branch {hub.branch} of the hub data set {hub.repo} moved on from "
                f"{revision[:12]} while it was read; start again"
            )
    return list(zip(names, paths, strict=True))


def _rows(task: Task, hub: Hub, paths: list[tuple[str, Path]]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, path in paths:
        where = f"hub data set {hub.repo}, {name}"
        try:
            schema = pq.read_schema(path)
            _check_schema(task, hub, schema, where)
            wanted = [*task.columns, "label", *(column for column in task.slices if column in hub.columns)]
            table = pq.read_table(path, columns=[hub.columns[column] for column in wanted])
        except pa.ArrowInvalid as error:
            raise BadInput(f"{where}: not a readable parquet file ({shown(str(error), 120)})") from error
        values = {column: table.column(hub.columns[column]).to_pylist() for column in wanted}
        for number in range(table.num_rows):
            yield Row(
                texts=tuple(str(values[column][number] or "") for column in task.columns),
                label=str(values["label"][number]),
                slices={
                    column: str(values[column][number] or "") for column in wanted if column in task.slices
                },
                where=f"{name}, row {number + 1}",
            )


def _check_schema(task: Task, hub: Hub, schema: Any, where: str) -> None:
    """Compares columns, their types and, where the file tells them, the names of the labels.

    Raises:
        BadInput: they differ from what the task expects.
    """
    import pyarrow as pa

    for column in (*task.columns, "label", *task.slices):
        name = hub.columns.get(column)
        if name is None:
            if column in task.slices:
                continue
            raise BadInput(f"task {task.name!r}: its hub entry names no column for {column!r}")
        if name not in schema.names:
            raise BadInput(f"{where}: no column {name!r}; it has {shown(schema.names, 160)}")
        kind = schema.field(name).type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not (text or (column == "label" and pa.types.is_integer(kind))):
            expected = "integers or texts" if column == "label" else "texts"
            raise BadInput(f"{where}: column {name!r} holds {kind}, expected {expected}")
    told = _label_names(schema, hub.columns["label"])
    for number, label in enumerate(told):
        ours = hub.labels.get(str(number))
        if not label.isdigit() and label != ours:
            raise BadInput(
                f"{where}: label {number} is called {shown(label)} there, but task {task.name!r} takes it "
                f"for {ours!r}"
            )


def _label_names(schema: Any, column: str) -> list[str]:
    """The names of a `datasets.ClassLabel` column as `datasets` writes them into a parquet file, or none."""
    metadata = (schema.metadata or {}).get(b"huggingface")
    if not metadata:
        return []
    try:
        feature = json.loads(metadata)["info"]["features"][column]
    except (ValueError, KeyError, TypeError):
        return []
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
