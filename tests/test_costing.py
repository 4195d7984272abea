"""Costs of cells of which some were timed, some are like those, and some nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asa_bench.cell import Cell
from asa_bench.costing import as_json, cost
from asa_bench.record import Record
from asa_bench.reports.outcomes import Subject


class Timed(Record):
    """A record that took so long."""

    def __init__(self, cell: Cell, seconds: float) -> None:
        super().__init__({"kind": cell.kind, "address": cell.address, "spec": cell.spec}, Path("nowhere"))
        object.__setattr__(self, "seconds", seconds)

    def timings(self) -> dict[str, Any]:
        return {"seconds": self.seconds}  # type: ignore[attr-defined]


def _cells(seeds: int, device: str = "cuda", examples: int = 100) -> list[Cell]:
    found = []
    for seed in range(seeds):
        subject = Subject("m", "asa", "ASA", False, "sst2", seed)
        spec = {"task": "sst2", "method": "asa", "seed": seed, "device": device, "examples": examples}
        train = Cell("train", spec, {}, {}, subject)
        asked = {"task": "sst2", "split": "dev", "seed": seed, "device": device, "examples": 10}
        found += [train, Cell("evaluate", asked, {}, {"model": train.address}, subject)]
    return found


def test_by_hand() -> None:
    timed, planned = _cells(1), _cells(4)
    records = [Timed(timed[0], 7200.0), Timed(timed[1], 360.0)]
    found = cost(planned, records, workers=2, gpus_per_cell=0.5)
    train, evaluate = found.rows
    assert (train.kind, train.cells, train.recorded, train.unknown) == ("train asa", 4, 4, 0)
    assert (train.seconds, train.gpu_seconds, evaluate.seconds) == (4 * 7200.0, 2 * 7200.0, 4 * 360.0)
    assert found.total.cells == 8
    assert found.schedule.seconds == 2 * (7200 + 360)
    assert found.schedule.critical_path == (planned[0].address, planned[1].address)
    told = as_json(found, price=2.0)
    assert told["rows"][-1]["dollars"] == pytest.approx(2 * (4 * 7200 + 4 * 360) / 3600)
    assert "dollars" not in as_json(found, None)["rows"][0]


def test_what_is_not_known_is_not_made_up() -> None:
    timed = _cells(1)
    found = cost(_cells(2, examples=5000), [Timed(timed[0], 10.0)])
    train, evaluate = found.rows
    assert (train.recorded, train.alike, train.unknown) == (0, 2, 0)
    assert (evaluate.recorded, evaluate.alike, evaluate.unknown, evaluate.seconds) == (0, 0, 2, 0.0)


def test_a_processor_is_no_gpu() -> None:
    timed = _cells(1, device="cpu")
    found = cost(timed, [Timed(timed[0], 10.0)])
    assert found.total.gpu_seconds == 0.0
