"""How wide things are in LaTeX, estimated before it runs: letters of Computer Modern at \\footnotesize of a ten-point paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from asa_bench.reports.grid import spans
from asa_bench.reports.tables import MINUS, Cell, Row, Table
from asa_bench.reports.text import shorten, wrap_head

#: Points between two columns, as the template sets \\tabcolsep.
SEPARATION = 5.4
#: Letters of a line of a column's head.
HEAD = 12
#: Points that a row label, and a spanning head, may have.
STUB, SPAN = 190.0, 190.0
#: How much wider bold letters are.
BOLD = 1.16
_INDENT = 8.5  # \\quad
# Points: a digit, a lowered digit, signs before numbers, what is lowered; from cmr8.tfm, cmr6.tfm and cmsy6.tfm.
_DIGIT, _SCRIPT, _SIGN = 4.25, 3.67, 6.62
_SCRIPTS = {
    ".": 2.3,
    ",": 2.3,
    " ": 1.4,
    "[": 2.2,
    "]": 2.2,
    "(": 2.9,
    ")": 2.9,
    MINUS: 5.8,
    "+": 5.8,
    "±": 5.8,
}
_LETTERS = {
    letter: points
    for points, letters in (
        (2.4, "!',.:;[]il|\N{MIDDLE DOT}"),
        (2.85, " fj-"),
        (3.1, "_"),
        (3.3, "Irt()"),
        (3.8, "scez\N{DAGGER}"),
        (4.25, '$*/0123456789\\^ago{}~?`"\N{EN DASH}'),
        (4.5, "kqvxyJ"),
        (4.75, "bdhnpuS"),
        (5.3, "ZL"),
        (5.8, "FEP"),
        (6.25, "BCTwR"),
        (6.5, "AHNUVXYD"),
        (6.7, "KGOQ&+=@<>±\N{MINUS SIGN}\N{MULTIPLICATION SIGN}"),
        (7.1, "#%m"),
        (8.8, "MW\N{EM DASH}\N{RIGHTWARDS ARROW}"),
        (11.5, "\N{HORIZONTAL ELLIPSIS}"),
    )
    for letter in letters
}
_OTHER = 7.0
_AFTER = 0.5  # \\scriptspace, which TeX puts behind what is lowered


def points(text: str) -> float:
    """Points of a text that `printable` made."""
    return sum(_LETTERS.get(letter, _OTHER) for letter in text)


def script(cell: Cell) -> float:
    """Points of the lowered spread or the raised number of seeds, whichever is wider."""
    return max(_lowered(cell.tail), _lowered(cell.mark))


def zeros(room: float) -> int:
    """How many lowered zeros are as wide, and no wider."""
    return max(0, int((room - _AFTER) / _SCRIPT + 0.1))


def _lowered(text: str) -> float:
    return sum(_SCRIPTS.get(letter, _SCRIPT) for letter in text)


def whole(cell: Cell) -> int:
    """Digits before the decimal point, without sign."""
    return len(re.sub(r"[^0-9]", "", cell.number.split(".")[0]))


def signed(cell: Cell) -> bool:
    """Whether the number has a sign."""
    return cell.number[0] in ("+", MINUS)


def sign_apart(values: Sequence[Cell]) -> bool:
    """Whether signs need room of their own: not where they find it before numbers with two digits less than the longest."""
    most = max(map(whole, values), default=0)
    return any(signed(cell) and whole(cell) > most - 2 for cell in values)


def column(table: Table, at: int) -> float:
    """Points of a column, its separation included. Heads are to be printable already."""
    values = [row.cells[at] for row in table.rows if row.cells[at].state == "value"]
    number = max((_number(cell) for cell in values), default=0.0)
    lowered = max(map(script, values), default=0.0)
    lowered += _AFTER if lowered else 0.0
    apart = _SIGN if sign_apart(values) else 0.0
    others = max(
        (points(row.cells[at].text) for row in table.rows if row.cells[at].state != "value"), default=0.0
    )
    head = max(points(line) for line in wrap_head(table.columns[at].head, HEAD))
    size = points(f"n={table.columns[at].n_examples or 0:,}")
    return max(number + lowered + apart, others, head, size) + SEPARATION


def _number(cell: Cell) -> float:
    found = sum(2.4 if letter in ".," else _DIGIT for letter in cell.number.lstrip("+" + MINUS))
    return found * BOLD if cell.best else found


def stub(table: Table) -> float:
    """Points of the row labels with their separation. Labels are to be printable already."""
    return SEPARATION + max(
        [points(table.stub), *(min(points(row.label), STUB) + indent(row) for row in table.rows)]
    )


def indent(row: Row) -> float:
    """Points that a row's label is set in by."""
    return _INDENT if row.kind in ("difference", "detectable") else 0.0


def line(table: Table, part: Sequence[int], columns: Sequence[float], labels: float) -> float:
    """Points of a panel of the columns `part`, spanning heads that are wider than their columns included."""
    wanted = 0.0
    for level in spans([table.columns[at] for at in part]):
        room = 0.0
        for span in level:
            below = sum(columns[at] for at in part[span.start : span.start + span.width])
            room += max(below, min(points(span.text), SPAN) + SEPARATION)
        wanted = max(wanted, room)
    # No separation stands before the first and after the last column.
    return labels + max(wanted, sum(columns[at] for at in part)) - SEPARATION


def fitted(text: str, room: float) -> str:
    """`text`, printable already, cut in the middle where it needs more than `room` points."""
    letters = min(len(text), int(room / points("i")))
    while points(shorten(text, letters)) > room:
        letters -= 1
    return shorten(text, letters)
