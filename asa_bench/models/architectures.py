"""Where each model family keeps its self-attention: the only file that knows model families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel


class Family:
    """A family of encoders whose self-attention is laid out as in BERT.

    A family that differs overrides what differs; then it is added to `FAMILIES`.

    Attributes:
        model_types: values of ``config.model_type`` that belong to the family.
        zeroes_masked_scores: what the released ASA code does with the score of a masked unit: BERT
            multiplies it by the mask before -10000 is added, RoBERTa only adds -10000.
        drops_attention_dropout: whether the released ASA code leaves out the dropout of attention
            probabilities in the biased pass.
    """

    model_types: tuple[str, ...] = ("bert",)
    zeroes_masked_scores = True
    drops_attention_dropout = False

    def self_attentions(self, model: PreTrainedModel) -> list[nn.Module]:
        """The self-attention modules of the encoder, in the order in which one forward pass calls them.

        A module that is called several times (shared layers) appears once per call.
        """
        encoder: Any = model.base_model
        return [layer.attention.self for layer in encoder.encoder.layer]

    def inputs(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *rest: Any,
        **named: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the module's forward was called with.

        Returns:
            hidden states of shape (batch, length, width), and the additive mask of padded keys, which
            broadcasts to (batch, heads, query, key), or None where nothing is padded.
        """
        return hidden_states, attention_mask

    def project(self, module: Any, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Query, key and value, each (batch, heads, length, head width)."""
        shape = (*hidden.shape[:2], module.num_attention_heads, module.attention_head_size)
        return (
            module.query(hidden).view(shape).transpose(1, 2),
            module.key(hidden).view(shape).transpose(1, 2),
            module.value(hidden).view(shape).transpose(1, 2),
        )

    def dropout(self, module: Any) -> float:
        """Probability with which attention probabilities are dropped in training."""
        return float(module.dropout.p)

    def output(self, module: Any, context: torch.Tensor) -> Any:
        """What the module's forward returns for a context of shape (batch, length, width)."""
        return context, None

    def check(self, model: PreTrainedModel) -> None:
        """Refuse what the family's self-attention cannot do.

        Raises:
            BadInput: relative position embeddings, or a decoder.
        """
        config: Any = model.config
        kind = getattr(config, "position_embedding_type", "absolute")
        if kind != "absolute":
            raise BadInput(
                f"adversarial self-attention needs position_embedding_type 'absolute', not {kind!r}"
            )
        if getattr(config, "is_decoder", False):
            raise BadInput("adversarial self-attention needs an encoder; this model's config says is_decoder")


class Roberta(Family):
    """RoBERTa: BERT's modules; the released ASA code masks its scores in another way."""

    model_types = ("roberta",)
    zeroes_masked_scores = False
    drops_attention_dropout = True


FAMILIES: tuple[Family, ...] = (Family(), Roberta())


def family_of(model: PreTrainedModel) -> Family:
    """The family that `model` belongs to.

    Raises:
        BadInput: no family knows the model's type, or its attention runs in a kernel that takes no mask.
    """
    config: Any = model.config
    for family in FAMILIES:
        if config.model_type in family.model_types:
            implementation = getattr(config, "_attn_implementation", None)
            if implementation not in (None, "eager", "sdpa"):
                raise BadInput(
                    "adversarial self-attention needs attn_implementation 'sdpa' or 'eager', "
                    f"not {implementation!r}"
                )
            family.check(model)
            return family
    known = ", ".join(name for family in FAMILIES for name in family.model_types)
    raise BadInput(
        f"adversarial self-attention does not know model type {config.model_type!r}; it knows {known}; "
        "to add one, describe its self-attention by a subclass of Family in asa_bench/models/architectures.py"
    )
