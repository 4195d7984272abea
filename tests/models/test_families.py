"""Every model family, on tiny random models: what ASA promises holds for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from family_models import (
    CASES,
    LAYERS,
    ONLY_EAGER,
    PADDING,
    attached,
    batch,
    every_case,
    gradients,
    tiny,
    without_labels,
)
from torch import Tensor
from transformers import AutoModelForTokenClassification

from asa_bench.models.architectures import FAMILIES, family_of
from asa_bench.models.asa import AdversarialMask, TwoPasses, Variant


def test_every_family_is_tested() -> None:
    known = {name for family in FAMILIES for name in family.model_types}
    assert known == {case.partition("/")[0] for case in CASES}


@every_case
def test_the_sites_are_the_calls_of_a_self_attention_in_their_order(case: str) -> None:
    model = tiny(case).eval()
    sites = family_of(model).self_attentions(model)
    called: list[Any] = []
    for site in set(sites):
        site.register_forward_hook(lambda module, *_: called.append(module))
    model(**without_labels(batch()))
    assert len(sites) == LAYERS.get(case, 2)
    assert all(one is other for one, other in zip(sites, called, strict=True))


@every_case
def test_an_adversary_per_call(case: str) -> None:
    model = tiny(case)
    asa = attached(model)
    assert len(asa.adversaries) == LAYERS.get(case, 2)
    step, _ = gradients(model, asa, batch())
    assert len(step.masks) == len(step.kept) == len(step.units) == LAYERS.get(case, 2)
    for adversary in asa.adversaries:
        assert all(parameter.grad.any() for parameter in adversary.parameters())
    assert len({mask.sum().item() for mask in step.masks}) > 1  # not one mask for all of them


@every_case
def test_a_mask_is_drawn_from_the_biased_stream(case: str) -> None:
    model = tiny(case)
    family = family_of(model)
    asa = attached(model)
    passes: Any = asa._attached()
    learned, read, entered = passes._draw, [], []

    def noting(number: int, hidden: Tensor, allowed: Tensor) -> Tensor:
        read.append(hidden)
        return learned(number, hidden, allowed)

    passes._draw = noting
    for site in set(family.self_attentions(model)):
        site.register_forward_pre_hook(
            lambda module, given, named: entered.append(family.call(module, *given, **named).hidden),
            with_kwargs=True,
        )
    asa.loss(**batch())
    for hidden, both in zip(read, entered, strict=True):
        assert torch.equal(hidden, both[4:])
    assert not torch.allclose(read[-1], entered[-1][:4])  # which is another one than the clean stream


@pytest.mark.parametrize("kept", [0.0, 1.0])
@every_case
def test_nothing_masked_and_everything_masked_are_plain_attention(case: str, kept: float) -> None:
    """With every unit kept the biased pass is the clean one; so it is with every row fully masked, by the rule
    that such a row attends plainly to the real keys within reach."""
    model = tiny(case)
    passes = TwoPasses(
        model, lambda _, hidden, allowed: kept * allowed.expand(-1, hidden.shape[1], -1).float()
    )
    result = passes.run(without_labels(batch()))
    torch.testing.assert_close(result.biased_logits, result.logits, rtol=1e-5, atol=1e-6)
    assert result.fully_masked_rows.tolist() == [0 if kept else 21] * passes.layers
    assert torch.equal(result.kept, kept * result.units)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@every_case
def test_clean_logits_are_those_of_the_plain_model(case: str, attention: str) -> None:
    if attention == "sdpa" and case.partition("/")[0] in ONLY_EAGER:
        pytest.skip("the family has eager attention only")
    model = tiny(case, attention=attention)
    embedded = batch()
    embedded["inputs_embeds"] = model.get_input_embeddings()(embedded.pop("input_ids")).detach()
    left = {name: value.flip(-1) if value.dim() == 2 else value for name, value in batch().items()}
    unpadded = batch((5, 5), 5)
    del unpadded["attention_mask"]
    for inputs in (batch(), left, embedded, unpadded):
        plain = model(**without_labels(inputs)).logits
        step = attached(model).loss(**inputs)
        torch.testing.assert_close(step.logits, plain, rtol=1e-5, atol=1e-5)
        assert (step.adversarial_logits - plain).abs().max() > 1e-3
        assert torch.isfinite(step.adversarial_logits).all()


@pytest.mark.parametrize("case", [case for case in CASES if case.partition("/")[0] not in ONLY_EAGER])
def test_sdpa_and_eager_agree(case: str) -> None:
    found = []
    for attention in ("sdpa", "eager"):
        model = tiny(case, attention=attention)
        assert model.config._attn_implementation == attention
        found.append(gradients(model, attached(model), batch()))
    (one, first), (two, second) = found
    torch.testing.assert_close(one.total, two.total)
    for expected, actual in zip(first, second, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@every_case
def test_the_value_of_a_masked_or_padded_key_reaches_nothing(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(case, head=AutoModelForTokenClassification)
    family = family_of(model)
    project = type(family).project
    inputs = without_labels(batch((7, 5)))
    changed: dict[str, Any] = {}

    def moved(module: Any, call: Any) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = project(family, module, call)
        shift = torch.zeros(4, 1, 7, 1)
        for row, position in changed["at"]:
            shift[2 + row, :, position] = 1e6  # the second half is the biased pass
        return query, key, value + shift

    monkeypatch.setattr(family, "project", moved)

    def biased(masked: int, *at: tuple[int, int]) -> Tensor:
        changed["at"] = at

        def draw(_: int, hidden: Tensor, allowed: Tensor) -> Tensor:
            mask = allowed.expand(-1, hidden.shape[1], -1).clone().float()
            mask[:, :, masked] = 0
            return mask

        logits = TwoPasses(model, draw).run(inputs).biased_logits
        return logits[inputs["attention_mask"].bool()]

    before = biased(2)
    assert torch.equal(biased(2, (0, 2), (1, 2)), before)  # masked
    assert torch.equal(biased(2, (1, 5), (1, 6)), before)  # padding
    assert not torch.equal(biased(2, (0, 3)), before)
    assert not torch.equal(biased(3, (0, 2)), biased(3))


@pytest.mark.parametrize(
    ("case", "variant"),
    # Not the release's BERT: its zeroing of masked scores jumps, and the jump is no part of its gradient.
    [*((case, "padding_invariant") for case in CASES), ("roberta", "released")],
)
def test_the_gradient_of_an_adversary_is_numerical_through_the_straight_through_rule(
    case: str, variant: Variant
) -> None:
    """-sum(dL/dM * d sigmoid(s)), each derivative by finite differences, for the first and the last layer."""
    model = tiny(case).double()
    asa = attached(model, variant)
    inputs = batch((4, 3), 4)
    seen: dict[int, tuple[Tensor, Tensor]] = {}
    passes: Any = asa._attached()
    learned = passes._draw

    def noting(number: int, hidden: Tensor, allowed: Tensor) -> Tensor:
        seen[number] = hidden.detach(), allowed.expand(-1, hidden.shape[1], -1)
        return learned(number, hidden, allowed)

    passes._draw = noting
    step, _ = gradients(model, asa, inputs)
    masks = [mask.double() for mask in step.masks]

    def loss_with(layer: int, mask: Tensor) -> float:
        """The loss if this layer's M were `mask`, a point between the corners, and the others as they are."""
        passes._draw = lambda number, *_: mask if number == layer else masks[number]
        with torch.no_grad():
            return float(asa.loss(**inputs).total)

    queries = inputs["attention_mask"].bool() if variant == "padding_invariant" else torch.ones(2, 4).bool()
    for layer in (0, len(masks) - 1):
        adversary: Any = asa.adversaries[layer]
        hidden, allowed = seen[layer]
        base = loss_with(layer, masks[layer])
        derivative = torch.zeros_like(masks[layer])
        for index in torch.nonzero(allowed & queries[:, :, None]).tolist():
            # Into [0, 1]: beyond the corner a fully masked row would turn into another formula. Times 10000
            # this moves a score by 1e-6.
            size = -1e-10 if masks[layer][tuple(index)] else 1e-10
            moved = masks[layer].clone()
            moved[tuple(index)] += size
            derivative[tuple(index)] = (loss_with(layer, moved) - base) / size

        def surrogate(
            adversary: Any = adversary, hidden: Tensor = hidden, derivative: Tensor = derivative
        ) -> float:
            with torch.no_grad():
                return -float((derivative * torch.sigmoid(adversary(hidden))).sum())

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
                assert parameter.grad.view(-1)[position].item() == pytest.approx(
                    numerical, rel=1e-3, abs=1e-4
                )
        assert max(parameter.grad.abs().max().item() for parameter in adversary.parameters()) > 0.02


