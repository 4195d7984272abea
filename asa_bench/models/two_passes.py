"""The clean and the biased forward pass of a model as one, where a mask per layer takes attention away in the biased one.

Where the masks come from is the caller's: learned ones make Adversarial Self-Attention (`asa_bench.models.asa`),
random ones its control (`asa_bench.methods.random_mask`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from asa_bench.errors import BadInput
from asa_bench.models.architectures import Family, family_of

Variant = Literal["padding_invariant", "released"]

# Draws the mask M of one self-attention: (its number in the order of calls, hidden states of shape
# (batch, length, width), allowed units, which broadcast to (batch, query, key)) -> M, (batch, query, key), in
# float32 or wider: 1 where attention is kept, 0 where it is taken away or not allowed.
Draw = Callable[[int, Tensor, Tensor], Tensor]

# Added to the score of a masked unit. Together with the released code's padding bias it is the only
# constant of the mechanism; exp(-10000) is exactly 0, yet 10000 fits float16 and bfloat16.
MASKED = -10000.0


@dataclass
class Passes:
    """What the two passes over one batch leave behind.

    A unit is a pair of a query and a key. Counted are, per layer, the units of real queries and real keys
    within reach (a sliding window ends it); the variant `released` counts padded queries, too.

    Attributes:
        real: the inputs' shape, (batch, length) or (batch, choices, length), True at tokens that are not padding.
        logits: of the clean pass, at least float32, in the shape in which the model returns them.
        biased_logits: of the biased pass.
        masks: M of each call of a self-attention, (batch or batch x choices, query, key), 1 = kept, detached;
            padded keys and keys out of reach are 0.
        kept: counted units that are kept, (layers,), with the masks' gradient.
        units: counted units, (layers,).
        fully_masked_rows: real queries whose every key is masked, (layers,).
    """

    real: Tensor
    logits: Tensor
    biased_logits: Tensor
    masks: tuple[Tensor, ...]
    kept: Tensor
    units: Tensor
    fully_masked_rows: Tensor


@dataclass
class _Step:
    """What the self-attentions of one forward pass share: which tokens are real, and what they leave behind."""

    real: Tensor  # (batch or batch x choices, length)
    masks: list[Tensor] = field(default_factory=list)
    kept: list[Tensor] = field(default_factory=list)
    units: list[Tensor] = field(default_factory=list)
    empty_rows: list[Tensor] = field(default_factory=list)


class TwoPasses:
    """Runs a model clean and biased; outside of `run` the model is the plain one that it was.

    Args:
        model: an encoder of a known family with a head that returns logits.
        variant: `padding_invariant`: padding is never attended in the biased pass, and a fully masked row falls
            back to plain attention over the real keys within reach. `released`: as the released ASA code does
            it, where a fully masked row attends to padding, too.

    Raises:
        BadInput: an unknown family, a family without the variant, a compiled model, weights in half
            precision, or gradient checkpointing.
    """

    def __init__(self, model: PreTrainedModel, draw: Draw, variant: Variant = "padding_invariant") -> None:
        if getattr(model, "_orig_mod", None) is not None or getattr(model, "_compiled_call_impl", None):
            raise BadInput(
                "a compiled model cannot be attached to: give the model as it was before torch.compile"
            )
        if getattr(model, "is_gradient_checkpointing", False):
            raise BadInput("gradient checkpointing cannot be used here: it would draw each mask twice")
        if model.dtype in (torch.float16, torch.bfloat16):
            raise BadInput(
                f"the model's weights must be float32, not {model.dtype}; for bfloat16 use torch.autocast"
            )
        self.model: Any = model
        self.family: Family = family_of(model)
        self.variant = variant
        if variant == "released" and not self.family.in_release:
            raise BadInput(
                f"variant 'released' of ASA: the released code has no {model.config.model_type}; "
                "use 'padding_invariant'"
            )
        self._draw = draw
        self._sites = self.family.self_attentions(model)

    @property
    def layers(self) -> int:
        """How many self-attentions one forward pass calls; a shared one counts once per call."""
        return len(self._sites)

    def run(self, inputs: Mapping[str, Any]) -> Passes:
        """Both passes as one, on a batch that holds every example twice.

        Args:
            inputs: tensors whose first dimension is the batch, as for the model itself, without ``labels``.

        Raises:
            BadInput: an input that is no tensor, a mask of heads, or an attention mask of another shape than
                the tokens.
        """
        given = {name: value for name, value in inputs.items() if value is not None}
        for name, value in given.items():
            if name == "head_mask" or not isinstance(value, Tensor):
                raise BadInput(
                    f"input {name!r} cannot be used here: only tensors with an entry per example can"
                )
        tokens = given["input_ids"] if "input_ids" in given else given["inputs_embeds"][..., 0]
        real = given.get("attention_mask", torch.ones_like(tokens, dtype=torch.bool)).bool()
        if real.shape != tokens.shape:
            raise BadInput(
                f"attention_mask has shape {tuple(real.shape)}, not that of the tokens, {tuple(tokens.shape)}"
            )
        step = _Step(real.reshape(-1, real.shape[-1]))
        doubled = {name: torch.cat([value, value]) for name, value in given.items()}
        with self._biased(step), self.family.as_written(self.model):
            both = self.model(**doubled, output_attentions=False, return_dict=True).logits
        logits, biased = (both.float() if both.dtype in (torch.bfloat16, torch.float16) else both).chunk(2)
        return Passes(
            real=real,
            logits=logits,
            biased_logits=biased,
            masks=tuple(step.masks),
            kept=torch.stack(step.kept),
            units=torch.stack(step.units),
            fully_masked_rows=torch.stack(step.empty_rows),
        )

    @contextmanager
    def _biased(self, step: _Step) -> Iterator[None]:
        """While open, each self-attention treats the second half of its batch with its mask."""
        queues: dict[nn.Module, Iterator[int]] = {}
        for site in self._sites:
            queues[site] = iter([i for i, other in enumerate(self._sites) if other is site])
        try:
            for site, calls in queues.items():
                site.forward = self._forward(site, calls, step)
            yield
        finally:
            for site in queues:
                vars(site).pop("forward", None)

    def _forward(self, site: Any, calls: Iterator[int], step: _Step) -> Callable[..., Any]:
        """The self-attention of one layer, plain on the first half of the batch and biased on the second."""

        def forward(*args: Any, **kwargs: Any) -> Any:
            family = self.family
            call = family.call(site, *args, **kwargs)
            queries, keys, values = (both.chunk(2) for both in family.project(site, call))
            # One half at a time: what is dropped out of the positions is drawn anew for each pass.
            positions = [
                family.relative_positions(site, call, *half) for half in zip(queries, keys, strict=True)
            ]
            scale = family.scale(site, queries[0].shape[-1])
            dropout = family.dropout(site) if site.training else 0.0
            padding = None if call.mask is None else call.mask[: len(queries[0])]
            bias = add(positions[0], padding)
            clean = attend(queries[0], keys[0], values[0], bias, scale, dropout)
            mask, allowed = self._mask(site, next(calls), call.hidden.chunk(2)[1], step)
            bias, zeroed = self._bias(mask, allowed)
            if self.variant == "released" and family.drops_attention_dropout:
                dropout = 0.0
            bias = add(positions[1], bias)
            biased = attend(queries[1], keys[1], values[1], bias, scale, dropout, zeroed)
            context = torch.cat([clean.to(biased.dtype), biased]).transpose(1, 2).flatten(2)
            return family.output(site, call, context)

        return forward

    def _mask(self, site: Any, number: int, hidden: Tensor, step: _Step) -> tuple[Tensor, Tensor]:
        """M of one self-attention, (batch, query, key), and the allowed units, which broadcast to it."""
        allowed = step.real[:, None, :]
        reachable = self.family.reachable(site, step.real.shape[1], hidden.device)
        if reachable is not None:
            allowed = allowed & reachable
        mask = self._draw(number, hidden, allowed)
        queries = step.real if self.variant == "padding_invariant" else torch.ones_like(step.real)
        step.masks.append(mask.detach())
        step.kept.append((mask * queries[:, :, None]).sum())
        step.units.append((allowed & queries[:, :, None]).sum())
        step.empty_rows.append((step.real & ~mask.detach().bool().any(-1)).sum())
        return mask, allowed

    def _bias(self, mask: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor | None]:
        """(1 - M) * -10000 for all heads, (batch, 1, query, key), and where scores are zeroed before, if at all."""
        bias = (1 - mask) * MASKED
        if self.variant == "released":
            zeroed = ~mask.detach().bool()[:, None] if self.family.zeroes_masked_scores else None
            return bias[:, None], zeroed
        # A softmax does not see a shift of its whole row, so taking -10000 back from a fully masked row
        # changes no derivative; it keeps the digits that scores near -10000 would lose.
        empty = ~mask.detach().bool().any(-1, keepdim=True)
        bias = (bias - MASKED * empty).masked_fill(~allowed, torch.finfo(torch.float32).min)
        return bias[:, None], None


def mask_statistics(kept: Tensor, units: Tensor, fully_masked_rows: Tensor) -> dict[str, Tensor]:
    """What a method logs of its masks.

    Args:
        kept, units, fully_masked_rows: as in `Passes`, (layers,).

    Returns:
        `kept_fraction` of the units of all layers together, and of each as ``kept_fraction/LAYER``;
        `fully_masked_rows` of all layers. Detached.
    """
    kept = kept.detach()
    statistics = {
        "kept_fraction": kept.sum() / units.sum(),
        "fully_masked_rows": fully_masked_rows.sum(),
    }
    for layer, fraction in enumerate((kept / units).unbind()):
        statistics[f"kept_fraction/{layer}"] = fraction
    return statistics


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    scale: float,
    dropout: float,
    zeroed: Tensor | None = None,
) -> Tensor:
    """softmax(scale * q k^T + bias) v, written out.

    On a CPU this is quicker than scaled_dot_product_attention, whose fused kernel takes neither dropout nor a
    bias with a gradient there, and is slow to differentiate in bfloat16. On a GPU an attention without a
    gradient in its bias is left to the fused kernel.

    Args:
        query, key, value: (batch, heads, length, head width).
        bias: broadcasts to (batch, heads, query, key).
        dropout: probability with which attention probabilities are dropped.
        zeroed: True where the score is replaced by 0 before the bias is added.
    """
    if query.is_cuda and zeroed is None and not (bias is not None and bias.requires_grad):
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale
        )
    scores = query @ key.transpose(-1, -2) * scale
    if zeroed is not None:
        scores = scores.masked_fill(zeroed, 0.0)
    if bias is not None:
        scores = scores + bias
    return F.dropout(torch.softmax(scores, dim=-1), dropout) @ value


def add(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The sum of what is there."""
    if first is None or second is None:
        return second if first is None else first
    return first + second
