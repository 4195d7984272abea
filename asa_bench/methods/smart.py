"""SMART's smoothness-inducing regularizer: the worst small change of word embeddings shall not matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from asa_bench.methods.base import Loss, Options
from asa_bench.methods.perturbing import PerturbingMethod

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class SmartOptions(Options):
    """The paper's values, but two ascent steps."""

    weight: float = Field(default=1.0, ge=0.0, description="lambda, of the divergence")
    steps: int = Field(default=2, ge=1, description="of gradient ascent")
    step_size: float = Field(default=1e-3, ge=0.0, description="eta, in the l-infinity norm")
    norm: float = Field(default=1e-5, ge=0.0, description="epsilon, the l-infinity bound of the perturbation")
    noise: float = Field(
        default=1e-5, ge=0.0, description="sigma, the standard deviation of the first perturbation"
    )


class Smart(PerturbingMethod):
    """loss = CE(p) + weight * max over |d| <= norm of [KL(p || q) + KL(q || p)], p = f(x), q = f(x + d).

    d changes the word embeddings x of each sequence and is found by gradient ascent on the divergence, with
    p held fixed (g is the gradient by d, norms are l-infinity norms over the sequence):

        d_0 ~ N(0, noise^2),   d <- clip(d + step_size * g / |g|, -norm, norm)

    Regression has no distributions to compare; the divergence is the squared difference of the outputs there.

    Source: Jiang et al., "SMART: Robust and Efficient Fine-Tuning for Pre-trained Natural Language Models
    through Principled Regularized Optimization", ACL 2020, section 3.1 and algorithm 1. The paper's other
    half, Bregman proximal point optimization (section 3.2), is not included: it needs a second set of
    weights, a running mean of the first, and one more pass per step.

    Every pass draws its own dropout, as in the authors' code, so most of the effect may be R-Drop's: compare
    with `rdrop` at alpha 2. With MiniLM and a fresh head, one batch had a divergence of 2.6e-4 with dropout
    and of 1.4e-8 without. Logged per step: `cross_entropy` and `divergence` (before its weight).
    """

    name = "smart"
    title = "SMART"
    summary = "the worst small change of word embeddings shall not change the prediction"
    citation = "Jiang et al., ACL 2020, https://doi.org/10.18653/v1/2020.acl-main.197"
    Options: ClassVar[type[Options]] = SmartOptions
    options: SmartOptions

    def loss(self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> Loss:
        from asa_bench.models.divergence import predict, take_apart
        from asa_bench.models.passes import gradients
        from asa_bench.models.perturbation import direction, largest

        options, words = self.options, self.words
        batch = take_apart(inputs)
        logits = predict(model, batch.features)
        perturbation = options.noise * words.normal(batch.real)
        for _ in range(options.steps):
            perturbation.requires_grad_()
            with words.added(perturbation):
                changed = predict(model, batch.features)
            ascending = batch.summed_divergence(logits.detach(), changed)
            (gradient,) = gradients(ascending, [perturbation])
            ascended = perturbation.detach() + options.step_size * direction(gradient, batch.real, largest)
            perturbation = ascended.clamp(-options.norm, options.norm)
        with words.added(perturbation):
            changed = predict(model, batch.features)
        cross_entropy = batch.loss(logits)
        divergence = batch.summed_divergence(logits, changed)
        return Loss(
            cross_entropy + options.weight * divergence,
            logits,
            {"cross_entropy": cross_entropy.detach(), "divergence": divergence.detach()},
        )
