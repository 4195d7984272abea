"""``asa-bench replay``: faces models with adversarial sets that were stored, and exports such sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from asa_bench.cli import printing
from asa_bench.cli.options import LabelMapOption

if TYPE_CHECKING:
    from asa_bench.facing import Faced
    from asa_bench.judging import Judged, RunJudgement

AttackOption = Annotated[str | None, typer.Option(metavar="NAME", help="Of a folder: only this attack.")]
TaskOption = Annotated[str | None, typer.Option(metavar="NAME", help="Of a folder: only this task.")]
SourceOption = Annotated[
    str | None, typer.Option(metavar="METHOD", help="Of a folder: only sets made against this method.")
]
SeedOption = Annotated[
    int | None, typer.Option(metavar="N", help="Of a folder: only against this training seed.")
]


class _Group(TyperGroup):
    """``asa-bench replay SET`` is short for ``asa-bench replay face SET``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["face", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_Group,
    help="Face models with stored adversarial sets, in seconds; or export a set to a file.\n\n"
    "Example: asa-bench replay set.parquet --load mine=out/model",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command("face")
def face(
    adversarial_set: Annotated[
        str,
        typer.Argument(
            metavar="SET", help="An exported file, an output folder, an attack's record or its address."
        ),
    ],
    load: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[@TASK][#SEED]=MODEL", help="Who faces it: a folder or hub id. Repeatable."
        ),
    ] = None,
    label_map: LabelMapOption = None,
    attack: AttackOption = None,
    task: TaskOption = None,
    source: SourceOption = None,
    seed: SeedOption = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "cpu",
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Processor threads. [default: as many as the set was made with]"
        ),
    ] = None,
    similarity: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Sentence encoder that tells how alike texts are: a folder or hub id. "
            "[default: as the set's run judged; of a file, none]",
        ),
    ] = None,
    fluency: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Masked language model that tells how fluent texts are."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(metavar="BOUND=VALUE", help="Bound of the quality gate, e.g. min_similarity=0.9."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every example.")] = False,
) -> None:
    """Face models with stored adversarial sets: accuracy on the original texts, and robust accuracy over all ids.

    Examples:

    asa-bench replay face set.parquet --load mine=out/model --load theirs=owner/model

    asa-bench replay reports/runs/robustness-laptop --task sst2 --load mine=out/model --json
    """
    from asa_bench import facing
    from asa_bench.errors import BadInput
    from asa_bench.plan import resolve_device
    from asa_bench.quality import quality_settings

    if device not in ("auto", "cpu", "cuda"):
        raise BadInput(f"--device {device!r}: expected auto, cpu or cuda")
    found = facing.face(
        facing.find(adversarial_set, facing.Which(attack, task, source, seed)),
        load or (),
        label_map or (),
        device=resolve_device(device),
        threads=threads,
        quality=quality_settings(similarity, fluency, gate or ()),
    )
    if as_json:
        rows = [{"name": one.name, "seed": one.seed, **one.replay.to_json()} for one in found]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=True))
    else:
        _print(found)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder, or an attack's record.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A .parquet or .jsonl file.")
    ],
    attack: AttackOption = None,
    task: TaskOption = None,
    source: SourceOption = None,
    seed: SeedOption = None,
) -> None:
    """Write one adversarial set of an output folder to a file, which needs nothing else to be faced.

    Example: asa-bench replay export reports/runs/robustness-embedded --attack deepwordbug+stopwords
    --task laboratory/sentiment --source naive --seed 1 -o set.parquet
    """
    from asa_bench import adversarial_sets, facing
    from asa_bench.errors import BadInput
    from asa_bench.reports.text import visible

    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder")
    found = [one.made for one in facing.find(folder, facing.Which(attack, task, source, seed))]
    if len(found) > 1:
        raise BadInput(
            f"{folder}: holds {len(found)} such sets, the first two are '{found[0].title}' and '{found[1].title}'; "
            "name one with --attack, --task, --source and --seed"
        )
    (made,) = found
    adversarial_sets.write(made, output)
    typer.echo(visible(f"{output}: {made.title}, {len(made.examples)} examples, {made.address}"))


