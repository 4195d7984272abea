"""Tests of Adversarial Self-Attention on tiny random models, against formulas written out another way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from asa_bench.errors import BadInput
from asa_bench.models.asa import (
    AdversarialMask,
    AdversarialSelfAttention,
    Variant,
    attach,
    attend,
    symmetric_divergence,
    task_loss,
)

TINY = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 24,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "num_labels": 3,
    "pad_token_id": 1,
}
FAMILIES = ["bert", "roberta"]


def tiny(model_type: str = "bert", head: Any = AutoModelForSequenceClassification, **changes: Any) -> Any:
    torch.manual_seed(0)
    return head.from_config(
        AutoConfig.for_model(model_type, **{**TINY, "initializer_range": 0.3, **changes})
    ).train()


def attached(
    model: PreTrainedModel, variant: Variant = "padding_invariant", tau: float = 0.5
) -> AdversarialSelfAttention:
    asa = attach(model, variant=variant, tau=tau, seed=3)
    with torch.no_grad():  # biases, too: zero ones would test nothing
        generator = torch.Generator().manual_seed(4)
        for parameter in asa.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return asa


def batch(rows: int = 4, length: int = 7) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([7, 5, 3, 6])[:rows, None]
    real = torch.arange(length)[None] < lengths
    ids = torch.randint(2, 40, (rows, length), generator=generator).masked_fill(~real, 1)
    return {
        "input_ids": ids,
        "attention_mask": real.long(),
        "labels": torch.randint(0, 3, (rows,), generator=generator),
    }


def gradients(model: Any, asa: AdversarialSelfAttention, **inputs: Tensor) -> tuple[Any, list[Tensor]]:
    model.zero_grad()
    asa.adversaries.zero_grad()
    step = asa.loss(**inputs)
    step.total.backward()
    return step, [p.grad.clone() for p in [*model.parameters(), *asa.parameters()] if p.grad is not None]


@pytest.mark.parametrize(
    ("model_type", "variant"),
    # Not the release's BERT: its zeroing of masked scores jumps, and the jump is no part of its gradient.
    [("bert", "padding_invariant"), ("roberta", "padding_invariant"), ("roberta", "released")],
)
def test_gradients_equal_an_independent_surrogate(model_type: str, variant: Variant) -> None:
    """The gradient that reaches an adversary equals a numerical one through the straight-through rule.

    The mechanism's M is a step, so finite differences of the loss itself are 0. By the rule, the
    derivative with respect to a parameter of an adversary is -sum(dL/dM * d sigmoid(s)): dL/dM is taken
    by central differences of the loss over each entry of M, d sigmoid(s) by central differences, too.
    """
    model = tiny(model_type).double()
    asa = attached(model, variant)
    asa.adversaries.double()
    inputs = batch(rows=3, length=6)
    step, _ = gradients(model, asa, **inputs)
    last = len(step.masks) - 1  # only there do the other layers' masks not react
    adversary: Any = asa.adversaries[last]
    hidden: list[Tensor] = []
    handle = adversary.register_forward_hook(lambda _module, given, _result: hidden.append(given[0].detach()))
    asa.loss(**inputs)
    handle.remove()
    real = inputs["attention_mask"].bool()

    def loss_with(mask: Tensor) -> float:
        """The loss if the last layer's M were `mask`, a point between the corners."""
        original = AdversarialMask.forward
        calls = iter(range(len(step.masks)))

        def forward(ctx: Any, scores: Tensor, allowed: Tensor) -> Tensor:
            result = original(ctx, scores, allowed)
            return mask if next(calls) == last else result

        AdversarialMask.forward = staticmethod(forward)  # type: ignore[method-assign]
        try:
            with torch.no_grad():
                return float(asa.loss(**inputs).total)
        finally:
            AdversarialMask.forward = original  # type: ignore[method-assign]

    size = 1e-8  # times 10000 it moves a score by 1e-4
    base = step.masks[last].double()
    derivative = torch.zeros_like(base)
    for index in torch.nonzero(real[:, None, :].expand_as(base)).tolist():
        change = torch.zeros_like(base)
        change[tuple(index)] = size
        # one-sided into [0, 1]: beyond the corner a fully masked row would turn into another formula
        kept = bool(base[tuple(index)])
        moved = base - change if kept else base + change
        derivative[tuple(index)] = (loss_with(moved) - loss_with(base)) / (-size if kept else size)

    def surrogate() -> float:
        with torch.no_grad():
            soft = torch.sigmoid(adversary(hidden[0])) * real[:, None, :]
            return -float((derivative * soft).sum())

    for parameter in adversary.parameters():
        flat = parameter.data.view(-1)
        for position in (0, flat.numel() // 2, flat.numel() - 1):
            value = float(flat[position])
            flat[position] = value + 1e-5
            above = surrogate()
            flat[position] = value - 1e-5
            below = surrogate()
            flat[position] = value
            numerical = (above - below) / 2e-5
            assert parameter.grad.view(-1)[position].item() == pytest.approx(numerical, rel=2e-3, abs=2e-3)


def test_the_mask_is_a_step_forward_and_a_reversed_sigmoid_backward() -> None:
    scores = torch.tensor([[[-2.0, -1e-6, 0.0, 1e-6, 3.0]]], requires_grad=True)
    allowed = torch.tensor([[[True, True, True, True, False]]])
    mask = AdversarialMask.apply(scores, allowed)
    assert mask.tolist() == [[[0.0, 0.0, 0.0, 1.0, 0.0]]]
    (mask * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    slope = torch.sigmoid(scores.detach()) * (1 - torch.sigmoid(scores.detach()))
    expected = -slope * torch.tensor([[[1.0, 2.0, 3.0, 4.0, 0.0]]])
    torch.testing.assert_close(scores.grad, expected)


def test_the_loss_is_the_sum_of_the_published_terms() -> None:
    model = tiny()
    asa = attached(model, tau=0.7)
    inputs = batch()
    step = asa.loss(**inputs)
    p, q = step.logits.softmax(-1), step.adversarial_logits.softmax(-1)
    both_ways = 0.5 * ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 4
    torch.testing.assert_close(step.divergence, both_ways)
    assert both_ways.item() > 1e-3
    torch.testing.assert_close(step.cross_entropy, F.cross_entropy(step.logits, inputs["labels"]))
    real = inputs["attention_mask"].bool()
    pairs = real[:, None, :] & real[:, :, None]
    kept = sum(float(mask[pairs].sum()) for mask in step.masks)
    assert step.mask_term.item() == pytest.approx(0.7**2 * kept / 4)
    torch.testing.assert_close(step.total, step.cross_entropy + step.divergence + step.mask_term)
    fractions = [float(mask[pairs].mean()) for mask in step.masks]
    assert step.kept_fraction.tolist() == pytest.approx(fractions)
    empty = sum(int((real & (mask.sum(-1) == 0)).sum()) for mask in step.masks)
    assert int(step.fully_masked_rows) == empty


@pytest.mark.parametrize("model_type", FAMILIES)
def test_clean_logits_are_those_of_the_plain_model(model_type: str) -> None:
    model = tiny(model_type)
    inputs = batch()
    plain = model(**{name: value for name, value in inputs.items() if name != "labels"}).logits
    torch.testing.assert_close(attached(model).loss(**inputs).logits, plain)


@pytest.mark.parametrize("variant", ["padding_invariant", "released"])
def test_a_masked_key_cannot_reach_the_output(variant: Variant) -> None:
    """In the biased attention, a masked key's value changes nothing; a kept key's value does."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 4, 8, generator=generator) for _ in range(3))
    mask = torch.ones(1, 4, 4)
    mask[:, :, 2] = 0
    asa = attach(tiny(), variant=variant)
    real = torch.ones(1, 4, dtype=torch.bool)
    before = asa._attend(query, key, value, mask, real, 0.0)
    changed = value.clone()
    changed[:, :, 2] += 1e6
    assert torch.equal(asa._attend(query, key, changed, mask, real, 0.0), before)
    changed[:, :, 1] += 1.0
    assert not torch.equal(asa._attend(query, key, changed, mask, real, 0.0), before)


def test_a_fully_masked_row_uses_plain_attention_over_real_keys() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 4, 8, generator=generator) for _ in range(3))
    real = torch.tensor([[True, True, True, False]])
    asa = attach(tiny())
    result = asa._attend(query, key, value, torch.zeros(1, 4, 4), real, 0.0)
    plain = attend(query, key[:, :, :3], value[:, :, :3], None, 0.0)
    torch.testing.assert_close(result, plain)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_loss_and_gradients_do_not_depend_on_padding_or_position(model_type: str) -> None:
    model = tiny(model_type).double()
    asa = attached(model)
    asa.adversaries.double()
    inputs = batch()
    step, expected = gradients(model, asa, **inputs)
    assert int(step.fully_masked_rows) > 0  # else the case that matters is not there
    longer = dict(inputs)
    longer["input_ids"] = F.pad(inputs["input_ids"], (0, 5), value=1)
    longer["attention_mask"] = F.pad(inputs["attention_mask"], (0, 5), value=0)
    order = torch.tensor([2, 0, 3, 1])
    moved = {name: value[order] for name, value in inputs.items()}
    for other in (longer, moved):
        again, actual = gradients(model, asa, **other)
        assert again.total.item() == pytest.approx(step.total.item(), rel=1e-7)
        for one, two in zip(actual, expected, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-7)


def test_the_released_variant_depends_on_padding() -> None:
    model = tiny()
    asa = attached(model, "released")
    inputs = batch()
    longer = dict(inputs)
    longer["input_ids"] = F.pad(inputs["input_ids"], (0, 5), value=1)
    longer["attention_mask"] = F.pad(inputs["attention_mask"], (0, 5), value=0)
    assert abs(asa.loss(**longer).total.item() - asa.loss(**inputs).total.item()) > 0.1


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_model_is_plain_outside_of_loss(model_type: str) -> None:
    model = tiny(model_type)
    names = set(model.state_dict())
    inputs = batch()
    labels = inputs.pop("labels")
    before = model.eval()(**inputs).logits
    asa = attached(model)
    model.train()
    asa.loss(labels=labels, **inputs)
    assert torch.equal(model.eval()(**inputs).logits, before)
    assert set(model.state_dict()) == names
    assert not any("forward" in vars(module) for module in model.modules())
    asa.detach()
    assert torch.equal(model(**inputs).logits, before)
    with pytest.raises(BadInput, match="detached"):
        asa.loss(labels=labels, **inputs)


def test_the_model_is_plain_after_an_error_inside_of_loss() -> None:
    model = tiny()
    asa = attached(model)
    with pytest.raises(TypeError):
        asa.loss(**batch(), no_such_input=torch.zeros(4))
    assert not any("forward" in vars(module) for module in model.modules())


def test_attaching_leaves_random_state_and_depends_on_its_seed_alone() -> None:
    model = tiny()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = attach(model, seed=1)
    assert torch.equal(torch.rand(3), expected)
    second, third = attach(model, seed=1), attach(model, seed=2)
    weights = [asa.adversaries[0].query.weight for asa in (first, second, third)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_adversary_maximizes_the_divergence_and_a_larger_tau_keeps_more() -> None:
    kept, divergence = {}, {}
    for tau in (0.01, 1.0):
        model = tiny()
        asa = attached(model, tau=tau)
        optimizer = torch.optim.Adam(asa.parameters(), lr=0.03)  # the model stands still
        start = asa.loss(**batch())
        for _ in range(25):
            optimizer.zero_grad()
            asa.loss(**batch()).total.backward()
            optimizer.step()
        end = asa.loss(**batch())
        kept[tau] = float(end.kept_fraction.mean())
        divergence[tau] = (end.divergence - start.divergence).item()
    assert divergence[0.01] > 0
    assert kept[1.0] > kept[0.01]


def test_multiple_choice_tokens_and_regression() -> None:
    inputs = batch()
    choices = {name: inputs[name].unsqueeze(1).repeat(1, 3, 1) for name in ("input_ids", "attention_mask")}
    choices["input_ids"][:, 1] = choices["input_ids"][:, 1].flip(0)
    choices["attention_mask"][:, 1] = choices["attention_mask"][:, 1].flip(0)
    model = tiny(head=AutoModelForMultipleChoice)
    step = attached(model).loss(**choices, labels=inputs["labels"])
    assert step.logits.shape == (4, 3)
    assert step.masks[0].shape == (12, 7, 7)

    labels = torch.randint(0, 3, (4, 7), generator=torch.Generator().manual_seed(0))
    model = tiny(head=AutoModelForTokenClassification)
    step = attached(model).loss(**{**inputs, "labels": labels})
    real = inputs["attention_mask"].bool()
    per_token = symmetric_divergence(step.logits, step.adversarial_logits)[real].mean()
    torch.testing.assert_close(step.divergence, per_token)
    torch.testing.assert_close(step.cross_entropy, F.cross_entropy(step.logits[real], labels[real]))

    model = tiny(num_labels=1)
    values = torch.tensor([0.5, 1.0, -1.0, 2.0])
    step = attached(model).loss(**{**inputs, "labels": values})
    torch.testing.assert_close(step.cross_entropy, (step.logits[:, 0] - values).square().mean())
    torch.testing.assert_close(step.divergence, (step.logits - step.adversarial_logits).square().mean())


def test_bf16_autocast_is_near_float32() -> None:
    model = tiny(initializer_range=0.1)
    asa = attached(model)
    full, _ = gradients(model, asa, **batch())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = asa.loss(**batch())
    half.total.backward()
    assert half.logits.dtype == torch.float32
    assert float(half.total) == pytest.approx(float(full.total), rel=0.05)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in asa.parameters())


def test_wrong_arguments_are_told() -> None:
    model = tiny()
    with pytest.raises(BadInput, match="unknown variant 'release' of ASA; did you mean 'released'"):
        attach(model, variant="release")  # type: ignore[arg-type]
    for tau in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(BadInput, match="tau of ASA must be"):
            attach(model, tau=tau)
    inputs = batch()
    del inputs["labels"]
    with pytest.raises(BadInput, match="'labels'"):
        attach(model).loss(**inputs)
    model.gradient_checkpointing_enable()
    with pytest.raises(BadInput, match="gradient checkpointing"):
        attach(model)


def test_task_loss_and_divergence_have_known_values() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, 1.0986123]])  # p = (1/2, 1/2), q = (1/4, 3/4)
    labels = torch.tensor([0, 1])
    assert float(task_loss(logits, labels)) == pytest.approx((0.6931472 + 0.2876821) / 2, rel=1e-5)
    # 1/2 sum (p - q)(log p - log q) = 1/2 (1/4 log 2 - 1/4 log 2/3) = 1/8 log 3
    assert float(symmetric_divergence(logits[0], logits[1])) == pytest.approx(1.0986123 / 8, rel=1e-5)
    assert float(task_loss(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0]))) == pytest.approx(2.5)
