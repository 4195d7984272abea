"""The compute control trains as naive does, for longer by a factor."""

from __future__ import annotations

import pytest
import torch
from method_models import batch, bert
from pydantic import ValidationError
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from asa_bench.methods import METHODS
from asa_bench.methods.naive_longer import NaiveLonger


def products(width: int, length: int, adversary: bool) -> tuple[int, int]:
    """Multiplications of a layer's matrix products forward and backward, counted one product at a time."""
    forward = backward = 0

    def product(rows: int, inner: int, columns: int, gradients: int = 2) -> None:
        nonlocal forward, backward
        forward += rows * inner * columns
        backward += gradients * rows * inner * columns

    if adversary:
        product(length, width, width, gradients=1)  # the hidden states get no gradient
        product(length, width, width, gradients=1)
        product(length, width, length)
    else:
        for _ in range(4):
            product(length, width, width)
        product(length, width, length)  # the scores of all heads together, then their context
        product(length, length, width)
        product(length, width, 4 * width)
        product(length, 4 * width, width)
    return forward, backward


def cost(width: int, length: int) -> float:
    """Of an ASA step over a naive one."""
    layer, adversary = sum(products(width, length, False)), sum(products(width, length, True))
    return (2 * layer + adversary) / layer


def test_the_default_is_the_count_of_matrix_products() -> None:
    assert round(cost(10**6, 1), 2) == NaiveLonger().epochs_factor == 2.11
    assert [round(cost(768, length), 2) for length in (32, 128, 512)] == [2.11, 2.12, 2.15]
    assert round(cost(384, 56), 2) == 2.12


@pytest.mark.parametrize("length", [8, 64])
def test_an_asa_step_has_as_many_products_as_torch_counts(length: int) -> None:
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=10,
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=512,
            max_position_embeddings=64,
            attn_implementation="eager",  # the counter does not know every fused kernel
        )
    ).train()
    inputs = {
        "input_ids": torch.full((2, length), 5),
        "attention_mask": torch.ones(2, length, dtype=torch.long),
        "labels": torch.tensor([0, 1]),
    }
    counts = {}
    for name in ("naive", "asa"):
        method = METHODS.get(name)()
        method.attach(model, seed=0)
        with FlopCounterMode(display=False) as counter:
            method.loss(model, inputs).total.backward()
        method.detach()
        counts[name] = counter.get_total_flops()
    # The pooler, which is not counted here, brings the ratio a little closer to 2.
    assert counts["asa"] / counts["naive"] == pytest.approx(cost(128, length), abs=0.003)


def test_only_the_compute_control_trains_for_longer() -> None:
    factors = {name: METHODS.get(name)().epochs_factor for name in METHODS.names()}
    assert factors.pop("naive_longer") == 2.11
    assert set(factors.values()) == {1.0}
    assert NaiveLonger({"factor": 1.5}).epochs_factor == 1.5
    for options in ({"factor": 0}, {"factor": -1}, {"epochs": 2}):
        with pytest.raises(ValidationError):
            NaiveLonger(options)


def test_a_step_is_naive() -> None:
    model, inputs = bert("classification"), batch("classification")
    loss = NaiveLonger().loss(model, inputs)
    assert torch.equal(loss.total, METHODS.get("naive")().loss(model, inputs).total)
