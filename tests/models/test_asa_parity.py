"""Parity with reference values of the released ASA implementation, where their folder is to be had."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from asa_bench.models.asa import AdversarialSelfAttention, Variant, attach

GOLDEN = Path(os.environ.get("ASA_BENCH_GOLDEN", Path(__file__).resolve().parents[3] / "shared" / "golden"))
CASES: list[dict[str, Any]] = (
    json.loads((GOLDEN / "cases.json").read_text()) if (GOLDEN / "cases.json").is_file() else []
)
HEADS = {
    "sequence": AutoModelForSequenceClassification,
    "regression": AutoModelForSequenceClassification,
    "multiple_choice": AutoModelForMultipleChoice,
    "token": AutoModelForTokenClassification,
}
INVARIANT_TASKS = ("sequence", "multiple_choice")  # token and regression losses differ by design
# Some gradients are 0 in exact arithmetic (key biases of plain attention, the bias of a multiple-choice
# head): what is left of them in float32 is the rounding of terms of order one.
ROUNDING = 2e-7

pytestmark = pytest.mark.skipif(
    not CASES,
    reason=f"needs the reference values of the released implementation: no {GOLDEN.name}/cases.json",
)


def by_name(cases: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def build(
    case: dict[str, Any], values: dict[str, Tensor], variant: Variant, attention: str
) -> tuple[PreTrainedModel, AdversarialSelfAttention]:
    config = AutoConfig.for_model(case["architecture"], **case["config"])
    model = HEADS[case["task"]].from_config(config, attn_implementation=attention).train()
    asa = attach(model, tau=case["tau"], variant=variant)
    plain, adversaries = {}, {}
    for name, value in values.items():
        if name.startswith("weights/"):
            before, found, after = name.removeprefix("weights/").partition(".encoder.adversary.")
            if found:
                adversaries[after] = value
            else:
                plain[before] = value
    missing, unexpected = model.load_state_dict(plain, strict=False)
    assert not [name for name in missing if "position_ids" not in name]
    unused = ("position_ids", "token_type_ids", "pooler")  # buffers, and a pooler that the head does not use
    assert not [name for name in unexpected if not any(part in name for part in unused)]
    asa.adversaries.load_state_dict(adversaries)
    return model, asa


def inputs_of(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix("inputs/"): value for name, value in values.items() if name.startswith("inputs/")
    }


def gradients(model: PreTrainedModel, asa: AdversarialSelfAttention, prefix: str) -> dict[str, Tensor]:
    named = dict(model.named_parameters())
    named |= {f"{prefix}.encoder.adversary.{name}": p for name, p in asa.adversaries.named_parameters()}
    return {name: parameter.grad for name, parameter in named.items() if parameter.grad is not None}


def close(actual: Tensor, expected: Tensor, name: str) -> None:
    torch.testing.assert_close(
        actual.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6, msg=lambda text: f"{name}: {text}"
    )


def check(case: dict[str, Any], variant: Variant, attention: str) -> None:
    values = load_file(GOLDEN / f"{case['name']}.safetensors")
    model, asa = build(case, values, variant, attention)
    step = asa.loss(**inputs_of(values))
    step.total.backward()

    for layer, mask in enumerate(step.masks):
        assert torch.equal(mask, values[f"outputs/mask/{layer}"]), f"mask {layer}"
    assert len(step.masks) == sum(name.startswith("outputs/mask/") for name in values)
    close(step.logits, values["outputs/logits"], "logits")
    close(step.adversarial_logits, values["outputs/adv_logits"], "adversarial logits")
    close(step.total, values["outputs/loss"], "loss")
    close(
        step.cross_entropy + step.divergence,
        values["outputs/loss_without_mask_term"],
        "loss without mask term",
    )

    expected = {name.removeprefix("grads/"): v for name, v in values.items() if name.startswith("grads/")}
    actual = gradients(model, asa, case["architecture"])
    assert set(expected) <= set(actual)
    for name, gradient in actual.items():
        if name not in expected:
            assert not gradient.any(), f"{name} has a gradient that the release does not have"
            continue
        largest = expected[name].abs().max().item()
        worst = (gradient - expected[name]).abs().max().item()
        assert worst <= 1e-4 * largest + ROUNDING, (
            f"gradient of {name}: {worst:.3g} off, largest entry {largest:.3g}"
        )

    asa.detach()
    inputs = inputs_of(values)
    del inputs["labels"]
    with torch.no_grad():
        close(model.eval()(**inputs).logits, values["outputs/eval_logits"], "eval logits")


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@by_name(CASES)
def test_released_variant_equals_the_release(case: dict[str, Any], attention: str) -> None:
    check(case, "released", attention)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@by_name(
    [
        case
        for case in CASES
        if case["fully_masked_rows"] == 0 and not case["padded"] and case["task"] in INVARIANT_TASKS
    ]
)
def test_padding_invariant_equals_the_release_where_nothing_is_padded_or_fully_masked(
    case: dict[str, Any], attention: str
) -> None:
    check(case, "padding_invariant", attention)


@by_name([case for case in CASES if case["padded"]])
def test_padding_invariant_does_not_change_with_padding_or_position(case: dict[str, Any]) -> None:
    values = load_file(GOLDEN / f"{case['name']}.safetensors")
    model, asa = build(case, values, "padding_invariant", "sdpa")
    model, asa.adversaries = model.double(), asa.adversaries.double()
    inputs = inputs_of(values)
    if case["task"] == "regression":
        inputs["labels"] = inputs["labels"].double()
    step = asa.loss(**inputs)
    step.total.backward()
    expected = gradients(model, asa, case["architecture"])
    expected = {name: gradient.clone() for name, gradient in expected.items()}
    longer = dict(inputs)
    longer["input_ids"] = F.pad(inputs["input_ids"], (0, 6), value=case["config"]["pad_token_id"])
    longer["attention_mask"] = F.pad(inputs["attention_mask"], (0, 6), value=0)
    if case["task"] == "token":
        longer["labels"] = F.pad(inputs["labels"], (0, 6), value=-100)
    moved = {name: value.roll(1, 0) for name, value in inputs.items()}
    for other in (longer, moved):
        model.zero_grad()
        asa.adversaries.zero_grad()
        again = asa.loss(**other)
        again.total.backward()
        torch.testing.assert_close(again.total, step.total)
        for name, gradient in gradients(model, asa, case["architecture"]).items():
            torch.testing.assert_close(
                gradient, expected[name], rtol=1e-6, atol=1e-7, msg=lambda text, name=name: f"{name}: {text}"
            )
