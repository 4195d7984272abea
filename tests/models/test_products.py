"""Packed products are the layers' own, row by row, and follow weights that change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertIntermediate

from asa_bench.models import products
from asa_bench.models.products import SteadyProducts


class Doubled(torch.nn.Linear):
    """A layer that does something of its own."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


@pytest.fixture(params=["packed", "own"])
def model(request: Any, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Sequential:
    if request.param == "own":
        monkeypatch.setattr(products, "_packs", lambda: False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(48, 64), torch.nn.Tanh(), torch.nn.Linear(64, 32, bias=False), Doubled(32, 3)
        )


def asked(steady: SteadyProducts, model: torch.nn.Module, rows: torch.Tensor, bf16: bool) -> torch.Tensor:
    with (
        steady.used(bf16),
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16, enabled=bf16),
    ):
        found: torch.Tensor = model(rows)
        return found


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
def test_a_row_depends_on_itself_and_is_that_of_the_model(model: torch.nn.Sequential, bf16: bool) -> None:
    steady = SteadyProducts(model)
    rows = torch.randn(70, 48, generator=torch.Generator().manual_seed(1))
    whole = asked(steady, model, rows, bf16)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        plain = model(rows)
    assert torch.equal(whole, plain) if bf16 else torch.allclose(whole, plain, atol=1e-5)
    for start, end in ((0, 1), (3, 5), (0, 4), (20, 61)):
        assert torch.equal(asked(steady, model, rows[start:end], bf16), whole[start:end])
    folded = asked(steady, model, rows[:6].reshape(3, 2, 48), bf16)
    assert torch.equal(folded.reshape(6, 3), whole[:6])
    assert asked(steady, model, rows[:0], bf16).shape == (0, 3)


def test_weights_that_change_are_seen_and_the_layers_are_left_as_they_were(
    model: torch.nn.Sequential,
) -> None:
    steady, rows = SteadyProducts(model), torch.ones(4, 48)
    asked(steady, model, rows, False)
    with torch.no_grad():
        model[0].weight.mul_(3)
        model[0].bias.zero_()
    found = asked(steady, model, rows, False)
    assert torch.allclose(found, model(rows), atol=1e-5)
    model.double()
    assert torch.allclose(asked(steady, model, rows.double(), False), model(rows.double()))
    assert not any("forward" in vars(layer) for layer in model)
    with pytest.raises(ZeroDivisionError), steady.used(False):
        raise ZeroDivisionError
    assert not any("forward" in vars(layer) for layer in model)


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("activation", ["gelu", "relu", "gelu_new"])
def test_what_follows_a_product_is_computed_with_it(activation: str, bf16: bool) -> None:
    config = BertConfig(hidden_size=48, intermediate_size=64, hidden_act=activation)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertIntermediate(config).eval()
    steady = SteadyProducts(model)
    rows = 3 * torch.randn(70, 48, generator=torch.Generator().manual_seed(1))
    whole = asked(steady, model, rows, bf16)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        plain = model(rows)
    assert whole.dtype == plain.dtype
    assert torch.allclose(whole, plain, atol=0.02 if bf16 else 1e-5)
    for start, end in ((0, 1), (3, 5), (20, 61)):
        assert torch.equal(asked(steady, model, rows[start:end], bf16), whole[start:end])
    assert not any("forward" in vars(module) for module in model.modules())
