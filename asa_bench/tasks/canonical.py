"""From rows as files have them to the rows of a frame: canonical texts, labels of every kind, ids."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Task, canonical_text, row_hash
from asa_bench.tasks.files import Row, shown

if TYPE_CHECKING:
    import pandas as pd


_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def word(token: str) -> str:
    """A token as one word of a text whose words are separated by single spaces.

    White space inside a token (a no-break space in "1 000") becomes ``_``, as does a token of nothing else, so
    that the number of words never changes. It cannot be undone, but tags belong to words, not to characters.
    """
    return "_".join(token.split()) or "_"


def right_choice(answer: str, choices: Sequence[str], where: str) -> str:
    """The number of the choice that is the answer, as text.

    Raises:
        BadInput: not exactly one choice equals the answer.
    """
    hits = [at for at, choice in enumerate(choices) if canonical_text(choice) == canonical_text(answer)]
    if len(hits) != 1:
        raise BadInput(f"{where}: {len(hits)} choices equal the answer {shown(answer)}, expected one")
    return str(hits[0])


def number(text: str) -> str | None:
    """A decimal number in canonical form (``3.800`` -> ``3.8``), or None where the text is no finite number.

    Six digits: what a 32-bit number holds, so that a file's ``3.8`` and the hub's ``3.799999952`` are equal.
    """
    if not _DECIMAL.fullmatch(text):
        return None
    value = float(text)
    return f"{value + 0.0:.6g}" if math.isfinite(value) else None


def frame_of(task: Task, rows: Iterable[Row], labels: Mapping[str, str]) -> pd.DataFrame:
    """Rows of any source as a frame of canonical texts and labels, with ids made from both.

    Args:
        rows: with `Row.where` telling file and line.
        labels: label as written -> label name; label names themselves are known too.

    Raises:
        BadInput: a label or a number of tags that the task does not know.
    """
    import pandas as pd

    known = {**labels, **{label: label for label in task.labels}}
    if task.unlabelled:
        known[""] = ""
    seen: Counter[str] = Counter()
    folded: dict[str, str] = {}  # slices have few values and many rows
    records: list[tuple[str, ...]] = []
    for row in rows:
        texts = tuple(canonical_text(text) for text in row.texts)
        label = _label(task, row, texts, known)
        key = row_hash(texts, label)[:16]
        seen[key] += 1
        identity = key if seen[key] == 1 else f"{key}-{seen[key]}"
        written = (row.slices.get(column, "") for column in task.extra_columns)
        extra = (folded.get(value) or folded.setdefault(value, canonical_text(value)) for value in written)
        records.append((identity, *texts, label, *extra))
    frame: pd.DataFrame = pd.DataFrame.from_records(
        records, columns=["id", *task.columns, "label", *task.extra_columns]
    )
    return frame


def _label(task: Task, row: Row, texts: tuple[str, ...], known: Mapping[str, str]) -> str:
    written = row.label.strip()
    if task.kind == "regression":
        return _number(task, row.where, written)
    if task.kind == "token_classification":
        tags = written.split()
        words = texts[0].split(" ") if texts[0] else []
        if len(tags) != len(words):
            raise BadInput(f"{row.where}: {len(words)} words, but {len(tags)} tags")
        return " ".join(_known(row.where, tag, known) for tag in tags)
    return _known(row.where, written, known)


def _known(where: str, written: str, known: Mapping[str, str]) -> str:
    label = known.get(written)
    if label is None:
        raise BadInput(f"{where}: unknown label {shown(written)}; known: {', '.join(filter(None, known))}")
    return label


def _number(task: Task, where: str, written: str) -> str:
    label = number(written)
    low, high = task.label_range or (-math.inf, math.inf)
    if label is None or not low <= float(label) <= high:
        raise BadInput(f"{where}: label {shown(written)} is no number from {low:g} to {high:g}")
    return label
