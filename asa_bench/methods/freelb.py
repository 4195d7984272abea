"""FreeLB: training on perturbed word embeddings, with the gradient of every ascent step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from asa_bench.methods.base import Loss, Options
from asa_bench.methods.perturbing import PerturbingMethod

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class FreeLBOptions(Options):
    """Published values."""

    steps: int = Field(default=2, ge=1, description="K: passes per training step, one more than ascents")
    step_size: float = Field(default=1e-1, ge=0.0, description="alpha, in the Frobenius norm")
    norm: float = Field(
        default=1e-1, ge=0.0, description="epsilon, the bound of the perturbation's Frobenius norm"
    )


class FreeLB(PerturbingMethod):
    """loss = 1/K sum over t < K of CE(f(x + d_t), labels): the mean over K ever worse perturbations.

    d_t perturbs the word embeddings x of each sequence of n real tokens and width w (g is the gradient of the
    loss by d_t, norms are Frobenius norms over the sequence, P scales into the ball of radius `norm`):

        d_0 ~ U(-norm, norm) / sqrt(n w),   d_(t+1) = P(d_t + step_size * g / |g|)

    Source: Zhu et al., "FreeLB: Enhanced Adversarial Training for Natural Language Understanding", ICLR 2020,
    algorithm 1. As in its section on dropout, all passes of a step share one dropout mask. The random numbers
    that dropout draws are those of naive, so with `norm` 0 this is naive training (with 2 steps bit for bit).

    There is no clean pass: the logits are those of the first pass. Each pass but the last is differentiated
    at once, by perturbation and parameters together, and its gradient carried to the backward pass of the
    total, so one graph is held at a time and a step costs about K times naive. Keeping all K graphs costs one
    more backward pass through the activations for each ascent: 2 steps took 2.0 to 2.2 times naive this way
    and 2.4 to 2.8 times with all graphs (a tiny BERT in float32 and bf16, MiniLM in float32). Logged per
    step: `cross_entropy` (the mean) and `ascent`, by how much the last pass's is above the first's.
    """

    name = "freelb"
    title = "FreeLB"
    summary = "adversarial perturbations of word embeddings, with the gradient of every ascent step"
    citation = "Zhu et al., ICLR 2020, https://arxiv.org/abs/1909.11764"
    Options: ClassVar[type[Options]] = FreeLBOptions
    options: FreeLBOptions

    def loss(self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> Loss:
        import torch

        from asa_bench.models.divergence import take_apart
        from asa_bench.models.passes import SameDropout, carried, gradients
        from asa_bench.models.perturbation import direction, frobenius, within

        options, words = self.options, self.words
        real = take_apart(inputs).real
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        dropout = SameDropout(model.device)
        perturbation = self._first(real)
        losses: list[torch.Tensor] = []
        logits: Any = None
        for ascents_left in reversed(range(options.steps)):
            perturbation.requires_grad_(ascents_left > 0)
            with dropout.replayed(), words.added(perturbation):
                output = model(**inputs)
            logits = output.logits.detach() if logits is None else logits
            if not ascents_left:
                losses.append(output.loss)
                break
            gradient, *others = gradients(output.loss, [perturbation, *parameters])
            losses.append(carried(output.loss, others, parameters))
            ascended = perturbation.detach() + options.step_size * direction(gradient, real, frobenius)
            perturbation = within(ascended, options.norm)
        total = torch.stack(losses).mean()
        first, last = losses[0].detach(), losses[-1].detach()
        return Loss(total, logits, {"cross_entropy": total.detach(), "ascent": last - first})

    def _first(self, real: torch.Tensor) -> torch.Tensor:
        """d_0, (sequences, length, width)."""
        drawn = self.words.uniform(real)
        numbers = (real.reshape(*drawn.shape[:2]).sum(1) * drawn.shape[2]).to(drawn.dtype)
        return self.options.norm * drawn / numbers.clamp(min=1).sqrt()[:, None, None]
