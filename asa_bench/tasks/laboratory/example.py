"""One generated row, before it becomes a line of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Example:
    """One row.

    Attributes:
        texts: one text, or two in column order.
        label: a label name of the row's task.
        key: what the row is made from, without shortcut and perturbation. Rows with equal keys stay on one
            side of every split.
        slices: the task's slice columns, and other columns that are not texts.
    """

    texts: tuple[str, ...]
    label: str
    key: str
    slices: Mapping[str, str] = field(default_factory=dict)


def sentence(*parts: str) -> str:
    """Join `parts` to a sentence: single spaces, none before a comma, a capital and a full stop."""
    text = " ".join(" ".join(part for part in parts if part).split()).replace(" ,", ",")
    return text[0].upper() + text[1:] + "."
