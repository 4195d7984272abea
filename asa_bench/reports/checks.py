"""What rows of records must hold before they may stand in one table."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput
from asa_bench.tasks.slicing import WORDS

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.tasks.base import Task

EVALUATION_COLUMNS = ("id", "text_hash", "label", "prediction", "logits")


PROBE_COLUMNS = (
    "id",
    "text_hash",
    "label",
    "prediction",
    "importance_gini",
    "attention_gini",
    "shortcut_word",
    "shortcut_fall",
    "shortcut_rank",
    "shortcut_rank_normalized",
)


# Columns that hold text in every row, and those that hold a list of numbers.
TEXTS = {"id", "text_hash", "label", "prediction", "status", "outcome"}


LOGITS = {"logits", "original_logits", "perturbed_logits"}


CALIBRATION_COLUMNS = ("id", "text_hash", "label", "logits")


REPLAY_COLUMNS = ("id", "text_hash", "label", "status", "outcome")


QUALITY_COLUMNS = (
    *("id", "text_hash", "label", "status", "words", "words_changed", "edit_distance"),
    *("similarity", "perplexity_before", "perplexity_after"),
)


ATTACK_COLUMNS = ("id", "text_hash", "label", "status", "queries", "original_logits")


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    name = next((key for key in one if one[key] != other.get(key)), "")
    return f"{name}: {one.get(name)} and {other.get(name)}"


def check_rows(rows: pd.DataFrame, columns: Iterable[str], task: Task, where: str) -> None:
    from pandas.api.types import infer_dtype

    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise BadInput(f"{where}: the record has no column {missing[0]!r}")
    if len(rows) == 0:
        raise BadInput(f"{where}: the record has no rows")
    for column in TEXTS & set(rows.columns):
        if infer_dtype(rows[column], skipna=False) != "string":
            raise BadInput(f"{where}: column {column!r} holds something else than texts")
    for column in LOGITS & set(rows.columns):
        if not _lists_of_numbers(rows[column]):
            raise BadInput(f"{where}: column {column!r} holds something else than lists of numbers")
    if "logits" in rows.columns and task.kind != "token_classification":
        lengths = sorted({len(scores) for scores in rows["logits"]})
        if len(lengths) > 1 or lengths == [0]:
            raise BadInput(
                f"{where}: rows of 'logits' hold different numbers of scores ({lengths[0]} and {lengths[-1]})"
            )
    if WORDS in rows.columns and infer_dtype(rows[WORDS], skipna=False) != "integer":
        raise BadInput(f"{where}: column {WORDS!r} holds something else than whole numbers")
    if rows["id"].duplicated().any():
        twice = rows["id"][rows["id"].duplicated()].iloc[0]
        raise BadInput(f"{where}: example {twice!r} occurs twice")
    check_labels(rows, "label", task, where)


def _lists_of_numbers(column: pd.Series) -> bool:
    """Whether every row is a list of numbers, an empty list or nothing."""
    import pyarrow as pa

    try:
        kind = pa.array(column.tolist()).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    if pa.types.is_null(kind):
        return True
    inner = kind.value_type if pa.types.is_list(kind) else kind
    return pa.types.is_list(kind) and any(
        of(inner) for of in (pa.types.is_floating, pa.types.is_integer, pa.types.is_null)
    )


def check_labels(rows: pd.DataFrame, column: str, task: Task, where: str) -> None:
    """Labels and predictions must be what the task's kind says: names, numbers, or tags of known names."""
    what = "gold label" if column == "label" else column
    values = {str(value) for value in rows[column].unique()}
    if task.kind == "regression":
        unknown = sorted(value for value in values if not _finite(value))
        if unknown:
            raise BadInput(f"{where}: {what} {unknown[0]!r} is no number")
        return
    if task.kind == "token_classification":
        values = {tag for value in values for tag in value.split(" ")}
    known = {*task.labels, *([""] if column == "label" and task.unlabelled else [])}
    unknown = sorted(values - known)
    if unknown:
        raise BadInput(f"{where}: {what} {unknown[0]!r} is no label of the task ({task.labels})")


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def once(seen: set[tuple[object, ...]], key: tuple[object, ...], where: str) -> None:
    if key in seen:
        raise BadInput(f"{where}: recorded twice")
    seen.add(key)


def same_examples(
    known: dict[tuple[str, str], tuple[str, str, str]],
    key: tuple[str, str],
    fingerprint: str,
    rows: pd.DataFrame,
    where: str,
) -> None:
    """Numbers of one column must come from the same examples of the same data."""
    # As arrays of objects: pandas' own strings take microseconds each to walk through.
    ids, hashes = (map(str, rows[name].to_numpy(dtype=object)) for name in ("id", "text_hash"))
    pairs = sorted(zip(ids, hashes, strict=True))
    digest = hashlib.sha256(repr(pairs).encode()).hexdigest()
    before = known.setdefault(key, (fingerprint, digest, where))
    if before[0] != fingerprint:
        raise BadInput(
            f"{where}: other data than the {before[2]} (fingerprints {fingerprint[:12]}, {before[0][:12]})"
        )
    if before[1] != digest:
        raise BadInput(f"{where}: other examples than the {before[2]}; all must face the same ids")
