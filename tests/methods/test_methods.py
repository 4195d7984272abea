"""Known-answer tests of the training methods."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from transformers import BertConfig, BertForSequenceClassification

from asa_bench.errors import BadInput
from asa_bench.methods import METHODS
from asa_bench.models.asa import attach


def tiny() -> Any:
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=30,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            max_position_embeddings=16,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            num_labels=3,
        )
    ).train()


INPUTS = {
    "input_ids": torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),
    "labels": torch.tensor([2, 0]),
}


@pytest.mark.parametrize("name", METHODS.names())
def test_every_method_says_what_it_is_and_leaves_the_model_plain(name: str) -> None:
    method = METHODS.get(name)({"kept_fraction": 0.8} if name == "random_mask" else {})
    assert method.name == name
    assert method.title and method.summary
    assert method.citation or name in ("naive", "naive_longer", "random_mask")
    model = tiny()
    names = set(model.state_dict())
    with torch.no_grad():
        before = model(**INPUTS).logits
    method.attach(model, seed=1)
    loss = method.loss(model, INPUTS)
    loss.total.backward()
    assert loss.logits.shape == (2, 3)
    assert "cross_entropy" in loss.parts
    assert all(parameter.grad is not None for parameter in method.extra_parameters())
    assert all(not value.requires_grad for value in loss.parts.values() if isinstance(value, torch.Tensor))
    method.detach()
    with torch.no_grad():
        assert torch.equal(model(**INPUTS).logits, before)
    assert set(model.state_dict()) == names


def test_naive_is_the_mean_cross_entropy() -> None:
    model = tiny()
    loss = METHODS.get("naive")().loss(model, INPUTS)
    log_p = F.log_softmax(model(**INPUTS).logits, dim=-1)
    torch.testing.assert_close(loss.total, -(log_p[0, 2] + log_p[1, 0]) / 2)


def test_asa_is_the_mechanism_with_its_options_and_seed() -> None:
    model = tiny()
    method = METHODS.get("asa")({"tau": 0.3, "variant": "released"})
    method.attach(model, seed=4)
    loss = method.loss(model, INPUTS)
    expected = attach(model, tau=0.3, variant="released", seed=4).loss(**INPUTS)
    torch.testing.assert_close(loss.total, expected.total)
    torch.testing.assert_close(loss.parts["divergence"], expected.divergence)
    torch.testing.assert_close(loss.parts["mask_term"], expected.mask_term)
    assert [loss.parts[f"kept_fraction/{i}"].item() for i in range(2)] == expected.kept_fraction.tolist()
    assert loss.parts["fully_masked_rows"] == expected.fully_masked_rows.sum()
    assert sum(parameter.numel() for parameter in method.extra_parameters()) == 2 * 2 * (16 * 16 + 16)


def test_asa_says_what_is_wrong() -> None:
    method_class = METHODS.get("asa")
    assert method_class().options.model_dump() == {
        "tau": 0.5,
        "variant": "padding_invariant",
        "save_adversaries": False,
    }
    for options in ({"tau": 0}, {"tau": -1}, {"variant": "other"}, {"taw": 0.5}):
        with pytest.raises(ValidationError):
            method_class(options)
    with pytest.raises(BadInput, match="not attached"):
        method_class().loss(tiny(), INPUTS)
