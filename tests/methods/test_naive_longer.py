"""The compute control trains as naive does, for longer by a factor."""

from __future__ import annotations

import pytest
import torch
from method_models import batch, bert
from pydantic import ValidationError

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
