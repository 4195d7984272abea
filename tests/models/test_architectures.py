"""Tests of what is refused about model families; what they compute is tested in test_families.py."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from asa_bench.errors import BadInput
from asa_bench.models.architectures import additive, family_of

TINY = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 24,
    "pad_token_id": 1,
}


def tiny(model_type: str, **changes: object) -> PreTrainedModel:
    torch.manual_seed(0)
    attention = changes.pop("attention", "eager")
    config = AutoConfig.for_model(model_type, **{**TINY, **changes})
    return AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)


def test_another_family_is_refused_with_the_known_ones_and_how_to_add_it() -> None:
    known = (
        "bert, roberta, xlm-roberta, camembert, electra, distilbert, albert, mpnet, modernbert, deberta-v2"
    )
    with pytest.raises(
        BadInput, match=f"'roformer'; it knows {known}; to add one, .*models/architectures.py"
    ):
        family_of(tiny("roformer", embedding_size=16))


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta", "camembert", "electra", "albert"])
@pytest.mark.parametrize("kind", ["relative_key", "relative_key_query"])
def test_relative_positions_that_are_not_written_out_are_refused(model_type: str, kind: str) -> None:
    with pytest.raises(BadInput, match=f"position_embedding_type 'absolute', not '{kind}'"):
        family_of(tiny(model_type, position_embedding_type=kind))


def test_decoders_are_refused() -> None:
    with pytest.raises(BadInput, match="is_decoder"):
        family_of(tiny("bert", is_decoder=True))


@pytest.mark.parametrize("model_type", ["bert", "modernbert", "distilbert"])
@pytest.mark.parametrize("kernel", ["flash_attention_2", "flex_attention"])
def test_an_attention_kernel_without_a_mask_is_refused(model_type: str, kernel: str) -> None:
    model = tiny(model_type)
    model.config._attn_implementation = kernel
    with pytest.raises(BadInput, match=f"'sdpa' or 'eager', not '{kernel}'"):
        family_of(model)


def test_a_mask_of_ones_and_zeros_as_an_added_one() -> None:
    added = additive(torch.tensor([[1, 0, 1]]), torch.float16)
    assert added.dtype == torch.float16
    assert added.tolist() == [[0.0, -65504.0, 0.0]]
