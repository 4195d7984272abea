"""Shows how a run goes: a live bar with an estimate on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from asa_bench.cell import Cell
from asa_bench.estimate import Clock, clock_of
from asa_bench.plan import Plan
from asa_bench.runner import Silent, Watcher
from asa_bench.store import Store


def duration(seconds: float) -> str:
    """Seconds for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@contextlib.contextmanager
def make_watcher(store: Store) -> Iterator[Watcher]:
    """The watcher that fits where stderr goes."""
    clock = clock_of(store.records())
    if sys.stderr.isatty():
        with _bar() as bar:
            yield Bar(clock, bar)
    else:
        yield Lines(clock)


class Lines(Silent):
    """One plain line per finished cell, for logs."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.todo: list[Cell] = []
        self.total = 0
        self.begun = time.monotonic()
        self.heartbeat = self.begun
        self.spent = 0.0  # seconds of work, of all cells that ended

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def waiting(self) -> None:
        self.say("another run holds this output folder; waiting until it is done")

    def planned(self, plan: Plan, todo: list[Cell], recorded: int) -> None:
        self.todo = list(todo)
        self.total = len(todo)
        self.begun = time.monotonic()
        self.say(
            f"{plan.suite} ({plan.profile}): {len(plan.cells)} cells, {recorded} recorded, {len(todo)} to do"
        )

    def progressed(self, cell: Cell, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.heartbeat > 60 and total:
            self.heartbeat = now
            self.say(f"  {cell.label}: {done} of {total}")

    def finished(self, cell: Cell, seconds: float) -> None:
        self._count(cell, seconds)
        self.say(f"[{self.total - len(self.todo)}/{self.total}] {cell.label}: {seconds:.1f} s{self.left()}")

    def failed(self, cell: Cell, error: str) -> None:
        self._count(cell, None)
        self.say(f"[{self.total - len(self.todo)}/{self.total}] FAILED {cell.label}: {error}")

    def _count(self, cell: Cell, seconds: float | None) -> None:
        self.heartbeat = time.monotonic()
        self.todo = [other for other in self.todo if other.address != cell.address]
        if seconds is not None:
            self.spent += seconds
            self.clock.learn(cell.kind, cell.spec, cell.subject.method if cell.subject else None, seconds)

    def left(self) -> str:
        """How long the rest may take, once something is known of every cell of it.

        As many cells at once as so far: the time that went by, over the work that was done in it.
        """
        guess = self.clock.estimate(self.todo)
        if not self.todo or guess.unknown:
            return ""
        pace = min(1.0, (time.monotonic() - self.begun) / self.spent) if self.spent else 1.0
        return f", about {duration(guess.seconds * pace)} left"


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )


class Bar(Lines):
    """A live bar: cells done, time gone, time left, and what is going on."""

    def __init__(self, clock: Clock, bar: Any) -> None:
        super().__init__(clock)
        self.bar = bar
        self.task: Any = None

    def say(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False)

    def planned(self, plan: Plan, todo: list[Cell], recorded: int) -> None:
        super().planned(plan, todo, recorded)
        self.task = self.bar.add_task("", total=len(todo), left="")

    def started(self, cell: Cell) -> None:
        self.bar.update(self.task, description=cell.label, left=self.left().removeprefix(", "))

    def progressed(self, cell: Cell, done: int, total: int) -> None:
        if total:
            self.bar.update(self.task, description=f"{cell.label} ({100 * done // total} %)")

    def finished(self, cell: Cell, seconds: float) -> None:
        self._count(cell, seconds)
        self.bar.update(self.task, advance=1, left=self.left().removeprefix(", "))

    def failed(self, cell: Cell, error: str) -> None:
        super().failed(cell, error)
        self.bar.update(self.task, advance=1)
