"""FreeLB against the same algorithm written out, example by example, with ordinary autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from method_models import IDS, REAL, MeanSoftmax, batch, bert, gradients, written_out
from pydantic import ValidationError

from asa_bench.methods import METHODS
from asa_bench.methods.freelb import FreeLB

LABELS = torch.tensor([2, 0, 1])
INPUTS = {"input_ids": IDS, "attention_mask": REAL, "labels": LABELS}


def by_hand(model: Any, steps: int, size: float, norm: float, seed: int) -> tuple[list[Any], list[Any]]:
    """The losses of the K passes and the mean of their gradients by the model's parameters."""
    draw = torch.Generator().manual_seed(seed)
    drawn = torch.empty(9, 4, dtype=torch.float64).uniform_(-1, 1, generator=draw)
    changes = [norm * part / part.numel() ** 0.5 for part in drawn.split([4, 3, 2])]
    parameters = list(model.parameters())
    losses, sums = [], [torch.zeros_like(parameter) for parameter in parameters]
    for _ in range(steps):
        changes = [change.requires_grad_() for change in changes]
        loss = F.cross_entropy(written_out(model, changes), LABELS)
        found = torch.autograd.grad(loss, [*changes, *parameters])
        losses.append(loss.item())
        for total, gradient in zip(sums, found[3:], strict=True):
            total += gradient / steps
        moved = []
        for change, gradient in zip(changes, found[:3], strict=True):
            new = change.detach() + size * gradient / gradient.norm()
            moved.append(new * min(1.0, norm / new.norm().item()))
        changes = moved
    return losses, sums


@pytest.mark.parametrize(
    ("steps", "size", "norm"),
    [(1, 0.1, 0.1), (2, 0.1, 0.1), (3, 0.1, 0.1), (4, 0.5, 10.0), (3, 2.0, 1.0)],
)
def test_the_mean_over_the_ascent_and_its_gradient(steps: int, size: float, norm: float) -> None:
    model = MeanSoftmax()
    method = FreeLB({"steps": steps, "step_size": size, "norm": norm})
    method.attach(model, seed=3)
    loss = method.loss(model, INPUTS)
    losses, expected = by_hand(model, steps, size, norm, seed=3)
    assert loss.total.item() == pytest.approx(sum(losses) / steps, rel=1e-12)
    assert loss.parts["ascent"].item() == pytest.approx(losses[-1] - losses[0], rel=1e-9, abs=1e-15)
    assert losses == sorted(losses)
    torch.testing.assert_close(gradients(model, loss.total), expected, rtol=1e-11, atol=1e-13)


def test_the_gradient_scales_with_what_the_total_is_multiplied_by() -> None:
    model = MeanSoftmax()
    method = FreeLB({"steps": 3})
    method.attach(model, seed=3)
    expected = by_hand(model, 3, 0.1, 0.1, seed=3)[1]
    found = gradients(model, -5 * method.loss(model, INPUTS).total)
    torch.testing.assert_close(found, [-5 * gradient for gradient in expected])


def test_parameters_that_are_frozen_or_unused_get_no_gradient() -> None:
    model = MeanSoftmax()
    model.unused = torch.nn.Parameter(torch.ones(2))
    model.head.bias.requires_grad_(False)
    method = FreeLB()
    method.attach(model, seed=3)
    method.loss(model, INPUTS).total.backward()
    assert model.unused.grad is None
    assert model.head.bias.grad is None
    expected = by_hand(MeanSoftmax(), 2, 0.1, 0.1, seed=3)[1]
    torch.testing.assert_close([model.words.weight.grad, model.head.weight.grad], expected[:2])


@pytest.mark.parametrize("autocast", [False, True])
def test_without_a_perturbation_it_is_naive_bit_for_bit_dropout_included(autocast: bool) -> None:
    model = bert("classification", dropout=0.3).float()
    inputs = batch("classification")
    method = FreeLB({"step_size": 0.0, "norm": 0.0})
    method.attach(model, seed=1)
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast)
    torch.manual_seed(4)
    with half:
        loss = method.loss(model, inputs)
    after = torch.get_rng_state()
    found = gradients(model, loss.total)
    torch.manual_seed(4)
    with half:
        naive = METHODS.get("naive")().loss(model, inputs)
    assert torch.equal(torch.get_rng_state(), after)
    assert torch.equal(loss.total, naive.total)
    assert torch.equal(loss.logits, naive.logits)
    assert loss.parts["ascent"] == 0
    for mine, plain in zip(found, gradients(model, naive.total), strict=True):
        assert torch.equal(mine, plain)


def test_all_passes_of_a_step_share_their_dropout_and_steps_differ() -> None:
    model = bert("classification", dropout=0.3)
    method = FreeLB({"steps": 3, "norm": 0.0})
    method.attach(model, seed=1)
    seen: list[torch.Tensor] = []
    model.register_forward_hook(lambda module, arguments, output: seen.append(output.logits.detach()))
    method.loss(model, batch("classification"))
    method.loss(model, batch("classification"))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[3])


def test_options_are_checked() -> None:
    assert FreeLB().options.model_dump() == {"steps": 2, "step_size": 0.1, "norm": 0.1}
    for options in ({"steps": 0}, {"step_size": -1}, {"norm": -1}, {"epsilon": 1}):
        with pytest.raises(ValidationError):
            FreeLB(options)
