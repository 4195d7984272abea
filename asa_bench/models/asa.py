"""Adversarial Self-Attention: per layer, a learned mask takes away the attention that the model leans on.

Source: Wu, Ding, Zhao, Xie, Huang, Zhang, "Adversarial Self-Attention for Language Understanding",
AAAI 2023, https://doi.org/10.1609/aaai.v37i11.26608.

In a training loop of your own, ten lines::

    asa = attach(model, tau=0.5, seed=1)
    optimizer = torch.optim.AdamW([*model.parameters(), *asa.parameters()], lr=2e-5)
    for inputs in batches:  # input_ids, attention_mask, ..., labels
        step = asa.loss(**inputs)  # cross_entropy, divergence, mask_term, both logits, masks
        step.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        torch.nn.utils.clip_grad_norm_(asa.parameters(), 1.0)  # on its own: it is far larger
        optimizer.step()
        optimizer.zero_grad()
    asa.detach()

The adversaries live outside the model: its parameters, state dict and saved checkpoint are those of a plain
model at every moment, and a forward pass outside of `loss` and `masks` is a plain one. `save` keeps them beside
a checkpoint, and `asa_bench.models.adversaries.load_adversaries` attaches them again.

The file reads from the inside out: the adversary and its mask, the loss and what a user calls, then the two
forward passes, which the control with random masks (`asa_bench.methods.random_mask`) shares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from asa_bench.errors import BadInput, nearest
from asa_bench.models.architectures import Family, family_of
from asa_bench.models.divergence import Batch, symmetric_divergence

Variant = Literal["padding_invariant", "released"]

# Draws the mask M of one self-attention: (its number in the order of calls, hidden states of shape
# (batch, length, width), allowed units, which broadcast to (batch, query, key)) -> M, (batch, query, key), in
# float32 or wider: 1 where attention is kept, 0 where it is taken away or not allowed.
Draw = Callable[[int, Tensor, Tensor], Tensor]

# Added to the score of a masked unit. Together with the released code's padding bias it is the only
# constant of the mechanism; exp(-10000) is exactly 0, yet 10000 fits float16 and bfloat16.
MASKED = -10000.0


class Adversary(nn.Module):
    """One layer's adversary: two linear maps whose scaled product is positive where attention may stay.

    Args:
        width: of the hidden states that enter the layer.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """s = (Wq sg[h]) (Wk sg[h])^T / sqrt(width), of shape (batch, query, key), one for all heads."""
        hidden = hidden.detach()
        return self.query(hidden) @ self.key(hidden).transpose(1, 2) / math.sqrt(hidden.shape[-1])


