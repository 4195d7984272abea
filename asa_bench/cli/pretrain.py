"""``asa-bench pretrain``: pre-train one encoder on a text with a method, interruptible at any moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asa_bench.cli import options as o
from asa_bench.errors import BadInput

if TYPE_CHECKING:
    from asa_bench.plan import Plan
    from asa_bench.record import Record

ENCODER = "encoder"


def command(
    model: Annotated[
        str,
        typer.Option("--model", metavar="FOLDER_OR_HUB_ID", help="Encoder to begin with, or 'laboratory'."),
    ],
    corpus: Annotated[
        str,
        typer.Option(metavar="TEXT", help="A text file, a folder of them, a hub data set, or 'laboratory'."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Output folder.")],
    method: Annotated[str, typer.Option(metavar="NAME", help="Method to pre-train with.")] = "naive",
    steps: Annotated[int | None, typer.Option(metavar="N", help="Optimizer steps. [default: 1000]")] = None,
    epochs: Annotated[
        float | None, typer.Option(metavar="N", help="Passes over the text, instead of steps.")
    ] = None,
    from_scratch: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Begin with random weights: own (the model's size), tiny, mini, small, medium, base.",
        ),
    ] = None,
    block_length: Annotated[int | None, typer.Option(metavar="N", help="Tokens of a block.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Blocks of a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(metavar="X", help="The highest.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of order, masks and dropout.")] = 1,
    device: o.DeviceOption = None,
    precision: o.PrecisionOption = None,
    threads: o.ThreadsOption = None,
    checkpoint_minutes: Annotated[
        float, typer.Option(metavar="X", help="Between two states that an interrupted run goes on from.")
    ] = 2.0,
    checkpoint_steps: Annotated[int | None, typer.Option(metavar="N", help="Also every N steps.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting, such as methods.asa.tau=0.1. Repeatable."
        ),
    ] = None,
) -> None:
    """Pre-train an encoder on masked words of a text: continue one that exists, or start from scratch.

    The encoder comes to FOLDER/encoder, a plain checkpoint with its tokenizer. A run that was interrupted, even by
    kill -9, goes on when the same command is given again, and ends with the same weights. Exit code 1 if the
    pre-training failed, 2 if the input was wrong.

    Examples:

    asa-bench pretrain --model bert-base-uncased --corpus text.txt --method asa --steps 2000 -o out

    asa-bench pretrain --model FOLDER --corpus FOLDER --from-scratch mini --epochs 3 -o out
    """
    if checkpoint_minutes <= 0 or (checkpoint_steps is not None and checkpoint_steps < 1):
        raise BadInput("--checkpoint-minutes and --checkpoint-steps must be above 0")
    from asa_bench import plan as planning

    suite, profile, overrides = _suite(model, corpus, method)
    if steps is None and epochs is None:
        steps = 1000
    given = {
        "steps": steps,
        "epochs": epochs,
        "from_scratch": from_scratch,
        "block_length": block_length,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
    }
    for key, value in given.items():
        if value is not None:
            overrides[f"pretraining.{key}"] = (value, f"--{key.replace('_', '-')}")
    overrides["seeds"] = ([seed], "--seed")
    asked = o.request(suite.name, device=device, precision=precision, threads=threads, set_=set_)
    for key, (value, said) in asked.overrides.items():
        whole = key if key in ("device", "precision", "threads") or key.startswith("laboratory.") else None
        overrides[whole or f"pretraining.{key}"] = (value, said)
    plan = planning.make_pretraining(suite, profile, suite.settings(profile, overrides))
    saving = {"minutes": checkpoint_minutes, "steps": checkpoint_steps}
    cells = tuple(replace(cell, context={**cell.context, "saving": saving}) for cell in plan.cells)
    _run(replace(plan, cells=cells), output)


def _suite(model: str, corpus: str, method: str) -> tuple[Any, str, dict[str, tuple[Any, str]]]:
    """A suite of one pre-training, its profile, and what the required options say."""
    from asa_bench.settings import LABORATORY_MODEL
    from asa_bench.suite import Suite, SuiteFile

    profile = "pretrain"
    file = SuiteFile(
        schema=1,
        name="pretrain",
        title="Pre-training",
        description="One encoder, one text, one method.",
        default_profile=profile,
        profiles={profile: {"source": "laboratory" if model == LABORATORY_MODEL else "hub"}},
    )
    said: dict[str, tuple[Any, str]] = {
        "models": ([model], "--model"),
        "pretraining.corpus": ({"source": corpus}, "--corpus"),
        "pretraining.methods": ({method: {}}, "--method"),
    }
    return Suite(file, "asa-bench pretrain", {}), profile, said


def _run(plan: Plan, output: Path) -> None:
    from asa_bench import runner
    from asa_bench.cli.progress import make_watcher
    from asa_bench.stores import open_store

    store = open_store(output)
    with make_watcher(store) as watcher:
        summary = runner.execute(plan, store, watcher=watcher)
    for label, error in summary.failures.items():
        typer.echo(f"{label}: {error}", err=True)
    if summary.failures:
        raise typer.Exit(1)
    cell = plan.cells[-1]
    record = store.find(cell.kind, cell.address)
    if record is not None:
        _tell(record, store.publish(record, ENCODER))


def _tell(record: Record, encoder: Path) -> None:
    """What was done, how well it learned, and where it is."""
    found = record.manifest["result"]["pretraining"]
    speed = record.timings().get("tokens_per_second", 0)
    typer.echo(
        f"{record.spec['title']}: {found['steps']:,} steps, {found['epochs']:.2f} passes over {found['tokens']:,} tokens of "
        f"{found['documents']:,} documents, {found['relative_compute']:.2f} times the compute of naive pre-training"
    )
    typer.echo(
        f"perplexity of {found['held_out_tokens']:,} masked tokens of held-out text: "
        f"{found['perplexity_before']:,.1f} before, {found['perplexity']:,.1f} after; {speed:,.0f} tokens a second"
    )
    typer.echo(f"encoder: {encoder} (to fine-tune it, give it to asa-bench run with --model {encoder})")
