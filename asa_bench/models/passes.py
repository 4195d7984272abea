"""Several passes in one training step: with the same dropout, and with gradients that are taken early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class SameDropout:
    """Replays the global random state of one moment, so that each pass draws what the first one drew.

    After the last pass the state is what it would be after a single one.

    Args:
        device: where the model runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._state = torch.get_rng_state()
        self._device_state = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Start a pass from the state that was kept."""
        torch.set_rng_state(self._state)
        if self._device_state is not None:
            torch.cuda.set_rng_state(self._device_state, self._device)
        yield


def gradients(loss: Tensor, wanted: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """The gradient of `loss` by each of `wanted`, None where it does not depend on it; frees the graph.

    Autocast is for forward passes only; this may be called inside of it and computes as outside.
    """
    with torch.autocast(loss.device.type, enabled=False):
        return torch.autograd.grad(loss, wanted, allow_unused=True)


class _Carried(torch.autograd.Function):
    """Hands on `value`; its gradient by the parameters is given, not computed."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Sequence[Tensor | None], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        gradients = [None if gradient is None else outer * gradient for gradient in ctx.gradients]
        return None, None, *gradients


def carried(value: Tensor, gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> Tensor:
    """A scalar equal to `value`, whose backward pass adds `gradients` (times the outer one) to `parameters`.

    So the graph that `value` came from can be freed at once, and its gradient still arrives when a total that
    `value` is part of is differentiated.

    Args:
        value: a scalar.
        gradients: one per parameter, in its shape; None where `value` does not depend on it.
        parameters: leaves that need a gradient.
    """
    result: Tensor = _Carried.apply(value.detach(), gradients, *parameters)
    return result
