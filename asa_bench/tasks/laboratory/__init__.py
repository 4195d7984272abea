"""The embedded laboratory: generated task families with planted shortcuts of known strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asa_bench.tasks.laboratory.catalogue import LABORATORY_VERSION, TASKS

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.tasks.base import LaboratoryOptions

__all__ = ["LABORATORY_VERSION", "TASKS", "corpus", "generate"]


def generate(
    task_name: str, split: str, options: LaboratoryOptions, count: int | None = None
) -> pd.DataFrame:
    """See `asa_bench.tasks.laboratory.rows.generate`."""
    from asa_bench.tasks.laboratory import rows

    return rows.generate(task_name, split, options, count)


def corpus(options: LaboratoryOptions, count: int) -> list[str]:
    """See `asa_bench.tasks.laboratory.corpus.corpus`."""
    from asa_bench.tasks.laboratory import text

    return text.corpus(options, count)
