"""R3F: random noise on word embeddings shall not change the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from asa_bench.methods.base import Loss, Options
from asa_bench.methods.perturbing import PerturbingMethod

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class R3FOptions(Options):
    """Published values."""

    weight: float = Field(default=1.0, ge=0.0, description="lambda, of the divergence")
    noise: float = Field(
        default=1e-5, ge=0.0, description="the bound of uniform, the standard deviation of normal noise"
    )
    distribution: Literal["uniform", "normal"] = Field(default="uniform", description="of the noise")


class R3F(PerturbingMethod):
    """loss = CE(p) + weight * [KL(p || q) + KL(q || p)], p = f(x), q = f(x + z).

    z is noise on the word embeddings x: uniform in [-noise, noise] or normal of that standard deviation.
    Regression has no distributions to compare; the divergence is the squared difference of the outputs there.

    Source: Aghajanyan et al., "Better Fine-Tuning by Reducing Representational Collapse", ICLR 2021, the
    equations of section 2.1 (R3F). Its divergence has no factor 1/2.

    Dropout is drawn anew for either prediction, as in the authors' code, so most of the effect may be
    R-Drop's: compare with `rdrop` at alpha 2. With MiniLM and a fresh head, one batch had a divergence of
    1.6e-4 with dropout, twice R-Drop's to three digits, and of 1e-12 without. Both predictions run as one
    pass over a doubled batch. Logged per step: `cross_entropy` and `divergence` (before its weight).
    """

    name = "r3f"
    title = "R3F"
    summary = "random noise on word embeddings shall not change the prediction"
    citation = "Aghajanyan et al., ICLR 2021, https://arxiv.org/abs/2008.03156"
    Options: ClassVar[type[Options]] = R3FOptions
    options: R3FOptions

    def loss(self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> Loss:
        import torch

        from asa_bench.models.divergence import predict_twice, take_apart

        batch, words = take_apart(inputs), self.words
        draw = words.uniform if self.options.distribution == "uniform" else words.normal
        noise = self.options.noise * draw(batch.real)
        with words.added(torch.cat([torch.zeros_like(noise), noise])):
            logits, noised = predict_twice(model, batch.features)
        cross_entropy = batch.loss(logits)
        divergence = batch.summed_divergence(logits, noised)
        return Loss(
            cross_entropy + self.options.weight * divergence,
            logits,
            {"cross_entropy": cross_entropy.detach(), "divergence": divergence.detach()},
        )
