"""``asa-bench compare A B``: is the second better than the first, cell by cell, and on which examples do they differ?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asa_bench.cli.options import DataDirOption

if TYPE_CHECKING:
    from asa_bench.reports.head_to_head import Compared, ComparedCell, Flip

_TEXT = 160  # characters of a text that are shown


def command(
    first: Annotated[Path, typer.Argument(metavar="A", help="Output folder of a run.")],
    second: Annotated[
        Path | None, typer.Argument(metavar="[B]", help="Another one; without it, two methods of A.")
    ] = None,
    methods: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="FIRST SECOND",
            help="Methods or names of loaded checkpoints: the first of A, the second of B (or of A).",
        ),
    ] = None,
    flips: Annotated[int, typer.Option(metavar="N", help="Examples to show per cell and direction.")] = 2,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write one line per cell to this file too.")
    ] = None,
) -> None:
    """Compare two output folders, two methods or two checkpoints: differences, intervals, p, flips.

    Paired by example and seed, adjusted by Holm over all cells. Texts of flips are read from --data-dir (those of the
    laboratory are made again), since records keep hashes alone.

    Example:

    asa-bench compare reports/runs/robustness-embedded --methods naive asa
    """
    from asa_bench import comparing_folders
    from asa_bench.disk import storage_errors, write_atomically

    found = comparing_folders.compare_folders(first, second, methods, data_dir=data_dir, flips=flips)
    if csv_file is not None:
        with storage_errors(csv_file):
            write_atomically(csv_file, comparing_folders.to_csv(found).encode())
    if as_json:
        typer.echo(
            json.dumps(comparing_folders.to_json(found, flips), indent=1, ensure_ascii=True, allow_nan=False)
        )
    else:
        _print(found, flips)


def _print(found: Compared, flips: int) -> None:
    from asa_bench.reports.text import visible

    typer.echo(visible(f"A: {found.first}"))
    typer.echo(visible(f"B: {found.second}"))
    for cell in found.cells:
        _cell(cell, flips)
    told = found.cells[0].comparison
    counts = {
        word: sum(cell.verdict == word for cell in found.cells) for word in ("better", "worse", "cannot tell")
    }
    typer.echo("")
    typer.echo(
        f"{len(found.cells)} cells: second better in {counts['better']}, worse in {counts['worse']}, "
        f"cannot tell in {counts['cannot tell']}."
    )
    typer.echo(
        f"Differences in percentage points (coefficients times 100), second minus first, with {100 * told.level:.0f} % "
        f"intervals of each alone. "
        f"Holm: p adjusted over the {told.family} differences. MDE: the difference that would be found with "
        f"{100 * told.power:.0f} % power at alpha {told.alpha:.2g} (none: not even the largest possible). Better or worse is "
        "said where Holm rejects and the difference is at least the MDE; cannot tell does not mean equal."
    )
    for note in found.notes:
        typer.echo(visible(note))
    for reason in found.left_out:
        typer.echo(visible(f"Left out: {reason}."))


def _cell(cell: ComparedCell, flips: int) -> None:
    from asa_bench.comparing_folders import directed
    from asa_bench.measures import METRICS
    from asa_bench.reports.detectable import format_detectable
    from asa_bench.reports.text import visible

    told = cell.comparison
    head = f"{cell.title} ({cell.split})" + (f" under {cell.attack}" if cell.attack else "")
    head += f", {METRICS[cell.metric].title}" if cell.metric != "accuracy" else ""
    clusters = f", {told.clusters:,} clusters" if told.clusters != told.examples else ""
    seeds = f"{told.seeds} seeds" if told.seeds > 1 else "one seed"
    typer.echo("")
    typer.echo(
        visible(
            f"{head}, trained on {cell.train_task}, {cell.model}: {told.examples:,} examples{clusters}, {seeds}"
        )
    )
    low, high = (100 * value for value in told.interval)
    typer.echo(
        visible(
            f"  {cell.first} {100 * cell.means[0]:.1f}, {cell.second} {100 * cell.means[1]:.1f}: "
            f"{100 * told.difference:+.1f} [{low:+.1f}, {high:+.1f}]  p {_p(told.p)}, Holm {_p(told.adjusted_p)}  "
            f"MDE {format_detectable(told)}  -> {cell.verdict}"
            + (
                " (Holm rejects, but the difference is below the MDE)"
                if told.significant and not told.conclusive
                else ""
            )
        )
    )
    if cell.gated is not None and cell.gated_comparison is not None:
        again = cell.gated_comparison
        low, high = (100 * value for value in again.interval)
        typer.echo(
            visible(
                f"  gated: {cell.first} {100 * cell.gated[0]:.1f}, {cell.second} {100 * cell.gated[1]:.1f}: "
                f"{100 * again.difference:+.1f} [{low:+.1f}, {high:+.1f}]  p {_p(again.p)}, Holm {_p(again.adjusted_p)}  "
                f"MDE {format_detectable(again)}  (a success counts only if its text passes the quality gate)"
            )
        )
    typer.echo(f"  {told.method}" + "".join(f"; {note}" for note in told.notes))
    for gained, sign, who in ((True, "+", cell.second), (False, "-", cell.first)):
        some = directed(cell, gained)
        often = "gets right in more seeds" if told.seeds > 1 else "alone gets right"
        noun = "example" if len(some) == 1 else "examples"
        typer.echo(visible(f"  {sign} {len(some)} {noun} that {who} {often}"))
        for flip in some[:flips]:
            typer.echo("      " + _flip(flip, cell))


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _flip(flip: Flip, cell: ComparedCell) -> str:
    from asa_bench.reports.text import shorten

    of = (
        f"{max(flip.gained, flip.lost):g} of {cell.comparison.seeds} seeds; "
        if cell.comparison.seeds > 1
        else ""
    )
    said = f"{of}gold {flip.gold}; {cell.first}: {flip.said[0]}, {cell.second}: {flip.said[1]}"
    text = f"text {flip.text_hash}" if flip.texts is None else " / ".join(flip.texts)
    return f"{shorten(flip.id, 40)} ({shorten(said, 120)}) {shorten(text, _TEXT)}"
