"""Tests of Adversarial Self-Attention on tiny random models, against formulas written out another way."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from asa_bench.errors import BadInput
from asa_bench.models.architectures import Bert, Family, Roberta
from asa_bench.models.asa import (
    AdversarialMask,
    AdversarialSelfAttention,
    TwoPasses,
    Variant,
    attach,
    attend,
)
from asa_bench.models.divergence import symmetric_divergence, task_loss

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
    assert int(step.fully_masked_rows.sum()) == empty


def attended(family: Family, variant: Variant, mask: Tensor, allowed: Tensor, *heads: Tensor) -> Tensor:
    """The biased attention of a mask."""
    model = tiny(family.model_types[0])
    bias, zeroed = TwoPasses(model, lambda *_: mask, variant)._bias(mask, allowed)
    return attend(*heads, bias, 8**-0.5, 0.0, zeroed)


@pytest.mark.parametrize("family", [Bert(), Roberta()])
@pytest.mark.parametrize("variant", ["padding_invariant", "released"])
def test_a_masked_key_cannot_reach_the_output(variant: Variant, family: Family) -> None:
    """In the biased attention, a masked key's value changes nothing; a kept key's value does."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 4, 8, generator=generator) for _ in range(3))
    mask = torch.ones(1, 4, 4)
    mask[:, :, 2] = 0
    real = torch.ones(1, 1, 4, dtype=torch.bool)
    before = attended(family, variant, mask, real, query, key, value)
    changed = value.clone()
    changed[:, :, 2] += 1e6
    assert torch.equal(attended(family, variant, mask, real, query, key, changed), before)
    changed[:, :, 1] += 1.0
    assert not torch.equal(attended(family, variant, mask, real, query, key, changed), before)


def test_a_fully_masked_row_by_variant_and_family() -> None:
    """Plain over real keys by default; the release attends to padding, too: BERT to all alike."""
    generator = torch.Generator().manual_seed(0)
    heads = [torch.randn(1, 2, 4, 8, generator=generator) for _ in range(3)]
    real = torch.tensor([[[True, True, True, False]]])
    nothing = torch.zeros(1, 4, 4)
    scores = heads[0] @ heads[1].transpose(2, 3) / 8**0.5
    by_hand = {
        ("bert", "padding_invariant"): scores[..., :3].softmax(-1) @ heads[2][:, :, :3],
        ("bert", "released"): heads[2].mean(2, keepdim=True).expand(-1, -1, 4, -1),
        ("roberta", "padding_invariant"): scores[..., :3].softmax(-1) @ heads[2][:, :, :3],
        ("roberta", "released"): scores.softmax(-1) @ heads[2],
    }
    for family in (Bert(), Roberta()):
        for variant in get_args(Variant):
            result = attended(family, variant, nothing, real, *heads)
            expected = by_hand[family.model_types[0], variant]
            torch.testing.assert_close(result, expected, rtol=1e-3, atol=1e-3)  # -10000 costs digits


def test_the_released_variant_depends_on_padding() -> None:
    model = tiny()
    asa = attached(model, "released")
    inputs = batch()
    longer = dict(inputs)
    longer["input_ids"] = F.pad(inputs["input_ids"], (0, 5), value=1)
    longer["attention_mask"] = F.pad(inputs["attention_mask"], (0, 5), value=0)
    assert abs(asa.loss(**longer).total.item() - asa.loss(**inputs).total.item()) > 0.1


def test_a_detached_object_says_so() -> None:
    asa = attached(tiny())
    asa.detach()
    for call in (asa.loss, asa.masks):
        with pytest.raises(BadInput, match="detached"):
            call(**batch())


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


def test_bf16_autocast_is_near_float32() -> None:
    model = tiny(initializer_range=0.1)
    asa = attached(model)
    full, _ = gradients(model, asa, **batch())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = asa.loss(**batch())
    half.total.backward()
    assert half.logits.dtype == torch.float32
    assert half.total.item() == pytest.approx(full.total.item(), rel=0.05)
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
    with pytest.raises(BadInput, match="the released code has no electra; use 'padding_invariant'"):
        attach(tiny("electra"), variant="released")
    with pytest.raises(BadInput, match=r"attention_mask has shape \(4, 7, 7\), not .* \(4, 7\)"):
        attach(model).loss(**{**batch(), "attention_mask": torch.ones(4, 7, 7)})
    for name, value in (("head_mask", torch.ones(2, 2)), ("output_hidden_states", True)):
        with pytest.raises(BadInput, match=f"input '{name}' cannot be used"):
            attach(model).loss(**batch(), **{name: value})
    with pytest.raises(BadInput, match=r"must be float32, not torch.bfloat16; .* use torch.autocast"):
        attach(tiny().bfloat16())
    model.gradient_checkpointing_enable()
    with pytest.raises(BadInput, match="gradient checkpointing"):
        attach(model)


def test_a_compiled_model_is_refused() -> None:
    model = tiny()
    model.compile()
    with pytest.raises(BadInput, match="compiled model"):
        attach(model)
    with pytest.raises(BadInput, match="compiled model"):
        attach(torch.compile(tiny()))


def test_inputs_that_are_not_there_are_as_if_not_given() -> None:
    asa = attached(tiny())
    given = asa.loss(**batch(), token_type_ids=None, position_ids=None)
    assert given.total.item() == asa.loss(**batch()).total.item()


def test_outputs_that_the_config_asks_for_do_not_stand_in_the_way() -> None:
    changes = {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
    model = tiny("distilbert", attn_implementation="eager", **changes)
    expected = attached(model).loss(**batch()).total.item()
    model.config.return_dict, model.config.output_attentions = False, True
    assert attached(model).loss(**batch()).total.item() == expected


def test_task_loss_and_divergence_have_known_values() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, 1.0986123]])  # p = (1/2, 1/2), q = (1/4, 3/4)
    labels = torch.tensor([0, 1])
    assert float(task_loss(logits, labels)) == pytest.approx((0.6931472 + 0.2876821) / 2, rel=1e-5)
    # 1/2 sum (p - q)(log p - log q) = 1/2 (1/4 log 2 - 1/4 log 2/3) = 1/8 log 3
    assert float(symmetric_divergence(logits[0], logits[1])) == pytest.approx(1.0986123 / 8, rel=1e-5)
    assert float(task_loss(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0]))) == pytest.approx(2.5)
