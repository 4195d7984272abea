"""The attention of a model that is ready to be asked, of any family, without changing the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.words import Word, owners

if TYPE_CHECKING:
    from asa_bench.victims import Victim


class NoAttention(Exception):
    """Why a model or tokenizer cannot tell what is attended to; one line, for the record."""


def encode(victim: Victim, texts: tuple[str, ...], words: Sequence[Word]) -> tuple[Any, NDArray[np.int64]]:
    """One example as `Victim.logits` encodes it, cut at the same length, and the word that each token belongs to.

    Returns:
        What the model takes, a batch of one without padding; and (tokens,) places in `words`, see
        `asa_bench.words.owners`.

    Raises:
        NoAttention: the tokenizer does not tell where in the text its tokens come from.
    """
    tokenizer = victim.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        raise NoAttention(
            f"{type(tokenizer).__name__} is no fast tokenizer, which alone tells tokens' places"
        )
    encoded = tokenizer(
        *([text] for text in texts),
        truncation=True,
        max_length=victim.max_length,
        return_offsets_mapping=True,
    )
    found = owners(words, encoded.sequence_ids(0), encoded["offset_mapping"][0])
    inputs = {key: values for key, values in encoded.items() if key != "offset_mapping"}
    return tokenizer.pad(inputs, return_tensors="pt"), found


@contextmanager
def eager(model: Any) -> Iterator[None]:
    """Computes attention so that its probabilities can be returned, while open; afterwards as before.

    Some families return to plain attention by themselves when they are asked for probabilities, and ModernBERT then
    stays there. So the setting is put back in every part's config, for later logits to be the same to the bit.

    Raises:
        NoAttention: the family has no plain attention.
    """
    from asa_bench.models.loading import quiet

    configs = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}
    before = [(config, getattr(config, "_attn_implementation", None)) for config in configs.values()]
    with quiet():
        try:
            try:
                model.set_attn_implementation("eager")
            except ValueError as error:
                raise NoAttention(f"{type(model).__name__} has no plain attention: {_line(error)}") from error
            yield
        finally:
            for config, setting in before:
                if getattr(config, "_attn_implementation", None) != setting:
                    config._attn_implementation = setting


def first_layer(model: Any, inputs: Any) -> NDArray[np.float64]:
    """Attention probabilities of the first layer, see `layer_attention`."""
    return layer_attention(model, inputs, 1)


def layer_attention(model: Any, inputs: Any, layer: int) -> NDArray[np.float64]:
    """Attention probabilities of one layer.

    Args:
        model: within `eager`.
        inputs: a batch of one, from `encode`.
        layer: which, from 1.

    Returns:
        (heads, tokens, tokens), rows are queries.

    Raises:
        NoAttention: the model returns none, or not one number per pair of tokens (local or sparse attention).
        IndexError: there is no such layer; how many there are.
    """
    import torch

    name = type(model).__name__
    with torch.inference_mode():
        try:
            layers = model(**inputs.to(model.device), output_attentions=True).attentions
        except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
            raise NoAttention(f"{name} cannot be asked for attention: {_line(error)}") from error
    if not layers:
        raise NoAttention(f"{name} returns no attention")
    if not 1 <= layer <= len(layers):
        raise IndexError(f"has layers 1 to {len(layers)}")
    found = layers[layer - 1]
    if found is None:
        raise NoAttention(f"{name} returns no attention")
    tokens = inputs["input_ids"].shape[1]
    shape = tuple(found.shape)
    if len(shape) != 4 or shape[0] != 1 or shape[2:] != (tokens, tokens):
        raise NoAttention(
            f"{name} returns attention of shape {shape}, not one number per pair of {tokens} tokens"
        )
    return np.asarray(found[0].double().cpu().numpy(), dtype=np.float64)


def token_texts(victim: Victim, texts: tuple[str, ...]) -> list[str]:
    """(tokens,) the characters that each token of `encode` stands for; special tokens by their name.

    A token without characters of its own is told by the tokenizer's name of it.
    """
    tokenizer = victim.tokenizer
    encoded = tokenizer(
        *([text] for text in texts),
        truncation=True,
        max_length=victim.max_length,
        return_offsets_mapping=True,
    )
    names = tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
    columns, offsets = encoded.sequence_ids(0), encoded["offset_mapping"][0]
    return [
        name if column is None else texts[column][start:end].strip() or name
        for name, column, (start, end) in zip(names, columns, offsets, strict=True)
    ]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
