"""Random masks: ASA's two passes with masks that nobody learned, to tell what the adversaries add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from asa_bench.errors import BadInput
from asa_bench.methods.base import Loss, Method, Options
from asa_bench.methods.masking import COUNTS, mask_statistics

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from asa_bench.models.asa import TwoPasses

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]


class RandomMaskOptions(Options):
    """How much attention is kept."""

    kept_fraction: Literal["measured"] | Fraction | tuple[Fraction, ...] = Field(
        default="measured",
        description="probability with which a unit of attention is kept: one number, one per layer, or 'measured': "
        "in each layer what ASA kept on average on the same task, encoder and seed of the same run",
    )


class RandomMask(Method):
    """loss = CE(clean) + 1/2 [KL(p || p') + KL(p' || p)], with M drawn at random in the biased pass.

    The objective of ASA (Wu et al., AAAI 2023, equations of the mechanism in `asa_bench.models.asa`) without
    its adversary: in each layer, for all heads, a unit (query, key) is kept with probability `kept_fraction`
    and gets -10000 added to its score otherwise, anew in every step and for every sequence. There is no mask
    term, for it has no gradient here. Everything else is ASA's: padding and fully masked rows (variant
    `padding_invariant`), the doubled batch, dropout in both passes.

    ASA against this control tells what it gains from *where* the masks are; this control against R-Drop what
    there is to gain from masks at all. For that the kept fractions have to be the ones that ASA had, which is what
    'measured' means: the mean over all steps of ASA's training, layer by layer.

    The masks come from the seed of `attach` alone: not from the model's weights, nor from the draws of
    dropout. Logged per step: `cross_entropy`, `divergence`, `kept_fraction` (of all layers, and of each as
    ``kept_fraction/LAYER``) and `fully_masked_rows` (over all layers).
    """

    name = "random_mask"
    title = "Random mask"
    summary = "control of ASA: the same two passes with random masks that keep as much attention"
    citation = "control of Wu et al., AAAI 2023, https://doi.org/10.1609/aaai.v37i11.26608"
    Options: ClassVar[type[Options]] = RandomMaskOptions
    options: RandomMaskOptions

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._passes: TwoPasses | None = None

    @property
    def reads_record_of(self) -> str | None:
        return "asa" if self.options.kept_fraction == "measured" else None

    def read(self, losses: Mapping[str, float]) -> None:
        layers = [name for name in losses if name.startswith("kept_fraction/")]
        fractions = tuple(losses[f"kept_fraction/{layer}"] for layer in range(len(layers)))
        if not fractions or min(fractions) <= 0:
            raise BadInput(
                f"method 'random_mask': ASA kept no attention in some layer, as logged: {fractions}"
            )
        self.options = self.options.model_copy(update={"kept_fraction": fractions})

    def attach(self, model: PreTrainedModel, seed: int) -> None:
        import torch

        from asa_bench.models.asa import TwoPasses

        # On the CPU, so that every device sees the same masks.
        generator = self.generator = torch.Generator().manual_seed(seed)

        def draw(layer: int, hidden: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
            batch, length, _ = hidden.shape
            kept = torch.rand(batch, length, length, generator=generator) < fractions[layer]
            return (kept.to(hidden.device) & allowed).float()

        passes = TwoPasses(model, draw)
        given = self.options.kept_fraction
        if given == "measured":
            raise BadInput(
                "method 'random_mask': kept_fraction 'measured' needs what an ASA training of the same run logged; "
                "outside of a run give a number"
            )
        fractions = given if isinstance(given, tuple) else (given,) * passes.layers
        if len(fractions) != passes.layers:
            raise BadInput(
                f"method 'random_mask': kept_fraction has {len(fractions)} numbers, the model {passes.layers} layers"
            )
        self._passes = passes

    def loss(self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> Loss:
        from asa_bench.models.divergence import Batch

        if self._passes is None:
            raise BadInput("method 'random_mask' is not attached to a model")
        rest = dict(inputs)
        labels = rest.pop("labels")
        passes = self._passes.run(rest)
        batch = Batch(rest, labels, passes.real)
        cross_entropy = batch.loss(passes.logits)
        divergence = batch.divergence(passes.logits, passes.biased_logits)
        parts = {
            "cross_entropy": cross_entropy.detach(),
            "divergence": divergence.detach(),
            **mask_statistics(passes.kept, passes.units, passes.fully_masked_rows),
        }
        return Loss(cross_entropy + divergence, passes.logits, parts, COUNTS)

    def detach(self) -> None:
        self._passes = None
