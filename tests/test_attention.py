"""First-layer attention of every family: returned as the model computes it, and nothing of the model changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from asa_bench.attention import NoAttention, eager, encode, first_layer
from asa_bench.reliance import look
from asa_bench.victims import Victim
from asa_bench.words import words_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "film", "was", "good", "bad", "not", "and"]
TINY: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
RELATIVE = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "xlm-roberta": {},
    "camembert": {},
    "electra": {},
    "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24},
    "albert": {"embedding_size": 8},
    "mpnet": {},
    "modernbert": {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
    "deberta": RELATIVE,
    "deberta-v2": RELATIVE,
}
WITH_SDPA = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "albert", "modernbert")
CASES = [(name, "eager") for name in FAMILIES] + [(name, "sdpa") for name in WITH_SDPA]
PAIRS = [("a film was good", "not bad"), ("film", ""), ("a and a", "bad film was not good and bad")]


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per word."""
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=names, **special)


def victim(family: str, attention: str, max_length: int = 32, **changes: Any) -> Victim:
    config = AutoConfig.for_model(family, **{**TINY, **FAMILIES.get(family, {}), **changes})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)
        for weights in model.parameters():  # fresh weights are so small that all attention is equal
            torch.nn.init.normal_(weights, std=0.5)
    return Victim(model, tokenizer(), ["no", "yes"], max_length=max_length)


@pytest.mark.parametrize(("family", "attention"), CASES)
def test_every_family_gives_attention_and_stays_as_it_was(family: str, attention: str) -> None:
    asked = victim(family, attention)
    before = asked.logits(PAIRS)
    setting = asked.model.config._attn_implementation
    assert setting == attention
    looks = look(asked, PAIRS)
    assert asked.model.config._attn_implementation == setting
    assert not asked.model.training
    np.testing.assert_array_equal(asked.logits(PAIRS), before)
    for pair in PAIRS:
        found = looks[pair]
        assert found.missing == "" and found.attention is not None
        assert [word.text for word in found.words] == " ".join(pair).split()
        assert found.attention.sum() == pytest.approx(1)
    shares = looks[PAIRS[2]].attention
    assert shares is not None and float(np.ptp(shares)) > 1e-3


@pytest.mark.parametrize("family", WITH_SDPA)
def test_a_fast_kernel_changes_nothing_about_what_is_seen(family: str) -> None:
    plain, fast = (look(victim(family, attention), PAIRS) for attention in ("eager", "sdpa"))
    for pair in PAIRS:
        np.testing.assert_allclose(plain[pair].attention, fast[pair].attention, atol=1e-6)


def test_attention_is_that_of_the_first_layer_written_out() -> None:
    """softmax(QK'/sqrt(d)) from the weights themselves, averaged over heads and queries, special tokens left out."""
    asked = victim("bert", "sdpa")
    pair = ("a film was good", "not bad")
    ids = [2, 4, 5, 6, 7, 3, 9, 8, 3]
    with torch.no_grad():
        hidden = asked.model.bert.embeddings(torch.tensor([ids]))[0]
        layer = asked.model.bert.encoder.layer[0].attention.self
        query, key = (
            part(hidden).reshape(9, 2, 8).transpose(0, 1).double() for part in (layer.query, layer.key)
        )
        weights = torch.softmax(query @ key.transpose(1, 2) / 8**0.5, -1)
    received = weights.mean(dim=(0, 1))[[1, 2, 3, 4, 6, 7]]
    np.testing.assert_allclose(look(asked, [pair])[pair].attention, received / received.sum(), atol=1e-6)


def test_what_is_cut_off_is_not_seen() -> None:
    asked = victim("bert", "sdpa", max_length=6)
    text = ("a film was good and bad and not",)
    found = look(asked, [text])[text]
    assert (found.total, [word.text for word in found.words]) == (8, ["a", "film", "was", "good"])
    assert found.attention is not None and found.attention.sum() == pytest.approx(1)


def test_attention_that_is_not_between_all_tokens_is_none_with_the_reason() -> None:
    asked = victim("longformer", "eager", attention_window=4)
    before = asked.logits(PAIRS[:1])
    found = look(asked, PAIRS[:1])[PAIRS[0]]
    assert found.attention is None
    assert found.missing.startswith("LongformerForSequenceClassification returns attention of shape")
    assert len(found.words) == 6
    np.testing.assert_array_equal(asked.logits(PAIRS[:1]), before)


def test_a_model_without_attention_is_told() -> None:
    class Bag(torch.nn.Module):
        config = AutoConfig.for_model("bert", **TINY)
        device = torch.device("cpu")

        def set_attn_implementation(self, name: str) -> None:
            raise ValueError("no such thing")

        def forward(self, input_ids: torch.Tensor) -> None: ...

    with pytest.raises(NoAttention, match="Bag has no plain attention: no such thing"), eager(Bag()):
        pass
    asked = victim("bert", "eager")
    inputs, _ = encode(asked, PAIRS[0], words_of(PAIRS[0]))
    with pytest.raises(NoAttention, match=r"Bag cannot be asked for attention: .*unexpected keyword"):
        first_layer(Bag(), inputs)
    asked.model = Bag()
    found = look(asked, PAIRS)[PAIRS[0]]
    assert (found.attention, found.missing) == (None, "Bag has no plain attention: no such thing")
    assert len(found.words) == 6


def test_a_slow_tokenizer_is_told() -> None:
    asked = victim("bert", "sdpa")

    class Slow:
        is_fast = False

    asked.tokenizer = Slow()
    found = look(asked, PAIRS)[PAIRS[0]]
    assert found.missing.startswith("Slow is no fast tokenizer")
    assert (found.attention, len(found.words)) == (None, 6)
