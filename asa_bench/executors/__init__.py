"""Where cells run. One file per place; nothing else in the code knows where that is."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asa_bench.cell import Cell
from asa_bench.errors import AsaBenchError, StoreError, is_failure
from asa_bench.kinds.common import Progress
from asa_bench.store import Store


@dataclass(frozen=True)
class Failure:
    """Why a cell has no record.

    Attributes:
        error: one line.
        traceback: where it happened, "" where nobody knows.
        stops: the output folder cannot be read or written, so nothing else can be done either.
    """

    error: str
    traceback: str = ""
    stops: bool = False


@dataclass(frozen=True)
class Ended:
    """A cell that was started and is recorded now, or failed.

    Attributes:
        seconds: of work, without the time it waited for a free place; of all its parts together, where it had some.
    """

    cell: Cell
    seconds: float
    failure: Failure | None = None


class Executor(Protocol):
    """A place where cells run.

    The runner starts only cells whose inputs are recorded, at most `slots` at once, and never the same one twice
    before it has ended.
    """

    @property
    def slots(self) -> int:
        """How many cells it takes at once; may change while it works."""
        ...

    def check(self, cells: Sequence[Cell]) -> None:
        """Tell what is wrong with the data and models of `cells` before any work; see `asa_bench.work.check`."""
        ...

    def order(self, cells: Sequence[Cell], store: Store) -> list[Cell]:
        """The same cells, in the order in which those that are ready are to be started."""
        ...

    def start(self, cell: Cell, store: Store, progress: Progress) -> None:
        """Take a cell, which is to be done and recorded in `store`."""
        ...

    def wait(self) -> Ended:
        """Return as soon as one of the started cells has ended."""
        ...

    def close(self) -> None:
        """Stop what is still going on; what is recorded stays."""
        ...


class InTurn:
    """An executor that does one cell after the other in this process; `execute` is what it does."""

    slots = 1

    def __init__(self) -> None:
        self._started: tuple[Cell, Store, Progress] | None = None

    def check(self, cells: Sequence[Cell]) -> None:
        """Nothing is checked."""

    def order(self, cells: Sequence[Cell], store: Store) -> list[Cell]:
        """The plan's own."""
        return list(cells)

    def execute(self, cell: Cell, store: Store, progress: Progress) -> None:
        """Do the cell and record it; raise what the work raises."""
        raise NotImplementedError

    def start(self, cell: Cell, store: Store, progress: Progress) -> None:
        self._started = cell, store, progress

    def wait(self) -> Ended:
        if self._started is None:
            raise RuntimeError("wait() without a started cell")
        (cell, store, progress), self._started = self._started, None
        begun = time.monotonic()
        failure = attempt(lambda: self.execute(cell, store, progress), store.root)
        return Ended(cell, time.monotonic() - begun, failure)

    def close(self) -> None:
        """Nothing goes on after `wait`."""


def attempt(work: Callable[[], object], root: Path) -> Failure | None:
    """Do the work of a cell; what it raises becomes a failure, so that it can be kept and the rest goes on.

    Args:
        root: the output folder, for messages.
    """
    try:
        work()
    except BaseException as error:
        if not is_failure(error):
            raise
        told = traceback.format_exc()
        if "no space left" in str(error).lower():
            line = (
                f"{root}: no space left on the disk; free some and run the same command again, "
                "nothing recorded is lost"
            )
            return Failure(line, told, stops=True)
        return Failure(one_line(error), told, stops=isinstance(error, StoreError))
    return None


def one_line(error: BaseException) -> str:
    """An error's text on one line, at most 300 characters, with its kind where the text does not tell."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, AsaBenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
