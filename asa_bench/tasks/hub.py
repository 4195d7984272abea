"""Reads a task's rows from the Hugging Face hub: parquet files of one commit, never a script."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput, Unavailable
from asa_bench.tasks import hub_cache
from asa_bench.tasks.canonical import right_choice, word
from asa_bench.tasks.files import Row, shown

if TYPE_CHECKING:
    from asa_bench.tasks.base import Hub, Task
    from asa_bench.tasks.hub_cache import Cached

TIMEOUT_S = 10.0
_ITEM = re.compile(r"(.+)\[(\d+)\]")


def resolve(task: Task) -> tuple[Hub, str]:
    """The task's hub entry and the commit that is read: the pinned one, or the head of its branch.

    The head is asked for once a process. Offline, the head that an earlier download saw is taken.

    Raises:
        Unavailable: the task is not on the hub, or the hub does not answer and nothing is cached.
    """
    hub = _entry(task)
    return hub, resolve_revision(hub, f"task {task.name!r}", instead(task))


def resolve_revision(hub: Hub, said: str, instead: str) -> str:
    """The commit of a hub data set that is read, as in `resolve`.

    Args:
        said: what messages call the reader, e.g. ``"task 'sst2'"``.
        instead: what a user without the hub can do; ends a message.

    Raises:
        Unavailable: the hub does not answer and nothing is cached.
    """
    if hub.revision is not None:
        return hub.revision
    try:
        return _head(hub.repo, hub.branch)
    except _failures() as error:
        if cached := hub_cache.head(hub.repo, hub.branch):
            return cached
        raise Unavailable(_refusal(said, hub, error, instead)) from error


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
    paths = download(hub, split, revision, f"task {task.name!r}", instead(task))
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


def instead(task: Task) -> str:
    """What a user without the hub can do; ends a message."""
    provided = task.layout.provided_by if task.layout else "its authors"
    return f"give --data-dir FOLDER with its files, provided by {provided}"


def _refusal(said: str, hub: Hub, error: Exception, instead: str, cached: Cached | None = None) -> str:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE is set and it is not whole in the cache"
    elif isinstance(error, errors.GatedRepoError):
        reason = "access to it must be granted first"
    elif isinstance(error, errors.RepositoryNotFoundError):
        reason = "there is no such data set, or it needs a login"
    elif isinstance(error, errors.RevisionNotFoundError):
        reason = f"it has no revision {hub.revision or hub.branch}"
    else:
        reason = shown((str(error).strip() or type(error).__name__).splitlines()[0], 160)
    if cached is not None and cached.found:
        reason += f"; the cache has {len(cached.found)} of its files, but not {cached.missing[0]}"
    return (
        f"{said}: the hub data set {hub.repo} cannot be read from {constants.ENDPOINT} "
        f"({reason}); without the hub, {instead}"
    )


@cache
def _head(repo: str, branch: str) -> str:
    from huggingface_hub import HfApi

    commit = HfApi().dataset_info(repo, revision=branch, timeout=TIMEOUT_S).sha
    if not commit:
        raise ValueError(f"no commit is told for branch {branch}")
    return commit


def cached(hub: Hub, split: str) -> Cached:
    """What the cache has of a split at the commit that an offline run would read; asks no network."""
    return hub_cache.files(hub.repo, hub.revision or hub_cache.head(hub.repo, hub.branch), hub.files[split])


def download(hub: Hub, split: str, revision: str, said: str, instead: str) -> list[tuple[str, Path]]:
    """Name in the repository and local path of every parquet file of a split, for `said` and `instead` as in
    `resolve_revision`.

    Raises:
        Unavailable: the hub does not answer and not all of the files are cached, or its branch moved on.
        BadInput: the repository has no such file.
    """
    from huggingface_hub import HfApi, hf_hub_download

    pattern = hub.files[split]
    try:
        # The listing comes first because it fails at once when the network does; downloads would retry.
        listed = HfApi().dataset_info(hub.repo, revision=revision, timeout=TIMEOUT_S).siblings or []
    except _failures() as error:
        cached = hub_cache.files(hub.repo, revision, pattern)
        if not cached.whole:
            raise Unavailable(_refusal(said, hub, error, instead, cached)) from error
        return cached.found
    names = sorted(file.rfilename for file in listed if fnmatch.fnmatchcase(file.rfilename, pattern))
    if not names:
        raise BadInput(
            f"{said}: the hub data set {hub.repo} has no parquet file {pattern} at {revision[:12]}"
        )
    # Asking for the branch by name leaves its head in the cache, where a later offline run finds it.
    wanted = hub.revision or hub.branch
    paths = []
    try:
        for name in names:
            local = hf_hub_download(
                hub.repo, name, repo_type="dataset", revision=wanted, etag_timeout=TIMEOUT_S
            )
            paths.append(Path(local))
            # Noted as soon as the cache has one, since the others may never come.
            hub_cache.note(hub.repo, revision, (file.rfilename for file in listed))
    except _failures() as error:
        raise Unavailable(_refusal(said, hub, error, instead)) from error
    snapshot = hub_cache.folder(hub.repo) / "snapshots" / revision
    for path in paths:
        if not path.is_relative_to(snapshot):
            raise Unavailable(
                f"{said}: the branch {hub.branch} of the hub data set {hub.repo} moved on from "
                f"{revision[:12]} while it was read; start again"
            )
    return list(zip(names, paths, strict=True))


def _rows(task: Task, hub: Hub, paths: list[tuple[str, Path]]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [
        column
        for column in (*task.columns, "label", *task.extra_columns)
        if column in hub.columns or column not in task.extra_columns
    ]
    for name, path in paths:
        where = f"hub data set {hub.repo}, {name}"
        try:
            schema = pq.read_schema(path)
            names = schema_check(task, hub, schema, where)
            table = pq.read_table(
                path, columns=sorted({_place(hub.columns[column])[0] for column in columns})
            )
        except pa.ArrowInvalid as error:
            raise BadInput(f"{where}: not a readable parquet file ({shown(str(error), 120)})") from error
        values = {column: table.column(column).to_pylist() for column in table.column_names}
        for number in range(table.num_rows):
            row = f"{name}, row {number + 1}"
            told = {
                column: _value(task, column, hub.columns[column], values, number, row, names)
                for column in columns
            }
            yield Row(
                texts=tuple(told[column] for column in task.columns),
                label=told["label"],
                slices={column: told[column] for column in columns if column in task.extra_columns},
                where=row,
            )


def _place(name: str) -> tuple[str, int | None]:
    """Column of a parquet file, and which item of its list, for ``NAME``, ``NAME[2]`` or ``=NAME``."""
    found = _ITEM.fullmatch(name)
    return (found[1], int(found[2])) if found else (name.removeprefix("="), None)


def _value(
    task: Task,
    column: str,
    name: str,
    values: Mapping[str, list[Any]],
    number: int,
    where: str,
    names: Sequence[str],
) -> str:
    """One cell as text.

    Raises:
        BadInput: a list is too short, or no choice (or more than one) is the right one.
    """
    parquet, item = _place(name)
    value = values[parquet][number]
    if item is not None:
        if not isinstance(value, list) or len(value) <= item:
            raise BadInput(f"{where}: {parquet!r} has no item {item}")
        return str(value[item] or "")
    if isinstance(value, list):
        if task.kind == "token_classification" and column == "label":
            return " ".join(_tag(tag, names) for tag in value)
        joined = (word(str(part)) if task.kind == "token_classification" else str(part) for part in value)
        return " ".join(joined)
    if name.startswith("="):
        return right_choice(str(value), [_choice(name, values, number) for name in _choices(task)], where)
    return str(value) if column == "label" else str(value or "")


def _tag(tag: object, names: Sequence[str]) -> str:
    """A tag that is a number of a `datasets.ClassLabel` by its name, where the file tells the names."""
    return names[tag] if isinstance(tag, int) and 0 <= tag < len(names) else str(tag)


def _choices(task: Task) -> list[str]:
    return [task.hub.columns[column] for column in task.choices] if task.hub else []


def _choice(name: str, values: Mapping[str, list[Any]], number: int) -> str:
    parquet, item = _place(name)
    value = values[parquet][number]
    return str(value[item]) if item is not None and len(value) > item else str(value)


def schema_check(task: Task, hub: Hub, schema: Any, where: str) -> list[str]:
    """Compares columns, their types and, where the file tells them, the names of the labels.

    Returns:
        The names of the labels or tags as the file's own metadata tell them, or none.

    Raises:
        BadInput: they differ from what the task expects.
    """
    for column in (*task.columns, "label", *task.extra_columns):
        name = hub.columns.get(column)
        if name is None:
            if column in task.extra_columns:
                continue
            raise BadInput(f"task {task.name!r}: its hub entry names no column for {column!r}")
        parquet, item = _place(name)
        if parquet not in schema.names:
            raise BadInput(f"{where}: no column {parquet!r}; it has {shown(schema.names, 160)}")
        kind = schema.field(parquet).type
        expected = _expected(task, column, item is not None)
        if not _fits(kind, expected):
            raise BadInput(f"{where}: column {parquet!r} holds {kind}, expected {' or '.join(expected)}")
    told = _label_names(schema, _place(hub.columns["label"])[0])
    for number, label in enumerate(told):
        ours = hub.labels.get(str(number))
        if not label.isdigit() and hub.labels.get(label, label) != ours:
            raise BadInput(
                f"{where}: label {number} is called {shown(label)} there, but task {task.name!r} takes it "
                f"for {ours!r}"
            )
    return told


def _expected(task: Task, column: str, item: bool) -> tuple[str, ...]:
    """The types that a column may have, by the names that messages use."""
    if column == "label":
        if task.kind == "regression":
            return ("decimal numbers",)
        if task.kind == "token_classification":
            return ("lists of integers", "lists of texts")
        return ("integers", "texts", "truth values")
    if item:
        return ("lists of texts",)
    return ("texts", "lists of texts") if task.kind != "classification" else ("texts",)


def _fits(kind: Any, expected: tuple[str, ...]) -> bool:
    import pyarrow as pa

    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    inner = kind.value_type if listed else kind
    if pa.types.is_string(inner) or pa.types.is_large_string(inner):
        name = "texts"
    elif pa.types.is_integer(inner):
        name = "integers"
    elif pa.types.is_floating(inner):
        name = "decimal numbers"
    elif pa.types.is_boolean(inner):
        name = "truth values"
    else:
        return False
    return (f"lists of {name}" if listed else name) in expected


def _label_names(schema: Any, column: str) -> list[str]:
    """The names of a `datasets.ClassLabel` column as `datasets` writes them into a parquet file, or none.

    A list of labels is described around its items: ``{"feature": {...}, "_type": "Sequence"}`` (or ``List``),
    or in old files by a list of one item.
    """
    metadata = (schema.metadata or {}).get(b"huggingface")
    if not metadata:
        return []
    try:
        feature = json.loads(metadata)["info"]["features"][column]
    except (ValueError, KeyError, TypeError):
        return []
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
