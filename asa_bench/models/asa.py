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
model at every moment, and a forward pass outside of `loss` is a plain one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from asa_bench.errors import BadInput, nearest
from asa_bench.models.architectures import Family, family_of

Variant = Literal["padding_invariant", "released"]

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
    there is nothing to attend to: M is 0 and no gradient passes, as with a score of -10000.
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
    """What one call of `AdversarialSelfAttention.loss` returns.

    Attributes:
        total: cross_entropy + divergence + mask_term, with gradient.
        cross_entropy: the task's loss on the clean logits.
        divergence: 1/2 [KL(p || p') + KL(p' || p)] between clean and biased predictions.
        mask_term: tau^2 * sum over layers of sum(M) / batch.
        logits: of the clean pass, at least float32, in the shape in which the model returns them.
        adversarial_logits: of the biased pass.
        masks: one per layer, (batch or batch x choices, query, key), 1 = kept, detached; padded keys are 0.
        kept: kept units per layer (layers,), and `units`: how many there are; for `padding_invariant` real
            queries and real keys only, for `released` all queries and real keys.
        fully_masked_rows: real queries, over all layers, whose every key is masked.
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


@dataclass
class _Step:
    """What the layers of one forward pass share: which tokens are real, and what they leave behind."""

    real: Tensor  # (batch, length), True at tokens that are not padding
    masks: list[Tensor]
    kept: list[Tensor]
    empty_rows: list[Tensor]


def attach(
    model: PreTrainedModel, *, tau: float = 0.5, variant: Variant = "padding_invariant", seed: int = 0
) -> AdversarialSelfAttention:
    """Give each self-attention of `model` an adversary, on the model's device; the model is not changed.

    Args:
        model: an encoder of a known family with a head for classification, regression, multiple choice or
            token classification.
        tau: weight of the mask term (its square); larger masks less.
        variant: `padding_invariant`: the mask term counts real queries and real keys only, padding is never
            attended, and a fully masked row falls back to plain attention over the real keys. `released`: as
            the released code does it, where a fully masked row attends to padding, too.
        seed: the adversaries' initial weights come from it alone; global random state is left as it was.

    Raises:
        BadInput: unknown family or variant, tau not above 0, or gradient checkpointing is on.
    """
    return AdversarialSelfAttention(model, tau=tau, variant=variant, seed=seed)


class AdversarialSelfAttention:
    """The adversaries of one model. Made by `attach`, which tells the arguments."""

    def __init__(self, model: PreTrainedModel, *, tau: float, variant: Variant, seed: int) -> None:
        if variant not in get_args(Variant):
            raise BadInput(f"unknown variant {variant!r} of ASA; {nearest(str(variant), get_args(Variant))}")
        if not tau > 0 or not math.isfinite(tau):
            raise BadInput(f"tau of ASA must be a finite number above 0, not {tau}")
        if getattr(model, "is_gradient_checkpointing", False):
            raise BadInput("ASA cannot be used with gradient checkpointing: it would draw each mask twice")
        self.model: Any = model
        self.tau = tau
        self.variant = variant
        self.family: Family = family_of(model)
        self._sites = self.family.self_attentions(model)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.adversaries = nn.ModuleList(Adversary(model.config.hidden_size) for _ in self._sites)
            for linear in self.adversaries.modules():
                if isinstance(linear, nn.Linear):  # as the model initializes its own linear maps
                    nn.init.normal_(
                        linear.weight, std=float(getattr(model.config, "initializer_range", 0.02))
                    )
                    nn.init.zeros_(linear.bias)
        self.adversaries.to(model.device)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The adversaries' parameters: give them to the optimizer, with the model's learning rate."""
        yield from self.adversaries.parameters()

    def detach(self) -> None:
        """Let go of the model; afterwards `loss` cannot be called."""
        self.model, self._sites = None, []

    def loss(self, **inputs: Tensor) -> AdversarialLoss:
        """Clean and biased forward pass of one batch, and the loss

            CE(clean, labels) + 1/2 [KL(p || p') + KL(p' || p)] + tau^2 * sum over layers of sum(M) / batch.

        The two passes run as one, on a batch that holds every example twice.

        Args:
            inputs: tensors whose first dimension is the batch, as for the model itself, with ``labels``.

        Raises:
            BadInput: no labels, or already detached.
        """
        if self.model is None:
            raise BadInput("this ASA object was detached from its model; attach a new one")
        inputs = dict(inputs)
        labels = inputs.pop("labels", None)
        if labels is None:
            raise BadInput("ASA's loss needs 'labels' among its inputs")
        tokens = inputs["input_ids"] if "input_ids" in inputs else inputs["inputs_embeds"][..., 0]
        real = inputs.get("attention_mask", torch.ones_like(tokens, dtype=torch.bool)).bool()
        step = _Step(real.reshape(-1, real.shape[-1]), [], [], [])
        with self._biased(step):
            both = self.model(**{name: torch.cat([value, value]) for name, value in inputs.items()}).logits
        logits, biased = (both.float() if both.dtype in (torch.bfloat16, torch.float16) else both).chunk(2)
        if labels.dim() > 1 and logits.dim() == 3:  # token tasks: padding has no label
            labels = labels.masked_fill(~real, -100)
        cross_entropy = task_loss(logits, labels)
        divergence = self._divergence(logits, biased, labels, real)
        kept = torch.stack(step.kept)
        mask_term = self.tau**2 * kept.sum() / step.real.shape[0]
        lengths = step.real.sum(1)
        queries = lengths if self.variant == "padding_invariant" else step.real.shape[1]
        return AdversarialLoss(
            total=cross_entropy + divergence + mask_term,
            cross_entropy=cross_entropy,
            divergence=divergence,
            mask_term=mask_term,
            logits=logits,
            adversarial_logits=biased,
            masks=tuple(step.masks),
            kept=kept.detach(),
            units=(lengths * queries).sum(),
            fully_masked_rows=torch.stack(step.empty_rows).sum(),
        )

    def _divergence(self, logits: Tensor, biased: Tensor, labels: Tensor, real: Tensor) -> Tensor:
        """1/2 [KL(p || p') + KL(p' || p)] per example (per real token in token tasks), no stop-gradient."""
        if self.variant == "released":
            if logits.shape[-1] == 1:  # regression: the released code takes the softmax across the batch
                logits, biased = logits.view(-1), biased.view(-1)
            return symmetric_divergence(logits, biased).sum() / len(labels)
        if labels.is_floating_point():
            return (logits - biased).square().mean()
        per_prediction = symmetric_divergence(logits, biased)
        if logits.dim() == 3:
            return per_prediction.masked_fill(~real, 0.0).sum() / real.sum()
        return per_prediction.mean()

    @contextmanager
    def _biased(self, step: _Step) -> Iterator[None]:
        """While open, each self-attention treats the second half of its batch with its adversary."""
        queues: dict[nn.Module, Iterator[int]] = {}
        for site in self._sites:
            queues[site] = iter([i for i, other in enumerate(self._sites) if other is site])
        try:
            for site, calls in queues.items():
                site.forward = self._forward(site, calls, step)
            yield
        finally:
            for site in queues:
                del site.forward

    def _forward(self, site: Any, calls: Iterator[int], step: _Step) -> Callable[..., Any]:
        """The self-attention of one layer, plain on the first half of the batch and biased on the second."""

        def forward(*args: Any, **kwargs: Any) -> Any:
            hidden, padding = self.family.inputs(*args, **kwargs)
            queries, keys, values = (both.chunk(2) for both in self.family.project(site, hidden))
            dropout = self.family.dropout(site) if site.training else 0.0
            if padding is not None:
                padding = padding[: len(padding) // 2]
            clean = attend(queries[0], keys[0], values[0], padding, dropout)
            mask = self._mask(self.adversaries[next(calls)], hidden.chunk(2)[1], step)
            biased = self._attend(queries[1], keys[1], values[1], mask, step.real, dropout)
            context = torch.cat([clean.to(biased.dtype), biased]).transpose(1, 2).flatten(2)
            return self.family.output(site, context)

        return forward

    def _mask(self, adversary: nn.Module, hidden: Tensor, step: _Step) -> Tensor:
        """M of one layer, (batch, query, key), and what it adds to the mask term."""
        mask: Tensor = AdversarialMask.apply(adversary(hidden), step.real[:, None, :])
        counted = mask * step.real[:, :, None] if self.variant == "padding_invariant" else mask
        step.masks.append(mask.detach())
        step.kept.append(counted.sum())
        step.empty_rows.append((step.real & ~mask.detach().bool().any(-1)).sum())
        return mask

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, real: Tensor, dropout: float
    ) -> Tensor:
        """softmax(q k^T / sqrt(head) + (1 - M) * -10000) v, with M broadcast over the heads."""
        bias = (1 - mask) * MASKED
        if self.variant == "released":
            zeroed = ~mask.detach().bool()[:, None] if self.family.zeroes_masked_scores else None
            dropout = 0.0 if self.family.drops_attention_dropout else dropout
            return attend(query, key, value, bias[:, None], dropout, zeroed)
        # A softmax does not see a shift of its whole row, so taking -10000 back from a fully masked row
        # changes no derivative; it keeps the digits that scores near -10000 would lose.
        empty = ~mask.detach().bool().any(-1, keepdim=True)
        bias = (bias - MASKED * empty).masked_fill(~real[:, None, :], torch.finfo(torch.float32).min)
        return attend(query, key, value, bias[:, None], dropout)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    dropout: float,
    zeroed: Tensor | None = None,
) -> Tensor:
    """softmax(q k^T / sqrt(head) + bias) v, written out.

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
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if zeroed is not None:
        scores = scores.masked_fill(zeroed, 0.0)
    if bias is not None:
        scores = scores + bias
    return F.dropout(torch.softmax(scores, dim=-1), dropout) @ value


def symmetric_divergence(logits: Tensor, other: Tensor) -> Tensor:
    """1/2 [KL(p || q) + KL(q || p)] = 1/2 sum (p - q)(log p - log q) over the last dimension.

    Args:
        logits, other: (..., labels), the logits of p and q.

    Returns:
        (...), in nats.
    """
    log_p, log_q = F.log_softmax(logits, dim=-1), F.log_softmax(other, dim=-1)
    return 0.5 * ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1)


def task_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The task's own loss, as the transformers heads compute it.

    Squared error for labels of a floating-point type, else cross-entropy averaged over all predictions whose
    label is not -100; logits are (batch, labels), (batch, choices) or (batch, length, labels).
    """
    if labels.is_floating_point():
        return F.mse_loss(logits.squeeze(-1), labels.squeeze(-1) if labels.dim() > 1 else labels)
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten())
