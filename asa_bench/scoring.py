"""Scores predictions that any system made: reads its file strictly and gives accuracies with intervals."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.errors import BadInput, Unavailable
from asa_bench.measures import METRICS, Proportion, Share, clusters_of, hans_cells, share
from asa_bench.reports.scores import scored_rows
from asa_bench.tasks import files
from asa_bench.tasks.hans import BLOCK_ROWS, HANS, official_block, official_blocks
from asa_bench.tasks.slicing import kept, slices_of, values_of

if TYPE_CHECKING:
    from asa_bench.tasks.base import Task, TaskData

ID_COLUMNS = ("id", "pairID")
PREDICTION_COLUMNS = ("prediction", "gold_label")
LIMIT = 256 * 1024 * 1024  # bytes of a predictions file, unpacked


@dataclass(frozen=True)
class Predictions:
    """A file of predictions.

    Attributes:
        path: where it was read from, for messages.
        labels: id -> predicted label as written, in the file's order.
    """

    path: Path
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Score:
    """What predictions are worth.

    Attributes:
        task: name of the task.
        split: which part of it.
        examples: how many were scored: all of the split, none left out.
        fingerprint: of the rows scored against; None where the authors' order stands in for them.
        metrics: metric -> value; None where it is undefined.
        accuracy: of all examples, with its interval; None for tasks whose labels are no classes.
        slices: slice column -> value -> accuracy with its interval.
        intervals: metric other than accuracy -> value with its interval, where it has one.
        design: how the intervals take the examples to be drawn, in one sentence.
    """

    task: str
    split: str
    examples: int
    fingerprint: str | None
    metrics: Mapping[str, float | None]
    accuracy: Share | None
    slices: Mapping[str, Mapping[str, Share]]
    design: str
    intervals: Mapping[str, Share] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain dictionaries, lists and numbers."""
        return asdict(self)


def read_predictions(path: Path) -> Predictions:
    """Reads predictions: CSV with a header, or one JSON object a line (``.jsonl``), plain or packed (.xz, .gz).

    Columns or fields: ``id`` (or ``pairID``) and ``prediction`` (or ``gold_label``, as the authors of HANS call it).
    Others are ignored. Nothing in the file is executed or followed.

    Raises:
        BadInput: the file cannot be read or is too large, a column is missing, an id is empty or occurs twice, or a
            line has no prediction; the message names file and line.
        Unavailable: there is no such file.
    """
    shown = files.shown(str(path), 300)
    if not path.exists():
        raise Unavailable(f"{shown}: there is no such file of predictions")
    _check_size(path, shown)
    text = files.read_text(path)
    plain = path.name.removesuffix(".xz").removesuffix(".gz")
    rows = _json_rows(text, shown) if plain.endswith((".jsonl", ".json")) else _csv_rows(text, shown)
    labels: dict[str, str] = {}
    for line, identity, label in rows:
        if not identity:
            raise BadInput(f"{shown}, line {line}: the id is empty")
        if not label:
            raise BadInput(f"{shown}, line {line}: no prediction for id {files.shown(identity)}")
        if identity in labels:
            raise BadInput(f"{shown}, line {line}: id {files.shown(identity)} occurs twice")
        labels[identity] = label
    if not labels:
        raise BadInput(f"{shown}: no predictions, only a header")
    return Predictions(path, labels)


def training_data(text: str) -> tuple[str, ...]:
    """Names of training data, with commas between them.

    Raises:
        BadInput: a name is that of no data that a task trains on or must not share.
    """
    from asa_bench.settings import check_data

    names = tuple(name.strip() for name in text.split(","))
    try:
        check_data(names)
    except ValueError as error:
        raise BadInput(f"--trained-on: {error}") from error
    return names


def in_hans_order(predictions: Predictions) -> bool:
    """Whether a file is in the layout of HANS' authors: one of their ids is enough, since no other rows have such."""
    return any(re.fullmatch(r"ex\d+", identity) for identity in predictions.labels)