def _print(found: Sequence[Faced]) -> None:
    from asa_bench.replaying import worst_case
    from asa_bench.reports.text import shorten

    seen = set()
    for one in found:
        made = one.replay.source
        if made.address in seen:
            continue
        seen.add(made.address)
        perturbed = sum(bool(example.perturbed) for example in made.examples)
        budget = "none" if made.header.query_budget is None else f"{made.header.query_budget:,}"
        typer.echo(shorten(made.title, 200))
        typer.echo(
            f"  set {made.address}: {len(made.examples):,} examples, {perturbed:,} perturbed; query budget {budget}"
        )
        for other in found:
            if other.replay.source is made:
                _model(other)
    groups: dict[tuple[str, int | None, str], list[Faced]] = {}
    for one in found:
        groups.setdefault((one.name, one.seed, one.replay.source.header.task), []).append(one)
    for (name, seed, task), several in groups.items():
        if len(several) < 2:
            continue
        label = shorten(f"{_called(name, seed)} on {task}", 60)
        # Texts that were judged in different ways have no worst case in common.
        alike: dict[str, list[Faced]] = {}
        for one in several:
            alike.setdefault("" if one.replay.judged is None else _how(one.replay.judged), []).append(one)
        parts = [(several, False, ""), *((part, True, ", gated") for part in alike.values() if len(part) > 1)]
        try:
            for part, by_gate, end in parts:
                worst = worst_case([one.replay for one in part], by_gate)
                typer.echo(f"worst of {len(part)} sets{end}, {label}: {printing.share(worst)}")
        except ValueError as error:
            typer.echo(f"no worst case, {label}: {error}")
    _gates(found)
    typer.echo(
        "95 % intervals. Robust: right about the original and about the perturbed text, over all examples; one whose "
        "search had errored or timed out is never robust."
    )


def _gates(found: Sequence[Faced]) -> None:
    """Says by which gates texts counted, and who judged them."""
    from asa_bench.reports.text import shorten

    told: dict[str, dict[str, str]] = {}
    for one in found:
        judged, made = one.replay.judged, one.replay.source
        if judged is not None:
            for line in (_how(judged), *_beside(judged)):
                told.setdefault(line, {})[made.address] = made.title
    total = len({one.replay.source.address for one in found})
    for line, its in told.items():
        first = shorten(next(iter(its.values())), 100)
        which = "" if len(its) == total else f" ({first})" if len(its) == 1 else f" ({len(its)} of the sets)"
        typer.echo(shorten(line, 400) + which)


def _how(judged: Judged) -> str:
    where = f" as judged in that run ({judged.run.suite})" if judged.by_run and judged.run else ""
    return f"Gated{where}: a text counts only if it passes: {_bounds(judged)}."


def _bounds(judged: Judged | RunJudgement) -> str:
    by = [f"{role} by {told['model']}" for role, told in judged.judges.items() if isinstance(told, dict)]
    return "; ".join([judged.gate.sentence(), *by])


def _beside(judged: Judged) -> list[str]:
    """What else is to be known of a gate, a line each."""
    lines = []
    if judged.run is not None and not judged.by_run:
        lines.append(
            f"This gate is by the options given, not that of the run ({judged.run.suite}), by which a text counts only if it "
            f"passes: {_bounds(judged.run)}."
        )
    left = judged.wanted.unasked(judged.judges)
    if left.min_similarity is not None or left.max_perplexity_ratio is not None:
        options = [
            option
            for option, bound in (
                ("--similarity", left.min_similarity),
                ("--fluency", left.max_perplexity_ratio),
            )
            if bound is not None
        ]
        help_ = "" if judged.by_run else f"; {' and '.join(options)} MODEL would"
        lines.append(f"Not asked, because nothing measured it: {left.sentence()}{help_}.")
    return lines


def _model(one: Faced) -> None:
    from asa_bench.reports.text import shorten

    typer.echo(f"  {shorten(_called(one.name, one.seed), 60)}")
    typer.echo(f"    accuracy without attack  {printing.share(one.replay.clean)}")
    typer.echo(f"    robust accuracy          {printing.share(one.replay.robust)}")
    if one.replay.gated is not None:
        typer.echo(f"    robust accuracy, gated   {printing.share(one.replay.gated)}")
    transfer = one.replay.transfer
    shown = "no perturbed text whose original it gets right" if transfer is None else printing.share(transfer)
    typer.echo(f"    fooled by perturbations  {shown}")
    unknown = one.replay.count("unknown")
    if unknown:
        typer.echo(f"    of an unknown outcome    {unknown:,} examples")


def _called(name: str, seed: int | None) -> str:
    return name if seed is None else f"{name} seed {seed}"
