"""Tests of what is known about model families."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from asa_bench.errors import BadInput
from asa_bench.models.architectures import FAMILIES, family_of

TINY = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 24,
}


def tiny(model_type: str, **changes: object) -> PreTrainedModel:
    torch.manual_seed(0)
    attention = changes.pop("attention", "sdpa")
    config = AutoConfig.for_model(model_type, **{**TINY, **changes})
    return AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("model_type", [name for family in FAMILIES for name in family.model_types])
def test_a_family_describes_what_its_self_attention_computes(model_type: str, attention: str) -> None:
    """Attention written out from the family's description equals what the module itself returns."""
    model = tiny(model_type, attention=attention).eval()
    family = family_of(model)
    sites = family.self_attentions(model)
    assert len(sites) == TINY["num_hidden_layers"]
    for site in sites:
        hidden = torch.randn(2, 5, 16)
        padding = torch.zeros(2, 1, 1, 5)
        padding[1, ..., 3:] = torch.finfo(torch.float32).min
        padding = padding.expand(2, 1, 5, 5)
        seen, mask = family.inputs(hidden, attention_mask=padding, output_attentions=False)
        assert seen is hidden
        assert mask is padding
        query, key, value = family.project(site, hidden)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + padding
        context = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        torch.testing.assert_close(
            family.output(site, context)[0], site(hidden, attention_mask=padding)[0], rtol=1e-4, atol=1e-6
        )
        assert family.dropout(site) == pytest.approx(0.1)


def test_the_sites_are_in_the_order_of_the_layers() -> None:
    model = tiny("bert")
    called = []
    for layer, site in enumerate(family_of(model).self_attentions(model)):
        site.register_forward_hook(lambda *_, layer=layer: called.append(layer))
    model(input_ids=torch.tensor([[5, 6, 7]]))
    assert called == [0, 1, 2]


def test_another_family_is_refused_with_the_known_ones_and_how_to_add_it() -> None:
    model = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model("distilbert", vocab_size=40, dim=16, n_layers=1, n_heads=2, hidden_dim=24)
    )
    with pytest.raises(
        BadInput, match=r"'distilbert'; it knows bert, roberta; to add one, .*architectures.py"
    ):
        family_of(model)


def test_relative_positions_and_decoders_are_refused() -> None:
    with pytest.raises(BadInput, match="position_embedding_type 'absolute', not 'relative_key'"):
        family_of(tiny("bert", position_embedding_type="relative_key", attention="eager"))
    with pytest.raises(BadInput, match="is_decoder"):
        family_of(tiny("bert", is_decoder=True))


def test_an_attention_kernel_without_a_mask_is_refused() -> None:
    model = tiny("bert")
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(BadInput, match="'sdpa' or 'eager', not 'flash_attention_2'"):
        family_of(model)
