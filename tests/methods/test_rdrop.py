"""R-Drop: the defaults are ASA's loss without a mask; the paper's loss can be had."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from method_models import batch, bert, gradients, kl
from pydantic import ValidationError

from asa_bench.methods import METHODS
from asa_bench.methods.rdrop import RDrop

INPUTS = batch("classification")


def test_without_dropout_it_is_naive() -> None:
    model = bert("classification")
    loss = RDrop().loss(model, INPUTS)
    naive = METHODS.get("naive")().loss(model, INPUTS)
    # A doubled batch may be multiplied in other blocks, so the last digits are free.
    assert 0 <= loss.parts["divergence"] < 1e-25
    torch.testing.assert_close(loss.total, naive.total, rtol=1e-13, atol=0)
    torch.testing.assert_close(loss.logits, naive.logits, rtol=1e-12, atol=1e-14)
    for mine, plain in zip(gradients(model, loss.total), gradients(model, naive.total), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "first", "second", "alpha"),
    [
        ({}, 1.0, 0.0, 1.0),  # the control: cross-entropy of the first pass alone
        ({"alpha": 3.0}, 1.0, 0.0, 3.0),
        ({"alpha": 2.0, "cross_entropy": "mean"}, 0.5, 0.5, 2.0),  # half the paper's loss at alpha 4
    ],
)
def test_the_loss_and_its_gradient_through_both_passes(
    options: dict[str, object], first: float, second: float, alpha: float
) -> None:
    model = bert("classification", dropout=0.3)
    torch.manual_seed(5)
    loss = RDrop(options).loss(model, INPUTS)
    mine = gradients(model, loss.total)
    torch.manual_seed(5)  # the same dropout again: the model's own pass over a doubled batch
    both = model(**{name: value.repeat(2, 1) for name, value in INPUTS.items() if name != "labels"}).logits
    p, q = both[:3], both[3:]
    divergence = (kl(p, q) + kl(q, p)).mean() / 2
    entropies = [F.cross_entropy(logits, INPUTS["labels"]) for logits in (p, q)]
    expected = first * entropies[0] + second * entropies[1] + alpha * divergence
    assert divergence > 0.01
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(loss.parts["divergence"], divergence.detach())
    torch.testing.assert_close(
        loss.parts["cross_entropy"], (first * entropies[0] + second * entropies[1]).detach()
    )
    torch.testing.assert_close(mine, gradients(model, expected))


def test_options_are_checked() -> None:
    assert RDrop().options.model_dump() == {"alpha": 1.0, "cross_entropy": "first"}
    for options in ({"alpha": -0.1}, {"cross_entropy": "second"}, {"beta": 1}):
        with pytest.raises(ValidationError):
            RDrop(options)