def score_hans_order(predictions: Predictions) -> Score:
    """HANS predictions in the authors' layout, scored from the official order without the data set.

    Rows ``ex0`` to ``ex29999`` stand in 30 blocks of 1,000 (`official_blocks`), which tell heuristic and gold label.
    Predictions of three classes count neutral and contradiction as non-entailment, as the authors' script does.

    Raises:
        BadInput: an id is unknown or missing, or a label is none of HANS' or MNLI's.
    """
    shown = files.shown(str(predictions.path), 300)
    found: list[tuple[int, str]] = []
    for identity, label in predictions.labels.items():
        try:
            official_block(identity)
        except BadInput as error:
            raise BadInput(f"{shown}: {error}") from error
        found.append((int(identity[2:]), as_label(HANS, label, "", shown, identity)))
    total = len(official_blocks()) * BLOCK_ROWS
    if len(found) < total:
        missing = next(number for number in range(total) if f"ex{number}" not in predictions.labels)
        raise BadInput(
            f"{shown}: {total - len(found):,} of {total:,} ids are missing, the first is 'ex{missing}'"
        )
    labels = np.array([label for _, label in sorted(found)], dtype=object)
    cells = hans_accuracies({f"ex{number}": label for number, label in found})
    numbers = np.arange(total) // BLOCK_ROWS
    blocks = official_blocks()
    gold = np.array([blocks[number].label for number in numbers], dtype=object)
    heuristics = np.array([blocks[number].heuristic for number in numbers], dtype=object)
    right = (labels == "entailment") == (gold == "entailment")
    parts = {}
    for heuristic, label in cells:
        chosen = (heuristics == heuristic) & (gold == label)
        parts[f"{heuristic}/{label}"] = share(right[chosen], strata=numbers[chosen])
    whole = share(right, strata=numbers)
    return Score(
        task="hans",
        split="evaluation",
        examples=total,
        fingerprint=None,
        metrics={"accuracy": whole.value},
        accuracy=whole,
        slices={"heuristic and label": parts},
        design="Rows of a subcase are a sample, the 30 subcases are fixed; the file tells no templates to cluster by.",
    )


def hans_accuracies(predictions: Mapping[str, str]) -> dict[tuple[str, str], Proportion]:
    """(heuristic, gold label) -> right answers, from the authors' pairIDs to predicted labels, some or all of them.

    Raises:
        BadInput: an id is none of HANS'.
        ValueError: a label is none of HANS' or MNLI's, or there are no predictions.
    """
    blocks = [official_block(identity) for identity in predictions]
    return hans_cells(
        np.array([block.heuristic for block in blocks], dtype=object),
        np.array([block.label for block in blocks], dtype=object),
        np.array(list(predictions.values()), dtype=object),
    )


def score(predictions: Predictions, data: TaskData) -> Score:
    """Predictions of every row of a split, joined by id, with the task's metrics and slices.

    Raises:
        BadInput: an id is unknown or missing, or a label is none of the task's; one line names the first.
    """
    task, frame = data.task, data.frame
    shown = files.shown(str(predictions.path), 300)
    ids = [str(identity) for identity in frame["id"].tolist()]
    known = set(ids)
    unknown = next((identity for identity in predictions.labels if identity not in known), None)
    if unknown is not None:
        raise BadInput(
            f"{shown}: id {files.shown(unknown)} is none of task {task.name!r}, split {data.split!r}; ids are those of "
            f"this data, such as {ids[0]!r}"
        )
    missing = [identity for identity in ids if identity not in predictions.labels]
    if missing:
        raise BadInput(
            f"{shown}: {len(missing):,} of {len(ids):,} ids are missing, the first is {files.shown(missing[0])}"
        )
    gold = np.array(frame["label"].tolist(), dtype=object)
    labels = np.array(
        [as_label(task, predictions.labels[i], str(g), shown, i) for i, g in zip(ids, gold, strict=True)],
        dtype=object,
    )
    scored = scored_rows(task, frame, gold, labels)
    metrics = {name: METRICS[name].compute(scored) for name in task.metrics}
    values = {name: v.value if isinstance(v, Proportion) else v for name, v in metrics.items()}
    together = task.clusters if task.clusters in frame else ""
    clusters = clusters_of(frame[together].astype(str).to_numpy(object)) if together else None
    strata = scored.slices.get("subcase") if clusters is None else None
    intervals = {}
    for name in task.metrics:
        made = METRICS[name].values
        each = None if made is None or (task.unlabelled and name != "failure_rate") else made(scored)
        if each is not None:
            intervals[name] = share(
                each, clusters=clusters, strata=strata, linear=True, lowest=METRICS[name].lowest
            )
    told = (task.name, data.split, len(ids), data.fingerprint, values)
    right = gold == labels
    found: dict[str, dict[str, Share]] = {}
    for name in slices_of(task):
        column = values_of(task, name, frame)
        if column is not None and (parts := kept(task, name, column)):
            found[name] = _by_slice(right, column, parts, clusters, strata)
    design = (
        f"Rows that share {together!r} form a cluster; clusters are a sample."
        if clusters is not None
        else (
            "Rows of a subcase are a sample, the subcases are fixed."
            if strata is not None
            else "Rows are a sample."
        )
    )
    if task.kind not in ("classification", "multiple_choice"):
        return Score(*told, None, {}, design, intervals)
    return Score(*told, share(right, clusters=clusters, strata=strata), found, design, intervals)


