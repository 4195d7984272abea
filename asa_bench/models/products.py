"""Linear layers whose results depend on each row alone, by the processor's faster kernels where torch has them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import nn
from transformers.activations import GELUActivation

# A matrix product of fewer rows than this takes another path through the processor's kernels and differs in its last
# bits. Measured with MKL (AVX2) on BERTs of 16 to 384 hidden units: any number from 4 rows on gives the same bits. With
# oneDNN (AVX-512) on 15 shapes from 16 x 2 to 3072 x 768, float32 and bf16: any number from 2 on.
STEADY_ROWS = 4

_Product = Callable[[torch.Tensor], torch.Tensor]
# What a weight is packed for: a product in one of two precisions, or the gradient by what was multiplied.
_Use = Literal["float32", "bf16", "gradient"]


@functools.cache
def _packs() -> bool:
    """Whether torch has oneDNN's product with a weight that is packed once, and on this processor it is right.

    The operators are those that torch's own compiler uses; they are not documented, so they are tried.
    """
    try:
        rows, weight, bias = torch.ones(4, 32), torch.ones(16, 32), torch.ones(16)
        packed = _Packed(weight, bias)
        found, active = packed.product(rows), packed.activated(rows)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.equal(found, torch.full((4, 16), 33.0)) and torch.allclose(active, found)


class _Packed:
    """Multiplies rows, (rows, inputs), by a weight, (outputs, inputs), that is packed here."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self._kind, self._bias = weight.dtype, bias
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)

    def product(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, outputs)."""
        return self._multiply(rows, "none", [], "")

    def activated(self, rows: torch.Tensor) -> torch.Tensor:
        """Their GELU, as it is and not approximated by tanh."""
        return self._multiply(rows, "gelu", [], "none")

    def _multiply(self, rows: torch.Tensor, *behind: Any) -> torch.Tensor:
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows.to(self._kind), self._weight, self._bias, *behind
        )
        return found


class SteadyProducts:
    """The linear layers of a model on the processor, computed so that a row's result depends on that row alone.

    Where torch has oneDNN, weights are packed once in the order in which its kernels read them, and kept so: memory for
    the linear layers' weights once more, and half of it for bf16. Under bf16 autocast the results are its own, to the
    last bit, but where a GELU follows (`_activates`): that is computed with the product, before it is rounded. What it
    gains is told in `docs/attack_profile.md`. Elsewhere the layers' own products are used.

    Args:
        model: its weights may change between uses in any way that torch notices (`Tensor._version`).
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._packed: dict[tuple[nn.Linear, _Use], tuple[tuple[int, ...], _Packed]] = {}

    @contextlib.contextmanager
    def used(self, bf16: bool) -> Iterator[None]:
        """While inside, the model's linear layers compute so; several threads may call it.

        Args:
            bf16: whether it is called under bf16 autocast.
        """
        use: _Use = "bf16" if bf16 else "float32"
        with contextlib.ExitStack() as stack:
            for module in self._model.modules():
                if isinstance(module, nn.Linear):
                    packed = self._of(module, use)
                    forward = module.forward if packed is None else packed.product
                    stack.enter_context(replaced(module, _steady(forward)))
                elif _activates(module) and (packed := self._of(module.dense, use)) is not None:
                    stack.enter_context(replaced(module, _steady(packed.activated)))
            yield

    @contextlib.contextmanager
    def differentiable(self) -> Iterator[bool]:
        """While inside, a row's result and the gradient by that row depend on it and its own gradient alone, in float32.

        There are no gradients by weights. It costs each weight's memory once more than `used`. Yields whether it is so; not
        where a layer cannot be packed, and then all is left as it is.
        """
        layers = [module for module in self._model.modules() if isinstance(module, nn.Linear)]
        packed = [(layer, self._of(layer, "float32"), self._of(layer, "gradient")) for layer in layers]
        with contextlib.ExitStack() as stack:
            steady = all(ahead is not None and back is not None for _, ahead, back in packed)
            for layer, ahead, back in packed if steady else ():
                assert ahead is not None and back is not None
                product = functools.partial(_differentiated, _steady(ahead.product), _steady(back.product))
                stack.enter_context(replaced(layer, product))
            yield steady

    def _of(self, layer: nn.Linear, use: _Use) -> _Packed | None:
        """The packed weight of one layer, where there is one."""
        weight, bias = layer.weight, layer.bias
        own = type(layer).forward is not nn.Linear.forward or "forward" in vars(layer)
        if own or weight.dtype != torch.float32 or weight.is_inference() or not _packs():
            return None
        state = tuple(
            n for part in (weight, bias) if part is not None for n in (part.data_ptr(), part._version)
        )
        known = self._packed.get((layer, use))
        if known is None or known[0] != state:
            with torch.no_grad():
                if use == "gradient":
                    packed = _Packed(weight.t().contiguous(), None)
                else:
                    kind = torch.bfloat16 if use == "bf16" else torch.float32
                    packed = _Packed(weight.to(kind), None if bias is None else bias.to(kind))
            known = state, packed
            self._packed[layer, use] = known
        return known[1]


class _Differentiated(torch.autograd.Function):
    """A product whose gradient by what was multiplied is a product, too."""

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, product: _Product, back: _Product) -> torch.Tensor:
        ctx.back = back
        return product(given)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return ctx.back(gradients[0].contiguous()), None, None


def _differentiated(product: _Product, back: _Product, given: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = _Differentiated.apply(given, product, back)
    return found


@contextlib.contextmanager
def replaced(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """While inside, this module computes by another function."""
    before = vars(module).get("forward")
    vars(module)["forward"] = forward
    try:
        yield
    finally:
        del vars(module)["forward"]
        if before is not None:
            vars(module)["forward"] = before


def _activates(module: Any) -> bool:
    """Whether it is what transformers puts between the two linear layers of BERT's feed-forward part, with GELU."""
    if not type(module).__name__.endswith("Intermediate") or "forward" in vars(module):
        return False
    activation = getattr(module, "intermediate_act_fn", None)
    return isinstance(activation, GELUActivation) and activation.act is nn.functional.gelu


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
