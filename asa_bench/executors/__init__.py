"""Where a cell runs. One file per place; nothing else in the code knows where that is."""

from __future__ import annotations

from typing import Protocol

from asa_bench.plan import Cell
from asa_bench.store import Record, Store
from asa_bench.work import Progress


class Executor(Protocol):
    """A place where cells run."""

    def execute(self, cell: Cell, store: Store, progress: Progress) -> Record:
        """Do the cell and record it; raise what the work raises."""
        ...
