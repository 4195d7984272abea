"""What a plan costs: seconds of work, machine and GPU hours and money, by kind of cell, from recorded timings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from asa_bench.cell import Cell
from asa_bench.estimate import clock_of, rough
from asa_bench.record import Record
from asa_bench.scheduling import Job, Schedule, simulate


@dataclass(frozen=True)
class Cost:
    """Cells of one kind.

    Attributes:
        kind: of the cells; with the method where they train or pre-train.
        cells: how many.
        recorded: how many of them are judged by recorded times of cells of the same task, method, attack and number
            of examples, `alike` by those of the most similar ones, `computed` by arithmetic; nothing is known of the
            rest, which the numbers leave out.
        seconds: of work, one cell after the other.
        gpu_seconds: the part of it on a GPU, times the share of one that a cell takes.
    """

    kind: str
    cells: int
    recorded: int
    alike: int
    computed: int
    seconds: float
    gpu_seconds: float

    @property
    def unknown(self) -> int:
        return self.cells - self.recorded - self.alike - self.computed


@dataclass(frozen=True)
class Costs:
    """What all cells of a plan cost.

    Attributes:
        rows: by kind of cell, in the plan's order of kinds.
        schedule: the same cells on as many workers as were asked for.
    """

    rows: tuple[Cost, ...]
    schedule: Schedule

    @property
    def total(self) -> Cost:
        """All rows together."""
        names = ("cells", "recorded", "alike", "computed", "seconds", "gpu_seconds")
        sums = {name: sum(getattr(row, name) for row in self.rows) for name in names}
        return Cost("all", **sums)


def cost(
    cells: Sequence[Cell], records: Iterable[Record], workers: int = 1, gpus_per_cell: float = 1.0
) -> Costs:
    """What `cells` cost together, whether recorded or not.

    Args:
        records: their timings are what is known; of cells that are like none of them, arithmetic guesses.
        workers: how many cells go on at once, for `Costs.schedule`.
        gpus_per_cell: the share of a GPU that a cell takes where its device is one.
    """
    clock = clock_of(records)
    found: dict[str, Cost] = {}
    jobs = []
    names = {cell.address for cell in cells}
    for cell in cells:
        method = cell.spec.get("method")
        kind = f"{cell.kind} {method}" if method and cell.kind in ("pretrain", "train") else cell.kind
        told = clock.guess(cell)
        guess = rough(cell) if told is None else told
        on_gpu = gpus_per_cell if cell.spec.get("device") not in (None, "cpu") else 0.0
        before = found.get(kind, Cost(kind, 0, 0, 0, 0, 0.0, 0.0))
        found[kind] = Cost(
            kind,
            before.cells + 1,
            before.recorded + clock.knows(cell),
            before.alike + (told is not None and not clock.knows(cell)),
            before.computed + (told is None and guess is not None),
            before.seconds + (guess or 0.0),
            before.gpu_seconds + (guess or 0.0) * on_gpu,
        )
        waits = tuple(at for at in cell.waits.values() if at in names)
        jobs.append(Job(cell.address, guess or 0.0, waits))
    return Costs(tuple(found.values()), simulate(jobs, workers))


def as_json(costs: Costs, price: float | None) -> dict[str, Any]:
    """The same as JSON; `price` in dollars per hour of a worker."""
    found = costs.schedule
    rows = []
    for row in (*costs.rows, costs.total):
        told: dict[str, Any] = {**asdict(row), "unknown": row.unknown}
        if price is not None:
            told["dollars"] = row.seconds / 3600 * price
        rows.append(told)
    return {
        "rows": rows,
        "workers": found.workers,
        "seconds": found.seconds,
        "efficiency": found.efficiency,
        "critical_seconds": found.critical_seconds,
        "critical_path": list(found.critical_path),
    }
