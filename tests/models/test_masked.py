"""Encoders for masked tokens: logits at chosen places in every family, sizes from scratch, and what a checkpoint keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM, BertConfig, BertModel, PreTrainedModel

from asa_bench.errors import BadInput
from asa_bench.methods import METHODS
from asa_bench.models.architectures import FAMILIES
from asa_bench.models.masked import (
    MaskedPlaces,
    build_masked,
    load_config,
    load_masked,
    pooler_weights,
)

TINY = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 24,
}
# Families in which masked words are learned, and what else makes a tiny one.
KINDS: dict[str, dict[str, object]] = {
    "bert": {},
    "roberta": {},
    "xlm-roberta": {},
    "camembert": {},
    "electra": {"embedding_size": 8},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    "albert": {"embedding_size": 8},
    "mpnet": {},
    "modernbert": {"pad_token_id": 0, "global_attn_every_n_layers": 2, "local_attention": 4},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0},
}
LENGTH = 7


def tiny(kind: str) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = AutoConfig.for_model(kind, **{**TINY, **KINDS[kind]})
        return AutoModelForMaskedLM.from_config(config)


def batch() -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Inputs, places and labels; the second row is padded."""
    ids = torch.arange(5, 5 + 2 * LENGTH).view(2, LENGTH)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    return (
        {"input_ids": ids, "attention_mask": mask},
        torch.tensor([1, 4, 7, 10]),
        torch.tensor([8, 9, 30, 31]),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_logits_come_at_the_places_only_and_the_loss_is_theirs(kind: str) -> None:
    model = tiny(kind).eval()
    inputs, at, labels = batch()
    whole = model(**inputs).logits.reshape(2 * LENGTH, -1)
    places = MaskedPlaces(model)
    assert model(**inputs).logits.shape == (2, LENGTH, 40)  # nothing chosen yet
    places.set(at, 2 * LENGTH)
    found = model(**inputs, labels=labels)
    torch.testing.assert_close(found.logits, whole[at], rtol=1e-5, atol=1e-6)
    expected = torch.nn.functional.cross_entropy(whole[at], labels)
    torch.testing.assert_close(found.loss, expected, rtol=1e-5, atol=1e-6)
    double = {name: torch.cat([value, value.flip(0)]) for name, value in inputs.items()}
    first, second = model(**double).logits.chunk(2)
    torch.testing.assert_close(first, whole[at], rtol=1e-5, atol=1e-6)
    flipped = whole.view(2, LENGTH, -1).flip(0).reshape(2 * LENGTH, -1)
    torch.testing.assert_close(second, flipped[at], rtol=1e-5, atol=1e-6)
    places.remove()
    assert model(**inputs).logits.shape == (2, LENGTH, 40)


@pytest.mark.parametrize("method", METHODS.names())
@pytest.mark.parametrize("kind", [name for family in FAMILIES for name in family.model_types])
def test_every_method_trains_every_family_on_masked_tokens(kind: str, method: str) -> None:
    if kind not in KINDS:
        pytest.fail(f"add a tiny {kind} to KINDS")
    model = tiny(kind).train()
    inputs, at, labels = batch()
    places = MaskedPlaces(model)
    places.set(at, 2 * LENGTH)
    used = METHODS.get(method)({"kept_fraction": 0.8} if method == "random_mask" else {})
    used.attach(model, 0)
    loss = used.loss(model, {**inputs, "labels": labels})
    assert loss.logits.shape == (4, 40)
    loss.total.backward()
    used.detach()
    embedding = model.get_input_embeddings().weight
    assert (
        embedding.grad is not None and torch.isfinite(embedding.grad).all() and embedding.grad.abs().sum() > 0
    )


def test_sizes_from_scratch() -> None:
    config = AutoConfig.for_model("bert", **TINY)
    own = build_masked(config, "own", seed=1)
    assert own.config.hidden_size == 16
    assert torch.equal(
        own.get_input_embeddings().weight, build_masked(config, "own", seed=1).get_input_embeddings().weight
    )
    assert not torch.equal(
        own.get_input_embeddings().weight, build_masked(config, "own", seed=2).get_input_embeddings().weight
    )
    for kind in ("bert", "distilbert"):  # whose config calls its dimensions by other names
        small = build_masked(AutoConfig.for_model(kind, vocab_size=40), "tiny", seed=1)
        assert small.config.num_hidden_layers == 2
        shapes = {tuple(value.shape) for value in small.parameters()}
        assert {(40, 128), (512, 128), (128, 512)} <= shapes
    with pytest.raises(BadInput, match="unknown size 'huge'"):
        build_masked(config, "huge", seed=1)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="a model of type 'gpt2' cannot be made"):
        build_masked(AutoConfig.for_model("gpt2", n_layer=1, n_head=1, n_embd=8), "own", seed=1)


def test_a_missing_head_comes_from_the_seed_and_a_trained_pooler_is_kept(tmp_path: Path) -> None:
    torch.manual_seed(3)
    encoder = BertModel(BertConfig(**TINY))
    encoder.save_pretrained(tmp_path / "whole")
    torch.manual_seed(8)
    expected = torch.rand(1)
    torch.manual_seed(8)
    one, two, other = (load_masked(tmp_path / "whole", seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)  # global random state is left alone
    head = "cls.predictions.transform.dense.weight"
    assert torch.equal(one.state_dict()[head], two.state_dict()[head])
    assert not torch.equal(one.state_dict()[head], other.state_dict()[head])
    pooler = pooler_weights(one, tmp_path / "whole")
    assert {name: tuple(value.shape) for name, value in pooler.items()} == {
        "bert.pooler.dense.weight": (16, 16),
        "bert.pooler.dense.bias": (16,),
    }
    assert torch.equal(pooler["bert.pooler.dense.weight"], encoder.pooler.dense.weight)
    BertModel(BertConfig(**TINY), add_pooling_layer=False).save_pretrained(tmp_path / "bare")
    assert pooler_weights(one, tmp_path / "bare") == {}
    assert load_config(tmp_path / "whole").hidden_size == 16


def test_an_encoder_with_missing_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    BertModel(BertConfig(**TINY)).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: value for name, value in weights.items() if ".layer.1." not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"its weights lack 'bert\.encoder\.layer\.1"):
        load_masked(tmp_path, 1)
