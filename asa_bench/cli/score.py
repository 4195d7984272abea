"""``asa-bench score``: anyone's predictions, scored by the same rules with the same intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asa_bench.cli import printing
from asa_bench.cli.options import DataDirOption

if TYPE_CHECKING:
    from asa_bench.beside import Beside
    from asa_bench.scoring import Score
    from asa_bench.tasks.base import TaskData


def command(
    task: Annotated[str, typer.Option(metavar="NAME", help="The task that was predicted, e.g. hans.")],
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV or JSONL with id (or pairID) and prediction (or gold_label)."),
    ] = None,
    export_ids: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Instead of scoring, write what is to be predicted: JSONL of ids and texts."
        ),
    ] = None,
    data_dir: DataDirOption = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Split; by default the one that is evaluated on.")
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(
            metavar="OUTPUT", help="Put it beside the models of this output folder, with paired tests."
        ),
    ] = None,
    trained_on: Annotated[
        str | None,
        typer.Option(metavar="TASK,TASK", help="What the system was trained on; only equals are compared."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a file of predictions from any system: accuracy, slices and the task's metrics, with 95 % intervals.

    HANS predictions in the authors' layout (pairID ex0 to ex29999) are scored from the official order, without data.

    Example:

    asa-bench score --task hans --predictions bert_preds.txt --json

    asa-bench score --task qqp --predictions p.jsonl --data-dir DATA --beside OUTPUT --trained-on qqp

    asa-bench score --task sst2 --data-dir DATA --export-ids to_predict.jsonl
    """
    from asa_bench import scoring
    from asa_bench.errors import BadInput, nearest
    from asa_bench.tasks import TASKS, files

    chosen = TASKS.get(task)
    if (predictions is None) == (export_ids is None):
        raise BadInput("give either --predictions FILE to score or --export-ids FILE to write")
    for option, given in (("--beside", beside), ("--trained-on", trained_on)):
        if given is not None and predictions is None:
            raise BadInput(f"{option} goes with --predictions")
    if trained_on is not None and beside is None:
        raise BadInput("--trained-on goes with --beside: it says with whom the system may be compared")
    said = None if trained_on is None else scoring.training_data(trained_on)
    read = None if predictions is None else scoring.read_predictions(predictions)
    data: TaskData | None = None
    if read is not None and chosen.name == "hans" and split is None and scoring.in_hans_order(read):
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
        data = load(chosen, wanted, source)
        if read is None:
            assert export_ids is not None
            _export(data, export_ids)
            return
        found = scoring.score(read, data)
    rows: tuple[Beside, ...] = ()
    if beside is not None:
        from asa_bench import beside as others

        assert read is not None
        rows = others.beside(read, found, chosen, data, beside, said)
    if as_json:
        content = found.to_json() | (
            {"beside": [row.to_json() for row in rows]} if beside is not None else {}
        )
        typer.echo(json.dumps(content, indent=1, ensure_ascii=True))
    else:
        _print(found)
        for row in rows:
            _print_beside(row)


def _export(data: TaskData, path: Path) -> None:
    """Ids and texts of a split, one JSON object a line, without the gold labels."""
    from asa_bench.disk import write_atomically
    from asa_bench.errors import BadInput

    if path.exists():
        raise BadInput(f"--export-ids {path}: exists already; name a new file")
    if not path.parent.is_dir():
        raise BadInput(f"--export-ids {path}: there is no folder {str(path.parent)!r}")
    rows = data.frame[["id", *data.task.columns]].to_dict("records")
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows).encode())
    typer.echo(f"{path}: {len(rows):,} rows of {data.task.name}, {data.split}", err=True)


def _print(found: Score) -> None:
    typer.echo(f"{found.task}, {found.split}: {found.examples:,} examples")
    for name, value in found.metrics.items():
        if name != "accuracy":
            part = found.intervals.get(name)
            sure = "" if part is None else f"    [{part.interval[0]:.3f}, {part.interval[1]:.3f}]"
            typer.echo(f"  {name:<40} " + ("undefined" if value is None else f"{value:.3f}{sure}"))
    if found.accuracy is not None:
        typer.echo(f"  {'accuracy':<40} {printing.share(found.accuracy)}")
    for column, parts in found.slices.items():
        typer.echo(f"  by {column}")
        for slice_name, part in parts.items():
            shown = "".join(c if c.isprintable() else "?" for c in slice_name)
            shown = shown if len(shown) <= 38 else f"{shown[:35]}..."
            typer.echo(f"    {shown:<38} {printing.share(part)}")
    typer.echo(f"  95 % intervals. {found.design}")


def _print_beside(row: Beside) -> None:
    from asa_bench.measures import METRICS
    from asa_bench.reports.detectable import format_detectable
    from asa_bench.reports.text import visible

    typer.echo("")
    typer.echo(
        visible(
            f"  {row.model} {row.method}, trained on {row.train_task} ({row.exposure}), {row.accuracy.seeds} seed(s)"
        )
    )
    typer.echo(f"    {'it':<38} {printing.share(row.accuracy)}")
    if row.scored is not None:
        typer.echo(f"    {'the scored system, same examples':<38} {printing.share(row.scored)}")
    told = row.comparison
    if told is None:
        typer.echo(visible(f"    not compared: {row.untested}"))
        return
    low, high = (100 * value for value in told.interval)
    better = (told.difference > 0) == METRICS[row.metric].higher_is_better
    verdict = "cannot tell" if not told.conclusive else ("better" if better else "worse")
    typer.echo(
        f"    the scored system minus it: {100 * told.difference:+.1f} [{low:+.1f}, {high:+.1f}]  p {told.p:.3g}, Holm over "
        f"{told.family}: {told.adjusted_p:.3g}  MDE {format_detectable(told)}  -> {verdict}"
    )
    typer.echo(f"    {told.method}" + "".join(f"; {note}" for note in told.notes))
