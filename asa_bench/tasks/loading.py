"""Loads one split of a task from any source, checked against what was published and in canonical form."""

from __future__ import annotations

import hashlib
import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asa_bench.errors import BadInput, Unavailable, nearest
from asa_bench.tasks import files, likeness
from asa_bench.tasks.base import (
    Layout,
    Source,
    Task,
    TaskData,
    choose,
    choose_groups,
    fingerprint,
    row_hash,
)
from asa_bench.tasks.canonical import frame_of

if TYPE_CHECKING:
    import pandas as pd

HELD_OUT_ROWS = 2_000


class _Located(NamedTuple):
    """The files that hold a split in a data folder, and what is cut from them.

    Attributes:
        paths: the files, in the order in which they are read; most splits have one.
        relative: their names under the root, with forward slashes.
        sample: they hold a part of the published rows only.
        held_out_of: the split whose sample this split is a part of.
        holds_out: the split that is cut out of this one's sample.
    """

    paths: tuple[Path, ...]
    relative: tuple[str, ...]
    sample: bool
    held_out_of: str | None = None
    holds_out: str | None = None


def identify(task: Task, split: str, source: Source) -> dict[str, Any]:
    """What bytes `load` would read, told without parsing them: part of a cell's address.

    Returns:
        For a folder ``{"kind", "files": {relative path: sha256}}`` (and ``held_out_of`` or ``holds_out``);
        for the hub ``{"kind", "repo", "config", "revision"}``; for the laboratory ``{"kind", "version",
        "options"}``. Neither absolute paths nor clocks.

    Raises:
        BadInput: no such split, a task that this source does not have, or a folder that cannot be read.
        Unavailable: no file in the folder, or no answer from the hub.
    """
    kind = _kind(task, split, source)
    if kind == "laboratory":
        from asa_bench.tasks.laboratory import LABORATORY_VERSION

        return {
            "kind": kind,
            "version": LABORATORY_VERSION,
            "options": source.laboratory.model_dump(mode="json"),
        }
    if kind == "hub":
        from asa_bench.tasks.hub import resolve

        hub, revision = resolve(task)
        return {"kind": kind, "repo": hub.repo, "config": hub.config, "revision": revision}
    located = _locate(task, split, source)
    told: dict[str, Any] = {
        "kind": kind,
        "files": {
            name: file_sha256(path) for name, path in zip(located.relative, located.paths, strict=True)
        },
    }
    if located.held_out_of:
        told["held_out_of"] = located.held_out_of
    if located.holds_out:
        told["holds_out"] = located.holds_out
    return told


def load(task: Task, split: str, source: Source, count: int | None = None) -> TaskData:
    """The rows of one split, checked against what was published and brought into canonical form.

    Texts are canonical (`canonical_text`), ids follow from texts and label alone, and so does the order of
    rows, so that equal data from a folder and from the hub give equal frames.

    Args:
        count: take this many rows (a fixed sample, the same from every source) instead of all.

    Raises:
        BadInput: a file is damaged, truncated, not UTF-8, empty, or has unknown labels or other counts than
            were published; the message names file and line.
        Unavailable: the data are not there; the message names what would provide them.
    """
    kind = _kind(task, split, source)
    if count is not None and count < 1:
        raise BadInput(f"task {task.name!r}: cannot take {count} rows; give 1 or more")
    origin: dict[str, Any] = identify(task, split, source)
    if kind == "laboratory":
        from asa_bench.tasks.laboratory import generate

        frame = generate(task.name, split, source.laboratory, count)
    else:
        if kind == "hub":
            from asa_bench.tasks.hub import read

            rows, where = read(task, split, str(origin["revision"]))
            placed = (row._replace(where=f"{where}, {row.where}") for row in rows)
            frame = frame_of(task, placed, task.hub.labels if task.hub else {})
            _check_counts(task, split, frame, where)
        else:
            frame, details = _load_folder(task, split, source)
            origin |= details
        if task.made_from:
            texts = list(zip(*(frame[column].tolist() for column in task.columns), strict=True))
            frame[task.made_from] = likeness.sources(texts, frame[task.made_from].tolist())
        frame = _sample(task, frame, count, purpose=f"{task.name}/{split}")
    origin["rows"] = len(frame)
    return TaskData(
        task=task, split=split, frame=frame, fingerprint=fingerprint(frame, task.columns), origin=origin
    )


