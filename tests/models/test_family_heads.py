"""ASA under every kind of head that a family has, on tiny random models."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from family_models import attached, batch, every_family, tiny, without_labels
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoModelForMultipleChoice, AutoModelForTokenClassification

from asa_bench.models.divergence import symmetric_divergence


@every_family
def test_token_classification(case: str) -> None:
    model = tiny(case, head=AutoModelForTokenClassification)
    inputs = batch()
    real = inputs["attention_mask"].bool()
    inputs["labels"] = torch.randint(0, 3, real.shape, generator=torch.Generator().manual_seed(0))
    step = attached(model).loss(**inputs)
    torch.testing.assert_close(step.logits[real], model(**without_labels(inputs)).logits[real])
    per_token = symmetric_divergence(step.logits, step.adversarial_logits)[real]
    torch.testing.assert_close(step.divergence, per_token.mean())
    torch.testing.assert_close(step.cross_entropy, F.cross_entropy(step.logits[real], inputs["labels"][real]))


@every_family
def test_multiple_choice(case: str) -> None:
    model = tiny(case, head=AutoModelForMultipleChoice)
    flat = batch((7, 5, 3, 6, 4, 7), 7)
    inputs = {name: flat[name].view(2, 3, 7) for name in ("input_ids", "attention_mask")}
    step = attached(model).loss(**inputs, labels=torch.tensor([2, 0]))
    torch.testing.assert_close(step.logits, model(**inputs).logits)
    assert step.logits.shape == (2, 3)
    assert step.masks[0].shape == (6, 7, 7)
    torch.testing.assert_close(step.mask_term, 0.25 * step.kept.sum() / 6)


@every_family
def test_regression(case: str) -> None:
    model = tiny(case, labels=1)
    values = torch.tensor([0.5, 1.0, -1.0, 2.0])
    step = attached(model).loss(**{**batch(), "labels": values})
    torch.testing.assert_close(step.cross_entropy, (step.logits[:, 0] - values).square().mean())
    torch.testing.assert_close(step.divergence, (step.logits - step.adversarial_logits).square().mean())


@every_family
def test_masked_words_that_are_selected_before_the_output_layer(case: str) -> None:
    """Logits of shape (selected tokens, vocabulary): means over predictions, the mask term over sequences."""
    model = tiny(case, head=AutoModelForMaskedLM)
    inputs = without_labels(batch())
    selected = torch.zeros(4, 7, dtype=torch.bool)
    selected[0, [1, 4]] = selected[1, 2] = selected[3, 5] = True
    labels = torch.tensor([7, 8, 9, 10])
    everywhere = model(**inputs).logits

    def select(_: Any, given: tuple[Tensor]) -> tuple[Tensor]:
        hidden = given[0]
        return (hidden[selected.repeat(len(hidden) // len(selected), 1)],)

    handle = model.get_output_embeddings().register_forward_pre_hook(select)
    step = attached(model).loss(**inputs, labels=labels)
    handle.remove()
    assert step.logits.shape == step.adversarial_logits.shape == (4, 60)
    torch.testing.assert_close(step.logits, everywhere[selected])
    torch.testing.assert_close(step.cross_entropy, F.cross_entropy(everywhere[selected], labels))
    p, q = step.logits.softmax(-1), step.adversarial_logits.softmax(-1)
    torch.testing.assert_close(step.divergence, 0.5 * ((p - q) * (p / q).log()).sum() / 4)
    torch.testing.assert_close(step.mask_term, 0.25 * step.kept.sum() / 4)
