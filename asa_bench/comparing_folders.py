"""Compares what output folders hold, and finds the texts of the examples that flip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from asa_bench import gathering, last_run
from asa_bench.errors import BadInput
from asa_bench.measures import Comparison
from asa_bench.reports.head_to_head import Compared, ComparedCell, Flip, Side, compare_sides
from asa_bench.stores import open_store
from asa_bench.texts import read_texts

SCHEMA_VERSION = 1
CSV_COLUMNS = (
    *("first", "second", "model", "task", "split", "train_task", "attack", "first_mean", "second_mean"),
    *("difference", "low", "high", "adjusted_low", "adjusted_high", "p", "adjusted_p", "detectable"),
    *("verdict", "gained", "lost", "flipped", "seeds", "examples", "clusters", "family", "test", "notes"),
    *("first_gated", "second_gated", "metric"),
    *("gated_low", "gated_high", "gated_p", "gated_adjusted_p", "gated_detectable"),
)


def compare_folders(
    first: Path,
    second: Path | None = None,
    methods: tuple[str, str] | None = None,
    *,
    data_dir: Path | None = None,
    flips: int = 5,
) -> Compared:
    """Two output folders, or two methods of one or of two.

    Args:
        methods: names of rows, the first one's from `first`, the second one's from `second` (or from `first` too).
        data_dir: where texts of real data sets are read from; those of the laboratory are made again. Records keep
            hashes alone: data sets have licences of their own, and every cell would carry all texts once more.
        flips: how many examples per cell and direction get their texts; all are counted and kept.

    Raises:
        BadInput: not an output folder, no such method, other data, other recipes, nothing in common.
    """
    if second is None and methods is None:
        raise BadInput(
            "one folder alone: give a second one, or two of its methods with --methods FIRST SECOND"
        )
    if flips < 0:
        raise BadInput(f"--flips {flips}: must be 0 or more")
    stores = [open_store(first), open_store(second if second is not None else first)]
    gathered = [gathering.gather(stores[0])]
    gathered.append(gathered[0] if second is None else gathering.gather(stores[1]))
    names = methods or ("", "")
    if second is None and names[0] == names[1]:
        raise BadInput(
            f"--methods {names[0]!a} {names[1]!a}: one method of one folder cannot differ from itself"
        )
    shown = [str(first), str(second if second is not None else first)]
    found = compare_sides(*(Side(s, g, n) for s, g, n in zip(shown, gathered, names, strict=True)))
    texts, notes = _texts(found, last_run.planned(stores[0]).settings, data_dir)
    cells = tuple(_with_texts(cell, texts.get((cell.task, cell.split), {}), flips) for cell in found.cells)
    return replace(found, cells=cells, notes=notes)


def _with_texts(cell: ComparedCell, texts: Mapping[str, tuple[str, ...]], flips: int) -> ComparedCell:
    wanted = {flip.id for gained in (True, False) for flip in directed(cell, gained)[:flips]}
    told = (replace(f, texts=texts.get(f.text_hash)) if f.id in wanted else f for f in cell.flips)
    return replace(cell, flips=tuple(told))


def _texts(
    found: Compared, settings: Mapping[str, Any], data_dir: Path | None
) -> tuple[dict[tuple[str, str], dict[str, tuple[str, ...]]], tuple[str, ...]]:
    """(task, split) -> hash -> texts, as far as they can be read, and why not. Only texts of a recorded hash are shown."""
    wanted = {(cell.task, cell.split): cell.comparison.examples for cell in found.cells if cell.flips}
    return read_texts(wanted, settings, data_dir)


def to_json(found: Compared, flips: int) -> dict[str, Any]:
    """Everything as plain values; `flips` of each direction with their texts, and the counts of all."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "first": found.first,
        "second": found.second,
        "left_out": list(found.left_out),
        "cells": [
            {
                **{key: value for key, value in asdict(replace(cell, flips=())).items() if key != "flips"},
                "verdict": cell.verdict,
                "flips": {
                    "gained": [asdict(flip) for flip in directed(cell, True)[:flips]],
                    "lost": [asdict(flip) for flip in directed(cell, False)[:flips]],
                },
            }
            for cell in found.cells
        ],
        "notes": list(found.notes),
    }
    made: dict[str, Any] = plain(content)
    return made


def plain(value: Any) -> Any:
    """What JSON can hold: numbers that are not finite, such as the odds of flips in one direction alone, are null."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def directed(cell: ComparedCell, gained: bool) -> list[Flip]:
    """The flips of one direction: examples that the second answers right in more seeds, or in fewer."""
    return [f for f in cell.flips if (f.gained > f.lost if gained else f.lost > f.gained)]


def to_csv(found: Compared) -> str:
    """One line per cell, shares in [0, 1] at full precision."""
    import csv
    import io

    from asa_bench.reports.text import guard

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for cell in found.cells:
        told = cell.comparison
        texts = (cell.first, cell.second, cell.model, cell.task, cell.split, cell.train_task, cell.attack)
        numbers = (
            *(*cell.means, told.difference, *told.interval, *told.adjusted_interval),
            *(told.p, told.adjusted_p, told.detectable),
        )
        counts = (
            *("" if each is None else repr(each + 0.0) for each in (told.gained, told.lost)),
            told.flipped,
            told.seeds,
            told.examples,
            told.clusters,
            told.family,
        )
        writer.writerow(
            [
                *map(guard, texts),
                *map(repr, numbers),
                cell.verdict,
                *(each if isinstance(each, str) else repr(each) for each in counts),
                guard(told.method),
                guard("; ".join(told.notes)),
                *(("", "") if cell.gated is None else map(repr, cell.gated)),
                cell.metric,
                *_tested(cell.gated_comparison),
            ]
        )
    return buffer.getvalue()


def _tested(found: Comparison | None) -> list[str]:
    if found is None:
        return [""] * 5
    return [repr(each) for each in (*found.interval, found.p, found.adjusted_p, found.detectable)]
