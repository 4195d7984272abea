"""``asa-bench report DIR``: make the tables again from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR [DIR ...]", help="Output folders of runs; several become one report."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where to write; default: DIR/tables. Needed for several folders.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the page to this file too.")
    ] = None,
    layout: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Write and show this table alone: main, hans, advglue, attacks, ... Repeatable.",
        ),
    ] = None,
    transpose: Annotated[bool, typer.Option("--transpose", help="Methods as columns.")] = False,
    digits: Annotated[
        int | None, typer.Option(metavar="N", help="Digits after the point; default: 1.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Only columns with such a key, head or group: 'sst2/*', '*average*'. Repeatable.",
        ),
    ] = None,
    spread: Annotated[
        str, typer.Option(metavar="sd|interval|none", help="What stands behind a mean over seeds.")
    ] = "sd",
    figures: Annotated[
        bool, typer.Option("--figures", help="Write the charts, too, as PDF, PNG and CSV, into figures/.")
    ] = False,
    texts: Annotated[
        bool,
        typer.Option("--texts", help="Show evaluated examples on the page, too, not only attacked ones."),
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Of --texts: where the texts of real data sets lie.")
    ] = None,
    footer: Annotated[
        bool, typer.Option("--footer", help="End each table with where it comes from.")
    ] = False,
) -> None:
    """Write the tables and the page of output folders again, from records alone: no data, no model, no network.

    Folders that cannot stand in one table (other data, recipe, exposure, settings) are kept apart, and it is said why.

    Examples:

    asa-bench report reports/runs/robustness-embedded --html robustness.html

    asa-bench report seeds-1-to-3 seeds-4-to-6 -o merged

    asa-bench report reports/runs/robustness-embedded --layout main --transpose --spread interval --footer -o paper
    """
    from asa_bench import reporting
    from asa_bench.cli import printing
    from asa_bench.disk import write_atomically
    from asa_bench.errors import BadInput
    from asa_bench.reports.look import Look
    from asa_bench.reports.write import PAGE

    if len(folders) > 1 and output is None:
        raise BadInput("several folders need a place for their report: --output FOLDER")
    names = tuple(layout or ())
    if html is not None and names:
        raise BadInput("--html: the page shows all tables; leave --layout out")
    look = Look(digits, tuple(columns or ()), spread, transpose, footer)  # type: ignore[arg-type]
    made = reporting.report(folders, output, names, look, figures, texts, data_dir)
    for line in made.left_out:
        typer.echo(line, err=True)
    if html is not None:
        if len(made.parts) > 1:
            raise BadInput(
                f"--html {html}: the folders are kept apart in {len(made.parts)} reports, each with its page"
            )
        page = next(path for path in made.parts[0].files if path.name == PAGE)
        write_atomically(html, page.read_bytes())
    for part in made.parts:
        printing.tables(part.report, part.files, part.shown, names, look)
        if part.figures:
            typer.echo(f"{len(part.figures)} files of figures in {part.shown}/{reporting.FIGURES}")
