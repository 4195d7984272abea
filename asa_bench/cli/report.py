"""``asa-bench report DIR``: make the tables again from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a run.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the page to this file too.")
    ] = None,
) -> None:
    """Write the tables and the page of an output folder again, from its records alone: no data, no model, no network.

    Example:

    asa-bench report reports/runs/robustness-embedded --html robustness.html
    """
    from asa_bench import runner
    from asa_bench.cli import printing
    from asa_bench.reports.write import PAGE
    from asa_bench.store import write_atomically
    from asa_bench.stores import open_store

    store = open_store(folder)
    report = runner.gather(store)
    with store.lock():
        files = runner.write_tables(store, report)
        store.share(files)
    if html is not None:
        made = next(path for path in files if path.name == PAGE)
        write_atomically(html, made.read_bytes())
    printing.tables(report, files, store.shown)
