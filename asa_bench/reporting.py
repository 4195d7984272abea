"""Makes the report of one output folder, or of several: gathers, merges, and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asa_bench import gathering, last_run
from asa_bench.errors import BadInput, StoreError
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.look import Look
from asa_bench.reports.merging import merge
from asa_bench.reports.write import PLAIN, write_all, write_figures
from asa_bench.store import Store
from asa_bench.stores import open_store
from asa_bench.texts import read_texts

FIGURES = "figures"


@dataclass(frozen=True)
class Written:
    """One report that was written.

    Attributes:
        shown: name of the folder that holds the files, for people.
        figures: files of its charts, in a folder beside them.
    """

    report: ReportInput
    files: tuple[Path, ...]
    shown: str
    figures: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Reports:
    """All that were written: several where folders were kept apart; and lines that say why."""

    parts: tuple[Written, ...]
    left_out: tuple[str, ...] = ()


def report(
    folders: Sequence[Path],
    output: Path | None = None,
    layouts: tuple[str, ...] = (),
    look: Look = PLAIN,
    figures: bool = False,
    texts: bool = False,
    data_dir: Path | None = None,
) -> Reports:
    """Write the report of output folders, from their records alone.

    Args:
        output: where to; the folder's own ``tables/`` by default, if it is one folder. Where some are kept apart, each
            part has a folder of its own there, ``part-1`` and so on.
        layouts, look: see `asa_bench.reports.write.write_all`.
        texts: show evaluated examples on the page, too; their texts are made again by the laboratory, or read from
            `data_dir`, since records keep hashes alone.
        figures: write charts, too, into ``figures/`` beside the tables.

    Raises:
        BadInput: one is not an output folder, or none of several is.
        StoreError: records are damaged, or nothing can be written.
    """
    if not folders:
        raise BadInput("report: no output folder is given")
    if len(folders) == 1:
        store = open_store(folders[0])
        source, notes = _gathered(store, texts, data_dir)
        if output is not None:
            return Reports((_written(source, output, str(output), layouts, look, figures),), notes)
        with store.lock():
            folder = store.root / gathering.TABLES
            made = _written(source, folder, f"{store.shown}/{folder.name}", layouts, look, figures)
            store.share([*made.files, *made.figures])
        return Reports((made,), notes)
    if output is None:
        raise BadInput("several folders need a place for their report: output")
    left_out: list[str] = []
    read: list[tuple[Path, ReportInput]] = []
    for folder in folders:
        try:
            source, notes = _gathered(open_store(folder), texts, data_dir)
            read.append((folder, source))
            left_out += notes
        except StoreError as error:  # such as records of another schema; the others can be reported
            left_out.append(f"left out: {folder}: {error}")
    if not read:
        raise StoreError("; ".join(left_out))
    parts = merge([source for _, source in read])
    written = []
    for number, part in enumerate(parts, 1):
        where = output if len(parts) == 1 else output / f"part-{number}"
        written.append(_written(part.source, where, str(where), layouts, look, figures))
        named = ", ".join(str(read[at][0]) for at in part.members)
        left_out += [
            f"kept apart: {named} from {read[at][0]}: {why}" for at, why in part.apart if part.members[0] < at
        ]
    return Reports(tuple(written), tuple(left_out))


def _gathered(store: Store, texts: bool, data_dir: Path | None) -> tuple[ReportInput, tuple[str, ...]]:
    """The records of a folder, with the texts of evaluated examples if they are asked for, and why some are missing."""
    source = gathering.gather(store)
    if not texts:
        return source, ()
    wanted = {(item.task.name, item.split): len(item.rows) for item in source.evaluations}
    found, notes = read_texts(wanted, last_run.planned(store).settings, data_dir)
    return replace(source, texts=found), notes


def _written(
    source: ReportInput, folder: Path, shown: str, layouts: tuple[str, ...], look: Look, figures: bool
) -> Written:
    files = tuple(write_all(source, folder, layouts, look))
    drawn = tuple(write_figures(source, folder / FIGURES)) if figures else ()
    return Written(source, files, shown, drawn)
