"""States on disk: whole or not at all, no pickle, torn ones are passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from asa_bench.training_state import STATE, TENSORS, TrainingState, read_state, write_state


def state(step: int) -> TrainingState:
    return TrainingState(
        step,
        {"a/b": torch.full((3,), float(step)), "c": torch.tensor(step)},
        {"x": [0.1, None], "step": step},
    )


def written(folder: Path, *steps: int, identity: str = "me") -> None:
    for step in steps:
        write_state(folder, state(step), identity)


def test_a_state_comes_back_to_the_last_bit_and_two_are_kept(tmp_path: Path) -> None:
    written(tmp_path / "deep" / "states", 3, 10, 200)
    folder = tmp_path / "deep" / "states"
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000010", "step-00000200"]
    assert {path.name for path in (folder / "step-00000200").iterdir()} == {TENSORS, STATE}
    found = read_state(folder, "me")
    assert found is not None
    assert found.step == 200
    assert found.values == {"x": [0.1, None], "step": 200}
    assert torch.equal(found.tensors["a/b"], torch.full((3,), 200.0))
    assert found.tensors["c"].dtype == torch.int64
    assert found.tensors["c"].shape == ()


@pytest.mark.parametrize("file", [TENSORS, STATE])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "empty"])
def test_a_torn_state_is_passed_over_for_the_one_before(tmp_path: Path, file: str, damage: str) -> None:
    written(tmp_path, 5, 6)
    path = tmp_path / "step-00000006" / file
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "flip":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    else:
        path.write_bytes(data[:-9] if damage == "cut" else b"")
    found = read_state(tmp_path, "me")
    assert found is not None
    assert found.step == 5
    (tmp_path / "step-00000005" / TENSORS).unlink()
    assert read_state(tmp_path, "me") is None


def test_another_training_and_half_written_folders_are_nothing(tmp_path: Path) -> None:
    assert read_state(tmp_path / "absent", "me") is None
    written(tmp_path, 4)
    assert read_state(tmp_path, "you") is None
    (tmp_path / ".step-00000009.1").mkdir()
    (tmp_path / "step-00000008").mkdir()
    found = read_state(tmp_path, "me")
    assert found is not None and found.step == 4
    written(tmp_path, 10)
    assert not (tmp_path / ".step-00000009.1").exists()


def test_tensors_that_share_memory_can_be_written(tmp_path: Path) -> None:
    whole = torch.arange(6.0).view(2, 3)
    write_state(tmp_path, TrainingState(1, {"whole": whole, "part": whole.t()}, {}), "me")
    found = read_state(tmp_path, "me")
    assert found is not None
    assert torch.equal(found.tensors["part"], whole.t())
