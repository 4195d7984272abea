"""Where each model family keeps its self-attention and what that computes: the only file that knows model families."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Call:
    """What a self-attention module was called with.

    Attributes:
        hidden: (batch, length, width), what query, key and value are projected from.
        mask: added to the scores, hugely negative where a query may not attend to a key; broadcasts to
            (batch, heads, query, key); None where everything may be attended to.
        positions: what the module was told of positions, for the family that needs it.
    """

    hidden: Tensor
    mask: Tensor | None = None
    positions: Any = None


class Family:
    """A family of encoders whose self-attention is laid out as in BERT.

    A family that differs overrides what differs; then it is added to `FAMILIES`. The scores of an attention
    are ``scale * query key^T + relative_positions + mask``.

    Attributes:
        model_types: values of ``config.model_type`` that belong to the family.
        in_release: whether the released ASA code has the family's attention. The next two are about it.
        zeroes_masked_scores: what the release does with the score of a masked unit: BERT multiplies it by
            the mask before -10000 is added, RoBERTa only adds -10000.
        drops_attention_dropout: whether the release leaves out the dropout of attention probabilities in the
            biased pass.
        unpaddable: whether a self-attention knows nothing but query, key and value, so that texts can be given to it
            without padding (`asa_bench.models.unpadded`).
    """

    model_types: tuple[str, ...] = ()
    in_release = False
    zeroes_masked_scores = False
    drops_attention_dropout = False
    unpaddable = True

    def embeddings(self, model: PreTrainedModel) -> nn.Module:
        """What gives tokens their first vectors, positions included."""
        encoder: Any = model.base_model
        module: nn.Module = encoder.embeddings
        return module

    def layers(self, model: PreTrainedModel) -> nn.Module:
        """What takes these through all layers; its first result are the last layer's hidden states."""
        encoder: Any = model.base_model
        module: nn.Module = encoder.encoder
        return module

    def self_attentions(self, model: PreTrainedModel) -> list[nn.Module]:
        """The self-attention modules of the encoder, in the order in which one forward pass calls them.

        A module that is called several times (shared layers) appears once per call.
        """
        encoder: Any = model.base_model
        return [layer.attention.self for layer in encoder.encoder.layer]

    def call(self, module: Any, *arguments: Any, **named: Any) -> Call:
        """The arguments of the module's forward, sorted out; a family names those that it looks at."""
        return _bert_call(*arguments, **named)

    def project(self, module: Any, call: Call) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, each (batch, heads, length, head width)."""
        shape = (*call.hidden.shape[:2], module.num_attention_heads, module.attention_head_size)
        return (
            module.query(call.hidden).view(shape).transpose(1, 2),
            module.key(call.hidden).view(shape).transpose(1, 2),
            module.value(call.hidden).view(shape).transpose(1, 2),
        )

    def scale(self, module: Any, head_width: int) -> float:
        """What the product of query and key is multiplied by."""
        return float(head_width**-0.5)

    def relative_positions(self, module: Any, call: Call, query: Tensor, key: Tensor) -> Tensor | None:
        """What is added to the scores for the distance between query and key, or None.

        Args:
            query, key: (batch, heads, length, head width), as projected or a part of that batch.

        Returns:
            what broadcasts to (batch, heads, query, key).
        """
        return None

    def reachable(self, module: Any, length: int, device: torch.device) -> Tensor | None:
        """(query, key), True where the distance lets a query attend to a key; None where it always does."""
        return None

    def dropout(self, module: Any) -> float:
        """Probability with which attention probabilities are dropped in training."""
        return float(module.dropout.p)

    def output(self, module: Any, call: Call, context: Tensor) -> Any:
        """What the module's forward returns for a context of shape (batch, length, width)."""
        return context, None

    @contextmanager
    def as_written(self, model: PreTrainedModel) -> Iterator[None]:
        """While open, the model runs the code of its modules, not something compiled from it."""
        yield

    def check(self, model: PreTrainedModel) -> None:
        """Refuse what the family's self-attention cannot do.

        Raises:
            BadInput: relative position embeddings, or a decoder.
        """
        config: Any = model.config
        kind = getattr(config, "position_embedding_type", None) or "absolute"
        if kind != "absolute":
            raise BadInput(
                f"adversarial self-attention needs position_embedding_type 'absolute', not {kind!r}"
            )
        if getattr(config, "is_decoder", False):
            raise BadInput("adversarial self-attention needs an encoder; this model's config says is_decoder")


def _bert_call(hidden_states: Tensor, attention_mask: Tensor | None = None, *rest: Any, **named: Any) -> Call:
    return Call(hidden_states, attention_mask)


