"""Perturbations of word embeddings: drawn and added at real tokens only, in every family of encoders."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from asa_bench.errors import BadInput
from asa_bench.models.perturbation import WordPerturbation, direction, frobenius, largest, within

IDS = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 1]])
REAL = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
NARROW = {"albert": 8}  # width of the word embeddings, where it is not that of the layers


def encoder(kind: str) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind,
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=20,
        pad_token_id=1,
        num_labels=3,
        initializer_range=0.3,
        embedding_size=NARROW.get(kind, 16),
    )
    return AutoModelForSequenceClassification.from_config(config).double().eval()


@pytest.mark.parametrize(
    "kind",
    [
        "bert",
        "roberta",
        "xlm-roberta",
        "camembert",
        "electra",
        "albert",
        "mpnet",
        "distilbert",
        "deberta-v2",
        "modernbert",
    ],
)
def test_it_reaches_the_output_of_every_family_and_leaves_the_model_plain(kind: str) -> None:
    model = encoder(kind)
    words = WordPerturbation(model, seed=1)
    inputs = {"input_ids": IDS, "attention_mask": REAL}
    with torch.no_grad():
        plain = model(**inputs).logits
    change = words.normal(REAL)
    assert change.shape == (2, 4, NARROW.get(kind, 16))
    change.requires_grad_()
    with words.added(change):
        logits = model(**inputs).logits
    assert not torch.isclose(logits, plain).all(-1).any()
    (gradient,) = torch.autograd.grad(logits.square().sum(), change)
    assert (gradient[REAL == 1] != 0).any(-1).all()
    with torch.no_grad():
        with words.added(torch.zeros_like(change)):
            assert torch.equal(model(**inputs).logits, plain)
        assert torch.equal(model(**inputs).logits, plain)


def test_draws_are_at_real_tokens_do_not_depend_on_padding_and_come_from_the_seed() -> None:
    model = encoder("bert")
    longer = torch.nn.functional.pad(REAL, (0, 3)).bool()
    for kind in ("uniform", "normal"):
        first = getattr(WordPerturbation(model, seed=1), kind)(REAL.bool())
        padded = getattr(WordPerturbation(model, seed=1), kind)(longer)
        other = getattr(WordPerturbation(model, seed=2), kind)(REAL.bool())
        assert torch.equal(padded[:, :4], first)
        assert not padded[:, 4:].any()
        assert not first[1, 3].any()
        assert (first[REAL == 1] != 0).all()
        assert not torch.equal(first, other)
    choices = WordPerturbation(model, seed=1).uniform(REAL.bool()[:, None].repeat(1, 2, 1))
    assert choices.shape == (4, 4, 16)


def test_the_distributions() -> None:
    words = WordPerturbation(encoder("bert"), seed=1)
    real = torch.ones(50, 20, dtype=torch.bool)
    uniform, normal = words.uniform(real), words.normal(real)  # 16,000 numbers each
    assert -1 <= uniform.min() < -0.99
    assert 0.99 < uniform.max() <= 1
    assert uniform.std().item() == pytest.approx(3**-0.5, rel=0.02)
    assert normal.std().item() == pytest.approx(1, rel=0.02)
    assert normal.abs().max() > 3
    assert abs(uniform.mean()) < 0.02
    assert abs(normal.mean()) < 0.03


def test_a_pass_that_looks_up_no_words_is_told() -> None:
    model = encoder("bert")
    words = WordPerturbation(model, seed=1)
    with (
        pytest.raises(BadInput, match="did not look up its word embeddings"),
        words.added(words.normal(REAL)),
    ):
        model(inputs_embeds=torch.zeros(2, 4, 16, dtype=torch.float64), attention_mask=REAL)
    assert not model.get_input_embeddings()._forward_hooks


def test_norms_directions_and_balls_by_hand() -> None:
    change = torch.tensor([[[3.0, 0.0], [0.0, -4.0]], [[0.0, 0.0], [0.6, 0.8]], [[0.0, 0.0], [0.0, 0.0]]])
    assert frobenius(change).flatten().tolist() == pytest.approx([5, 1, 0])
    assert largest(change).flatten().tolist() == pytest.approx([4, 0.8, 0])
    every = torch.ones(3, 2, dtype=torch.bool)
    assert direction(change, every, frobenius)[0].flatten().tolist() == pytest.approx([0.6, 0, 0, -0.8])
    assert direction(change, every, largest)[0].tolist() == [[0.75, 0], [0, -1]]
    assert not direction(change, every, largest)[2].any()  # no direction: no step, no division by 0
    real = torch.tensor([[True, False], [True, False], [True, False]])
    assert direction(change, real, frobenius).tolist() == [
        [[1, 0], [0, 0]],
        [[0, 0], [0, 0]],
        [[0, 0], [0, 0]],
    ]
    inside = within(change, 2.0)
    assert inside[0].flatten().tolist() == pytest.approx([1.2, 0, 0, -1.6])
    assert torch.equal(inside[1:], change[1:])
    assert not within(change, 0.0).any()
