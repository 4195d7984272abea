"""What a training method is: the forward passes it needs and the loss that it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from transformers import PreTrainedModel


class Options(BaseModel):
    """Hyperparameters of a method; a subclass adds typed fields with their published defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass
class Loss:
    """What one training step of a method returns.

    Attributes:
        total: scalar, with gradient: what is minimized.
        logits: of the clean pass, in the shape in which the model returns them.
        parts: named scalars worth logging (cross-entropy, divergence, ...), detached.
        counts: names of those parts that count something over the batch; all others are means over its examples.
    """

    total: torch.Tensor
    logits: torch.Tensor
    parts: dict[str, torch.Tensor | float] = field(default_factory=dict)
    counts: tuple[str, ...] = ()


class Method(ABC):
    """A training objective. One object serves one training run.

    The order of calls is `attach`, then `loss` once per step, then `detach`; after `detach` the model is the
    plain model that it was. Modules must not import torch or transformers at their top level, so that
    `asa-bench list methods` stays quick.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    citation: ClassVar[str]
    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.options = self.Options(**(options or {}))

    @property
    def epochs_factor(self) -> float:
        """How many times the epochs of the comparison this method trains for; 1 but for the compute control."""
        return 1.0

    @property
    def reads_record_of(self) -> str | None:
        """The method whose training on the same task, encoder and seed must come first, because `read` needs what was
        logged there; None for most."""
        return None

    def read(self, losses: Mapping[str, float]) -> None:
        """Take in the means over all steps that the training of `reads_record_of` logged; called before `attach`."""

    def attach(self, model: PreTrainedModel, seed: int) -> None:
        """Prepare `model` (hooks, adversaries). Own parameters are initialized from `seed` alone, so that the
        model's weights and the order of examples are the same for every method."""

    @abstractmethod
    def loss(self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> Loss:
        """The loss of one batch.

        Args:
            model: in train mode.
            inputs: the tokenizer's tensors, (batch, length), and ``labels``: (batch,) integers, or float32 for
                regression. Multiple choice: (batch, choices, length) and labels (batch,). Token
                classification: labels (batch, length), -100 where a token is not the first of a word.
                Masked words: logits come as (masked tokens, vocabulary), labels as (masked tokens,).
        """

    def extra_parameters(self) -> Iterable[torch.nn.Parameter]:
        """Parameters beside the model's (adversaries), optimized with it and clipped on their own."""
        return ()

    def generators(self) -> Iterable[torch.Generator]:
        """Sources of random numbers beside torch's own, in a fixed order, so that an interrupted training goes on with
        the same draws. By default every generator that is an attribute of the method; one that keeps its generator
        elsewhere names it here."""
        import torch

        return [value for _, value in sorted(vars(self).items()) if isinstance(value, torch.Generator)]

    def save(self, folder: Path) -> None:
        """Write what is to be kept beside the checkpoint, if anything; called after training, before `detach`."""

    def detach(self) -> None:
        """Remove everything that `attach` added to the model."""
