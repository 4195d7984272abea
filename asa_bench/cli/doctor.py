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
    data_dir: o.DataDirOption = None,
    model: o.ModelOption = None,
) -> None:
    """Look at the machine: packages, processor, memory, disk, and, for a suite, its data, models and attacks.

    Nothing is downloaded. Exit code 1 if something is missing.

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
    from asa_bench import checkpoints, corpus
    from asa_bench.attacks import ATTACKS
    from asa_bench.attacks.library import requirements
    from asa_bench.errors import AsaBenchError
    from asa_bench.suite import LABORATORY_MODEL, source_of
    from asa_bench.tasks import TASKS, loading

    _, _, settings = o.request(name, profile=profile, model=model, data_dir=data_dir).settings()
    source = source_of(settings, data_dir)
    fine = True

    def line(what: str, present: bool, text: str) -> None:
        nonlocal fine
        fine = fine and present
        typer.echo(f"{'ok     ' if present else 'MISSING'} {what}: {text}")

    for reference in settings.models:
        if reference == LABORATORY_MODEL:
            line("model laboratory", True, "made here")
            continue
        try:
            line(f"model {reference}", True, checkpoints.identify(reference, "--model").where)
        except AsaBenchError as error:
            line(f"model {reference}", False, str(error))
    if settings.pretraining is not None:
        text = settings.pretraining.corpus
        try:
            line("text to pre-train on", True, corpus.identify(text, "--corpus", source.root).title)
        except AsaBenchError as error:
            line("text to pre-train on", False, str(error))
    for task in map(TASKS.get, (*settings.train, *settings.challenges)):
        for split in dict.fromkeys(
            ("train", task.evaluation_split) if task.role == "train" else (task.evaluation_split,)
        ):
            try:
                found = loading.identify(task, split, source)
            except AsaBenchError as error:
                line(f"data {task.name} {split}", False, str(error))
            else:
                line(f"data {task.name} {split}", True, ", ".join(found.get("files", {})) or found["kind"])
    for attack in map(ATTACKS.get, settings.attacks):
        needed = requirements(attack, source.root)
        for need, present, where in needed:
            line(f"attack {attack.name}", present, f"{need} ({where})")
        if not needed:
            line(f"attack {attack.name}", True, "needs nothing beside the installed packages")
    return fine
