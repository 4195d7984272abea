"""Tables as LaTeX with booktabs: a body to \\input into a paper, and a file that compiles alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.reports import latex_widths as widths
from asa_bench.reports.grid import Span, panels, row_groups, spans
from asa_bench.reports.tables import (
    DAGGER,
    MINUS,
    PLUS_MINUS,
    SPREAD,
    SPREAD_OF_DIFFERENCES,
    Cell,
    Row,
    Table,
)
from asa_bench.reports.text import provenance_lines, shorten, visible, wrap_head

if TYPE_CHECKING:
    from jinja2 import Environment

#: Points that a table may be wide: the text width of NeurIPS and ICLR, less than two columns of ACL or AAAI.
TEXT_WIDTH = 397.0
# Letters that \\caption, which measures title and caption on one line of at most 16,383 points, can do with; a
# letter without a glyph becomes eight.
_TITLE, _CAPTION, _NOTE = 150, 1500, 800
_COMMENT = 2000  # letters of a line of a comment: TeX reads a line at a time, into a buffer
_LINES_PER_PAGE = 68
_HEAD_LINES = 8
_MOST_TOLD = 44  # lines of caption and notes, as estimated: below, they leave room for a part of the table
_MOST_NOTES = 60  # lines of notes that a page of their own holds

# Instead of `SPREAD` and `SPREAD_OF_DIFFERENCES`: a plus-minus sign in every cell would cost a column of the table.
_SPREAD = "Mean, with the sample standard deviation as subscript, over"
_SPREAD_OF_DIFFERENCES = "; the subscript is the standard deviation of these differences."

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''{}",
    "`": r"\textasciigrave{}",
    "'": "'{}",
    # At the start of a row these would be arguments of the row end before it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    MINUS: "$-$",
    DAGGER: r"$\dagger$",
    PLUS_MINUS: r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "\N{GREEK CAPITAL LETTER DELTA}": r"$\Delta$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{HORIZONTAL ELLIPSIS}": r"\dots{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
}
# Letters of Latin-1 that every font encoding of LaTeX has.
_LETTERS = set("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ")


class Latex(str):
    """Text that is LaTeX already; everything else is escaped when the template sets it."""

    __slots__ = ()


def escape(text: str) -> Latex:
    """Any text as LaTeX that prints it: no command is carried out, no ligature is formed, no line is broken.

    Characters that pdflatex has no glyph for are printed as their code point, e.g. [U+4E2D].
    """
    pieces = [_SPECIAL.get(character, character) for character in printable(text)]
    # "--" would become a dash, "?`" an inverted question mark.
    return Latex(re.sub(r"-(?=-)", "-{}", "".join(pieces)))


def printable(text: str) -> str:
    """`visible` text in which characters without a glyph are spelled as their code point, not yet escaped."""
    shown = visible(text)
    if shown.isascii():
        return shown
    return "".join(
        character
        if character.isascii() or character in _SPECIAL or character in _LETTERS
        else f"[U+{ord(character):04X}]"
        for character in shown
    )


def prose(text: str) -> Latex:
    """`escape`, with words too long for a line made breakable."""
    words = [
        r"\allowbreak{}".join(escape(word[at : at + 16]) for at in range(0, len(word), 16))
        if len(word) > 24
        else escape(word)
        for word in printable(text).split(" ")
    ]
    return Latex(" ".join(words))


def body(table: Table, width: float = TEXT_WIDTH) -> str:
    """One or more table floats with the label ``tab:asa-bench-NAME``, to be \\input where booktabs and xcolor are loaded.

    Args:
        width: points that a line has; wider tables are cut into panels below each other.
    """
    table = _with_room(_printable(table), width)
    template = _environment().get_template("table.tex.j2")
    text = template.render(
        table={"name": table.name, "title": prose(table.title), "caption": prose(table.caption)},
        provenance=[
            Latex(line[at : at + _COMMENT])
            for line in provenance_lines(table.provenance)
            for at in range(0, len(line), _COMMENT)
        ],
        floats=_floats(table, width),
        notes=[prose(note) for note in (*table.notes, *table.legend)],
    )
    return text.rstrip("\n") + "\n"


def _printable(table: Table) -> Table:
    """The table with every text `printable`, and with spreads told as they are printed: lowered, without a sign."""

    def told(text: str, most: int) -> str:
        text = text.replace(SPREAD, _SPREAD).replace(SPREAD_OF_DIFFERENCES, _SPREAD_OF_DIFFERENCES)
        return shorten(printable(text), most)

    return replace(
        table,
        title=told(table.title, _TITLE),
        caption=told(table.caption, _CAPTION),
        notes=tuple(told(note, _NOTE) for note in table.notes),
        legend=tuple(told(note, _NOTE) for note in table.legend),
        stub=printable(table.stub),
        columns=tuple(
            replace(
                column,
                head=printable(column.head),
                group=printable(column.group),
                subgroup=printable(column.subgroup),
            )
            for column in table.columns
        ),
        rows=tuple(
            replace(
                row,
                label=widths.fitted(printable(row.label), widths.STUB),
                group=printable(row.group),
                cells=tuple(replace(cell, tail=cell.tail.removeprefix(PLUS_MINUS)) for cell in row.cells),
            )
            for row in table.rows
        ),
    )


def standalone(made: str) -> str:
    """A document with a table alone, of which `body` made the text."""
    # Without a label, which a document that is compiled once would warn of.
    alone = Latex(re.sub(r"^\\label\{.*\n", "", made, count=1, flags=re.MULTILINE).rstrip("\n"))
    return _environment().get_template("standalone.tex.j2").render(body=alone) + "\n"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<<",
        variable_end_string=">>>",
        comment_start_string="<#",
        comment_end_string="#>",
        autoescape=False,  # noqa: S701 - HTML escapes would be wrong here; `finalize` escapes for LaTeX
        finalize=lambda value: value if isinstance(value, Latex) else escape(str(value)),
        undefined=StrictUndefined,
        keep_trailing_newline=False,
    )


def _floats(table: Table, width: float) -> list[list[dict[str, Any]]]:
    """Panels, packed into floats that fit on a page; the last has none where the notes need a page of their own."""
    labels = widths.stub(table)
    columns = [widths.column(table, at) for at in range(len(table.columns))]
    caption, notes = _told_lines(table, width)
    apart = caption + notes > _MOST_TOLD
    most = max(8, _LINES_PER_PAGE - caption - (0 if apart else notes) - _HEAD_LINES)
    floats: list[list[dict[str, Any]]] = [[]]
    used = caption
    sizes: list[int] = []
    for panel in panels(table, lambda part: widths.line(table, part, columns, labels) <= width):
        for part in _pages(panel, most):
            made = _panel(part, width)
            sizes.append(
                3 + len(part.rows) + 2 * len(made["levels"]) + len(made["heads"]) + len(made["groups"])
            )
            if floats[-1] and used + sizes[-1] > _LINES_PER_PAGE:
                floats.append([])
                used = 2  # the line of the caption that says "continued"
            floats[-1].append(made)
            used += sizes[-1]
    # The notes stand below the last panel; where they find no room there, it moves on with them.
    if used + notes > _LINES_PER_PAGE:
        room = len(floats[-1]) > 1 and 2 + sizes[-1] + notes <= _LINES_PER_PAGE
        floats.append([floats[-1].pop()] if room else [])
    return floats


def _told_lines(table: Table, width: float) -> tuple[int, int]:
    """Lines that the caption and the notes need, estimated."""

    def lines(size: float, *told: str) -> int:
        return sum(1 + int(size * widths.points(text) / width) for text in told)

    # Captions are ten points high, notes seven and ragged, widths are those of eight; long words leave gaps.
    return lines(1.4, table.title + table.caption), lines(1.15, *table.notes, *table.legend)


def _with_room(table: Table, width: float) -> Table:
    """The table with its longest notes cut, where the caption would fill a page, or the notes one of their own.

    That happens where names from outside are full of characters without a glyph, each of which is spelled out.
    """
    for letters in (400, 250, 150, 100):
        caption, notes_lines = _told_lines(table, width)
        if caption <= _MOST_TOLD and notes_lines <= _MOST_NOTES:
            break
        notes, legend = (
            tuple(shorten(printable(note), letters) for note in told) for told in (table.notes, table.legend)
        )
        table = replace(table, notes=notes, legend=legend)
    return table


def _pages(panel: Table, most: int) -> list[Table]:
    """A panel in parts of at most `most` lines, group headings included, cut between rows."""
    parts: list[list[Row]] = [[]]
    used = 0
    for row in panel.rows:
        new_group = not parts[-1] or parts[-1][-1].group != row.group
        used += 1 + (1 if new_group and row.group else 0)
        if used > most and parts[-1]:
            parts.append([])
            used = 1 + bool(row.group)
        parts[-1].append(row)
    return [replace(panel, rows=tuple(rows)) for rows in parts]


def _panel(table: Table, width: float) -> dict[str, Any]:
    heads = [_head(column.head, column.n_examples) for column in table.columns]
    depth = max(len(head) for head in heads)
    lines = []
    for level in range(depth):
        at = [level - (depth - len(head)) for head in heads]
        cells = [head[i] if i >= 0 else Latex("") for head, i in zip(heads, at, strict=True)]
        lines.append({"stub": table.stub if level == depth - 1 else "", "cells": cells})
    columns = [_Room.of([row.cells[at] for row in table.rows]) for at in range(len(table.columns))]
    points = [widths.column(table, at) for at in range(len(columns))]
    # Centred, the panel may have headings that reach beyond its right end, but not beyond the line's.
    room = (width + widths.line(table, range(len(columns)), points, widths.stub(table))) / 2 / widths.BOLD
    groups = []
    for heading, rows in row_groups(table.rows):
        made = []
        for row in rows:
            label = escape(row.label)
            if row.kind in ("difference", "detectable"):
                label = Latex(rf"\quad\textit{{{label}}}")
            cells = [_cell(cell, columns[at]) for at, cell in enumerate(row.cells)]
            if row.kind == "published":
                label, *cells = (
                    Latex(rf"\textcolor{{gray}}{{{part}}}") if part else part for part in (label, *cells)
                )
            made.append({"label": label, "cells": cells})
        groups.append({"heading": widths.fitted(heading, room), "rows": made})
    levels = [[_fitted(span, points) for span in level] for level in spans(table.columns)]
    return {"width": len(table.columns), "levels": levels, "heads": lines, "groups": groups}


def _fitted(span: Span, columns: Sequence[float]) -> Mapping[str, Any]:
    room = max(widths.SPAN, sum(columns[span.start : span.start + span.width]))
    return {"text": widths.fitted(span.text, room), "start": span.start, "width": span.width}


def _head(text: str, n_examples: int | None) -> list[Latex]:
    lines = [escape(line) for line in wrap_head(text, widths.HEAD)]
    if n_examples is not None:
        lines.append(Latex(rf"{{\scriptsize $n{{=}}{_count(n_examples)}$}}"))
    return lines


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "{,}")


def _decimals(cell: Cell) -> int:
    """The decimal point and the digits after it."""
    return len(cell.number) - len(cell.number.split(".")[0])


def _lowered(tail: str) -> str:
    """A spread or an interval, for mathematics: '\\pm 1.2' or '[80.1, 83.4]', commas within numbers without a space."""
    text = re.sub(r",(?=\d)", "{,}", tail.replace(MINUS, "-"))
    return text.replace(", ", r",\,").replace(PLUS_MINUS, r"\pm ")


@dataclass(frozen=True)
class _Room:
    """What the numbers of a column need at most: digits before the point, letters from the point on, points of what is lowered.

    Attributes:
        apart: whether signs have room of their own.
    """

    digits: int
    decimals: int
    script: float
    apart: bool

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> _Room:
        values = [cell for cell in cells if cell.state == "value"]
        return cls(
            max(map(widths.whole, values), default=0),
            max(map(_decimals, values), default=0),
            max(map(widths.script, values), default=0.0),
            widths.sign_apart(values),
        )


def _cell(cell: Cell, room: _Room) -> Latex:
    """A number with its spread lowered and its number of seeds raised, padded so that points stand in line."""
    if cell.state == "blank":
        return Latex("")
    if cell.state != "value":
        return Latex("--") if cell.state == "hole" else escape(cell.text)
    if cell.number.isalpha():  # "none" is a word and no product of variables
        return escape(cell.number)
    digits = room.digits - widths.whole(cell)
    lowered = widths.zeros(room.script - widths.script(cell))
    decimals = room.decimals - _decimals(cell)
    number = cell.number.replace(",", "{,}")
    sign = ""
    if widths.signed(cell):
        shown, number = "+" if number[0] == "+" else "-", number[1:]
        sign = f"${shown}$" if room.apart else rf"\llap{{${shown}$}}"
    elif room.apart:
        sign = r"\hphantom{$-$}"
    if cell.tail:
        number += f"_{{{_lowered(cell.tail)}}}"
    if cell.best:
        number = re.sub(r"^[0-9.{},]+", lambda found: rf"\mathbf{{{found.group()}}}", number)
    raised = (f"({cell.n_seeds})" if cell.few else "") + (r"\dagger" if cell.conclusive else "")
    if raised:
        number += f"^{{{raised}}}"
    before = rf"\hphantom{{{'0' * digits}}}" if digits else ""
    after = rf"\hphantom{{.{'0' * (decimals - 1)}}}" if decimals else ""
    after += rf"\hphantom{{$_{{{'0' * lowered}}}$}}" if lowered else ""
    return Latex(f"{before}{sign}${number}${after}")