def _by_slice(
    right: NDArray[np.bool_],
    column: NDArray[np.object_],
    parts: list[str],
    clusters: NDArray[np.intp] | None,
    strata: NDArray[np.object_] | None,
) -> dict[str, Share]:
    """Accuracy within each of the `parts` that `column` tells."""
    found = {}
    for value in parts:
        chosen = column == value
        found[value] = share(
            right[chosen],
            clusters=None if clusters is None else clusters[chosen],
            strata=None if strata is None or len(set(strata[chosen])) < 2 else strata[chosen],
        )
    return found


def as_label(task: Task, label: str, gold: str, shown: str, identity: str) -> str:
    """A prediction as a label of the task."""
    where = f"{shown}: prediction {files.shown(label)} for id {files.shown(identity)}"
    if task.kind == "regression":
        try:
            number = float(label)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise BadInput(f"{where} is no number")
        return label
    if task.kind == "token_classification":
        tags = label.split(" ")
        strange = next((tag for tag in tags if tag not in task.labels), None)
        if strange is not None:
            raise BadInput(f"{where}: {files.shown(strange)} is no tag of task {task.name!r}")
        if len(tags) != len(gold.split(" ")):
            raise BadInput(f"{where} has {len(tags)} tags, the sentence has {len(gold.split(' '))} words")
        return label
    mapped = task.label_map.get(label, label)
    if mapped not in task.labels:
        accepted = [*task.labels, *task.label_map]
        raise BadInput(f"{where} is no label of task {task.name!r}; labels: {', '.join(accepted)}")
    return mapped


def _csv_rows(text: str, shown: str) -> Iterator[tuple[int, str, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        identity, label = _column(header, ID_COLUMNS, shown), _column(header, PREDICTION_COLUMNS, shown)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise BadInput(
                    f"{shown}, line {reader.line_num}: {len(cells)} columns, the header has {len(header)}"
                )
            yield reader.line_num, cells[identity].strip(), cells[label].strip()
    except csv.Error as error:
        raise BadInput(f"{shown}, line {reader.line_num}: no proper CSV ({error})") from error


def _column(header: list[str], names: tuple[str, ...], shown: str) -> int:
    found = [name for name in names if name in header]
    if len(found) != 1 or header.count(found[0]) != 1:
        state = "no column" if not found else "more than one column"
        raise BadInput(
            f"{shown}, line 1: {state} {' or '.join(map(repr, names))} in the header; it has {files.shown(header, 160)}"
        )
    return header.index(found[0])


def _json_rows(text: str, shown: str) -> Iterator[tuple[int, str, str]]:
    for number, line in files.lines(text):
        where = f"{shown}, line {number}"
        try:
            record = json.loads(line, object_pairs_hook=_once, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise BadInput(
                f"{where}: not JSON ({files.shown(str(error), 120)}); expected one object a line"
            ) from error
        if not isinstance(record, dict):
            raise BadInput(f"{where}: expected a JSON object, got {files.shown(record)}")
        yield number, _field(record, ID_COLUMNS, where), _field(record, PREDICTION_COLUMNS, where)


def _field(record: dict[str, Any], names: tuple[str, ...], where: str) -> str:
    found = [record[name] for name in names if name in record]
    if len(found) != 1 or isinstance(found[0], bool) or not isinstance(found[0], str | int | float):
        raise BadInput(f"{where}: expected one field {' or '.join(map(repr, names))} with a text or number")
    return str(found[0]).strip()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a field occurs twice")
    return record


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _check_size(path: Path, shown: str) -> None:
    """Refuses what would fill the memory, packed or not; other faults are left to the reader."""
    opener: Any = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix)
    try:
        size = path.stat().st_size
        if opener is not None and size <= LIMIT:
            size = 0
            with opener(path) as stream:
                while size <= LIMIT and (chunk := stream.read(1 << 20)):
                    size += len(chunk)
    except (OSError, EOFError, lzma.LZMAError):
        return
    if size > LIMIT:
        raise BadInput(f"{shown}: larger than {LIMIT // 1024**2} MiB, no file of predictions is")
