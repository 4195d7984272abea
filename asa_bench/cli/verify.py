"""``asa-bench verify DIR``: is every record of an output folder still what was written?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read every file of every record and compare it with its checksum; nothing is changed.

    Exit code 1 if a record is torn, changed or incomplete. The next run does such cells again; a model that was deleted to
    save room is told here, too, and leaves the numbers of its record as they are.

    Example: asa-bench verify reports/runs/robustness-embedded
    """
    from asa_bench.last_run import unrecorded
    from asa_bench.reports.text import visible
    from asa_bench.stores import open_store

    store = open_store(folder)
    records = files = 0
    faults = []
    for count, found in store.faults():
        records, files = records + 1, files + count
        faults += found
    missing = unrecorded(store)
    if as_json:
        content = {
            "records": records,
            "files": files,
            "faults": [{"path": fault.path, "problem": fault.problem} for fault in faults],
            "missing": missing,
        }
        typer.echo(json.dumps(content, indent=1))
    else:
        for fault in faults:
            typer.echo(visible(f"{fault.path}: {fault.problem}"))
        for label in missing:
            typer.echo(visible(f"not recorded: {label}"))
        typer.echo(
            f"{records} records, {files} files: "
            + (f"{len(faults)} faults" if faults else "every byte as recorded")
            + (f"; {len(missing)} cells of the last run are not recorded" if missing else "")
        )
    if faults:
        raise typer.Exit(1)