class AdversarialMask(torch.autograd.Function):
    """M = 1[s > 0] forward; backward straight through the sigmoid and reversed: dL/ds = -sigmoid'(s) dL/dM.

    The reversal makes the adversary climb where the model descends. `allowed` (broadcast to s) is False where
    there is nothing to attend to (padding, or out of a sliding window): M is 0 and no gradient passes, as with
    a score of -10000.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, allowed: Tensor) -> Tensor:
        ctx.save_for_backward(scores, allowed)
        return ((scores > 0) & allowed).to(torch.promote_types(scores.dtype, torch.float32))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        scores, allowed = ctx.saved_tensors
        sigmoid = torch.sigmoid(scores.to(grad.dtype))
        return (-grad * sigmoid * (1 - sigmoid) * allowed).to(scores.dtype), None


@dataclass
class AdversarialLoss:
    """What one call of `AdversarialSelfAttention.loss` returns; a layer is one call of a self-attention.

    Attributes:
        total: cross_entropy + divergence + mask_term, with gradient.
        cross_entropy: the task's loss on the clean logits.
        divergence: 1/2 [KL(p || p') + KL(p' || p)] between clean and biased predictions.
        mask_term: tau^2 * sum over layers of sum(M) / batch.
        logits: of the clean pass, at least float32, in the shape in which the model returns them.
        adversarial_logits: of the biased pass.
        masks: one per layer, (batch or batch x choices, query, key), 1 = kept, detached; padded keys, and keys
            out of reach of a sliding window, are 0.
        kept: kept units per layer (layers,), and `units`: how many there are; for `padding_invariant` real
            queries and real keys within reach, for `released` all queries and real keys.
        fully_masked_rows: real queries whose every key is masked, per layer (layers,).
    """

    total: Tensor
    cross_entropy: Tensor
    divergence: Tensor
    mask_term: Tensor
    logits: Tensor
    adversarial_logits: Tensor
    masks: tuple[Tensor, ...]
    kept: Tensor
    units: Tensor
    fully_masked_rows: Tensor

    @property
    def kept_fraction(self) -> Tensor:
        """Kept fraction of the mask per layer, (layers,)."""
        return self.kept / self.units


def attach(
    model: PreTrainedModel, *, tau: float = 0.5, variant: Variant = "padding_invariant", seed: int = 0
) -> AdversarialSelfAttention:
    """Give each self-attention of `model` an adversary, on the model's device; the model is not changed.

    A layer that is called several times (ALBERT's) has an adversary per call.

    Args:
        model: an encoder of a known family (`asa-bench list models`) with a head for classification,
            regression, multiple choice, token classification or masked words.
        tau: weight of the mask term (its square); larger masks less.
        variant: `padding_invariant`: the mask term counts real queries and real keys only, padding is never
            attended, and a fully masked row falls back to plain attention over the real keys. `released`: as
            the released code does it, where a fully masked row attends to padding, too; for the families that
            the release has: BERT, and RoBERTa with its children.
        seed: the adversaries' initial weights come from it alone; global random state is left as it was.

    Raises:
        BadInput: unknown family or variant, the release has no such family, tau not above 0, the model is
            compiled or in half precision, or gradient checkpointing is on.
    """
    return AdversarialSelfAttention(model, tau=tau, variant=variant, seed=seed)


class AdversarialSelfAttention:
    """The adversaries of one model. Made by `attach`, which tells the arguments."""

    def __init__(self, model: PreTrainedModel, *, tau: float, variant: Variant, seed: int) -> None:
        if variant not in get_args(Variant):
            raise BadInput(f"unknown variant {variant!r} of ASA; {nearest(str(variant), get_args(Variant))}")
        if not tau > 0 or not math.isfinite(tau):
            raise BadInput(f"tau of ASA must be a finite number above 0, not {tau}")
        self.tau = tau
        self.variant = variant
        self.config: Any = model.config
        self._passes: TwoPasses | None = TwoPasses(model, self._draw, variant)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.adversaries = nn.ModuleList(
                Adversary(self.config.hidden_size) for _ in range(self._passes.layers)
            )
            for linear in self.adversaries.modules():
                if isinstance(linear, nn.Linear):  # as the model initializes its own linear maps
                    nn.init.normal_(linear.weight, std=float(getattr(self.config, "initializer_range", 0.02)))
                    nn.init.zeros_(linear.bias)
        self.adversaries.to(model.device)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The adversaries' parameters: give them to the optimizer, with the model's learning rate."""
        yield from self.adversaries.parameters()

    def detach(self) -> None:
        """Let go of the model; afterwards only `parameters` and `save` can be used."""
        self._passes = None

    def loss(self, **inputs: Tensor) -> AdversarialLoss:
        """Clean and biased forward pass of one batch, and the loss

            CE(clean, labels) + 1/2 [KL(p || p') + KL(p' || p)] + tau^2 * sum over layers of sum(M) / batch.

        The two passes run as one, on a batch that holds every example twice. Cross-entropy and divergence are
        means over the predictions (examples, real tokens, masked words), the mask term over the sequences.

        Args:
            inputs: tensors whose first dimension is the batch, as for the model itself, with ``labels``.

        Raises:
            BadInput: no labels, an input that cannot be used, or already detached.
        """
        both, labels = self._attached(), inputs.pop("labels", None)
        if labels is None:
            raise BadInput("ASA's loss needs 'labels' among its inputs")
        passes = both.run(inputs)
        batch = Batch(inputs, labels, passes.real)
        cross_entropy = batch.loss(passes.logits)
        if self.variant == "released":
            divergence = _released_divergence(passes.logits, passes.biased_logits, len(labels))
        else:
            divergence = batch.divergence(passes.logits, passes.biased_logits)
        sequences = passes.real.numel() // passes.real.shape[-1]
        mask_term = self.tau**2 * passes.kept.sum() / sequences
        return AdversarialLoss(
            total=cross_entropy + divergence + mask_term,
            cross_entropy=cross_entropy,
            divergence=divergence,
            mask_term=mask_term,
            logits=passes.logits,
            adversarial_logits=passes.biased_logits,
            masks=passes.masks,
            kept=passes.kept.detach(),
            units=passes.units,
            fully_masked_rows=passes.fully_masked_rows,
        )

    def masks(self, **inputs: Tensor) -> tuple[Tensor, ...]:
        """M of each layer in evaluation mode (no dropout), (batch or batch x choices, query, key), 1 = kept.

        Args:
            inputs: as for `loss`; labels are not needed.

        Raises:
            BadInput: an input that cannot be used, or already detached.
        """
        passes = self._attached()
        training = [module for module in passes.model.modules() if module.training]
        passes.model.eval()
        try:
            with torch.no_grad():
                return passes.run({name: value for name, value in inputs.items() if name != "labels"}).masks
        finally:
            for module in training:
                module.training = True

    def save(self, folder: str | Path) -> Path:
        """Keep the adversaries beside a checkpoint, see `asa_bench.models.adversaries`; works after `detach`, too."""
        from asa_bench.models.adversaries import save_adversaries

        return save_adversaries(self, folder)

    def _attached(self) -> TwoPasses:
        if self._passes is None:
            raise BadInput("this ASA object was detached from its model; attach a new one")
        return self._passes

    def _draw(self, number: int, hidden: Tensor, allowed: Tensor) -> Tensor:
        """M of one layer from its adversary."""
        mask: Tensor = AdversarialMask.apply(self.adversaries[number](hidden), allowed)
        return mask


def _released_divergence(logits: Tensor, biased: Tensor, batch: int) -> Tensor:
    """The divergence as the released code takes it: a token task's summed over tokens, regression's softmax across
    the batch; a scalar."""
    if logits.shape[-1] == 1:
        logits, biased = logits.view(-1), biased.view(-1)
    return symmetric_divergence(logits, biased).sum() / batch


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
