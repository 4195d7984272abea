"""Tables as GitHub Markdown, for pull requests: aligned in the source, one panel per group of columns, or per subgroup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rich.cells import cell_len

from asa_bench.reports.grid import row_groups, select
from asa_bench.reports.tables import Column, Table
from asa_bench.reports.text import shorten, visible

_SPECIAL = re.compile(r"([\\`*_{}\[\]|#!~$@])")
_STUB, _HEAD = 60, 60
_MOST = 8  # columns of a group that stand side by side where it has subgroups


def escape(text: str) -> str:
    """Any text as Markdown that shows it: no markup, link, mention, HTML or new cell."""
    shown = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _SPECIAL.sub(r"\\\1", shown)
    # Bare addresses would become links by themselves.
    return shown.replace("://", "&#58;//").replace("www.", "www&#46;")


def render(table: Table, level: int = 2) -> str:
    """The table under a heading of `level`, with its caption, its panels and its notes."""
    lines = [f"{'#' * level} {escape(table.title)}", "", escape(table.caption)]
    for head, panel in _panels(table):
        lines += ["", f"**{escape(shorten(head, 2 * _HEAD))}**"] if head else []
        lines += ["", *_panel(panel)]
    if table.notes or table.legend:
        lines += ["", *(f"- {escape(note)}" for note in (*table.notes, *table.legend))]
    return "\n".join(lines) + "\n"


def _panels(table: Table) -> Iterator[tuple[str, Table]]:
    """Groups of columns with their heads; one of many columns is told by subgroups, since a page has no room for all."""
    for group, members in groupby(range(len(table.columns)), key=lambda at: table.columns[at].group):
        its = list(members)
        if len(its) <= _MOST:
            yield group, select(table, its)
            continue
        for subgroup, part in groupby(its, key=lambda at: table.columns[at].subgroup):
            panel = select(table, list(part))
            columns = tuple(replace(column, subgroup="") for column in panel.columns)
            yield ": ".join(filter(None, (group, subgroup))), replace(panel, columns=columns)


def _panel(table: Table) -> list[str]:
    grid = [[table.stub, *(_head(column) for column in table.columns)]]
    for heading, rows in row_groups(table.rows):
        if heading:
            grid.append([f"**{escape(shorten(heading, _STUB))}**", *("" for _ in table.columns)])
        for row in rows:
            label = escape(shorten(row.label, _STUB))
            cells = [f"**{cell.text}**" if cell.best else cell.text for cell in row.cells]
            grid.append([f"*{label}*" if row.kind in ("difference", "detectable") else label, *cells])
    widths = [max(3, *(cell_len(line[at]) for line in grid)) for at in range(len(table.columns) + 1)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    head, *rest = [_line(line, widths) for line in grid]
    return [head, _line(rule, widths), *rest]


def _head(column: Column) -> str:
    parts = [part for part in (column.subgroup, column.head) if part]
    text = escape(shorten(": ".join(parts), _HEAD))
    return f"{text}<br>n = {column.n_examples:,}" if column.n_examples is not None else text


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0] + " " * (widths[0] - cell_len(cells[0]))
    rest = [" " * (width - cell_len(cell)) + cell for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "| " + " | ".join([first, *rest]) + " |"
