"""Where a cell runs. One file per place; nothing else in the code knows where that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from asa_bench.cell import Cell
from asa_bench.store import Record, Store
from asa_bench.work import Progress


class Executor(Protocol):
    """A place where cells run."""

    def check(self, cells: Sequence[Cell]) -> None:
        """Tell what is wrong with the data and models of `cells` before any work; see `asa_bench.work.check`."""
        ...

    def execute(self, cell: Cell, store: Store, progress: Progress) -> Record:
        """Do the cell and record it; raise what the work raises."""
        ...
