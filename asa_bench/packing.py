"""Blocks of tokens from whole documents, and which tokens of a block are masked: numbers only, no model.

Packing: the tokens of the documents stand one after the other in a seeded order, a separator after each. This stream is
cut into pieces that fill a block together with the special tokens that the tokenizer puts around any text. So a
document that is longer than what is left of a block goes on in the next one, a short one shares its block with its
neighbours, no token is lost, and only the last block may be shorter than the others.

Masking is BERT's (Devlin et al., NAACL 2019, section 3.1): 15 % of the tokens are to be told; of these 80 % are
replaced by the mask, 10 % by another token, 10 % stay. It is dynamic as in RoBERTa (Liu et al., 2019, section 4.1): new
whenever a block is seen. Each block of each epoch has a seed of its own, so the masks depend neither on the order of
batches nor on an interruption.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.errors import BadInput

_CHUNK = 1_000  # documents that are tokenized at once
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """What packing and masking must know of a tokenizer.

    Attributes:
        opening, closing: ids that stand before and after every text.
        separator: id between two documents.
        mask: id of the mask token.
        padding: id that fills up a short block.
        special: ids that are never masked and never drawn, sorted.
        ordinary: all other ids, sorted.
    """

    opening: tuple[int, ...]
    closing: tuple[int, ...]
    separator: int
    mask: int
    padding: int
    special: Ids
    ordinary: Ids


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """Reads a tokenizer of the transformers library.

    Raises:
        BadInput: it has no mask token or no separator.
    """
    if tokenizer.mask_token_id is None:
        raise BadInput("the tokenizer has no mask token, so the model cannot be pre-trained on masked words")
    separator = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if separator is None:
        raise BadInput("the tokenizer has neither a separator nor an end-of-text token")
    # Asked by example: not every tokenizer class knows what its post-processor adds.
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    at = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    special = np.unique(np.asarray(tokenizer.all_special_ids, dtype=np.int64))
    return Vocabulary(
        opening=tuple(whole[:at]),
        closing=tuple(whole[at + len(bare) :]),
        separator=int(separator),
        mask=int(tokenizer.mask_token_id),
        padding=int(tokenizer.pad_token_id or 0),
        special=special,
        ordinary=np.setdiff1d(np.arange(len(tokenizer), dtype=np.int64), special),
    )


@dataclass(frozen=True)
class Blocks:
    """Packed text.

    Attributes:
        ids: (blocks, block length), filled up with padding.
        lengths: (blocks,), real tokens of each, special tokens included.
        tokens: real tokens, special ones included, of all blocks.
    """

    ids: Ids
    lengths: Ids

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())


def pack(
    documents: Sequence[str],
    tokenizer: Any,
    block_length: int,
    order_seed: int | None,
    most: int | None = None,
) -> Blocks:
    """Blocks of whole documents, as the module tells.

    Args:
        order_seed: of the documents' order; None leaves them as they are.
        most: make at most so many blocks; later documents are then not even tokenized.

    Raises:
        BadInput: a block has no room for text, or the documents hold no token that could be masked.
    """
    vocabulary = vocabulary_of(tokenizer)
    around = len(vocabulary.opening) + len(vocabulary.closing)
    room = block_length - around
    if room < 2:
        raise BadInput(f"block_length {block_length} leaves no room for text beside {around} special tokens")
    if order_seed is not None:
        keys = generator("documents", order_seed).random(len(documents))
        documents = [documents[i] for i in np.argsort(keys, kind="stable")]
    stream: list[Ids] = []
    held = 0
    for start in range(0, len(documents), _CHUNK):
        if most is not None and held >= most * room:
            break
        encoded = tokenizer(
            list(documents[start : start + _CHUNK]),
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        for ids in encoded["input_ids"]:
            stream.append(np.asarray([*ids, vocabulary.separator], dtype=np.int64))
            held += len(ids) + 1
    tokens = np.concatenate(stream)[:-1] if stream else np.zeros(0, dtype=np.int64)
    pieces = [tokens[at : at + room] for at in range(0, len(tokens), room)][:most]
    # A piece of special tokens alone (unknown words, a separator) has nothing to tell.
    pieces = [piece for piece in pieces if not np.isin(piece, vocabulary.special).all()]
    if not pieces:
        raise BadInput(
            "the corpus holds no token that could be masked; is the tokenizer made for its language?"
        )
    blocks = np.full((len(pieces), block_length), vocabulary.padding, dtype=np.int64)
    lengths = np.zeros(len(pieces), dtype=np.int64)
    for row, piece in enumerate(pieces):
        whole = [*vocabulary.opening, *piece, *vocabulary.closing]
        blocks[row, : len(whole)] = whole
        lengths[row] = len(whole)
    return Blocks(blocks, lengths)


def generator(*seed: object) -> np.random.Generator:
    """A generator that is fixed by the ids that seed it (sha256 of their text)."""
    digest = hashlib.sha256("/".join(map(str, seed)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def mask(
    ids: Ids, vocabulary: Vocabulary, share: float, draw: np.random.Generator
) -> tuple[Ids, NDArray[np.intp], Ids]:
    """Masks one block.

    Args:
        ids: (length,), without padding.
        share: of the tokens that are not special; at least one is masked.
        draw: the block's own generator.

    Returns:
        the masked ids (length,), the places that are to be told (masked,), ascending, and the ids that belong
        there (masked,).
    """
    candidates = np.flatnonzero(~np.isin(ids, vocabulary.special))
    count = max(1, round(share * len(candidates)))
    # As many numbers whatever comes out of them: place, fate and substitute of every candidate.
    numbers = draw.random((3, len(candidates)))
    chosen = np.sort(np.argsort(numbers[0], kind="stable")[:count])
    places = candidates[chosen]
    told = ids[places]
    fate, substitute = numbers[1, chosen], numbers[2, chosen]
    masked = ids.copy()
    masked[places[fate < 0.8]] = vocabulary.mask
    exchanged = (fate >= 0.8) & (fate < 0.9)
    drawn = (substitute * len(vocabulary.ordinary)).astype(np.int64)
    masked[places[exchanged]] = vocabulary.ordinary[drawn[exchanged]]
    return masked, places, told
