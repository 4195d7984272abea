"""``asa-bench baseline``: save a run's outcomes as a small file to be committed, look at it, and replace it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asa_bench.gating.baseline import Baseline

app = typer.Typer(
    help="Baselines of the gate: small files to be committed.\n\n"
    "Example: asa-bench baseline save reports/runs/ci-embedded -o baseline.json",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a run.")]


@app.command("save")
def save(
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The baseline file.")],
) -> None:
    """Write the baseline of a run; a file that is there already is only replaced by `update`.

    Example: asa-bench baseline save reports/runs/ci-embedded -o baseline.json
    """
    from asa_bench.errors import BadInput

    if output.exists():
        raise BadInput(f"--output {output}: is there already; replace it with asa-bench baseline update")
    _write(folder, output)


@app.command("show")
def show(path: Annotated[Path, typer.Argument(metavar="FILE", help="A baseline file.")]) -> None:
    """Print what a baseline holds: every score with its seeds and their spread, and what it was measured on.

    Example: asa-bench baseline show baseline.json
    """
    from asa_bench.gating import baseline as baselines
    from asa_bench.measures import summarize
    from asa_bench.reports.text import visible

    found = baselines.read(path)
    typer.echo(visible(f"{path}: suite {found.suite}, profile {found.profile}, {len(found.scores)} scores"))
    typer.echo(f"{path.stat().st_size:,} bytes; tables: {', '.join(visible(t.name) for t in found.tables)}")
    for key, score in found.scores.items():
        summary = summarize([seed.value for seed in score.seeds.values()])
        spread = "" if summary.sd is None else f" ±{100 * summary.sd:.1f}"
        number = f"{summary.n} seed{'' if summary.n == 1 else 's'}"
        typer.echo(visible(f"{100 * summary.mean:6.1f}{spread:<6} {number}, n = {score.count:,}  {key}"))
        kept = f"data {score.data[:12]}, recipe {score.recipe[:12]}, exposure {score.exposure[:12]}"
        typer.echo(visible(f"         {kept}"))


@app.command("update")
def update(
    folder: Folder,
    baseline: Annotated[Path, typer.Option(metavar="FILE", help="The baseline file to replace.")],
) -> None:
    """Replace a baseline by that of another run, on purpose: tells what changes, then writes.

    Example: asa-bench baseline update reports/runs/ci-embedded --baseline baseline.json
    """
    from asa_bench.errors import BadInput
    from asa_bench.gating import baseline as baselines
    from asa_bench.reports.text import visible

    if not baseline.exists():
        raise BadInput(f"--baseline {baseline}: there is none to update; use asa-bench baseline save")
    try:
        old = baselines.read(baseline)
    except BadInput as error:  # also the way out of a damaged one
        old = None
        typer.echo(f"the old one cannot be read and is replaced: {error}", err=True)
    new = _write(folder, baseline)
    for key in [] if old is None else dict.fromkeys([*old.scores, *new.scores]):
        before = old.scores.get(key) if old is not None else None
        after = new.scores.get(key)
        if before is None or after is None:
            typer.echo(visible(f"{'new ' if before is None else 'gone'} {key}"))
            continue
        changed = [
            name
            for name, one, other in (
                ("data", before.data, after.data),
                ("examples", before.examples, after.examples),
                ("recipe", before.recipe, after.recipe),
                ("exposure", before.exposure, after.exposure),
                ("schema", before.schema_of, after.schema_of),
            )
            if one != other
        ]
        what = f"  other {', '.join(changed)}" if changed else ""
        typer.echo(visible(f"{100 * before.mean:.1f} -> {100 * after.mean:.1f}  {key}{what}"))


def _write(folder: Path, path: Path) -> Baseline:
    from asa_bench.gating import baseline as baselines
    from asa_bench.gating import collect
    from asa_bench.stores import open_store

    made = baselines.of(collect(open_store(folder)))
    made.write(path)
    typer.echo(f"{path}: {len(made.scores)} scores, {path.stat().st_size:,} bytes")
    return made