def _sample(task: Task, frame: pd.DataFrame, count: int | None, purpose: str) -> pd.DataFrame:
    if not task.group:
        return choose(frame, task.columns, count, purpose)
    try:
        return choose_groups(frame, task, count, purpose)
    except ValueError as error:
        raise BadInput(
            f"task {task.name!r}: cannot take {count} rows; rows of one {task.group} stay together, and {error}"
        ) from error


def _kind(task: Task, split: str, source: Source) -> str:
    """Which kind of source the split is read from; the laboratory's tasks have no other than that."""
    if split not in task.splits:
        raise BadInput(f"task {task.name!r} has no split {split!r}; {nearest(split, task.splits)}")
    if task.layout is None and task.hub is None:
        return "laboratory"
    if source.kind == "laboratory":
        raise BadInput(
            f"task {task.name!r} is not one of the embedded laboratory's; give --data-dir FOLDER with its "
            "files" + (", or choose the hub as the data source" if task.hub else "")
        )
    if source.kind == "folder" and source.root is None:
        raise BadInput(f"task {task.name!r}: a data source of kind 'folder' needs the folder's path")
    return source.kind


def _locate(task: Task, split: str, source: Source) -> _Located:
    layout, root = task.layout, source.root
    if layout is None or root is None:
        raise Unavailable(f"task {task.name!r} cannot be read from a data folder; choose the hub instead")

    def is_sample(paths: tuple[Path, ...]) -> bool:
        return any(files.is_sample(layout, path, root) for path in paths)

    def located(paths: tuple[Path, ...], **cut: str) -> _Located:
        names = tuple(path.relative_to(root).as_posix() for path in paths)
        return _Located(paths, names, is_sample(paths), **cut)

    own = files.find(layout, split, root)
    if own is not None:
        if is_sample(own):
            for part, whole in layout.held_out.items():
                if whole == split and files.find(layout, part, root) is None:
                    return located(own, holds_out=part)
        return located(own)
    parent = layout.held_out.get(split)
    if parent is not None:
        paths = files.find(layout, parent, root)
        if paths is not None and is_sample(paths):
            return located(paths, held_out_of=parent)
    raise Unavailable(_missing(task, layout, split, root))


def _missing(task: Task, layout: Layout, split: str, root: Path) -> str:
    names = [name if isinstance(name, str) else " with ".join(name) for name in layout.files.get(split, ())]
    told = " or ".join(names[:3])
    if len(names) > 3:
        told += f" or one of {len(names) - 3} other names (asa-bench show {task.name})"
    folders = ", ".join(f"{folder}/" if folder else "the folder itself" for folder in layout.folders)
    return (
        f"task {task.name!r}, split {split!r}: no {told} (plain, .xz or .gz) in data folder "
        f"{files.shown(str(root), 300)} (looked in {folders}); it is provided by {layout.provided_by}"
    )


