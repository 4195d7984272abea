"""Small perturbations of word embeddings, added inside any encoder, at real tokens only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from asa_bench.errors import BadInput


class WordPerturbation:
    """Draws perturbations and adds them to the word embeddings of one model.

    They are added by a hook on the model's word embeddings, so token ids, position ids and padding go their
    usual way. A perturbation has the shape (sequences, length, width): a sequence is an example or, in
    multiple choice, one choice of it; width is that of the word embeddings.

    Args:
        model: any encoder; it is not changed.
        seed: of the random draws.

    Attributes:
        generator: where the random draws come from, on the model's device.
    """

    def __init__(self, model: PreTrainedModel, seed: int) -> None:
        self._embeddings: Any = model.get_input_embeddings()
        self.generator = torch.Generator(device=model.device).manual_seed(seed)

    def uniform(self, real: Tensor) -> Tensor:
        """Uniform between -1 and 1 at real tokens, 0 elsewhere.

        Args:
            real: (..., length), True at tokens that are not padding.
        """
        return self._drawn(real, lambda numbers: numbers.uniform_(-1.0, 1.0, generator=self.generator))

    def normal(self, real: Tensor) -> Tensor:
        """Standard normal at real tokens, 0 elsewhere; `real` as in `uniform`."""
        return self._drawn(real, lambda numbers: numbers.normal_(generator=self.generator))

    def _drawn(self, real: Tensor, fill: Callable[[Tensor], Tensor]) -> Tensor:
        """Numbers are drawn for real tokens only, so that they do not depend on how far a batch is padded."""
        real = real.reshape(-1, real.shape[-1]).bool()
        weight = self._embeddings.weight
        perturbation = weight.new_zeros((*real.shape, weight.shape[-1]))
        perturbation[real] = fill(weight.new_empty((int(real.sum()), weight.shape[-1])))
        return perturbation

    @contextmanager
    def added(self, perturbation: Tensor) -> Iterator[None]:
        """While open, each forward pass of this thread has `perturbation` added to its word embeddings.

        Raises:
            BadInput: no pass went through the word embeddings while it was open.
        """
        passes, thread = 0, threading.get_ident()

        def add(module: Any, arguments: Any, embedded: Tensor) -> Tensor:
            nonlocal passes
            if threading.get_ident() != thread:
                return embedded
            passes += 1
            return embedded + perturbation.to(embedded.dtype)

        handle = self._embeddings.register_forward_hook(add)
        try:
            yield
        finally:
            handle.remove()
        if not passes:
            raise BadInput("the model did not look up its word embeddings: they cannot be perturbed")


def largest(perturbation: Tensor) -> Tensor:
    """The l-infinity norm of each sequence's perturbation, (sequences, 1, 1)."""
    return perturbation.abs().amax((1, 2), keepdim=True)


def frobenius(perturbation: Tensor) -> Tensor:
    """The Frobenius norm of each sequence's perturbation, (sequences, 1, 1)."""
    return torch.linalg.vector_norm(perturbation, dim=(1, 2), keepdim=True)


def direction(gradient: Tensor, real: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    """gradient / norm(gradient) for each sequence, with 0 at padding and where the whole gradient is 0.

    Args:
        gradient: by a perturbation, (sequences, length, width).
        real: (..., length), True at tokens that are not padding.
        norm: `largest` or `frobenius`.
    """
    gradient = gradient * real.reshape(*gradient.shape[:2], 1)
    size = norm(gradient)
    return torch.where(size > 0, gradient / size, 0.0)


def within(perturbation: Tensor, bound: float) -> Tensor:
    """Each sequence's perturbation, scaled down to the Frobenius norm `bound` where it is above."""
    size = frobenius(perturbation)
    return torch.where(size > bound, perturbation * (bound / size), perturbation)
