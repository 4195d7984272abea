"""SMART against the same algorithm written out, example by example, with ordinary autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from method_models import IDS, REAL, MeanSoftmax, batch, bert, gradients, kl, written_out
from pydantic import ValidationError

from asa_bench.methods.smart import Smart

LABELS = torch.tensor([2, 0, 1])
INPUTS = {"input_ids": IDS, "attention_mask": REAL, "labels": LABELS}


def by_hand(model: Any, options: dict[str, Any], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy and divergence, with gradient."""
    draw = torch.Generator().manual_seed(seed)
    drawn = torch.empty(9, 4, dtype=torch.float64).normal_(generator=draw)
    changes = [options["noise"] * part for part in drawn.split([4, 3, 2])]
    clean = written_out(model)
    for _ in range(options["steps"]):
        changes = [change.requires_grad_() for change in changes]
        changed, fixed = written_out(model, changes), clean.detach()
        found = torch.autograd.grad((kl(fixed, changed) + kl(changed, fixed)).sum(), changes)
        changes = [
            (change.detach() + options["step_size"] * gradient / gradient.abs().max()).clamp(
                -options["norm"], options["norm"]
            )
            for change, gradient in zip(changes, found, strict=True)
        ]
    changed = written_out(model, changes)
    return F.cross_entropy(clean, LABELS), (kl(clean, changed) + kl(changed, clean)).mean()


@pytest.mark.parametrize(
    "changes",
    [
        {},  # a step is a hundred times the bound: most numbers end at it
        {"steps": 3, "step_size": 0.1, "norm": 0.5, "noise": 0.1, "weight": 5.0},
        {"steps": 1, "step_size": 0.05, "norm": 0.07, "noise": 0.2},
    ],
)
def test_the_loss_and_its_gradient(changes: dict[str, Any]) -> None:
    model = MeanSoftmax()
    method = Smart(changes)
    method.attach(model, seed=3)
    loss = method.loss(model, INPUTS)
    options = method.options.model_dump()
    cross_entropy, divergence = by_hand(model, options, seed=3)
    assert divergence > 0
    assert loss.parts["divergence"].item() == pytest.approx(divergence.item(), rel=1e-5)
    total = cross_entropy + options["weight"] * divergence
    torch.testing.assert_close(loss.total, total, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients(model, loss.total), gradients(model, total), rtol=1e-8, atol=1e-12)


def test_ascent_finds_worse_changes_than_noise() -> None:
    model = MeanSoftmax()
    divergences = []
    for size in (0.0, 0.1):
        method = Smart({"step_size": size, "norm": 0.1, "noise": 0.01})
        method.attach(model, seed=3)
        divergences.append(float(method.loss(model, INPUTS).parts["divergence"]))
    assert divergences[1] > 10 * divergences[0]


def test_regression_compares_the_outputs() -> None:
    model, inputs = bert("regression"), batch("regression")
    method = Smart({"norm": 0.1, "noise": 0.1, "weight": 2.0})
    method.attach(model, seed=3)
    seen: list[torch.Tensor] = []
    handle = model.register_forward_hook(
        lambda module, arguments, output: seen.append(output.logits.detach())
    )
    loss = method.loss(model, inputs)
    handle.remove()
    clean, last = seen[0][:, 0], seen[-1][:, 0]
    expected = ((clean - inputs["labels"]) ** 2).mean() + 2 * ((clean - last) ** 2).mean()
    torch.testing.assert_close(loss.total.detach(), expected)
    assert not torch.equal(clean, last)
    assert len(seen) == 1 + 2 + 1  # clean, two steps of ascent, the worst change


def test_options_are_checked() -> None:
    published = {"weight": 1.0, "steps": 2, "step_size": 1e-3, "norm": 1e-5, "noise": 1e-5}
    assert Smart().options.model_dump() == published
    for options in ({"steps": 0}, {"step_size": -1}, {"norm": -1}, {"noise": -1}, {"weight": -1}, {"mu": 1}):
        with pytest.raises(ValidationError):
            Smart(options)