class Bert(Family):
    """BERT, as the base class describes it."""

    model_types = ("bert",)
    in_release = True
    zeroes_masked_scores = True


class Roberta(Family):
    """RoBERTa and its children: BERT's modules; the release masks their scores in another way."""

    model_types = ("roberta", "xlm-roberta", "camembert")
    in_release = True
    drops_attention_dropout = True


class Electra(Family):
    """ELECTRA: BERT's modules; its embeddings may be narrower, but they are widened before the first layer."""

    model_types = ("electra",)


class DistilBert(Family):
    """DistilBERT: called with query, key and value, and in eager mode with a mask of 1 and 0."""

    model_types = ("distilbert",)

    def layers(self, model: PreTrainedModel) -> nn.Module:
        encoder: Any = model.base_model
        module: nn.Module = encoder.transformer
        return module

    def self_attentions(self, model: PreTrainedModel) -> list[nn.Module]:
        encoder: Any = model.base_model
        return [layer.attention for layer in encoder.transformer.layer]

    def call(
        self,
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *rest: Any,
        **named: Any,
    ) -> Call:
        if mask is not None and mask.dim() == 2:
            mask = additive(mask[:, None, None, :], query.dtype)
        return Call(query, mask)

    def project(self, module: Any, call: Call) -> tuple[Tensor, Tensor, Tensor]:
        shape = (*call.hidden.shape[:2], module.n_heads, module.dim // module.n_heads)
        return (
            module.q_lin(call.hidden).view(shape).transpose(1, 2),
            module.k_lin(call.hidden).view(shape).transpose(1, 2),
            module.v_lin(call.hidden).view(shape).transpose(1, 2),
        )

    def output(self, module: Any, call: Call, context: Tensor) -> Any:
        return (module.out_lin(context),)


class Albert(Family):
    """ALBERT: groups of layers, each called several times in a row; output map and norm are in the module."""

    model_types = ("albert",)

    def self_attentions(self, model: PreTrainedModel) -> list[nn.Module]:
        base: Any = model.base_model
        groups = base.encoder.albert_layer_groups
        calls = base.config.num_hidden_layers
        return [
            layer.attention
            for number in range(calls)
            for layer in groups[int(number / (calls / len(groups)))].albert_layers
        ]

    def dropout(self, module: Any) -> float:
        return float(module.attention_dropout.p)

    def output(self, module: Any, call: Call, context: Tensor) -> Any:
        return (module.LayerNorm(call.hidden + module.output_dropout(module.dense(context))),)


class MPNet(Family):
    """MPNet: one table of relative positions, the same for all layers and examples."""

    model_types = ("mpnet",)
    unpaddable = False

    def self_attentions(self, model: PreTrainedModel) -> list[nn.Module]:
        encoder: Any = model.base_model
        return [layer.attention.attn for layer in encoder.encoder.layer]

    def call(
        self,
        module: Any,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        *rest: Any,
        **named: Any,
    ) -> Call:
        return Call(hidden_states, attention_mask, position_bias)

    def project(self, module: Any, call: Call) -> tuple[Tensor, Tensor, Tensor]:
        shape = (*call.hidden.shape[:2], module.num_attention_heads, module.attention_head_size)
        return (
            module.q(call.hidden).view(shape).transpose(1, 2),
            module.k(call.hidden).view(shape).transpose(1, 2),
            module.v(call.hidden).view(shape).transpose(1, 2),
        )

    def relative_positions(self, module: Any, call: Call, query: Tensor, key: Tensor) -> Tensor | None:
        return None if call.positions is None else call.positions[:1]

    def output(self, module: Any, call: Call, context: Tensor) -> Any:
        return (module.o(context),)


class ModernBert(Family):
    """ModernBERT: rotary positions; most layers see a sliding window. Norms come before the attention.

    The hidden states that enter its self-attention are normalized ones; the adversary reads the same.
    """

    model_types = ("modernbert",)
    unpaddable = False

    def self_attentions(self, model: PreTrainedModel) -> list[nn.Module]:
        encoder: Any = model.base_model
        return [layer.attn for layer in encoder.layers]

    def call(self, module: Any, hidden_states: Tensor, *rest: Any, **named: Any) -> Call:
        mask = named["sliding_window_mask" if self._window(module) else "attention_mask"]
        return Call(hidden_states, mask, named["position_ids"])

    def project(self, module: Any, call: Call) -> tuple[Tensor, Tensor, Tensor]:
        from transformers.models.modernbert.modeling_modernbert import apply_rotary_pos_emb

        joint = module.Wqkv(call.hidden).unflatten(-1, (3, module.num_heads, module.head_dim))
        query, key, value = joint.transpose(1, 3).unbind(2)
        query, key = apply_rotary_pos_emb(query, key, *module.rotary_emb(joint, position_ids=call.positions))
        return query, key, value

    def reachable(self, module: Any, length: int, device: torch.device) -> Tensor | None:
        import torch

        window = self._window(module)
        if window is None or length <= window + 1:
            return None
        places = torch.arange(length, device=device)
        return (places[:, None] - places).abs() <= window

    def dropout(self, module: Any) -> float:
        return float(module.attention_dropout)

    def output(self, module: Any, call: Call, context: Tensor) -> Any:
        return (module.out_drop(module.Wo(context)),)

    @contextmanager
    def as_written(self, model: PreTrainedModel) -> Iterator[None]:
        """Without torch.compile, which its config may ask for, and does on a GPU unless told otherwise."""
        config: Any = model.config
        before = config.reference_compile
        config.reference_compile = False
        try:
            yield
        finally:
            config.reference_compile = before

    @staticmethod
    def _window(module: Any) -> int | None:
        """How far a query of this layer sees to each side; None without end."""
        distance = int(module.local_attention[0])
        return None if distance < 0 else distance


class DebertaV2(Family):
    """DeBERTa-v2 and v3: scores of content and of relative positions, each with query and key of its own.

    Its mask is 1 and 0, (batch, 1, query, key), where a padded query attends to nothing.
    """

    model_types = ("deberta-v2",)
    unpaddable = False

    def call(
        self,
        module: Any,
        hidden_states: Tensor,
        attention_mask: Tensor,
        output_attentions: bool = False,
        query_states: Tensor | None = None,
        relative_pos: Tensor | None = None,
        rel_embeddings: Tensor | None = None,
    ) -> Call:
        mask = additive(attention_mask, hidden_states.dtype)
        return Call(hidden_states, mask, (relative_pos, rel_embeddings))

    def project(self, module: Any, call: Call) -> tuple[Tensor, Tensor, Tensor]:
        shape = (*call.hidden.shape[:2], module.num_attention_heads, module.attention_head_size)
        return (
            module.query_proj(call.hidden).view(shape).transpose(1, 2),
            module.key_proj(call.hidden).view(shape).transpose(1, 2),
            module.value_proj(call.hidden).view(shape).transpose(1, 2),
        )

    def scale(self, module: Any, head_width: int) -> float:
        return float((head_width * self._terms(module)) ** -0.5)

    def relative_positions(self, module: Any, call: Call, query: Tensor, key: Tensor) -> Tensor | None:
        if not module.relative_attention or self._terms(module) == 1:
            return None
        distances, embeddings = call.positions
        scores = module.disentangled_attention_bias(
            query.flatten(0, 1),
            key.flatten(0, 1),
            distances,
            module.pos_dropout(embeddings),
            self._terms(module),
        )
        return scores.unflatten(0, query.shape[:2])

    @staticmethod
    def _terms(module: Any) -> int:
        """How many products a score is the sum of: content, and those with positions."""
        return 1 + ("c2p" in module.pos_att_type) + ("p2c" in module.pos_att_type)


FAMILIES: tuple[Family, ...] = (
    Bert(),
    Roberta(),
    Electra(),
    DistilBert(),
    Albert(),
    MPNet(),
    ModernBert(),
    DebertaV2(),
)


def family_of(model: PreTrainedModel) -> Family:
    """The family that `model` belongs to.

    Raises:
        BadInput: no family knows the model's type, or its attention runs in a kernel that takes no mask with a
            gradient (flash attention, which also leaves padding out of the batch, and others).
    """
    config: Any = model.config
    for family in FAMILIES:
        if config.model_type in family.model_types:
            implementation = getattr(config, "_attn_implementation", None)
            if implementation not in (None, "eager", "sdpa"):
                raise BadInput(
                    "adversarial self-attention needs attn_implementation 'sdpa' or 'eager', "
                    f"not {implementation!r}; say so when the model is loaded"
                )
            family.check(model)
            return family
    known = ", ".join(name for family in FAMILIES for name in family.model_types)
    raise BadInput(
        f"adversarial self-attention does not know model type {config.model_type!r}; it knows {known}; "
        "to add one, describe its self-attention by a subclass of Family in asa_bench/models/architectures.py"
    )


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask of 1 and 0 as what is added to scores: the lowest number where it is 0."""
    import torch

    return torch.zeros_like(mask, dtype=dtype).masked_fill(mask == 0, torch.finfo(dtype).min)
