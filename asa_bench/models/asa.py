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
a checkpoint, and `load_adversaries` attaches them again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from asa_bench.errors import BadInput, StoreError, nearest
from asa_bench.models.two_passes import Passes, TwoPasses, Variant

# The adversaries' file beside a checkpoint; transformers reads model.safetensors and leaves it alone.
FILE_NAME = "adversaries.safetensors"


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


def load_adversaries(model: PreTrainedModel, folder: str | Path) -> AdversarialSelfAttention:
    """Attach the adversaries that `AdversarialSelfAttention.save` wrote beside a checkpoint.

    Args:
        model: the one that was trained with them, or another of the same family and size.

    Raises:
        BadInput: no such file, not one of ours, or for a model of another family, depth or width.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise BadInput(f"{path}: no such file; `save` of an attached model writes it")
    try:
        with safe_open(path, framework="pt") as file:
            said = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no dictionary
        asa = attach(model, tau=float(said["tau"]), variant=said["variant"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BadInput(f"{path}: not a file of adversaries: {' '.join(str(error).split())}") from error
    for name, expected in asa.metadata().items():
        if said.get(name) != expected:
            raise BadInput(
                f"{path}: adversaries of a model with {name} {said.get(name)}, this one has {expected}"
            )
    shapes = {name: value.shape for name, value in asa.adversaries.state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != shapes:
        raise BadInput(f"{path}: its tensors are not the {len(shapes)} of adversaries for this model")
    asa.adversaries.load_state_dict(weights)
    return asa


class AdversarialSelfAttention:
    """The adversaries of one model. Made by `attach`, which tells the arguments, or `load_adversaries`."""

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
        cross_entropy, divergence = losses(passes, labels, self.variant)
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

    def metadata(self) -> dict[str, str]:
        """What the adversaries belong to, as `save` writes it into the file's header."""
        return {
            "model_type": str(self.config.model_type),
            "layers": str(len(self.adversaries)),
            "hidden_size": str(self.config.hidden_size),
        }

    def save(self, folder: str | Path) -> Path:
        """Write the adversaries as ``adversaries.safetensors`` into a folder, such as that of the checkpoint.

        The header holds tau, variant, model type, layers and width. Works after `detach`, too.

        Returns:
            the file's path.

        Raises:
            StoreError: the file cannot be written.
        """
        from safetensors.torch import save

        weights = {name: value.detach().cpu() for name, value in self.adversaries.state_dict().items()}
        header = {"format": "pt", "tau": repr(self.tau), "variant": self.variant, **self.metadata()}
        path = Path(folder) / FILE_NAME
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(save(weights, header))
        except OSError as error:
            raise StoreError(f"{path}: the adversaries cannot be saved: {error}") from error
        return path

    def _attached(self) -> TwoPasses:
        if self._passes is None:
            raise BadInput("this ASA object was detached from its model; attach a new one")
        return self._passes

    def _draw(self, number: int, hidden: Tensor, allowed: Tensor) -> Tensor:
        """M of one layer from its adversary."""
        mask: Tensor = AdversarialMask.apply(self.adversaries[number](hidden), allowed)
        return mask


def losses(passes: Passes, labels: Tensor, variant: Variant = "padding_invariant") -> tuple[Tensor, Tensor]:
    """Cross-entropy of the clean pass, and the divergence of the two, without a stop-gradient; scalars.

    Both are means over the predictions: examples, masked words, or tokens (cross-entropy: those with a label;
    divergence: the real ones). The divergence is 1/2 [KL(p || p') + KL(p' || p)]; for regression, which has no
    distribution, the squared difference of the outputs.

    Args:
        labels: (batch,), (batch, length) in token tasks, (masked words,); floating-point ones mean regression.
        variant: `released` sums a token task's divergence over the tokens, and takes regression's across the
            batch, as the released code does.
    """
    logits, biased, real = passes.logits, passes.biased_logits, passes.real
    if labels.dim() > 1 and logits.dim() == 3:  # token tasks: padding has no label
        labels = labels.masked_fill(~real, -100)
    cross_entropy = task_loss(logits, labels)
    if variant == "released":
        if logits.shape[-1] == 1:
            logits, biased = logits.view(-1), biased.view(-1)
        return cross_entropy, symmetric_divergence(logits, biased).sum() / len(labels)
    if labels.is_floating_point():
        return cross_entropy, (logits - biased).square().mean()
    per_prediction = symmetric_divergence(logits, biased)
    if logits.dim() == 3:
        return cross_entropy, per_prediction.masked_fill(~real, 0.0).sum() / real.sum()
    return cross_entropy, per_prediction.mean()


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
