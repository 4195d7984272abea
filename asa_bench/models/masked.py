"""Encoders that tell masked tokens: loaded or made from scratch, with logits at the masked places only."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from asa_bench.errors import BadInput, nearest
from asa_bench.models import loading

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Size = Literal["own", "tiny", "mini", "small", "medium", "base"]
# Layers, width, heads, inner width: the miniatures of Turc et al., 2019, https://arxiv.org/abs/1908.08962, and BERT-base.
_SIZES: dict[str, tuple[int, int, int, int]] = {
    "tiny": (2, 128, 2, 512),
    "mini": (4, 256, 4, 1024),
    "small": (4, 512, 8, 2048),
    "medium": (8, 512, 8, 2048),
    "base": (12, 768, 12, 3072),
}


def load_masked(source: str | Path, seed: int, revision: str | None = None) -> PreTrainedModel:
    """An encoder with its head for masked tokens, float32; a head that the checkpoint lacks comes from `seed` alone.

    Raises:
        BadInput: as `asa_bench.models.loading.load_model`, or a family without a head for masked tokens.
        Unavailable: a hub id that cannot be reached.
    """
    loading.check_source(source, revision)
    with loading.quiet(), loading.explained(source), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, info = loading.pretrained(AutoModelForMaskedLM, source, revision)
        absent = [name for name in info["missing_keys"] if name.startswith(f"{model.base_model_prefix}.")]
        if absent:
            raise BadInput(f"model {source}: its weights lack {sorted(absent)[0]!r} of the encoder")
    return model


def load_trained(
    source: str | Path, revision: str | None = None, *, what: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A masked language model with its trained head, float32, and its tokenizer.

    Args:
        what: what needs it, for messages.

    Raises:
        BadInput: it cannot be loaded safely, or has no trained head for masked tokens.
        Unavailable: a hub id that cannot be reached.
    """
    tokenizer = loading.load_tokenizer(source, revision)
    with loading.quiet(), loading.explained(source):
        model, info = loading.pretrained(AutoModelForMaskedLM, source, revision)
    absent = sorted(info["missing_keys"])
    if absent:
        raise BadInput(
            f"model {source}: its weights lack {absent[0]!r}, so it tells no masked tokens; {what} needs a masked language "
            "model such as bert-base-uncased"
        )
    return model, tokenizer


def build_masked(config: PretrainedConfig, size: Size, seed: int) -> PreTrainedModel:
    """A model of `config`'s family with random weights from `seed` alone.

    Args:
        size: 'own' is the size that `config` tells; the others change layers, width, heads and inner width.

    Raises:
        BadInput: an unknown size, or a family without a head for masked tokens.
    """
    if size not in get_args(Size):
        raise BadInput(f"unknown size {size!r}; {nearest(str(size), get_args(Size))}")
    if size != "own":
        layers, width, heads, inner = _SIZES[size]
        # Families that use other names map these to their own; the inner width is the one that is not mapped.
        config.num_hidden_layers, config.hidden_size, config.num_attention_heads = layers, width, heads
        setattr(config, "intermediate_size" if hasattr(config, "intermediate_size") else "hidden_dim", inner)
    with loading.quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model: PreTrainedModel = AutoModelForMaskedLM.from_config(config).float()
        except ValueError as error:
            raise BadInput(
                f"a model of type {config.model_type!r} cannot be made: {' '.join(str(error).split())[:160]}"
            ) from error
    return model


def load_config(source: str | Path, revision: str | None = None) -> PretrainedConfig:
    """The config of a folder or hub id.

    Raises:
        BadInput: the folder has no usable config.
        Unavailable: a hub id that cannot be reached.
    """
    with loading.quiet(), loading.explained(source):
        return AutoConfig.from_pretrained(str(source), revision=revision, trust_remote_code=False)


def pooler_weights(
    model: PreTrainedModel, source: str | Path, revision: str | None = None
) -> dict[str, torch.Tensor]:
    """Weights of the checkpoint's encoder that `model` lacks: its pooler, by its name in a whole checkpoint.

    A model for masked tokens has no pooler, but a classifier that is fine-tuned from it starts with one. Without this,
    further pre-training would also replace a trained pooler by a random one. {} where the checkpoint has none.
    """
    with loading.quiet(), loading.explained(source):
        encoder, info = loading.pretrained(AutoModel, source, revision)
    prefix = model.base_model_prefix
    known = set(model.base_model.state_dict())
    return {
        f"{prefix}.{name}": value
        for name, value in encoder.state_dict().items()
        if name not in known and name not in info["missing_keys"]
    }


class MaskedPlaces:
    """Makes a model give logits at chosen places only, (places, vocabulary) in place of (batch, length, vocabulary).

    A hook on the last linear map keeps the rows of the places. A method then sees a classification of the masked
    tokens, whatever it does with the model; and the largest matrix product of a small encoder is done for 15 % of the
    tokens. Where a method puts the batch several times into one pass, the places are repeated with it.

    Args:
        model: with output embeddings.

    Raises:
        BadInput: the model has none.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        head: Any = model.get_output_embeddings()
        if head is None:
            raise BadInput(f"model type {model.config.model_type!r} has no output embeddings to pre-train")
        self._chosen: dict[int, tuple[torch.Tensor, int]] = {}  # by thread
        self._handle = head.register_forward_pre_hook(self._select)

    def set(self, places: torch.Tensor, tokens: int) -> None:
        """Choose for the passes that follow in this thread.

        Args:
            places: (places,) indices into the batch's tokens, rows one after the other.
            tokens: batch times length.
        """
        self._chosen[threading.get_ident()] = places, tokens

    def forget(self) -> None:
        """All logits in the passes that follow in this thread."""
        self._chosen.pop(threading.get_ident(), None)

    def remove(self) -> None:
        """Make the model give all logits again."""
        self._handle.remove()

    def _select(self, head: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        chosen = self._chosen.get(threading.get_ident())
        if chosen is None:
            return None
        rows, tokens = chosen
        hidden = inputs[0].flatten(0, -2)
        copies = len(hidden) // tokens
        if copies > 1:
            rows = torch.cat([rows + copy * tokens for copy in range(copies)])
        return (hidden[rows], *inputs[1:])
