"""R3F against its equation written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from method_models import IDS, REAL, MeanSoftmax, batch, bert, gradients, kl, written_out
from pydantic import ValidationError

from asa_bench.methods.r3f import R3F

LABELS = torch.tensor([2, 0, 1])
INPUTS = {"input_ids": IDS, "attention_mask": REAL, "labels": LABELS}


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize(("noise", "weight"), [(1e-5, 1.0), (0.3, 2.5)])
def test_the_loss_and_its_gradient(distribution: str, noise: float, weight: float) -> None:
    model = MeanSoftmax()
    method = R3F({"noise": noise, "weight": weight, "distribution": distribution})
    method.attach(model, seed=3)
    loss = method.loss(model, INPUTS)
    draw = torch.Generator().manual_seed(3)
    numbers = torch.empty(9, 4, dtype=torch.float64)
    drawn = (
        numbers.uniform_(-1, 1, generator=draw)
        if distribution == "uniform"
        else numbers.normal_(generator=draw)
    )
    clean = written_out(model)
    noised = written_out(model, [noise * part for part in drawn.split([4, 3, 2])])
    divergence = (kl(clean, noised) + kl(noised, clean)).mean()
    total = F.cross_entropy(clean, LABELS) + weight * divergence
    assert divergence > 0
    assert loss.parts["divergence"].item() == pytest.approx(divergence.item(), rel=1e-5)
    torch.testing.assert_close(loss.total, total, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients(model, loss.total), gradients(model, total), rtol=1e-8, atol=1e-12)


def test_without_noise_and_dropout_it_is_naive() -> None:
    model, inputs = bert("classification"), batch("classification")
    method = R3F({"noise": 0.0})
    method.attach(model, seed=3)
    loss = method.loss(model, inputs)
    assert 0 <= loss.parts["divergence"] < 1e-25
    torch.testing.assert_close(loss.total, model(**inputs).loss, rtol=1e-13, atol=0)


def test_options_are_checked() -> None:
    assert R3F().options.model_dump() == {"weight": 1.0, "noise": 1e-5, "distribution": "uniform"}
    for options in ({"noise": -1}, {"weight": -1}, {"distribution": "cauchy"}, {"eps": 1}):
        with pytest.raises(ValidationError):
            R3F(options)
