"""Tables as LaTeX with booktabs: a body to \\input into a paper, and a file that compiles alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.reports.grid import Span, panels, row_groups, spans
from asa_bench.reports.tables import DAGGER, MINUS, PLUS_MINUS, Cell, Row, Table
from asa_bench.reports.text import provenance_lines, shorten, visible, wrap_head

if TYPE_CHECKING:
    from jinja2 import Environment

#: Points that a table may be wide: the text width of NeurIPS and ICLR, less than two columns of ACL or AAAI.
TEXT_WIDTH = 397.0
# Widths in points at \footnotesize, a little on the wide side: a digit, a lowered digit, between columns.
_DIGIT, _SCRIPT, _SEPARATION = 4.3, 3.7, 8.0
_SIGN = 7.0
_NARROW, _WIDE = set("fijlrt.,:;'|!()[]- "), set("mwMW@%&+=")
_STUB, _HEADING, _HEAD = 190.0, 300.0, 12  # points, points, letters
# Letters that \\caption, which measures title and caption on one line of at most 16,383 points, can do with; a
# letter without a glyph becomes eight.
_TITLE, _CAPTION, _NOTE = 150, 1500, 800
_COMMENT = 2000  # letters of a line of a comment: TeX reads a line at a time, into a buffer
_LINES_PER_PAGE = 68
_HEAD_LINES = 8
_MOST_TOLD = 44  # lines of caption and notes, as estimated: below, they leave room for a part of the table
_MOST_NOTES = 60  # lines of notes that a page of their own holds

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


def body(table: Table, width: float = TEXT_WIDTH, label: bool = True) -> str:
    """One or more table floats, to be \\input where booktabs and xcolor are loaded.

    Args:
        width: points that a line has; wider tables are cut into panels below each other.
        label: give the float a label, ``tab:asa-bench-NAME``.
    """
    table = replace(
        table,
        title=shorten(printable(table.title), _TITLE),
        caption=shorten(printable(table.caption), _CAPTION),
        notes=tuple(shorten(printable(note), _NOTE) for note in table.notes),
        legend=tuple(shorten(printable(note), _NOTE) for note in table.legend),
    )
    table = _with_room(table, width)
    template = _environment().get_template("table.tex.j2")
    text = template.render(
        table={"name": table.name, "title": prose(table.title), "caption": prose(table.caption)},
        provenance=[
            Latex(line[at : at + _COMMENT])
            for line in provenance_lines(table.provenance)
            for at in range(0, len(line), _COMMENT)
        ],
        floats=_floats(table, width),
        label=label,
        notes=[prose(note) for note in (*table.notes, *table.legend)],
    )
    return text.rstrip("\n") + "\n"


def standalone(table: Table) -> str:
    """A document with the table alone."""
    # Without a label, which a document that is compiled once would warn of.
    alone = Latex(body(table, label=False).rstrip("\n"))
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
    stub = max(
        _points(table.stub),
        *(_points(_fit(row.label, _STUB)) + _indent(row) for row in table.rows),
    )
    widths = [_width(table, at) + _SEPARATION for at in range(len(table.columns))]
    caption, notes = _told_lines(table, width)
    apart = caption + notes > _MOST_TOLD
    most = max(8, _LINES_PER_PAGE - caption - (0 if apart else notes) - _HEAD_LINES)
    floats: list[list[dict[str, Any]]] = [[]]
    used = caption
    sizes: list[int] = []
    for panel in panels(table, widths, stub + _SEPARATION, width):
        for part in _pages(panel, most):
            made = _panel(part)
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
    caption, notes = (
        sum(1 + int(1.6 * _points(printable(text)) / width) for text in told)
        for told in ((table.title + table.caption,), (*table.notes, *table.legend))
    )
    return caption, notes


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


def _panel(table: Table) -> dict[str, Any]:
    heads = [_head(column.head, column.n_examples) for column in table.columns]
    depth = max(len(head) for head in heads)
    lines = []
    for level in range(depth):
        at = [level - (depth - len(head)) for head in heads]
        cells = [head[i] if i >= 0 else Latex("") for head, i in zip(heads, at, strict=True)]
        lines.append({"stub": table.stub if level == depth - 1 else "", "cells": cells})
    columns = [[row.cells[at] for row in table.rows] for at in range(len(table.columns))]
    groups = []
    for heading, rows in row_groups(table.rows):
        made = []
        for row in rows:
            label = escape(_fit(row.label, _STUB))
            if row.kind in ("difference", "detectable"):
                label = Latex(rf"\quad\textit{{{label}}}")
            cells = [_cell(cell, columns[at]) for at, cell in enumerate(row.cells)]
            if row.kind == "published":
                label, *cells = (
                    Latex(rf"\textcolor{{gray}}{{{part}}}") if part else part for part in (label, *cells)
                )
            made.append({"label": label, "cells": cells})
        groups.append({"heading": _fit(heading, _HEADING), "rows": made})
    room = [_width(table, at) + _SEPARATION for at in range(len(table.columns))]
    levels = [[_fitted(span, room) for span in level] for level in spans(table.columns)]
    return {"width": len(table.columns), "levels": levels, "heads": lines, "groups": groups}


def _fitted(span: Span, room: Sequence[float]) -> Mapping[str, Any]:
    text = _fit(span.text, max(60.0, sum(room[span.start : span.start + span.width])))
    return {"text": text, "start": span.start, "width": span.width}


def _head(text: str, n_examples: int | None) -> list[Latex]:
    lines = [escape(line) for line in wrap_head(printable(text), _HEAD)]
    if n_examples is not None:
        lines.append(Latex(rf"{{\scriptsize $n{{=}}{_count(n_examples)}$}}"))
    return lines


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "{,}")


def _script(cell: Cell) -> int:
    """Characters of the lowered spread or the raised number of seeds, whichever is wider."""
    return max(len(cell.tail), len(cell.mark))


def _whole(cell: Cell) -> int:
    """Digits before the decimal point, without sign."""
    return len(re.sub(r"[^0-9]", "", cell.number.split(".")[0]))


def _lowered(tail: str) -> str:
    """A spread or an interval, for mathematics: '\\pm 1.2' or '[80.1, 83.4]', commas within numbers without a space."""
    text = re.sub(r",(?=\d)", "{,}", tail.replace(MINUS, "-"))
    return text.replace(", ", r",\,").replace(PLUS_MINUS, r"\pm ")


def _width(table: Table, at: int) -> float:
    """Points that a column needs, estimated."""
    cells = [row.cells[at] for row in table.rows]
    values = [cell for cell in cells if cell.state == "value"]
    number = max((len(cell.number.lstrip("+" + MINUS)) for cell in values), default=0)
    script = max((_script(cell) for cell in values), default=0)
    head = max(_points(line) for line in wrap_head(printable(table.columns[at].head), _HEAD))
    size = len(f"n={table.columns[at].n_examples or 0:,}") * _DIGIT
    sign = _SIGN if values and _all_signed(values) else 0.0
    return max(number * _DIGIT + script * _SCRIPT + sign, head, size)


def _fit(text: str, points: float) -> str:
    """`text`, printable, and cut in the middle where it needs more than `points`."""
    shown = printable(text)
    letters = min(len(shown), int(points / _points("i")))
    while _points(shorten(shown, letters)) > points:
        letters -= 1
    return shorten(shown, letters)


def _points(text: str) -> float:
    """Points that a text needs at \\footnotesize, estimated."""
    points = 0.0
    for letter in text:
        if letter in _NARROW:
            points += 3.4
        elif letter in _WIDE:
            points += 8.6
        else:
            points += 6.2 if letter.isupper() or not letter.isascii() else 4.6
    return points


def _indent(row: Row) -> float:
    return 10.0 if row.kind in ("difference", "detectable") else 0.0


def _all_signed(values: Sequence[Cell]) -> bool:
    return all(value.number[0] in ("+", MINUS) for value in values)


def _cell(cell: Cell, column: Sequence[Cell]) -> Latex:
    """A number with its spread lowered and its number of seeds raised, padded so that points stand in line."""
    if cell.state == "blank":
        return Latex("")
    if cell.state != "value":
        return Latex("--") if cell.state == "hole" else escape(cell.text)
    values = [other for other in column if other.state == "value"]
    digits = max(_whole(other) for other in values) - _whole(cell)
    script = max(_script(other) for other in values) - _script(cell)
    number = cell.number.replace(",", "{,}")
    sign = ""
    if number[0] in ("+", MINUS):
        shown, number = "+" if number[0] == "+" else "-", number[1:]
        # Where only some have one, the sign hangs out to the left, so that it does not push the digits out of line.
        sign = f"${shown}$" if _all_signed(values) else rf"\llap{{${shown}$}}"
    if cell.tail:
        number += f"_{{{_lowered(cell.tail)}}}"
    if cell.best:
        number = re.sub(r"^[0-9.{},]+", lambda found: rf"\mathbf{{{found.group()}}}", number)
    raised = (f"({cell.n_seeds})" if cell.few else "") + (r"\dagger" if cell.conclusive else "")
    if raised:
        number += f"^{{{raised}}}"
    before = rf"\hphantom{{{'0' * digits}}}" if digits else ""
    after = rf"\hphantom{{$_{{{'0' * script}}}$}}" if script else ""
    return Latex(f"{before}{sign}${number}${after}")
