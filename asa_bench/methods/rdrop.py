"""R-Drop: two passes with different dropout shall predict the same; the control for ASA's divergence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from asa_bench.methods.base import Loss, Method, Options

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class RDropOptions(Options):
    """The defaults are the control for ASA; the paper's own objective is told at `RDrop`."""

    alpha: float = Field(
        default=1.0,
        ge=0.0,
        description="weight of the divergence 1/2 [KL(p || p') + KL(p' || p)]; 1 in ASA's loss",
    )
    cross_entropy: Literal["first", "mean"] = Field(
        default="first",
        description="of the first pass alone, as in ASA's loss, or the mean of both passes, as in R-Drop's",
    )


class RDrop(Method):
    """loss = CE(p) + alpha * 1/2 [KL(p || p') + KL(p' || p)], p and p' from two passes that differ in dropout.

    Source: Liang et al., "R-Drop: Regularized Dropout for Neural Networks", NeurIPS 2021, equations 2 to 4,
    where the loss is CE(p) + CE(p') + alpha * 1/2 [KL(p || p') + KL(p' || p)].

    ASA's clean and biased pass draw different dropout, so part of what it gains may be R-Drop's. The default
    is therefore ASA's loss without mask and mask term: cross-entropy of the first pass, divergence of weight
    1. What remains of a difference between the two is due to the mask. `cross_entropy: mean` with `alpha: a`
    is half the paper's loss with alpha = 2 a: the same objective, at a scale of the gradient to which AdamW
    does not react, but for the clipping.

    Both passes run as one, on a doubled batch, as ASA's do; two passes after another took as long within what
    measurements differ by. The gradient passes through both. Logged per step: `cross_entropy` and
    `divergence`.
    """

    name = "rdrop"
    title = "R-Drop"
    summary = "two passes with different dropout shall predict the same: the control for ASA's divergence"
    citation = "Liang et al., NeurIPS 2021, https://arxiv.org/abs/2106.14448"
    Options: ClassVar[type[Options]] = RDropOptions
    options: RDropOptions

    def loss(self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> Loss:
        from asa_bench.models.divergence import predict_twice, take_apart

        batch = take_apart(inputs)
        logits, other = predict_twice(model, batch.features)
        cross_entropy = batch.loss(logits)
        if self.options.cross_entropy == "mean":
            cross_entropy = (cross_entropy + batch.loss(other)) / 2
        divergence = batch.divergence(logits, other)
        return Loss(
            cross_entropy + self.options.alpha * divergence,
            logits,
            {"cross_entropy": cross_entropy.detach(), "divergence": divergence.detach()},
        )
