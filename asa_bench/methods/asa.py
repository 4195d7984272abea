"""Adversarial Self-Attention: train against learned masks that take away what the model attends to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from asa_bench.errors import BadInput
from asa_bench.methods.base import Loss, Method, Options
from asa_bench.methods.masking import COUNTS, mask_statistics

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from transformers import PreTrainedModel

    from asa_bench.models.asa import AdversarialSelfAttention as Mechanism


class AsaOptions(Options):
    """Hyperparameters of ASA with the paper's defaults."""

    tau: float = Field(
        default=0.5, gt=0.0, description="weight of the mask term (its square); larger masks less"
    )
    variant: Literal["padding_invariant", "released"] = Field(
        default="padding_invariant",
        description="'released' also counts padded queries in the mask term and lets fully masked rows attend "
        "to padding, as the released code does",
    )
    save_adversaries: bool = Field(
        default=False,
        description="keep the adversaries beside the checkpoint, as adversaries.safetensors, for maps of attention",
    )


class AdversarialSelfAttention(Method):
    """loss = CE(clean) + 1/2 [KL(p || p') + KL(p' || p)] + tau^2 * sum over layers of sum(M) / batch.

    p and p' are the predictions of the clean and the biased pass. The mechanism is `asa_bench.models.asa`.
    Logged per step: `cross_entropy`, `divergence`, `mask_term`, `kept_fraction` (of all layers, and of each
    as ``kept_fraction/LAYER``) and `fully_masked_rows` (over all layers). A layer is one call of a
    self-attention: one that is shared by several layers counts once per call. Only units within reach of a
    sliding window are counted.
    """

    name = "asa"
    title = "ASA"
    summary = "adversarial self-attention: learned masks take away what the model attends to"
    citation = "Wu et al., AAAI 2023, https://doi.org/10.1609/aaai.v37i11.26608"
    Options: ClassVar[type[Options]] = AsaOptions
    options: AsaOptions

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._mechanism: Mechanism | None = None

    def attach(self, model: PreTrainedModel, seed: int) -> None:
        from asa_bench.models.asa import attach

        self._mechanism = attach(model, tau=self.options.tau, variant=self.options.variant, seed=seed)

    @property
    def mechanism(self) -> Mechanism:
        """The adversaries in use.

        Raises:
            BadInput: `attach` was not called, or `detach` was.
        """
        if self._mechanism is None:
            raise BadInput("method 'asa' is not attached to a model")
        return self._mechanism

    def loss(self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> Loss:
        step = self.mechanism.loss(**inputs)
        parts = {
            "cross_entropy": step.cross_entropy.detach(),
            "divergence": step.divergence.detach(),
            "mask_term": step.mask_term.detach(),
            **mask_statistics(step.kept, step.units, step.fully_masked_rows),
        }
        return Loss(step.total, step.logits, parts, COUNTS)

    def extra_parameters(self) -> Iterable[torch.nn.Parameter]:
        return self.mechanism.parameters()

    def save(self, folder: Path) -> None:
        if self.options.save_adversaries:
            self.mechanism.save(folder)

    def detach(self) -> None:
        if self._mechanism is not None:
            self._mechanism.detach()
            self._mechanism = None
