"""``asa-bench report DIR``: make the tables again from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a run.")]) -> None:
    """Write the tables of an output folder again, from its records alone: no data, no model, no network.

    Example:

    asa-bench report reports/runs/robustness-embedded
    """
    from asa_bench import runner
    from asa_bench.cli import printing
    from asa_bench.store import Store

    store = Store(folder)
    report = runner.gather(store)
    with store.lock():
        files = runner.write_tables(store, report)
    printing.tables(report, files)
