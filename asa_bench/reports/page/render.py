"""Puts the page together: one file, the same bytes for the same records, with a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any

from asa_bench.reports import drawn, flags, grid, palette
from asa_bench.reports.detectable import with_detectable
from asa_bench.reports.gather import Gathered
from asa_bench.reports.grid import row_groups, spans
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.page import charts
from asa_bench.reports.page.examples import pack
from asa_bench.reports.page.mechanism import looks
from asa_bench.reports.tables import Row, Table
from asa_bench.reports.text import count_range, provenance_lines, shorten, visible
from asa_bench.reports.verdicts import verdicts

if TYPE_CHECKING:
    from jinja2 import Environment

_SHOWN = 300  # letters of a text in a heading
# Of a table, in units of the style sheet's width of a letter: a line of the page, which a sheet of paper holds as well, and the
# space around a cell.
_LINE, _SPACE, _STUB = 130.0, 2.6, 46.0


def render(report: ReportInput | Gathered, signs: Sequence[flags.Sign] | None = None) -> str:
    """The page as HTML.

    Args:
        report: gathered or not; what was gathered before keeps the tables that were made of it.
        signs: flags of the records, if they were found before.

    Raises:
        BadInput: the records cannot stand in one table.
    """
    data = report if isinstance(report, Gathered) else Gathered(report)
    source, made = data.source, build_tables(data)
    style, script = palette.css() + _read("page.css"), _read("page.js")
    main = next((table for table in made if table.name == "main"), None)
    shades = drawn.colors(data)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            source=source,
            tables=[with_detectable(table) for table in made],
            main=with_detectable(main) if main else None,
            verdicts=verdicts(data, main) if main else [],
            reading=[note for note in main.notes if note.startswith(("Gated: ", "Worst: "))] if main else [],
            seeds=count_range([data.seeds], "seed"),
            baseline=next((row.title for row in data.rows if row.method == source.baseline), source.baseline),
            dots=charts.dot_panels(data, main) if main else [],
            heat=charts.heat_maps(drawn.slices(data)),
            attack_heat=charts.heat_maps(drawn.attack_slices(data)),
            transfer=charts.heat_maps(drawn.transfers(next((t for t in made if t.name == "transfer"), None))),
            budgets=charts.budget_panels(data),
            reliability=charts.reliability_panels(data),
            looks=looks(source.explanations),
            signs=flags.lines(flags.find(data) if signs is None else signs),
            legend=[(drawn.label_of(data, row), shades[row.key]) for row in data.rows],
            examples=pack(source),
            provenance=provenance_lines(
                {"suite": source.suite, "profile": source.profile, **source.provenance}
            ),
            style=style,
            script=script,
            style_hash=_hash(style),
            script_hash=_hash(script),
            width=charts.WIDTH,
            height=charts.HEIGHT,
        )
    )


def panels(table: Table) -> list[Table]:
    """The table in panels that fit on a line, estimated; a narrower screen scrolls them."""
    widths = [
        _SPACE
        + max(
            *(len(word) for word in column.head.split() or [""]),
            len(f"n={column.n_examples or 0:,}"),
            *(len(row.cells[at].text) for row in table.rows),
        )
        for at, column in enumerate(table.columns)
    ]
    labels = _SPACE + min(_STUB, max(len(row.label) for row in table.rows))
    return grid.panels(table, lambda part: labels + sum(widths[at] for at in part) <= _LINE)


def _grouped(dots: Sequence[charts.DotPanel]) -> list[tuple[str, list[charts.DotPanel]]]:
    return [(group, list(members)) for group, members in groupby(dots, key=lambda panel: panel.group)]


def blocks(table: Table) -> list[tuple[str, list[list[Row]]]]:
    """Row groups with their lines: each method with the differences that follow it, so that sorting keeps them."""
    found = []
    for heading, rows in row_groups(table.rows):
        lines: list[list[Row]] = []
        for row in rows:
            if row.kind in ("difference", "detectable") and lines:
                lines[-1].append(row)
            else:
                lines.append([row])
        found.append((heading, lines))
    return found


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    def shown(value: Any) -> Any:
        """Everything from outside on one visible line; what is markup already stays."""
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=PackageLoader("asa_bench.reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Only our own files, read from the package, are set as they are.
    environment.filters["ours"] = Markup
    environment.filters["shorter"] = lambda text: shorten(text, _SHOWN)
    environment.filters["groupby_in_order"] = _grouped
    # After an underscore a line may break.
    environment.filters["breakable"] = lambda text: escape(visible(text)).replace("_", Markup("_<wbr>"))
    environment.globals.update(blocks=blocks, panels=panels, spans=spans)
    return environment


def _read(name: str) -> str:
    return (files("asa_bench.reports.page") / "templates" / name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a content security policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
