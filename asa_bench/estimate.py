"""How long cells may take: from what cells of the same kind took in this output folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING, Any

from asa_bench.plan import Cell
from asa_bench.store import Record, Store

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Estimate:
    """What is known of the time that cells will take.

    Attributes:
        seconds: for the cells that something is known of.
        known: how many those are.
        unknown: how many cells are like none that was recorded.
    """

    seconds: float
    known: int
    unknown: int


def _keys(kind: str, spec: Mapping[str, Any], method: str | None) -> list[tuple[Any, ...]]:
    """From the most to the least alike: cells with an equal key are expected to take about as long."""
    task, attack, examples = spec.get("task"), spec.get("attack"), spec.get("examples")
    return [
        (kind, task, method, attack, examples),
        (kind, task, method, attack),
        (kind, method, attack),
        (kind, attack),
        (kind,),
    ]


@dataclass
class Clock:
    """Learns from finished cells how long others will take."""

    seen: dict[tuple[Any, ...], list[float]] = field(default_factory=dict)

    def learn(self, kind: str, spec: Mapping[str, Any], method: str | None, seconds: float) -> None:
        """A cell took so many seconds."""
        for key in _keys(kind, spec, method):
            self.seen.setdefault(key, []).append(seconds)

    def guess(self, cell: Cell) -> float | None:
        """The mean time of the most alike cells in seconds; None where there are none."""
        method = cell.subject.method if cell.subject else None
        for key in _keys(cell.kind, cell.spec, method):
            if key in self.seen:
                return mean(self.seen[key])
        return None

    def estimate(self, cells: Sequence[Cell]) -> Estimate:
        """The time that `cells` will take together, one after the other."""
        guesses = [self.guess(cell) for cell in cells]
        known = [guess for guess in guesses if guess is not None]
        return Estimate(sum(known), len(known), len(guesses) - len(known))


def clock_of(records: Iterable[Record]) -> Clock:
    """A clock that has learned from records."""
    clock = Clock()
    for record in records:
        seconds = record.timings().get("seconds")
        if isinstance(seconds, int | float):
            subject = record.spec.get("subject") or {}
            method = record.spec.get("method") or subject.get("method")
            clock.learn(record.kind, record.spec, method, float(seconds))
    return clock


def estimate(todo: Sequence[Cell], store: Store) -> Estimate:
    """What is known of the time that `todo` will take, from the records in `store`."""
    return clock_of(store.records()).estimate(todo)
