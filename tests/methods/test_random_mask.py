"""The random-mask control: known answers where nothing is masked, densities, and where its draws come from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
)

from asa_bench.errors import BadInput
from asa_bench.methods import METHODS

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
    "num_labels": 3,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}


def tiny(seed: int = 0, dropout: float = 0.0, head: Any = BertForSequenceClassification) -> Any:
    torch.manual_seed(seed)
    config = BertConfig(**SIZES, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    return head(config).train()


def batch(length: int = 12) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([length, length // 2, 3, length - 1])
    real = torch.arange(length)[None] < lengths[:, None]
    ids = torch.randint(5, 60, real.shape, generator=generator).masked_fill(~real, 0)
    return {"input_ids": ids, "attention_mask": real.long(), "labels": torch.tensor([2, 0, 1, 1])}


def attached(model: Any, kept_fraction: Any = 0.6, seed: int = 3) -> Any:
    method = METHODS.get("random_mask")({"kept_fraction": kept_fraction})
    method.attach(model, seed=seed)
    return method


def masks(method: Any, **inputs: Tensor) -> tuple[Tensor, ...]:
    return method._passes.run(inputs).masks


@pytest.mark.parametrize("head", [BertForSequenceClassification, BertForTokenClassification])
def test_keeping_everything_without_dropout_is_naive_training(head: Any) -> None:
    inputs = batch()
    if head is BertForTokenClassification:
        inputs["labels"] = (inputs["input_ids"] % 3).masked_fill(inputs["attention_mask"] == 0, -100)
    found = {}
    for name, options in (("naive", {}), ("random_mask", {"kept_fraction": 1.0})):
        model = tiny(head=head)
        method = METHODS.get(name)(options)
        method.attach(model, seed=1)
        loss = method.loss(model, inputs)
        loss.total.backward()
        found[name] = loss, [p.grad for p in model.parameters() if p.grad is not None]
    (naive, expected), (loss, actual) = found["naive"], found["random_mask"]
    torch.testing.assert_close(loss.total, naive.total)
    assert float(loss.parts["divergence"]) == pytest.approx(0, abs=1e-9)
    assert float(loss.parts["kept_fraction"]) == 1
    assert int(loss.parts["fully_masked_rows"]) == 0
    for one, two in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


def test_the_loss_is_the_published_one_without_a_mask_term() -> None:
    model = tiny()
    method = attached(model)
    loss = method.loss(model, batch())
    rest = batch()
    labels = rest.pop("labels")
    passes = attached(model)._passes.run(rest)  # the same seed, the same masks
    p, q = passes.logits.softmax(-1), passes.biased_logits.softmax(-1)
    divergence = 0.5 * ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 4
    assert divergence.item() > 1e-3
    torch.testing.assert_close(loss.parts["divergence"], divergence.detach())
    cross_entropy = -p[torch.arange(4), labels].log().mean()
    torch.testing.assert_close(loss.total, cross_entropy + divergence)
    assert "mask_term" not in loss.parts
    assert not list(method.extra_parameters())


def test_each_layer_keeps_its_fraction() -> None:
    """Within 5 standard deviations of the binomial distribution over the counted units, for each layer."""
    inputs = batch(32)
    real = inputs["attention_mask"].bool()
    model = tiny()
    method = attached(model, (0.9, 0.4))
    parts = method.loss(model, inputs).parts
    units = int((real.sum(1) ** 2).sum())
    for layer, fraction in enumerate((0.9, 0.4)):
        deviation = (fraction * (1 - fraction) / units) ** 0.5
        assert abs(float(parts[f"kept_fraction/{layer}"]) - fraction) < 5 * deviation
    assert float(parts["kept_fraction"]) == pytest.approx(
        (float(parts["kept_fraction/0"]) + float(parts["kept_fraction/1"])) / 2
    )
    rest = {name: value for name, value in inputs.items() if name != "labels"}
    first, second = masks(method, **rest), masks(method, **rest)
    assert not torch.equal(first[0], second[0])  # anew in each step
    assert not torch.equal(first[0][0], first[0][3])  # and for each sequence
    assert not (first[0].bool() & ~real[:, None, :]).any()


def test_out_of_a_sliding_window_nothing_is_kept_or_counted() -> None:
    torch.manual_seed(0)
    model = ModernBertForSequenceClassification(
        ModernBertConfig(**SIZES, global_attn_every_n_layers=2, local_attention=4)
    ).train()
    inputs = batch()
    method = attached(model, 1.0)
    parts = method.loss(model, inputs).parts
    assert [float(parts[f"kept_fraction/{layer}"]) for layer in (0, 1)] == [1.0, 1.0]
    del inputs["labels"]
    everywhere, window = masks(method, **inputs)
    far = (torch.arange(12)[:, None] - torch.arange(12)).abs() > 2
    assert everywhere[0].all() and not window[:, far].any() and window[0][~far].all()


def test_draws_come_from_the_seed_alone() -> None:
    inputs = {name: value for name, value in batch().items() if name != "labels"}
    model = tiny()
    torch.manual_seed(9)
    state = torch.get_rng_state()
    base = masks(attached(model), **inputs)
    assert torch.equal(torch.get_rng_state(), state)
    for other in (tiny(seed=1), tiny(dropout=0.5)):  # other weights; other draws of dropout
        again = masks(attached(other), **inputs)
        assert all(torch.equal(one, two) for one, two in zip(base, again, strict=True))
    assert not torch.equal(masks(attached(model, seed=4), **inputs)[0], base[0])


def test_what_is_wrong_is_told() -> None:
    method_class = METHODS.get("random_mask")
    assert method_class().options.kept_fraction == "measured" and method_class().reads_record_of == "asa"
    assert method_class({"kept_fraction": 0.9}).reads_record_of is None
    with pytest.raises(BadInput, match="kept_fraction 'measured' needs what an ASA training"):
        method_class().attach(tiny(), 0)
    with pytest.raises(BadInput, match="ASA kept no attention"):
        method_class().read({"kept_fraction/0": 0.5, "kept_fraction/1": 0.0})
    for wrong in (0.0, 1.1, -0.5, (0.5, 0.0), "most"):
        with pytest.raises(ValidationError):
            method_class({"kept_fraction": wrong})
    with pytest.raises(BadInput, match="kept_fraction has 3 numbers, the model 2 layers"):
        attached(tiny(), (0.5, 0.5, 0.5))
    with pytest.raises(BadInput, match="not attached"):
        method_class().loss(tiny(), batch())
    method = attached(tiny())
    method.detach()
    with pytest.raises(BadInput, match="not attached"):
        method.loss(tiny(), batch())


def test_measured_fractions_are_those_that_asa_logged_layer_by_layer() -> None:
    method = METHODS.get("random_mask")()
    method.read({"kept_fraction": 0.5, "kept_fraction/1": 0.25, "kept_fraction/0": 0.75, "total": 3.0})
    assert method.options.kept_fraction == (0.75, 0.25) and method.reads_record_of is None
    method.attach(tiny(), 3)
    parts = method.loss(tiny(), batch()).parts
    assert float(parts["kept_fraction/0"]) > 0.6 > 0.4 > float(parts["kept_fraction/1"])
