"""Tiny random models of every family, with adversaries attached, and a batch for them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification

from asa_bench.models.asa import AdversarialSelfAttention, Variant, attach

PADDING = 1  # RoBERTa and MPNet count positions from the tokens that are not this one
TINY = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 24,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": PADDING,
    "initializer_range": 0.3,
}
DEBERTA = {"relative_attention": True, "pos_att_type": "p2c|c2p", "position_biased_input": False}
# Several shapes of a family where its config has them; the name before a slash is the model type.
CASES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "xlm-roberta": {},
    "camembert": {},
    "electra": {"embedding_size": 8, "summary_last_dropout": 0.0},
    "distilbert": {
        "dim": 16,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 24,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "seq_classif_dropout": 0.0,
    },
    "albert": {"embedding_size": 8, "num_hidden_layers": 3, "classifier_dropout_prob": 0.0},
    "albert/groups": {
        "embedding_size": 8,
        "num_hidden_layers": 4,
        "num_hidden_groups": 2,
        "inner_group_num": 2,
        "classifier_dropout_prob": 0.0,
    },
    "mpnet": {},
    "modernbert": {"num_hidden_layers": 3, "global_attn_every_n_layers": 2, "local_attention": 4},
    "deberta-v2": {**DEBERTA, "conv_kernel_size": 3, "type_vocab_size": 0},
    "deberta-v2/v3": {
        **DEBERTA,
        "share_att_key": True,
        "position_buckets": 3,
        "norm_rel_ebd": "layer_norm",
        "type_vocab_size": 0,
    },
    "deberta-v2/content": {"relative_attention": False, "pos_att_type": None},
    "deberta-v2/c2p": {**DEBERTA, "pos_att_type": "c2p", "embedding_size": 8},
}
LAYERS = {"albert": 3, "albert/groups": 8, "modernbert": 3}  # calls of a self-attention; else 2
ONLY_EAGER = {"electra", "mpnet", "deberta-v2"}

every_case = pytest.mark.parametrize("case", CASES)
# One shape a family, where the shapes cannot differ.
every_family = pytest.mark.parametrize("case", [case for case in CASES if "/" not in case])


def tiny(case: str, head: Any = AutoModelForSequenceClassification, labels: int = 3, **changes: Any) -> Any:
    """A random model in train mode without dropout."""
    torch.manual_seed(0)
    attention = {"attn_implementation": changes.pop("attention")} if "attention" in changes else {}
    settings = {**TINY, **CASES[case], "num_labels": labels, **changes}
    if case == "distilbert":
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
            settings.pop(name)
    config = AutoConfig.for_model(case.partition("/")[0], **settings)
    return head.from_config(config, **attention).train()


def attached(model: Any, variant: Variant = "padding_invariant") -> AdversarialSelfAttention:
    asa = attach(model, variant=variant)
    asa.adversaries.to(model.dtype)
    with torch.no_grad():  # biases, too: zero ones would test nothing
        generator = torch.Generator().manual_seed(4)
        for parameter in asa.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return asa


def batch(lengths: tuple[int, ...] = (7, 5, 3, 6), longest: int = 7) -> dict[str, Tensor]:
    """Random tokens, and labels for sequence classification."""
    generator = torch.Generator().manual_seed(1)
    real = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
    ids = torch.randint(5, 60, real.shape, generator=generator).masked_fill(~real, PADDING)
    labels = torch.randint(0, 3, (len(lengths),), generator=generator)
    return {"input_ids": ids, "attention_mask": real.long(), "labels": labels}


def without_labels(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in inputs.items() if name != "labels"}


def gradients(
    model: Any, asa: AdversarialSelfAttention, inputs: dict[str, Tensor]
) -> tuple[Any, list[Tensor]]:
    model.zero_grad()
    asa.adversaries.zero_grad()
    step = asa.loss(**inputs)
    step.total.backward()
    return step, [p.grad.clone() for p in [*model.parameters(), *asa.parameters()] if p.grad is not None]
