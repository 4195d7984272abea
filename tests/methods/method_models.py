"""Tiny models and batches that tests of the methods make themselves, without dropout, in float64."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForSequenceClassification,
    BertForTokenClassification,
)

IDS = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0], [2, 9, 0, 0]])
REAL = (IDS != 0).long()
KINDS = ("classification", "regression", "multiple_choice", "token_classification", "masked_words")


class MeanSoftmax(torch.nn.Module):
    """logits = head(mean over the real tokens of tanh(embedding)): small enough to write down again."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.words = torch.nn.Embedding(10, 4, dtype=torch.float64)
        self.head = torch.nn.Linear(4, 3, dtype=torch.float64)
        for parameter in self.parameters():
            parameter.data.normal_(generator=draw)
        self.device = torch.device("cpu")

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.words

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> Any:
        real = attention_mask[..., None].double()
        mean = (torch.tanh(self.words(input_ids)) * real).sum(1) / real.sum(1)
        logits = self.head(mean)
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return SimpleNamespace(loss=loss, logits=logits)


def written_out(model: MeanSoftmax, changes: list[torch.Tensor] | None = None) -> torch.Tensor:
    """The logits of `IDS`, (3, 3), example by example and without padding.

    Args:
        changes: added to the word embeddings: one (real tokens, width) per example.
    """
    rows = []
    for number, ids in enumerate(IDS):
        embedded = model.words.weight[ids[ids != 0]]
        if changes is not None:
            embedded = embedded + changes[number]
        rows.append(torch.tanh(embedded).mean(0) @ model.head.weight.T + model.head.bias)
    return torch.stack(rows)


def kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL(p || q) summed over the last dimension, of logits."""
    return F.kl_div(q.log_softmax(-1), p.log_softmax(-1), log_target=True, reduction="none").sum(-1)


def gradients(model: torch.nn.Module, loss: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


class MaskedWords(BertForMaskedLM):
    """Gives the logits of chosen tokens only, (masked words, vocabulary)."""

    def forward(  # type: ignore[override]
        self, chosen: torch.Tensor, labels: torch.Tensor | None = None, **inputs: torch.Tensor
    ) -> Any:
        logits = super().forward(**inputs).logits[chosen]
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return SimpleNamespace(loss=loss, logits=logits)


HEADS: dict[str, Any] = {
    "classification": BertForSequenceClassification,
    "regression": BertForSequenceClassification,
    "multiple_choice": BertForMultipleChoice,
    "token_classification": BertForTokenClassification,
    "masked_words": MaskedWords,
}


def bert(kind: str, dropout: float = 0.0) -> Any:
    """A tiny BERT of float64 for a kind of task, in train mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=30,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            max_position_embeddings=16,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            num_labels=1 if kind == "regression" else 3,
            initializer_range=0.3,
        )
        return HEADS[kind](config).double().train()


def batch(kind: str, padding: int = 0) -> dict[str, torch.Tensor]:
    """Three examples; `padding` more columns of padding than needed."""
    ids = F.pad(IDS, (0, padding))
    inputs = {"input_ids": ids, "attention_mask": (ids != 0).long()}
    if kind == "multiple_choice":  # each example's choices: its own text and the next one's
        inputs = {name: torch.stack([value, value.roll(1, 0)], 1) for name, value in inputs.items()}
        return {**inputs, "labels": torch.tensor([0, 1, 1])}
    if kind == "token_classification":
        labels = torch.tensor([[-100, 1, 2, -100], [-100, 0, -100, -100], [-100, 2, -100, -100]])
        return {**inputs, "labels": F.pad(labels, (0, padding), value=-100)}
    if kind == "masked_words":
        chosen = (ids == 5) | (ids == 7) | (ids == 9)
        return {**inputs, "chosen": chosen, "labels": torch.tensor([11, 12, 13])}
    if kind == "regression":
        return {**inputs, "labels": torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)}
    return {**inputs, "labels": torch.tensor([2, 0, 1])}
