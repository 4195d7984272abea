"""Runs cells in this process."""

from __future__ import annotations

from collections.abc import Sequence

from asa_bench import work
from asa_bench.cell import Cell
from asa_bench.executors import InTurn
from asa_bench.kinds.common import Progress
from asa_bench.store import Store


class LocalExecutor(InTurn):
    """One cell after the other, here. Two trainings at once on the same processors are slower than in turn."""

    def check(self, cells: Sequence[Cell]) -> None:
        work.check(cells)

    def execute(self, cell: Cell, store: Store, progress: Progress) -> None:
        work.perform(cell, store, progress)
