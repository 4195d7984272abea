"""The texts of examples that records name by their hashes: made again by the laboratory, or read from data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asa_bench.errors import AsaBenchError


def read_texts(
    wanted: Mapping[tuple[str, str], int], settings: Mapping[str, Any], data_dir: Path | None = None
) -> tuple[dict[tuple[str, str], dict[str, tuple[str, ...]]], tuple[str, ...]]:
    """(task, split) -> hash as records have it -> texts, as far as they can be read; and why others cannot.

    Args:
        wanted: (task, split) -> how many examples were faced; the laboratory makes as many rows as it is asked for.
        settings: of the run, which say how strong the laboratory's shortcuts are.
        data_dir: where texts of real data sets lie.
    """
    from asa_bench.tasks import TASKS
    from asa_bench.tasks.base import LaboratoryOptions, Source, row_hash
    from asa_bench.tasks.loading import load

    made: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    notes: list[str] = []
    for (name, split), examples in wanted.items():
        if name not in TASKS:
            continue
        task, generated = TASKS.get(name), name.startswith("laboratory/")
        if generated:
            strength = settings.get("laboratory", {}).get("strength", LaboratoryOptions().strength)
            source = Source(laboratory=LaboratoryOptions(strength=strength))
        elif data_dir is not None:
            source = Source(kind="folder", root=data_dir)
        else:
            notes.append("Texts of real data sets are shown where --data-dir gives the data.")
            continue
        try:
            frame = load(task, split, source, examples if generated else None).frame
        except AsaBenchError as error:
            notes.append(f"No texts of {task.title}: {error}")
            continue
        rows = zip(*(frame[column].astype(str).tolist() for column in task.columns), strict=True)
        made[name, split] = {row_hash(row)[:16]: row for row in rows}
    return made, tuple(dict.fromkeys(notes))
