"""Records: whole or absent, checked byte by byte, the same bytes for the same rows."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from asa_bench.disk import write_atomically
from asa_bench.errors import BadInput, StoreError
from asa_bench.record import address, canonical_json
from asa_bench.store import Store

ROWS = pd.DataFrame({"id": ["a", "b"], "logits": [[0.25, 0.75], [1.0, 0.0]]})
SPEC = {"task": "t", "threads": 2}


def _record(root: Path) -> tuple[Store, str]:
    store = Store(root)
    store.prepare()
    at = address("evaluate", 1, SPEC, {}, {})
    work = store.scratch(at)
    (work / "model").mkdir()
    (work / "model" / "weights").write_bytes(b"weights")
    store.write(
        "evaluate",
        at,
        {"spec": SPEC, "reads": {}, "waits": {}, "version": 1, "result": {}},
        ROWS,
        {"seconds": 1.5},
        work,
    )
    return Store(root), at


def test_address_depends_on_each_part() -> None:
    base = address("train", 1, {"a": 1}, {"x": "1"}, {"m": "n"})
    others = [
        address("evaluate", 1, {"a": 1}, {"x": "1"}, {"m": "n"}),
        address("train", 2, {"a": 1}, {"x": "1"}, {"m": "n"}),
        address("train", 1, {"a": 2}, {"x": "1"}, {"m": "n"}),
        address("train", 1, {"a": 1}, {"x": "2"}, {"m": "n"}),
        address("train", 1, {"a": 1}, {"x": "1"}, {"m": "o"}),
    ]
    assert len({base, *others}) == 6
    assert base == address("train", 1, {"a": 1}, {"x": "1"}, {"m": "n"})


def test_canonical_json_ignores_order_of_keys() -> None:
    assert canonical_json({"b": 1, "a": [1, 2]}) == '{"a":[1,2],"b":1}'


def test_a_record_comes_back(tmp_path: Path) -> None:
    store, at = _record(tmp_path)
    record = store.find("evaluate", at)
    assert record is not None
    assert record.rows()["id"].tolist() == ["a", "b"]
    assert [list(row) for row in record.rows()["logits"]] == [[0.25, 0.75], [1.0, 0.0]]
    assert record.timings() == {"seconds": 1.5}
    assert (record.model_folder() / "weights").read_bytes() == b"weights"
    assert record.manifest["files"].keys() == {"rows.parquet", "model/weights"}


def test_the_same_rows_have_the_same_bytes(tmp_path: Path) -> None:
    first, at = _record(tmp_path / "one")
    second, _ = _record(tmp_path / "two")
    paths = [store.folder("evaluate", at) for store in (first, second)]
    for name in ("rows.parquet", "manifest.json"):
        assert (paths[0] / name).read_bytes() == (paths[1] / name).read_bytes()


@pytest.mark.parametrize("name", ["rows.parquet", "manifest.json", "model/weights"])
def test_a_flipped_bit_is_never_read(tmp_path: Path, name: str) -> None:
    store, at = _record(tmp_path)
    path = store.folder("evaluate", at) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert Store(tmp_path).find("evaluate", at) is None


@pytest.mark.parametrize("name", ["rows.parquet", "manifest.json", "model/weights"])
def test_a_torn_or_lost_file_is_never_read(tmp_path: Path, name: str) -> None:
    store, at = _record(tmp_path)
    path = store.folder("evaluate", at) / name
    path.write_bytes(path.read_bytes()[:-2])
    assert Store(tmp_path).find("evaluate", at) is None
    path.unlink()
    assert Store(tmp_path).find("evaluate", at) is None


def _faults(root: Path) -> list[tuple[str, str]]:
    return [(fault.path, fault.problem) for _, found in Store(root).faults() for fault in found]


def test_a_thousand_flipped_bits_are_all_found(tmp_path: Path) -> None:
    store, at = _record(tmp_path)
    folder = store.folder("evaluate", at)
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "timings.json"]
    bits = [(path, bit) for path in paths for bit in range(8 * path.stat().st_size)]
    assert _faults(tmp_path) == []
    for path, bit in random.Random("flip").sample(bits, 1_000):
        content = bytearray(path.read_bytes())
        content[bit // 8] ^= 1 << bit % 8
        good = path.read_bytes()
        path.write_bytes(bytes(content))
        assert Store(tmp_path).find("evaluate", at) is None, (path.name, bit)
        assert [name for name, _ in _faults(tmp_path)] == [path.relative_to(tmp_path).as_posix()]
        path.write_bytes(good)
    assert _faults(tmp_path) == []


def test_verifying_names_what_is_wrong(tmp_path: Path) -> None:
    store, at = _record(tmp_path)
    folder = store.folder("evaluate", at)
    (folder / "model" / "weights").unlink()
    (folder / "smuggled.bin").write_text("x")
    problems = dict(_faults(tmp_path))
    inside = f"cells/evaluate/{at}"
    assert "missing" in problems[f"{inside}/model/weights"]
    assert problems[f"{inside}/smuggled.bin"] == "is not of the record"
    folder.rename(folder.with_name("0" * 20))  # a record under another cell's address is no record of it
    assert Store(tmp_path).find("evaluate", "0" * 20) is None
    assert any(f"belongs to evaluate {at}" in problem for _, problem in _faults(tmp_path))


def test_verifying_misses_the_record_that_another_was_made_from(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    waits = {"model": "f" * 20}
    at = address("evaluate", 1, SPEC, {}, waits)
    whole = {"spec": SPEC, "reads": {}, "waits": waits, "version": 1, "result": {}}
    store.write("evaluate", at, whole, ROWS, {})
    ((_, problem),) = _faults(tmp_path)
    assert problem == f"was made from the record {'f' * 20} (model), which is missing"


def test_verifying_needs_an_output_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not an output folder"):
        list(Store(tmp_path).faults())


def test_a_damaged_record_is_replaced(tmp_path: Path) -> None:
    store, at = _record(tmp_path)
    (store.folder("evaluate", at) / "rows.parquet").write_bytes(b"")
    _record(tmp_path)
    assert Store(tmp_path).find("evaluate", at) is not None


def test_lost_timings_do_no_harm(tmp_path: Path) -> None:
    store, at = _record(tmp_path)
    (store.folder("evaluate", at) / "timings.json").unlink()
    record = Store(tmp_path).find("evaluate", at)
    assert record is not None
    assert record.timings() == {}


def test_of_two_attempts_at_a_cell_the_first_stays(tmp_path: Path) -> None:
    """A worker that was taken for dead may wake up and record what another has recorded since."""
    store, at = _record(tmp_path)
    before = (store.folder("evaluate", at) / "manifest.json").read_bytes()
    late = Store(tmp_path)
    works = [late.scratch(at), late.scratch(at)]
    assert works[0] != works[1]
    (works[0] / "half").write_text("of the sleeper")
    manifest = {"spec": SPEC, "reads": {}, "waits": {}, "version": 1, "result": {"other": 1}}
    record = late.write("evaluate", at, manifest, ROWS, {}, works[0])
    assert record.manifest["result"] == {}
    assert (store.folder("evaluate", at) / "manifest.json").read_bytes() == before
    assert list(store.faults()) == [(4, [])]
    assert not works[0].exists()


def test_another_schema_is_not_read(tmp_path: Path) -> None:
    store, at = _record(tmp_path)
    path = store.folder("evaluate", at) / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "schema_version": 999}))
    assert Store(tmp_path).find("evaluate", at) is None


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    store, _ = _record(tmp_path)
    left = store.scratch("0123")
    (left / "half").write_text("x")
    for name in ("tables/.main.tex.a1_b2c3d", "failures/.train-0123.json.a1_b2c3d", ".plan.json.a1_b2c3d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    store.prepare()
    assert not left.exists()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "manifest.json",
        "rows.parquet",
        "timings.json",
        "weights",
    ]


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(BadInput, match="is a file"):
        Store(path).prepare()
    with pytest.raises(BadInput, match="is a file"), Store(path).lock():
        pass


def test_not_an_output_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not an output folder"):
        Store(tmp_path).read_plan()
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path).read_plan()
    (tmp_path / "plan.json").write_text('{"schema_version": 0}')
    with pytest.raises(StoreError, match="schema version 0"):
        Store(tmp_path).read_plan()


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no space left on the disk"):
        write_atomically(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_waits(tmp_path: Path) -> None:
    """The lock is held across processes, and goes with a killed one."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom asa_bench.store import Store\n"
        "with Store(Path(sys.argv[1])).lock():\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        told = []

        def on_wait() -> None:
            told.append(True)
            holder.kill()

        with Store(tmp_path).lock(on_wait):
            assert told == [True]
    finally:
        holder.kill()
        holder.wait()