def _load_folder(task: Task, split: str, source: Source) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows of a split from a data folder, and what the origin tells beyond the file."""
    located = _locate(task, split, source)
    details: dict[str, Any] = {}
    if located.sample:
        details["sample"] = True
    if any("reconstructed" in path.name for path in located.paths):
        details["form"] = "reconstructed"
    skipped: list[str] = []
    rows = _rows(task, located.held_out_of or split, located.paths, skipped)
    where = " with ".join(files.shown(str(path), 300) for path in located.paths)
    frame = frame_of(task, rows, task.layout.labels if task.layout else {})
    if not located.sample:
        _check_counts(task, split, frame, where, skipped)
    elif skipped:
        raise BadInput(f"{where}, {skipped[0]}: too few columns; the row is cut off")
    if skipped:
        details["malformed_rows_skipped"] = len(skipped)
    if located.held_out_of or located.holds_out:
        held_out = _held_out(task, frame)
        details["held_out_rows"] = sum(held_out)
        keep = held_out if located.held_out_of else [not out for out in held_out]
        frame = frame.loc[keep].reset_index(drop=True)
    return frame, details


def _rows(task: Task, split: str, paths: tuple[Path, ...], skipped: list[str]) -> Iterator[files.Row]:
    """The rows that the task's reader finds, told with file and line; malformed ones are noted or refused.

    Raises:
        BadInput: a file holds no row at all, or a malformed one that the published file does not have.
    """
    layout = task.layout
    if layout is None:
        raise Unavailable(f"task {task.name!r} cannot be read from a data folder")
    for path in paths:
        name, found = files.shown(str(path), 300), False
        for row in _reader(layout)(task, split, path):
            found = True
            where = f"{name}, {row.where}"
            if not row.malformed:
                yield row._replace(where=where)
            elif layout.skips_malformed:
                skipped.append(row.where if len(paths) == 1 else f"{path.name}, {row.where}")
            else:
                raise BadInput(f"{where}: too few columns; the file is cut off or damaged, fetch it again")
        if not found:
            raise BadInput(f"{name}: no rows")


def _reader(layout: Layout) -> Any:
    module, _, attribute = layout.reader.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInput(f"the reader {layout.reader!r} cannot be imported: {error}") from error


def _check_counts(
    task: Task, split: str, frame: pd.DataFrame, where: str, skipped: list[str] | None = None
) -> None:
    """Compares rows and labels with the published counts.

    Raises:
        BadInput: they differ, or there are no rows.
    """
    if len(frame) == 0:
        raise BadInput(f"{where}: no rows")
    published = task.splits[split]
    name = f"{task.title} {split}"
    hint = (
        ""
        if skipped is None
        else " (a file with a part of the rows is named NAME_sample..., for instance train_sample_1000.tsv)"
    )
    if published.rows is not None and len(frame) != published.rows:
        lost = f" ({len(skipped)} more have too few columns, the first in {skipped[0]})" if skipped else ""
        raise BadInput(
            f"{where}: {len(frame):,} rows{lost}, but {name} was published with {published.rows:,}; "
            f"it is incomplete or altered{hint}"
        )
    if published.labels is not None:
        counts = Counter(frame["label"].tolist())
        for label, expected in published.labels.items():
            if counts[label] != expected:
                raise BadInput(
                    f"{where}: {counts[label]:,} rows with label {label!r}, but {name} was published with "
                    f"{expected:,}; the file is altered"
                )


def _held_out(task: Task, frame: pd.DataFrame) -> list[bool]:
    """Which rows of a sample are held out: 2,000, or a tenth where that is fewer, by a hash of the texts.

    Rows with equal texts stay together, so that none is both trained on and evaluated on.
    """
    texts = zip(*(frame[column].tolist() for column in task.columns), strict=True)
    keys = [hashlib.sha256(f"held out\n{row_hash(tuple(row))}".encode()).hexdigest() for row in texts]
    wanted = min(HELD_OUT_ROWS, len(keys) // 10)
    if wanted == 0:
        raise BadInput(
            f"task {task.name!r}: {len(keys)} rows are too few to hold a dev split out of; give at least 10"
        )
    last = sorted(keys)[wanted - 1]
    return [key <= last for key in keys]


_SHA256: dict[tuple[str, int, int, int], str] = {}


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's bytes; remembered within the process for as long as the file looks unchanged.

    Raises:
        BadInput: the file cannot be read.
    """
    try:
        stat = path.stat()
        key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if key not in _SHA256:
            digest = hashlib.sha256()
            with path.open("rb") as stream:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
            _SHA256[key] = digest.hexdigest()
    except PermissionError as error:
        raise BadInput(f"{files.shown(str(path), 300)}: no permission to read it") from error
    except OSError as error:
        raise BadInput(f"{files.shown(str(path), 300)}: cannot be read: {error.strerror or error}") from error
    return _SHA256[key]
