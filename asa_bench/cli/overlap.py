"""``asa-bench overlap``: how many rows of a test set stand, exactly or nearly, in training data."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from asa_bench.cli.options import DataDirOption

if TYPE_CHECKING:
    from pathlib import Path

    from asa_bench.overlap import Overlap
    from asa_bench.tasks.base import Task, TaskData

_TEXT = 160  # characters of a row that are shown


def command(
    train: Annotated[str, typer.Option(metavar="TASK[:SPLIT]", help="Training data; its training split.")],
    test: Annotated[
        str, typer.Option(metavar="TASK[:SPLIT]", help="Test set; the split that is evaluated on.")
    ],
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count exact and near-duplicate rows between training and test data, and show the most alike.

    Exact: equal in letters and digits. Near: character 5-grams with a Jaccard similarity of 0.8 or more, found by MinHash.

    Example:

    asa-bench overlap --train qqp --test paws_qqp --data-dir DATA
    """
    from asa_bench.errors import BadInput
    from asa_bench.overlap import overlap

    asked = [_named(said, option) for said, option in ((train, "--train"), (test, "--test"))]
    read = [_read(task, split, data_dir) for task, split in asked]
    widths = [len(data.task.columns) for data in read]
    if widths[0] != widths[1]:
        raise BadInput(
            f"--test {test}: its rows have {widths[1]} texts, those of {train} have {widths[0]}; they cannot be held together"
        )
    rows = [list(zip(*(d.frame[c].astype(str).tolist() for c in d.task.columns), strict=True)) for d in read]
    found = overlap(rows[0], rows[1])
    names = [f"{data.task.name}:{data.split}" for data in read]
    if as_json:
        content = {"train": names[0], "test": names[1], **asdict(found)}
        typer.echo(json.dumps(content, indent=1, ensure_ascii=True))
    else:
        _print(found, *names)


def _named(said: str, option: str) -> tuple[Task, str]:
    from asa_bench.errors import BadInput, nearest
    from asa_bench.tasks import TASKS, files

    name, colon, split = said.partition(":")
    if name not in TASKS:
        raise BadInput(f"{option} {files.shown(said)}: unknown task; {nearest(name, TASKS.names())}")
    task = TASKS.get(name)
    wanted = split if colon else ("train" if option == "--train" else task.evaluation_split)
    if wanted not in task.splits:
        raise BadInput(f"{option} {files.shown(said)}: no split {wanted!r}; {nearest(wanted, task.splits)}")
    return task, wanted


def _read(task: Task, split: str, data_dir: Path | None) -> TaskData:
    from asa_bench.tasks.base import Source
    from asa_bench.tasks.loading import load

    if task.name.startswith("laboratory/"):
        return load(task, split, Source())
    return load(task, split, Source(kind="hub") if data_dir is None else Source(kind="folder", root=data_dir))


def _print(found: Overlap, train: str, test: str) -> None:
    from asa_bench.overlap import NEAR
    from asa_bench.reports.text import shorten, visible

    share = 100 / found.tested
    typer.echo(f"{found.tested:,} rows of {test} against {found.trained:,} of {train}")
    for what, count in (
        ("exact: the same letters and digits", found.exact),
        (f"near: similarity {NEAR:g} or more", found.near),
        ("share a text with some row, those included", found.shared_text),
    ):
        typer.echo(f"  {what:<44} {count:7,}  {share * count:5.1f} %")
    for match in found.examples:
        typer.echo(visible(f"  {match.similarity:.2f}  test  {shorten(match.test_text, _TEXT)}"))
        typer.echo(visible(f"        train {shorten(match.training_text, _TEXT)}"))
