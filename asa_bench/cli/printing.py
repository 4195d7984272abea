"""What the commands print on stdout."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from asa_bench.cli.progress import duration

if TYPE_CHECKING:
    from asa_bench.cell import Cell
    from asa_bench.costing import Costs
    from asa_bench.estimate import Estimate
    from asa_bench.measures import Share
    from asa_bench.plan import Plan
    from asa_bench.reports.inputs import ReportInput
    from asa_bench.reports.look import Look
    from asa_bench.runner import RunSummary


def plan(plan: Plan, todo: Sequence[Cell], folder: str, guess: Estimate) -> None:
    """The cells of a plan, by kind, and what is known of the time they will take."""
    settings = plan.settings
    typer.echo(f"suite {plan.suite}, profile {plan.profile}: {plan.title}")
    typer.echo(f"  models      {', '.join(settings.models)}")
    if settings.pretraining is not None:
        text, named = settings.pretraining.corpus, ", ".join(settings.pretraining.methods)
        typer.echo(
            f"  pre-train   with {named} on {text.folder if plan.source.root and text.folder else text.source}"
        )
    typer.echo(f"  methods     {', '.join(settings.methods) or 'none'}")
    typer.echo(f"  train on    {', '.join(settings.train)}")
    typer.echo(f"  challenges  {', '.join(settings.challenges) or 'none'}")
    typer.echo(
        f"  attacks     {', '.join(settings.attacks) or 'none'} (on {settings.attack_examples} examples each)"
    )
    typer.echo(f"  seeds       {', '.join(map(str, settings.seeds))}")
    typer.echo(f"  output      {folder}")
    for name in plan.left_out:
        typer.echo(f"  left out    {name}: on no hub; give --data-dir with it")
    every, left = Counter(cell.kind for cell in plan.cells), Counter(cell.kind for cell in todo)
    for kind, count in every.items():
        typer.echo(f"  {kind:<10}  {count} cells, {count - left[kind]} recorded, {left[kind]} to do")
    if not todo:
        typer.echo("everything is recorded; run only writes the tables")
    else:
        basis = "by what is recorded here" if guess.recorded else "roughly, by arithmetic"
        more = f"; nothing is known of {guess.unknown} other cells" if guess.unknown else ""
        if guess.known:
            typer.echo(f"about {duration(guess.seconds)} for {guess.known} cells ({basis}){more}")
        else:
            typer.echo("no estimate: neither sizes of models nor recorded times are known here")


def cost(plan: Plan, costs: Costs, price: float | None) -> None:
    """What a plan costs, by kind of cell; a dollar is what the user says it is."""
    typer.echo(f"suite {plan.suite}, profile {plan.profile}: all {len(plan.cells)} cells, recorded ones too")
    money = "" if price is None else f"{'dollars':>10}"
    typer.echo(
        f"  {'cells of':<24}{'cells':>6}{'seconds':>10}{'hours':>8}{'GPU hours':>11}{money}  known from"
    )
    for row in (*costs.rows, costs.total):
        basis = [
            f"{count} {what}"
            for count, what in (
                (row.recorded, "recorded"),
                (row.alike, "recorded of similar cells"),
                (row.computed, "arithmetic"),
                (row.unknown, "unknown, not counted"),
            )
            if count
        ]
        paid = "" if price is None else f"{row.seconds / 3600 * price:>10.2f}"
        typer.echo(
            f"  {row.kind:<24}{row.cells:>6}{row.seconds:>10.0f}{row.seconds / 3600:>8.2f}"
            f"{row.gpu_seconds / 3600:>11.2f}{paid}  {', '.join(basis)}"
        )
    found = costs.schedule
    labels = {cell.address: cell.label for cell in plan.cells}
    typer.echo(
        f"{found.workers} workers: about {duration(found.seconds)}, busy {100 * found.efficiency:.0f} % of it; "
        f"no number of workers takes less than {duration(found.critical_seconds)}:"
    )
    for name in found.critical_path:
        typer.echo(f"  {labels[name]}")


def summary(done: RunSummary) -> None:
    """The tables of a run, where they are, and what failed."""
    if done.report is not None:
        tables(done.report, done.files, f"{done.shown}/tables")
    if done.failures:
        typer.echo(
            f"{len(done.failures)} cells failed; the tables show the holes, and the next run tries them again:",
            err=True,
        )
        for label, error in list(done.failures.items())[:10]:
            typer.echo(f"  {label}: {error}", err=True)


def tables(
    report: ReportInput,
    files: Sequence[Path],
    where: str,
    names: tuple[str, ...] = (),
    look: Look | None = None,
) -> None:
    """The main tables, or those that are named, in the terminal; then how many files lie where."""
    from asa_bench.reports.terminal import render

    width = shutil.get_terminal_size((80, 24)).columns
    typer.echo(render(report, width=width, names=names or None, look=look))
    if files:
        typer.echo(
            f"{len(files)} files in {where}: LaTeX, Markdown, CSV and JSON of "
            + ("these tables" if names else "every table; report.html")
        )


def share(part: Share) -> str:
    """A share in percent with its interval, and of how many examples it is, where it is one."""
    low, high = part.interval
    counts = "" if part.hits is None else f"  {part.hits:,.0f} of {part.examples:,}"
    return f"{100 * part.value:5.1f} %  [{100 * low:.1f}, {100 * high:.1f}]{counts}"
