"""Walks a plan: what is recorded is not done again, failures are kept, and the tables are written at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from asa_bench.cell import Cell
from asa_bench.errors import StoreError
from asa_bench.gathering import gather, write_tables
from asa_bench.last_run import describe
from asa_bench.plan import Plan
from asa_bench.store import Store

if TYPE_CHECKING:
    from asa_bench.executors import Executor
    from asa_bench.reports.inputs import ReportInput


class Watcher(Protocol):
    """Who is told how a run goes."""

    def waiting(self) -> None:
        """Another process holds the output folder."""

    def planned(self, plan: Plan, todo: list[Cell], recorded: int) -> None:
        """The run begins; `todo` is what is not recorded yet."""

    def started(self, cell: Cell) -> None:
        """A cell begins."""

    def progressed(self, cell: Cell, done: int, total: int) -> None:
        """A cell went on, in units of its own."""

    def finished(self, cell: Cell, seconds: float) -> None:
        """A cell is recorded."""

    def failed(self, cell: Cell, error: str) -> None:
        """A cell failed, or cannot be done because one that it waits for failed."""


class Silent:
    """A watcher that says nothing."""

    def waiting(self) -> None: ...

    def planned(self, plan: Plan, todo: list[Cell], recorded: int) -> None: ...

    def started(self, cell: Cell) -> None: ...

    def progressed(self, cell: Cell, done: int, total: int) -> None: ...

    def finished(self, cell: Cell, seconds: float) -> None: ...

    def failed(self, cell: Cell, error: str) -> None: ...


@dataclass
class RunSummary:
    """What a run did.

    Attributes:
        folder: the output folder, or the mirror of one behind a URL.
        shown: its name, for people.
        done: cells done now.
        recorded: cells that were recorded before.
        failures: label of each failed cell -> its error, one line.
        files: the tables that were written.
    """

    folder: Path
    shown: str
    done: int = 0
    recorded: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    report: ReportInput | None = None


def execute(
    plan: Plan,
    store: Store,
    executor: Executor | None = None,
    watcher: Watcher | None = None,
    only_failed: bool = False,
) -> RunSummary:
    """Do what of a plan is not recorded yet, then write its tables.

    A cell that fails is kept with its error, and what waits for it is left out; the rest goes on.

    Args:
        only_failed: do only cells that failed before, and what could not be done because of them.

    Raises:
        StoreError: the output folder cannot be written; what is recorded stays.
        KeyboardInterrupt: passed on; what is recorded stays.
    """
    watch: Watcher = watcher or Silent()
    summary = RunSummary(store.root, store.shown)
    with store.lock(watch.waiting):
        store.prepare()
        todo = [cell for cell in plan.cells if not store.has(cell.kind, cell.address)]
        summary.recorded = len(plan.cells) - len(todo)
        if only_failed:
            todo = failed_before(todo, store)
        where: Executor = executor or _local()
        if todo:
            where.check(todo)
        store.write_plan(describe(plan).model_dump(mode="json"))
        watch.planned(plan, todo, summary.recorded)
        try:
            _walk(todo, store, where, watch, summary)
        finally:
            where.close()
        summary.report = gather(store)
        summary.files = write_tables(store, summary.report)
        store.share(summary.files)
    return summary


def _walk(todo: Sequence[Cell], store: Store, where: Executor, watch: Watcher, summary: RunSummary) -> None:
    """Start every cell as soon as what it waits for is recorded and the executor takes it, in its order."""
    pending = where.order(todo, store)
    running: dict[str, Cell] = {}
    missing: dict[str, str] = {}  # address of what cannot be done -> label of the cell that failed
    while pending or running:
        unfinished = {cell.address for cell in pending} | set(running)
        for cell in list(pending):
            if len(running) >= where.slots:
                break
            broken = next((missing[at] for at in cell.waits.values() if at in missing), None)
            if broken is not None:
                pending.remove(cell)
                missing[cell.address] = broken
                summary.failures[cell.label] = f"not done, because '{broken}' failed"
                watch.failed(cell, summary.failures[cell.label])
            elif not any(at in unfinished for at in cell.waits.values()):
                pending.remove(cell)
                running[cell.address] = cell
                watch.started(cell)
                where.start(cell, store, partial(watch.progressed, cell))
        if not running:  # all that was left waited for what failed
            continue
        ended = where.wait()
        cell = running.pop(ended.cell.address)
        if ended.failure is None:
            summary.done += 1
            watch.finished(cell, ended.seconds)
            continue
        if ended.failure.stops:
            raise StoreError(ended.failure.error)
        missing[cell.address] = cell.label
        summary.failures[cell.label] = ended.failure.error
        content = {
            "label": cell.label,
            "error": ended.failure.error,
            "traceback": ended.failure.traceback,
            "spec": dict(cell.spec),
        }
        store.write_failure(cell.kind, cell.address, content)
        watch.failed(cell, ended.failure.error)


def failed_before(todo: Sequence[Cell], store: Store) -> list[Cell]:
    """The cells of `todo` whose error is kept, those that wait for one of them, and what these need in turn."""
    absent = {cell.address: cell for cell in todo}
    chosen: set[str] = set()

    def choose(cell: Cell) -> None:
        chosen.add(cell.address)
        for at in cell.waits.values():  # such as a model that was deleted since
            if at in absent and at not in chosen:
                choose(absent[at])

    for cell in todo:  # what a cell waits for comes before it
        again = store.read_failure(cell.kind, cell.address) is not None
        if again or any(at in chosen for at in cell.waits.values()):
            choose(cell)
    return [cell for cell in todo if cell.address in chosen]


def _local() -> Executor:
    from asa_bench.executors.local import LocalExecutor

    return LocalExecutor()
