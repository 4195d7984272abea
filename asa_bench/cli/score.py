"""``asa-bench score``: anyone's predictions, scored by the same rules with the same intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asa_bench.cli.options import DataDirOption

if TYPE_CHECKING:
    from asa_bench.measures import Share
    from asa_bench.scoring import Score


def command(
    task: Annotated[str, typer.Option(metavar="NAME", help="The task that was predicted, e.g. hans.")],
    predictions: Annotated[
        Path,
        typer.Option(metavar="FILE", help="CSV or JSONL with id (or pairID) and prediction (or gold_label)."),
    ],
    data_dir: DataDirOption = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Split; by default the one that is evaluated on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a file of predictions from any system: accuracy, slices and the task's metrics, with 95 % intervals.

    HANS predictions in the authors' layout (pairID ex0 to ex29999) are scored from the official order, without data.

    Example:

    asa-bench score --task hans --predictions bert_preds.txt --json
    """
    from asa_bench import scoring
    from asa_bench.errors import BadInput, nearest
    from asa_bench.tasks import TASKS, files

    chosen = TASKS.get(task)
    read = scoring.read_predictions(predictions)
    if chosen.name == "hans" and split is None and next(iter(read.labels)).startswith("ex"):
        found = scoring.score_hans_order(read)
    else:
        from asa_bench.tasks.base import Source
        from asa_bench.tasks.loading import load

        wanted = split or chosen.evaluation_split
        if wanted not in chosen.splits:
            raise BadInput(f"--split {files.shown(wanted)}: task {task!r}: {nearest(wanted, chosen.splits)}")
        if chosen.name.startswith("laboratory/"):
            source = Source()
        elif data_dir is not None:
            source = Source(kind="folder", root=data_dir)
        else:
            source = Source(kind="hub")
        found = scoring.score(read, load(chosen, wanted, source))
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=True))
    else:
        _print(found)


def _print(found: Score) -> None:
    typer.echo(f"{found.task}, {found.split}: {found.examples:,} examples")
    for name, value in found.metrics.items():
        if name != "accuracy":
            typer.echo(f"  {name:<40} " + ("undefined" if value is None else f"{value:.3f}"))
    if found.accuracy is not None:
        typer.echo(f"  {'accuracy':<40} {_share(found.accuracy)}")
    for column, parts in found.slices.items():
        typer.echo(f"  by {column}")
        for slice_name, part in parts.items():
            shown = "".join(c if c.isprintable() else "?" for c in slice_name)
            shown = shown if len(shown) <= 38 else f"{shown[:35]}..."
            typer.echo(f"    {shown:<38} {_share(part)}")
    typer.echo(f"  95 % intervals. {found.design}")


def _share(part: Share) -> str:
    low, high = part.interval
    return f"{100 * part.value:5.1f} %  [{100 * low:.1f}, {100 * high:.1f}]  {part.hits:,.0f} of {part.examples:,}"
