"""Linear layers whose results depend on each row alone, by the processor's faster kernels where torch has them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

# A matrix product of fewer rows than this takes another path through the processor's kernels and differs in its last
# bits. Measured with MKL (AVX2) on BERTs of 16 to 384 hidden units: any number from 4 rows on gives the same bits. With
# oneDNN (AVX-512) on 15 shapes from 16 x 2 to 3072 x 768, float32 and bf16: any number from 2 on.
STEADY_ROWS = 4

_Product = Callable[[torch.Tensor], torch.Tensor]


@functools.cache
def _packs() -> bool:
    """Whether torch has oneDNN's product with a weight that is packed once, and on this processor it is right.

    The operators are those that torch's own compiler uses; they are not documented, so they are tried.
    """
    try:
        rows, weight, bias = torch.ones(4, 32), torch.ones(16, 32), torch.ones(16)
        found = _product(weight, bias)(rows)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.equal(found, torch.full((4, 16), 33.0))


def _product(weight: torch.Tensor, bias: torch.Tensor | None) -> _Product:
    """What multiplies rows, (rows, inputs), by a weight, (outputs, inputs), that is packed here."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)
    multiply = torch.ops.mkldnn._linear_pointwise

    def product(rows: torch.Tensor) -> torch.Tensor:
        return multiply(rows.to(weight.dtype), packed, bias, "none", [], "")

    return product


class SteadyProducts:
    """The linear layers of a model on the processor, computed so that a row's result depends on that row alone.

    Where torch has oneDNN, weights are packed once in the order in which its kernels read them, and kept so: memory for
    the linear layers' weights once more, and half of it for bf16. Under bf16 autocast the results are its own, to the
    last bit. What it gains is told in
    `docs/attack_profile.md`.
    Elsewhere the layers' own products are used.

    Args:
        model: its weights may change between uses in any way that torch notices (`Tensor._version`).
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._packed: dict[tuple[nn.Linear, bool], tuple[tuple[int, ...], _Product]] = {}

    @contextlib.contextmanager
    def used(self, bf16: bool) -> Iterator[None]:
        """While inside, the model's linear layers compute so; several threads may call it.

        Args:
            bf16: whether it is called under bf16 autocast.
        """
        layers = [module for module in self._model.modules() if isinstance(module, nn.Linear)]
        before = [vars(layer).get("forward") for layer in layers]
        try:
            for layer in layers:
                vars(layer)["forward"] = _steady(self._of(layer, bf16))
            yield
        finally:
            for layer, forward in zip(layers, before, strict=True):
                vars(layer).pop("forward", None)
                if forward is not None:
                    vars(layer)["forward"] = forward

    def _of(self, layer: nn.Linear, bf16: bool) -> _Product:
        """The product of one layer."""
        weight, bias = layer.weight, layer.bias
        own = type(layer).forward is not nn.Linear.forward or "forward" in vars(layer)
        if own or weight.dtype != torch.float32 or weight.is_inference() or not _packs():
            return layer.forward
        state = tuple(
            n for part in (weight, bias) if part is not None for n in (part.data_ptr(), part._version)
        )
        known = self._packed.get((layer, bf16))
        if known is None or known[0] != state:
            kind = torch.bfloat16 if bf16 else torch.float32
            with torch.no_grad():
                known = state, _product(weight.to(kind), None if bias is None else bias.to(kind))
            self._packed[layer, bf16] = known
        return known[1]


def _steady(product: _Product) -> _Product:
    """A product of at least `STEADY_ROWS` rows: what is missing are copies of the first."""

    def forward(given: torch.Tensor) -> torch.Tensor:
        rows = given.reshape(-1, given.shape[-1])
        missing = STEADY_ROWS - len(rows)
        if missing > 0 and len(rows):
            rows = torch.cat([rows, rows[:1].expand(missing, -1)])
        found = product(rows)
        return found[: given.numel() // given.shape[-1]].reshape(*given.shape[:-1], found.shape[-1])

    return forward
