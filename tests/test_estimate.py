"""Estimates: recorded times of the most alike cells, else arithmetic, else nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.cell import Cell
from asa_bench.estimate import Clock, estimate, rough
from asa_bench.reports.outcomes import Subject
from asa_bench.request import Request
from asa_bench.store import Store


def _cell(kind: str, method: str, task: str, examples: int = 10) -> Cell:
    subject = Subject("m", method, method, False, task, 1)
    return Cell(kind, {"task": task, "examples": examples}, {}, {}, subject)


def test_the_most_alike_cell_decides() -> None:
    clock = Clock()
    clock.learn("train", {"task": "sst2", "examples": 10}, "naive", 10.0)
    clock.learn("train", {"task": "sst2", "examples": 10}, "asa", 20.0)
    clock.learn("train", {"task": "qqp", "examples": 10}, "asa", 40.0)
    assert clock.guess(_cell("train", "asa", "sst2")) == 20.0
    assert clock.guess(_cell("train", "asa", "sst2", examples=99)) == 20.0
    assert clock.guess(_cell("train", "asa", "mnli")) == 30.0
    assert clock.guess(_cell("train", "rdrop", "mnli")) == pytest.approx(70 / 3)
    assert clock.guess(_cell("evaluate", "asa", "sst2")) is None
    found = clock.estimate([_cell("train", "asa", "sst2"), _cell("evaluate", "asa", "sst2")])
    assert (found.seconds, found.known, found.unknown) == (20.0, 1, 1)


def test_arithmetic_stands_in_where_nothing_is_recorded(tmp_path: Path) -> None:
    plan, _ = Request().plan()
    found = estimate(plan.cells, Store(tmp_path))
    assert (found.known, found.unknown, found.recorded) == (len(plan.cells), 0, 0)
    assert found.seconds > 0


def test_arithmetic_grows_with_the_work() -> None:
    def seconds(**settings: object) -> float:
        overrides = {key.replace("__", "."): (value, key) for key, value in settings.items()}
        trainings = [cell for cell in Request(overrides=overrides).plan()[0].cells if cell.kind == "train"]
        return sum(rough(cell) or 0.0 for cell in trainings)

    assert seconds(train_examples=3000) > seconds(train_examples=300)
    assert seconds(methods=["asa"]) > seconds(methods=["naive"])
    assert seconds(methods=["smart"]) > seconds(methods=["freelb"]) > seconds(methods=["naive"])
    assert seconds(methods=["naive_longer"]) > seconds(methods=["rdrop"])
