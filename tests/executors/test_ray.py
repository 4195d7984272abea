"""Cells on a Ray cluster: what is asked of it, what a lost worker means, and the same bytes whatever is killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_suite import SUITE

from asa_bench.cell import Cell
from asa_bench.errors import BadInput
from asa_bench.executors.ray import RayExecutor, Resources, Sign, _everywhere, _Piece
from asa_bench.reports.outcomes import Subject
from asa_bench.store import Store
from asa_bench.tasks.base import Source

ray = pytest.importorskip("ray", reason="Ray is not installed")
CELL = Cell("train", {"task": "sst2", "method": "asa", "seed": 1, "threads": 2, "model": "m"}, {}, {})


def test_what_a_cell_takes() -> None:
    assert Resources().of(CELL) == {"num_cpus": 2.0, "num_gpus": 0.0}
    asked = Resources(cpus=4, gpus=0.25, memory=1.5).of(CELL)
    assert asked == {"num_cpus": 4, "num_gpus": 0.25, "memory": 1.5 * 2**30}


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"cpus": 0}, "--cpus-per-cell 0: should be more than 0"),
        ({"gpus": -1}, "--gpus-per-cell -1: should be 0 or more"),
        ({"memory": -2}, "--memory-per-cell -2: should be more than 0"),
        ({"attack_shards": 0}, "--attack-shards 0: should be 1 or more"),
        ({"silence": 1}, "--ray-silence 1: should be more than 4 seconds"),
    ],
)
def test_what_cannot_be_taken_is_told(asked: dict[str, Any], line: str) -> None:
    with pytest.raises(BadInput, match=re.escape(line)):
        Resources(**asked)


def test_relative_paths_become_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "encoder").mkdir()
    given = {
        "model": "encoder",
        "base": "owner/encoder",
        "lanes": 8,
        "source": Source(kind="folder", root=Path("data")),
        "revision": None,
    }
    found = _everywhere(given)
    assert found["model"] == str(tmp_path / "encoder")
    assert (found["base"], found["lanes"], found["revision"]) == ("owner/encoder", 8, None)
    assert found["source"].root == tmp_path / "data"


@dataclass
class Machines:
    """Stands in for Ray where only its view of machines is asked."""

    alive: Mapping[str, bool]
    exceptions: Any = ray.exceptions

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "Alive": here, "Resources": {"CPU": 2.0}} for name, here in self.alive.items()
        ]


def _executor(alive: Mapping[str, bool], signs: Mapping[str, Sign]) -> RayExecutor:
    executor = object.__new__(RayExecutor)
    executor.resources = Resources()
    executor._ray = Machines(alive)
    executor._signs = lambda: dict(signs)  # type: ignore[method-assign]
    return executor


def test_three_dead_workers_make_a_failure() -> None:
    executor = _executor({"a": True}, {"x": Sign(1, "a", 7, 0, 0)})
    piece = _Piece(CELL, name="x")
    error = ray.exceptions.WorkerCrashedError()
    assert [executor._lost(piece, error) for _ in range(2)] == [None, None]
    failure = executor._lost(piece, error)
    assert failure is not None
    assert failure.error.startswith("its worker died 3 times (")
    assert not failure.stops


def test_lost_machines_are_not_the_cells_fault() -> None:
    executor = _executor({"a": False, "b": True}, {"x": Sign(1, "a", 7, 0, 0)})
    piece = _Piece(CELL, name="x")
    assert [executor._lost(piece, ray.exceptions.WorkerCrashedError()) for _ in range(5)] == [None] * 5
    assert (piece.crashes, piece.lost) == (0, 5)
    piece.lost = 19
    failure = executor._lost(piece, ray.exceptions.WorkerCrashedError())
    assert failure is not None
    assert "with 20 machines" in failure.error


def test_a_cell_that_no_machine_holds_is_told_before_any_work() -> None:
    executor = _executor({"a": True, "b": False}, {})
    big = Cell("train", {**CELL.spec, "threads": 4}, {}, {})
    with pytest.raises(BadInput, match=r"--cpus-per-cell: 'train m.*' takes 4 CPU, and .* more than 2"):
        executor.check([big])
    executor.resources = Resources(gpus=1)
    with pytest.raises(BadInput, match=r"--gpus-per-cell: .* takes 1 GPU, and .* more than 0"):
        executor.check([CELL])


def test_the_longest_chain_is_started_first(tmp_path: Path) -> None:
    store, cells = Store(tmp_path), []
    for task, behind in (("sst2", 0), ("qqp", 2)):
        subject = Subject("m", "asa", "ASA", False, task, 1)
        train = Cell("train", {**CELL.spec, "task": task}, {}, {}, subject)
        cells.append(train)
        for at in range(behind):
            spec = {**CELL.spec, "task": task, "split": f"s{at}"}
            cells.append(Cell("evaluate", spec, {}, {"model": train.address}, subject))
    for cell, seconds in zip(cells, (9.0, 7.0, 1.0, 3.0), strict=True):
        store.write(cell.kind, cell.address, {"spec": cell.spec, "result": {}}, None, {"seconds": seconds})
    found = _executor({}, {}).order(cells, store)
    # 7 + 2, the mean of the evaluations, is as long as 9, which comes first in the plan.
    assert [(cell.kind, cell.spec["task"]) for cell in found] == [
        ("train", "sst2"),
        ("train", "qqp"),
        ("evaluate", "qqp"),
        ("evaluate", "qqp"),
    ]
    shorter = _executor({}, {}).order(cells[1:] + cells[:1], store)
    assert shorter[0].spec["task"] == "qqp"


def test_as_many_slots_as_cells_fit_and_one_for_each_machine() -> None:
    executor = _executor({"a": True, "b": True, "c": False}, {})
    executor._cells = ()
    assert executor.slots == 1
    executor._cells = [CELL, Cell("evaluate", {**CELL.spec, "threads": 1}, {}, {})]
    assert executor.slots == 4 + 2
    executor.resources = Resources(cpus=2)
    assert executor.slots == 2 + 2


FAULTS = os.environ.get(
    "ASA_BENCH_RAY_FAULTS", "none:1 worker:2 node:1 driver:1 pause:1 store:1 deadly:1"
).split()


@pytest.mark.slow
@pytest.mark.timeout(240 * len(FAULTS))
def test_the_same_bytes_whatever_is_lost(tmp_path: Path) -> None:
    """Two machines of one processor each; workers, a machine and the driver are killed, one worker is paused."""
    (tmp_path / "killed.yaml").write_text(SUITE)
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("cluster_program.py")),
            str(tmp_path),
            str(tmp_path / "killed.yaml"),
            *FAULTS,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = json.loads(done.stdout.splitlines()[-1])
    assert [run for run in runs if run["code"] or run["different"] or run["files"] < 20] == []
    for run in runs:
        if run["fault"] == "deadly":
            assert len(run["hit"]) == 3
            (error,) = run["failures"]
            assert error.startswith("its worker died 3 times")
    # A fault that hit nothing would prove nothing.
    assert [run for run in runs if not run["hit"] and run["fault"] != "none"] == []