@every_case
def test_loss_and_gradients_do_not_depend_on_padding_or_position(case: str) -> None:
    model = tiny(case).double()
    asa = attached(model)
    with torch.no_grad():
        for adversary in asa.adversaries:  # opposite biases: lower scores, so that some rows are fully masked
            adversary.query.bias.fill_(0.7)
            adversary.key.bias.fill_(-0.7)
    inputs = batch()
    step, expected = gradients(model, asa, inputs)
    assert int(step.fully_masked_rows.sum()) > 0  # else the case that matters is not there
    longer = {
        **inputs,
        "input_ids": F.pad(inputs["input_ids"], (0, 5), value=PADDING),
        "attention_mask": F.pad(inputs["attention_mask"], (0, 5)),
    }
    moved = {name: value[torch.tensor([2, 0, 3, 1])] for name, value in inputs.items()}
    for other in (longer, moved):
        again, actual = gradients(model, asa, other)
        assert again.total.item() == pytest.approx(step.total.item(), rel=1e-6)
        assert torch.equal(again.kept, step.kept) and torch.equal(again.units, step.units)
        for one, two in zip(actual, expected, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


@every_case
def test_the_model_is_plain_outside_of_loss_and_in_its_checkpoint(case: str, tmp_path: Path) -> None:
    model = tiny(case, hidden_dropout_prob=0.1).eval()
    inputs = without_labels(batch())
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.save_pretrained(tmp_path / "before")
    before = model(**inputs).logits
    asa = attached(model)
    assert torch.equal(model(**inputs).logits, before)
    model.train()
    asa.loss(**batch()).total.backward()
    assert torch.equal(model.eval()(**inputs).logits, before)
    asa.detach()
    assert torch.equal(model(**inputs).logits, before)
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    model.save_pretrained(tmp_path / "after")
    for file in (tmp_path / "before").iterdir():
        assert (tmp_path / "after" / file.name).read_bytes() == file.read_bytes()
    assert len(list((tmp_path / "after").iterdir())) == len(list((tmp_path / "before").iterdir()))


@every_case
def test_bfloat16_autocast_is_finite(case: str) -> None:
    model = tiny(case)
    asa = attached(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        step, found = gradients(model, asa, batch())
    assert step.logits.dtype == torch.float32
    assert all(torch.isfinite(gradient).all() for gradient in [step.total, *found])
    exact = attached(model).loss(**batch())
    assert step.cross_entropy.item() == pytest.approx(exact.cross_entropy.item(), rel=0.1)


def test_units_out_of_a_sliding_window_are_not_counted_kept_or_given_a_gradient() -> None:
    """By hand: within distance 2, a sequence of 5 has 5 + 2*4 + 2*3 = 19 pairs, one of 3 has all 9."""
    model = tiny("modernbert")  # global, local, global
    asa = attached(model)
    inputs = batch((5, 3), 6)
    passes: Any = asa._attached()
    learned, drawn = passes._draw, []

    def noting(*given: Any) -> Tensor:
        drawn.append(learned(*given))
        drawn[-1].retain_grad()
        return drawn[-1]

    passes._draw = noting
    step, _ = gradients(model, asa, inputs)
    assert step.units.tolist() == [25 + 9, 19 + 9, 25 + 9]
    far = (torch.arange(6)[:, None] - torch.arange(6)).abs() > 2
    real = inputs["attention_mask"].bool()
    pairs = real[:, None, :] & real[:, :, None]
    for layer, mask in enumerate(step.masks):
        counted = pairs & ~far if layer == 1 else pairs
        assert step.kept[layer] == mask[counted].sum()
        assert bool((mask[:, far] == 0).all()) == (layer == 1)
        assert step.kept_fraction[layer].item() == pytest.approx(mask[counted].mean().item())
    counted_rows = sum(int((real & (mask.sum(-1) == 0)).sum()) for mask in step.masks)
    assert int(step.fully_masked_rows.sum()) == counted_rows
    hidden = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    scores = asa.adversaries[1](hidden).detach().requires_grad_()
    allowed = real[:, None, :] & ~far
    AdversarialMask.apply(scores, allowed).sum().backward()
    assert bool((scores.grad[:, far] == 0).all()) and bool((scores.grad[allowed] != 0).all())


def test_a_window_that_holds_the_sequence_is_no_window() -> None:
    """Within distance 2, a sequence of 3 has all 9 pairs; one of 4 lacks the pair of its ends, both ways."""
    for length, pairs in ((3, 9), (4, 14)):
        step = attached(tiny("modernbert")).loss(**batch((length,), length))
        assert step.units.tolist() == [length**2, pairs, length**2]


def test_modernbert_is_not_compiled_while_a_loss_is_computed() -> None:
    model = tiny("modernbert")
    seen: list[Any] = []
    model.model.layers[0].mlp.register_forward_hook(lambda *_: seen.append(model.config.reference_compile))
    for before in (None, True):
        model.config.reference_compile = before
        attached(model).loss(**batch())
        assert model.config.reference_compile is before
    assert seen == [False, False]


def test_dropout_of_relative_positions_is_drawn_for_each_pass() -> None:
    """DeBERTa drops entries of the table of positions, which all examples of a pass share."""
    model = tiny("deberta-v2/v3", position_buckets=8)
    for layer in model.deberta.encoder.layer:
        layer.attention.self.pos_dropout.p = 0.5
    passes = TwoPasses(model, lambda _, hidden, allowed: allowed.expand(-1, hidden.shape[1], -1).float())
    torch.manual_seed(0)
    result = passes.run(without_labels(batch()))
    assert (result.logits - result.biased_logits).abs().max() > 1e-4
