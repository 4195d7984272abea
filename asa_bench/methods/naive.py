"""Plain fine-tuning with cross-entropy: the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from asa_bench.methods.base import Loss, Method

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Naive(Method):
    """loss = CE(logits, labels), averaged over the batch."""

    name = "naive"
    title = "Naive"
    summary = "plain fine-tuning with cross-entropy"
    citation = ""

    def loss(self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> Loss:
        output = model(**inputs)
        return Loss(output.loss, output.logits, {"cross_entropy": output.loss.detach()})
