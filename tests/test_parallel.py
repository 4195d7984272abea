"""One training over several processes: each example once, and the gradient of the whole batch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_suite import SUITE

from asa_bench.errors import BadInput
from asa_bench.parallel import ALONE, Crew, join


@pytest.mark.parametrize(("size", "rows"), [(1, 5), (2, 8), (3, 8), (4, 4)])
def test_every_example_has_one_process(size: int, rows: int) -> None:
    parts = [Crew(rank, size).part(list(range(rows))) for rank in range(size)]
    assert sorted(at for part, _ in parts for at in part) == list(range(rows))
    assert sum(share for _, share in parts) == pytest.approx(1.0)
    assert all(share == len(part) / rows for part, share in parts)


def test_a_process_without_examples_has_no_weight() -> None:
    assert [Crew(rank, 3).part([7, 9]) for rank in range(3)] == [([7], 0.5), ([9], 0.5), ([7], 0.0)]


def test_alone_nothing_is_changed() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.grad = torch.tensor([1.0, 2.0, 3.0])
    ALONE.add_up([parameter], 1.0)
    assert parameter.grad.tolist() == [1.0, 2.0, 3.0]
    assert ALONE.told({"total": 2.0}, (), 1.0) == {"total": 2.0}


def test_fewer_gpus_than_processes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "CUDA_VISIBLE_DEVICES": "0,1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=r"--processes 4: only 2 GPUs are visible \(0,1\)"):
        join("cuda")


def _run(work: Path, name: str, *options: str) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    from safetensors.numpy import load_file

    command = [
        sys.executable,
        "-m",
        "asa_bench",
        "run",
        "--suite",
        "killed.yaml",
        "-o",
        name,
        "--attacks",
        "none",
    ]
    command += ["--tasks", "laboratory/sentiment", "--methods", "asa", *options]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (manifest,) = (work / name).glob("cells/train/*/manifest.json")
    summary = json.loads(manifest.read_text())["result"]["training"]
    return load_file(manifest.with_name("model") / "model.safetensors"), summary


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_the_model_of_one(tmp_path: Path) -> None:
    """The laboratory's encoder has no dropout; ASA draws its masks, so that they differ a little."""
    (tmp_path / "killed.yaml").write_text(SUITE)
    one, said_one = _run(tmp_path, "one")
    two, said_two = _run(tmp_path, "two", "--processes", "2")
    again, _ = _run(tmp_path, "again", "--processes", "2")
    assert all(np.array_equal(two[name], again[name]) for name in two), "the same bits again"
    assert one.keys() == two.keys()
    assert max(float(np.abs(one[name] - two[name]).max()) for name in one) < 1e-3
    assert any(not np.array_equal(one[name], two[name]) for name in one)
    assert (said_two["steps"], said_two["examples"]) == (said_one["steps"], said_one["examples"])
    assert said_two["losses"]["total"] == pytest.approx(said_one["losses"]["total"], rel=1e-3)
    # A count is a sum over the processes, not a mean.
    assert said_two["losses"]["fully_masked_rows"] == pytest.approx(
        said_one["losses"]["fully_masked_rows"], abs=2
    )
