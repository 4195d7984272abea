"""``asa-bench doctor``: what this machine has, and what a suite needs that is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from asa_bench.cli import options as o


def command(
    suite: Annotated[
        str | None, typer.Option("--suite", "-s", help="Also check what this suite needs.")
    ] = None,
    profile: o.ProfileOption = None,
    data_dir: o.RunDataDirOption = None,
    model: o.ModelOption = None,
) -> None:
    """Look at the machine: packages, processor, memory, disk, and, for a suite, its data, models and attacks.

    Nobody is asked but this machine, and nothing is downloaded: `asa-bench fetch` does that. Exit code 1 if something is missing.

    Examples:

    asa-bench doctor

    asa-bench doctor --suite robustness --profile laptop --data-dir FOLDER
    """
    from asa_bench import provenance
    from asa_bench.plan import resolve_precision, resolve_threads

    for package, version in provenance.versions().items():
        typer.echo(f"{package:<14} {version}")
    machine = provenance.machine()
    typer.echo(f"{'processor':<14} {machine['processor']}, {machine['processors']} processors")
    typer.echo(f"{'memory':<14} {machine['memory_gib']} GiB")
    typer.echo(f"{'disk':<14} {shutil.disk_usage(Path.cwd()).free / 2**30:.1f} GiB free here")
    typer.echo(f"{'threads':<14} {resolve_threads('auto')}")

    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    typer.echo(f"{'device':<14} {device}")
    typer.echo(f"{'precision':<14} {resolve_precision('auto', device)} (what 'auto' means here)")
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}
    typer.echo(
        f"{'hub':<14} {'not used: HF_HUB_OFFLINE is set' if offline else os.environ.get('HF_ENDPOINT', 'huggingface.co')}"
    )
    if suite is not None and not _suite(suite, profile, data_dir, model):
        raise typer.Exit(1)


def _suite(name: str, profile: str | None, data_dir: Path | None, model: list[str] | None) -> bool:
    """Checks what the suite needs; prints a line each; False if something is missing."""
    from asa_bench import needs
    from asa_bench.errors import one_line
    from asa_bench.suite import source_of

    _, _, settings = o.request(name, profile=profile, model=model, data_dir=data_dir).settings()
    source = source_of(settings, data_dir)
    o.tell_of_folder(settings, source)
    found = needs.of(settings, source)
    for need in found:
        rest = ""
        if not need.present:
            rest = f"; `asa-bench fetch` gets it from {need.source}" if need.fetch else ""
        typer.echo(
            f"{'ok     ' if need.present else 'MISSING'} {one_line(f'{need.what}: {need.where}{rest}')}"
        )
    return all(need.present for need in found)
