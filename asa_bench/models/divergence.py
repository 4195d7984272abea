"""How far two predictions of one batch are apart, for every kind of task, and what that needs of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from asa_bench.encoding import IGNORED
from asa_bench.errors import BadInput


class Batch(NamedTuple):
    """One batch, taken apart.

    Attributes:
        features: what the model is called with: the inputs without the labels.
        labels: as in `Method.loss`.
        real: True at tokens that are not padding, (batch, length) or (batch, choices, length).
    """

    features: dict[str, Tensor]
    labels: Tensor
    real: Tensor

    def loss(self, logits: Tensor) -> Tensor:
        """The task's own loss of these logits, a scalar; in token tasks padding has no label."""
        labels = self.labels
        if labels.dim() > 1 and logits.dim() == 3:
            labels = labels.masked_fill(~self.real, IGNORED)
        return task_loss(logits, labels)

    def divergence(self, logits: Tensor, other: Tensor) -> Tensor:
        """1/2 [KL(p || q) + KL(q || p)], a scalar, with a gradient through both predictions.

        The mean over the examples, in token tasks over the real tokens of the batch, with masked words over
        the masked words. For regression the mean squared difference of the two outputs.

        Args:
            logits, other: of p and q: (batch, labels), (batch, choices), (batch, length, labels), (masked
                words, vocabulary), or (batch, 1) for regression.
        """
        if self.labels.is_floating_point():
            return (logits - other).square().mean()
        each = symmetric_divergence(logits, other)
        if logits.dim() == 3:
            return each.masked_fill(~self.real, 0.0).sum() / self.real.sum()
        return each.mean()

    def summed_divergence(self, logits: Tensor, other: Tensor) -> Tensor:
        """KL(p || q) + KL(q || p), as SMART and R3F define it: twice `divergence`, but for regression equal."""
        divergence = self.divergence(logits, other)
        return divergence if self.labels.is_floating_point() else 2 * divergence


def take_apart(inputs: Mapping[str, Tensor]) -> Batch:
    """Features, labels and real tokens of the inputs of `Method.loss`.

    Raises:
        BadInput: no labels, or no token ids.
    """
    for needed in ("input_ids", "labels"):
        if needed not in inputs:
            raise BadInput(f"a batch without {needed!r}: the training method needs it")
    features = {name: value for name, value in inputs.items() if name != "labels"}
    real = inputs.get("attention_mask")
    if real is None:
        real = torch.ones_like(inputs["input_ids"])
    return Batch(features, inputs["labels"], real.bool())


def predict(model: Any, features: Mapping[str, Tensor]) -> Tensor:
    """The logits, at least float32."""
    logits: Tensor = model(**features).logits
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def predict_twice(model: Any, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Two predictions of each example, each with dropout of its own, in one pass over a doubled batch.

    Args:
        features: tensors whose first dimension is the batch.
    """
    first, second = predict(
        model, {name: torch.cat([value, value]) for name, value in features.items()}
    ).chunk(2)
    return first, second


def symmetric_divergence(logits: Tensor, other: Tensor) -> Tensor:
    """1/2 [KL(p || q) + KL(q || p)] = 1/2 sum (p - q)(log p - log q) over the last dimension.

    Args:
        logits, other: (..., labels), the logits of p and q.

    Returns:
        (...), in nats.
    """
    log_p, log_q = F.log_softmax(logits, dim=-1), F.log_softmax(other, dim=-1)
    return 0.5 * ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1)


def task_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The task's own loss, as the transformers heads compute it.

    Squared error for labels of a floating-point type, else cross-entropy averaged over all predictions whose
    label is not -100; logits are (batch, labels), (batch, choices) or (batch, length, labels).
    """
    if labels.is_floating_point():
        return F.mse_loss(logits.squeeze(-1), labels.squeeze(-1) if labels.dim() > 1 else labels)
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten())
