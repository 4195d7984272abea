"""The runner: what is recorded is not done again, failures are kept, the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from asa_bench import gathering, runner
from asa_bench.cell import Cell
from asa_bench.errors import BadInput, StoreError
from asa_bench.executors import Ended, InTurn
from asa_bench.kinds.common import Progress
from asa_bench.plan import Plan
from asa_bench.reports.outcomes import Subject
from asa_bench.settings import Settings
from asa_bench.store import Store
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source

TASK = TASKS.get("sst2")


def _plan(seeds: int = 2) -> Plan:
    cells = []
    for seed in range(1, seeds + 1):
        for method in ("naive", "asa"):
            subject = Subject("tiny", method, method.title(), False, "sst2", seed)
            train = Cell("train", {"task": "sst2", "method": method, "seed": seed}, {}, {}, subject)
            spec = {"task": "sst2", "split": "dev", "method": method, "seed": seed}
            cells += [train, Cell("evaluate", spec, {}, {"model": train.address}, subject)]
    settings = Settings(
        source="hub", models=("tiny",), train=("sst2",), methods={"naive": {}, "asa": {}}, seeds=seeds
    )
    return Plan("test", "A test", "small", settings, Source(kind="hub"), tuple(cells))


class Executor(InTurn):
    """Does every cell at once, unless its label is to fail."""

    def __init__(self, fail: dict[str, Exception] | None = None) -> None:
        super().__init__()
        self.fail = fail or {}
        self.done: list[str] = []
        self.checked: list[str] = []

    def check(self, cells: Sequence[Cell]) -> None:
        self.checked = [cell.label for cell in cells]

    def execute(self, cell: Cell, store: Store, progress: Progress) -> None:
        for part, error in self.fail.items():
            if part in cell.label:
                raise error
        self.done.append(cell.label)
        progress(1, 1)
        rows = None
        result: dict[str, object] = {}
        if cell.kind == "train":
            result = {"training": {"steps": 3, "losses": {"total": 1.0}, "gradient_norms": {"model": 2.0}}}
        if cell.kind == "evaluate":
            right = cell.spec["method"] == "asa"
            rows = pd.DataFrame(
                {
                    "id": ["1", "2"],
                    "text_hash": ["x", "y"],
                    "label": ["positive", "negative"],
                    "prediction": ["positive", "negative" if right else "positive"],
                    "logits": [[0.0, 1.0], [1.0, 0.0]],
                }
            )
            result = {"task": TASK.model_dump(mode="json"), "fingerprint": "f" * 64}
        manifest = {
            "label": cell.label,
            "spec": dict(cell.spec),
            "reads": dict(cell.reads),
            "waits": dict(cell.waits),
            "result": result,
        }
        store.write(cell.kind, cell.address, manifest, rows, {"seconds": 0.0})


def test_everything_is_done_once(tmp_path: Path) -> None:
    plan, first, second = _plan(), Executor(), Executor()
    done = runner.execute(plan, Store(tmp_path), first)
    assert (done.done, done.recorded, done.failures) == (8, 0, {})
    assert first.done == first.checked == [cell.label for cell in plan.cells]
    before = {path: path.read_bytes() for path in done.files}
    assert before
    again = runner.execute(plan, Store(tmp_path), second)
    assert (again.done, again.recorded, second.done) == (0, 8, [])
    assert {path: path.read_bytes() for path in again.files} == before


def test_a_damaged_record_is_done_again(tmp_path: Path) -> None:
    plan = _plan()
    runner.execute(plan, Store(tmp_path), Executor())
    victim = plan.cells[1]
    (Store(tmp_path).folder(victim.kind, victim.address) / "rows.parquet").write_bytes(b"torn")
    executor = Executor()
    runner.execute(plan, Store(tmp_path), executor)
    assert executor.done == [victim.label]


def test_a_failure_is_kept_and_the_rest_goes_on(tmp_path: Path) -> None:
    plan = _plan()
    executor = Executor({"train tiny asa seed 1": RuntimeError("exploded\nbadly")})
    done = runner.execute(plan, Store(tmp_path), executor)
    assert done.failures == {
        "train tiny asa seed 1 on sst2": "RuntimeError: exploded badly",
        "evaluate tiny asa seed 1 on sst2": "not done, because 'train tiny asa seed 1 on sst2' failed",
    }
    assert done.done == 6
    assert done.report is not None
    assert [(hole.subject.method, hole.subject.seed) for hole in done.report.holes] == [("asa", 1)]
    assert "exploded" in done.report.holes[0].error
    assert list((tmp_path / "failures").iterdir())

    mended = runner.execute(plan, Store(tmp_path), Executor())
    assert (mended.done, mended.recorded, mended.failures) == (2, 6, {})
    assert mended.report is not None
    assert mended.report.holes == ()
    assert list((tmp_path / "failures").iterdir()) == []


def test_a_resumed_run_ends_with_the_bytes_of_an_unbroken_one(tmp_path: Path) -> None:
    plan = _plan()
    whole = runner.execute(plan, Store(tmp_path / "whole"), Executor())
    with pytest.raises(KeyboardInterrupt):
        runner.execute(plan, Store(tmp_path / "broken"), Executor({"seed 2": KeyboardInterrupt()}))  # type: ignore[dict-item]
    resumed = runner.execute(plan, Store(tmp_path / "broken"), Executor())
    assert resumed.recorded == 4
    names = {path.name: path.read_bytes() for path in whole.files}
    assert {path.name: path.read_bytes() for path in resumed.files} == names


class Crowd(Executor):
    """Takes three cells at once, and ends the one that came last first."""

    slots = 3

    def __init__(self, fail: dict[str, Exception] | None = None) -> None:
        super().__init__(fail)
        self.at_once: list[set[str]] = []
        self.waiting: list[tuple[Cell, Store, Progress]] = []
        self.closed = False

    def start(self, cell: Cell, store: Store, progress: Progress) -> None:
        for at in cell.waits.values():
            assert store.find("train", at) is not None, "started before what it waits for was recorded"
        self.waiting.append((cell, store, progress))
        self.at_once.append({waiting.label for waiting, *_ in self.waiting})

    def wait(self) -> Ended:
        self._started = self.waiting.pop()
        return super().wait()

    def close(self) -> None:
        self.closed = True


def test_cells_that_end_in_any_order_give_the_same_tables(tmp_path: Path) -> None:
    plan, crowd = _plan(), Crowd()
    in_turn = runner.execute(plan, Store(tmp_path / "in-turn"), Executor())
    at_once = runner.execute(plan, Store(tmp_path / "at-once"), crowd)
    assert (at_once.done, crowd.closed) == (8, True)
    assert max(map(len, crowd.at_once)) == 3
    assert {"train tiny naive seed 1 on sst2", "train tiny asa seed 1 on sst2"} <= crowd.at_once[1]
    names = {path.name: path.read_bytes() for path in in_turn.files}
    assert {path.name: path.read_bytes() for path in at_once.files} == names


def test_a_failure_among_others_keeps_back_only_what_waits_for_it(tmp_path: Path) -> None:
    crowd = Crowd({"train tiny asa seed 1": RuntimeError("exploded")})
    done = runner.execute(_plan(), Store(tmp_path), crowd)
    assert (done.done, list(done.failures)) == (
        6,
        ["train tiny asa seed 1 on sst2", "evaluate tiny asa seed 1 on sst2"],
    )
    crowd = Crowd({"train": StoreError("gone")})
    with pytest.raises(StoreError, match="gone"):
        runner.execute(_plan(), Store(tmp_path / "gone"), crowd)
    assert crowd.closed


@pytest.mark.parametrize(
    "error", [StoreError("disk"), RuntimeError("I/O error: No space left on device (os error 28)")]
)
def test_a_full_disk_ends_the_run(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(StoreError):
        runner.execute(_plan(), Store(tmp_path), Executor({"seed 2": error}))
    assert runner.execute(_plan(), Store(tmp_path), Executor()).recorded == 4


def test_a_report_needs_only_records(tmp_path: Path) -> None:
    done = runner.execute(_plan(), Store(tmp_path), Executor())
    assert done.report is not None
    gathered = gathering.gather(Store(tmp_path))
    assert gathered.methods == ("naive", "asa")
    assert len(gathered.evaluations) == 4
    assert gathered.provenance["plan"] == _plan().fingerprint
    for path in done.files:
        path.unlink()
    assert {path.name for path in gathering.write_tables(Store(tmp_path), gathered)} == {
        path.name for path in done.files
    }


def test_what_was_declared_of_a_model_stands_in_the_notes(tmp_path: Path) -> None:
    plan = _plan()
    settings = plan.settings.model_copy(
        update={"exposures": {"tiny": "saw everything", "other": "saw nothing"}}
    )
    plan = Plan(plan.suite, plan.title, plan.profile, settings, plan.source, plan.cells)
    runner.execute(plan, Store(tmp_path), Executor())
    assert gathering.gather(Store(tmp_path)).notes == ("tiny: saw everything.",)


def test_tables_hold_no_clock_path_or_machine(tmp_path: Path) -> None:
    import platform

    done = runner.execute(_plan(), Store(tmp_path), Executor())
    for path in done.files:
        text = path.read_text("utf-8")
        assert str(tmp_path) not in text
        assert platform.node() not in text or len(platform.node()) < 4


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not an output folder"):
        gathering.gather(Store(tmp_path / "absent"))
