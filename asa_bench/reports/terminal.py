"""Tables in a terminal: within its width, in panels where they are wider, and safe whatever names contain."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from asa_bench.reports.gather import Gathered
from asa_bench.reports.grid import panels, row_groups, spans
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.look import Look
from asa_bench.reports.tables import Cell, Column, Table
from asa_bench.reports.text import shorten, visible, wrap_head
from asa_bench.reports.verdicts import headlines

if TYPE_CHECKING:
    from asa_bench.reports.inputs import ReportInput

_GAP = 2
_NARROWEST = 40
_STUB, _WIDE_STUB = 26, 40
_HEAD = 12
_PLAIN = str.maketrans(
    {
        "±": "+/-",
        "−": "-",
        "⁽": "(",
        "⁾": ")",
        "─": "-",
        "━": "=",
        "…": "..",
        "†": "*",
        **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)),
    }
)


def render(
    source: ReportInput,
    width: int = 80,
    names: tuple[str, ...] | None = None,
    plain: bool | None = None,
    look: Look | None = None,
) -> str:
    """The tables that a run ends with, as text without colours.

    Args:
        width: columns of the terminal; no line is longer, unless it is below 40.
        names: layouts to show, of those that the records make; by default the main one, or the one of pre-training
            where that was compared, and reliance.
        plain: ASCII only; by default where standard output can show no more.
        look: another form of the same numbers.
    """
    data = Gathered(source)
    tables = build_tables(data, names or ("pretraining" if source.pretraining else "main", "reliance"))
    look = look or Look()
    tables = [look.page(table) for table in look.numbers(tables)]
    if plain is None:
        plain = not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    if not tables:
        missing = (
            f"{len(source.holes)} cells are missing, the first because: "
            if source.holes
            else "nothing is recorded"
        )
        text = f"No table: {missing}{visible(source.holes[0].error) if source.holes else ''}\n"
        return _ascii(text) if plain else text
    # What is noted about several tables is said once, below the last; the legend would push the numbers off the
    # screen, so it stands in the files alone.
    notes = dict.fromkeys(note for table in tables for note in table.notes)
    last = (*notes, "What each data set and attack is: report.md, or asa-bench show NAME.")
    shown = [replace(table, notes=(), legend=()) for table in tables]
    shown[-1] = replace(shown[-1], notes=last)
    made = [render_text(table, width, plain) for table in shown]
    who = [] if names else headlines(data)
    told = "".join(f"{part}\n" for line in who for part in wrapped(line, max(width, _NARROWEST), "  "))
    return "\n".join([*made, *([_ascii(told) if plain else told] if told else [])])


def render_text(table: Table, width: int = 80, plain: bool = False) -> str:
    """One table as text without colours."""
    return "\n".join(line.plain.rstrip() for line in lines_of(table, width, plain=plain)) + "\n"


def lines_of(table: Table, width: int = 80, plain: bool = False) -> list[Text]:
    """The lines of a table, styled.

    Args:
        width: columns of the terminal; at least 40 are used.
        plain: ASCII only, for terminals that can show no more.
    """
    width = max(width, _NARROWEST)
    lines = [Text(line, "bold") for line in wrapped(table.title, width)]
    lines += [Text(line) for line in wrapped(table.caption, width)]
    for panel in _fitting(table, width):
        lines += [Text(), *_panel(panel, width)]
    notes = (*table.notes, *table.legend)
    lines += [Text()] if notes else []
    for note in notes:
        lines += [Text(line, "dim") for line in wrapped(note, width, "  ")]
    if plain:
        lines = [Text(_ascii(line.plain), line.style) for line in lines]
    return lines


def _fitting(table: Table, width: int) -> list[Table]:
    widths = [_width(table, at) + _GAP for at in range(len(table.columns))]
    stub = _stub(table)
    return panels(table, lambda part: stub + sum(widths[at] for at in part) <= width)


def _stub(table: Table) -> int:
    """Width of the row labels."""
    return max([cell_len(shorten(row.label, _most(table))) for row in table.rows] + [len(table.stub)]) + 1


def _most(table: Table) -> int:
    """Letters of a row label; where columns stand as rows, a head is told whole."""
    return _STUB if table.stub else _WIDE_STUB


def _ascii(text: str) -> str:
    return text.translate(_PLAIN).encode("ascii", "backslashreplace").decode()


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Visible lines of at most `width` terminal cells."""
    found = textwrap.wrap(visible(text), width, subsequent_indent=indent) or [""]
    if all(cell_len(line) <= width for line in found):
        return found
    # Wide characters take two cells each.
    return textwrap.wrap(visible(text), width // 2, subsequent_indent=indent)


def _head(column: Column) -> list[str]:
    lines = wrap_head(column.head, _HEAD)
    return [*lines, f"n={column.n_examples:,}"] if column.n_examples is not None else lines


def _parts(cells: Sequence[Cell]) -> tuple[int, int]:
    """Widths of the number and of what follows it."""
    values = [cell for cell in cells if cell.state == "value"]
    number = max((cell_len(cell.number) for cell in values), default=0)
    after = max((cell_len(cell.text) - cell_len(cell.number) for cell in values), default=0)
    return number, after


def _width(table: Table, at: int) -> int:
    cells = [row.cells[at] for row in table.rows]
    others = max((cell_len(cell.text) for cell in cells if cell.state != "value"), default=0)
    return max(sum(_parts(cells)), others, *(cell_len(line) for line in _head(table.columns[at])))


def _panel(table: Table, most: int) -> list[Text]:
    stub = _stub(table)
    widths = [_width(table, at) for at in range(len(table.columns))]
    total = stub + sum(width + _GAP for width in widths)
    for span in (
        span for level in spans(table.columns) for span in level
    ):  # heads that are wider than their columns
        room = sum(widths[span.start : span.start + span.width]) + _GAP * (span.width - 1)
        more = min(max(0, cell_len(visible(span.text)) - room), max(0, most - total))
        widths[span.start] += more
        total += more
    lines = [Text("━" * total, "dim")]
    for level in spans(table.columns):
        line, rule = Text(" " * stub), Text(" " * stub)
        for span in level:
            room = sum(widths[span.start : span.start + span.width]) + _GAP * (span.width - 1)
            text = _fitted(span.text, room)
            line.append(" " * _GAP + _centred(text, room), "bold")
            rule.append(" " * _GAP + ("─" if text else " ") * room, "dim")
        lines += [line, rule]
    heads = [_head(column) for column in table.columns]
    depth = max(len(head) for head in heads)
    for down in range(depth):
        last = down == depth - 1
        line = Text(table.stub.ljust(stub) if last else " " * stub, "bold")
        for head, width in zip(heads, widths, strict=True):
            at = down - (depth - len(head))
            text = head[at] if at >= 0 else ""
            line.append(" " * _GAP + _right(text, width), "dim" if text.startswith("n=") else "bold")
        lines.append(line)
    lines.append(Text("─" * total, "dim"))
    sizes = [_parts([row.cells[at] for row in table.rows]) for at in range(len(table.columns))]
    for heading, rows in row_groups(table.rows):
        if heading:
            lines.append(Text(_fitted(heading, total), "italic bold"))
        for row in rows:
            style = {"difference": "italic", "detectable": "dim", "published": "dim"}.get(row.kind, "")
            line = Text(_left(shorten(row.label, _most(table)), stub), style)
            for cell, width, (number, after) in zip(row.cells, widths, sizes, strict=True):
                if cell.state == "value":
                    line.append(" " * (_GAP + width - number - after))
                    line.append(_right(cell.number, number), f"{style} bold" if cell.best else style)
                    line.append(_left(cell.text[len(cell.number) :], after), "dim")
                else:
                    line.append(" " * _GAP + _right(cell.text, width), style)
            lines.append(line)
    lines.append(Text("━" * total, "dim"))
    return lines


def _fitted(text: str, cells: int) -> str:
    """`text` cut to so many cells of the terminal, of which some letters take two."""
    letters = cells
    while cell_len(shorten(text, letters)) > cells:
        letters -= 1
    return shorten(text, letters)


def _left(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text


def _centred(text: str, width: int) -> str:
    before = (width - cell_len(text)) // 2
    return " " * before + text + " " * (width - cell_len(text) - before)
