"""Out of memory: batches are cut until they fit, the result is the same, and the record says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asa_bench
from asa_bench import memory
from asa_bench.memory import Parts, out_of_memory, watched
from asa_bench.store import Store

FULL = "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."

SUITE = """\
schema: 1
name: memory
title: Memory
description: One training, one evaluation.
default_profile: tiny
profiles:
  tiny:
    train: [laboratory/sentiment]
    methods: [{method}]
    seeds: 1
    train_examples: 48
    eval_examples: 20
    training: {{epochs: 1, batch_size: 16, max_length: 48, learning_rate: 1.0e-3}}
    laboratory: {{pretraining: {{lines: 160, batch_size: 32}}}}
    device: cpu
    precision: float32
    threads: 1
"""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError(FULL), True),
        (RuntimeError("the size of tensor a must match"), False),
        (ValueError(FULL), False),
    ],
)
def test_what_memory_running_out_looks_like(error: Exception, expected: bool) -> None:
    assert out_of_memory(error) is expected


def test_batches_are_cut_until_they_fit_and_stay_cut() -> None:
    tried: list[list[tuple[int, int]]] = []

    def work(bounds: list[tuple[int, int]]) -> int:
        tried.append(bounds)
        if max(end - start for start, end in bounds) > 3:
            raise MemoryError
        return sum(end - start for start, end in bounds)

    parts = Parts()
    with watched() as cuts:
        assert parts.attempt(10, work) == 10
        assert parts.attempt(5, work) == 5
    assert [len(bounds) for bounds in tried] == [1, 2, 4, 4]
    assert tried[2] == [(0, 2), (2, 5), (5, 7), (7, 10)]
    assert cuts.most == 4


def test_one_row_that_does_not_fit_is_an_error() -> None:
    def work(bounds: list[tuple[int, int]]) -> None:
        raise RuntimeError(FULL)

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        Parts().attempt(3, work)


def test_other_errors_pass() -> None:
    def work(bounds: list[tuple[int, int]]) -> None:
        assert len(bounds) == 1
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        Parts().attempt(8, work)


def _scarce(monkeypatch: pytest.MonkeyPatch, most: int) -> Callable[[], int]:
    """Forward passes of more than `most` texts fail; returns how many did."""
    from transformers import BertModel

    real, failed = BertModel.forward, [0]

    def forward(self: Any, input_ids: Any = None, *args: Any, **named: Any) -> Any:
        if input_ids is not None and len(input_ids) > most:
            failed[0] += 1
            raise RuntimeError(FULL)
        return real(self, input_ids, *args, **named)

    monkeypatch.setattr(BertModel, "forward", forward)
    return lambda: failed[0]


@pytest.mark.parametrize("method", ["naive", "asa"])
def test_a_run_on_a_small_machine_gives_the_same_result(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = tmp_path / "memory.yaml"
    # Without dropout nothing is drawn at random, so only rounding may differ.
    suite.write_text(SUITE.format(method=method))
    from asa_bench.models import laboratory

    whole_config = laboratory.configuration

    def without_dropout(*args: Any) -> Any:
        config = whole_config(*args)
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        return config

    monkeypatch.setattr(laboratory, "configuration", without_dropout)

    def run(name: str) -> dict[str, Any]:
        assert asa_bench.run(suite, output=tmp_path / name).failures == {}
        return {
            record.kind: record for record in Store(tmp_path / name).records() if record.kind != "pretrain"
        }

    plenty = run("plenty")
    # The laboratory's encoder is small everywhere; it is taken as it is.
    shutil.copytree(tmp_path / "plenty" / "cells" / "pretrain", tmp_path / "scarce" / "cells" / "pretrain")
    failures = _scarce(monkeypatch, 8)
    scarce = run("scarce")
    assert failures() > 0
    assert scarce["train"].manifest["memory"]["batch_parts"] == (2 if method == "naive" else 4)
    assert scarce["evaluate"].manifest["memory"]["batch_parts"] == 4
    assert all("memory" not in record.manifest for record in plenty.values())
    first, second = (np.stack(found["evaluate"].rows()["logits"]) for found in (plenty, scarce))
    np.testing.assert_allclose(first, second, atol=2e-4)
    losses = [found["train"].manifest["result"]["training"]["losses"] for found in (plenty, scarce)]
    assert losses[0].keys() == losses[1].keys()
    for name, value in losses[0].items():
        # The kept fraction is one of units, of which longer texts have more; parts count by their examples.
        tolerance = 2e-2 if name.startswith("kept_fraction") else 1e-3
        assert losses[1][name] == pytest.approx(value, rel=tolerance, abs=1e-4), name


def test_nothing_is_watched_outside() -> None:
    with watched():
        pass
    assert memory._watching == []
