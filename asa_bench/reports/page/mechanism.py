"""What the page shows of a look into models: attention as squares, the mask as crosses, and bars for words."""

from __future__ import annotations

from dataclasses import dataclass

from asa_bench.reports.explanation import Explanation, View
from asa_bench.reports.tables import format_number
from asa_bench.reports.text import shorten

UNIT = 14  # the side of a square, in the picture's own units
_FAINTEST = 0.01  # weights below this part of the strongest are not drawn
_TOKEN = 14
_LABEL_ROOM = 92


@dataclass(frozen=True)
class Word:
    """A word, by how many points the probability falls without it, and the ends of its bar in [0, 100]."""

    text: str
    number: str
    start: float
    width: float
    speaks_for: bool


@dataclass(frozen=True)
class Side:
    """One model's part.

    Attributes:
        squares: (x, y, opacity) of every weight that can be seen.
        crosses: (x, y) of every weight that the adversary takes away.
        missing: why there is no attention, or no mask.
    """

    model: str
    said: str
    label: str
    tokens: tuple[str, ...]
    squares: tuple[tuple[int, int, float], ...]
    crosses: tuple[tuple[int, int], ...]
    kept: str
    missing: tuple[str, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Look:
    """One text in the eyes of several models; `room` is what labels need beside and above the squares."""

    address: str
    example: str
    about: str
    texts: tuple[str, ...]
    layer: int
    sides: tuple[Side, ...]
    unit: int = UNIT
    room: int = _LABEL_ROOM


def looks(found: tuple[Explanation, ...]) -> list[Look]:
    """In an order that records alone decide, an example before its attack first; one scale for all models of a text."""

    def place(one: Explanation) -> tuple[str, int, bool, str, str]:
        return one.example, one.layer, not one.about.startswith("before"), one.about, one.address

    return [_look(one) for one in sorted(found, key=place)]


def _look(found: Explanation) -> Look:
    most = max((max(map(max, view.attention)) for view in found.views if view.attention), default=1.0)
    reach = max((abs(value) for view in found.views for value in view.importances), default=0.0) or 1.0
    sides = tuple(_side(view, most, reach) for view in found.views)
    return Look(found.address, found.example, found.about, found.texts, found.layer, sides)


def _side(view: View, most: float, reach: float) -> Side:
    squares = tuple(
        (UNIT * key, UNIT * query, round(weight / most, 3))
        for query, row in enumerate(view.attention or ())
        for key, weight in enumerate(row)
        if weight > _FAINTEST * most
    )
    crosses = tuple(
        (UNIT * key, UNIT * query)
        for query, row in enumerate(view.mask or ())
        for key, unit in enumerate(row)
        if not unit
    )
    words = []
    for text, value in zip(view.words, view.importances, strict=True):
        end = round(50 + 50 * value / reach, 2)
        words.append(
            Word(shorten(text, 40), format_number(value, "points"), min(50.0, end), abs(end - 50), value >= 0)
        )
    reasons = (("No attention", view.attention_missing), ("No mask", view.mask_missing))
    return Side(
        model=view.model,
        said=f"{view.prediction} ({100 * view.probabilities[view.prediction]:.1f} %)",
        label=view.label,
        tokens=tuple(shorten(token, _TOKEN) for token in view.tokens),
        squares=squares,
        crosses=crosses,
        kept="" if view.kept is None else f"The adversary keeps {100 * view.kept:.0f} % of the attention.",
        missing=tuple(f"{what}: {reason}." for what, reason in reasons if reason),
        words=tuple(words),
    )
