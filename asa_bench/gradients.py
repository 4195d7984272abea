"""How a victim's loss changes with its word embeddings, and which of its words lie near each other: for white-box attacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from asa_bench.errors import BadInput
from asa_bench.models.perturbation import WordPerturbation

if TYPE_CHECKING:
    from asa_bench.victims import Victim

_CHUNK = 4096  # words that are tokenized at once


@dataclass(frozen=True)
class TextGradient:
    """The gradient of the loss by every token's word embedding.

    Attributes:
        tokens: ids, (tokens,).
        columns: which text of the example a token belongs to, (tokens,); -1 for special tokens.
        spans: where in that text it begins and ends, (tokens, 2).
        values: gradient, float32, (tokens, width).
    """

    tokens: np.ndarray
    columns: np.ndarray
    spans: np.ndarray
    values: np.ndarray

    def at(self, column: int, start: int, end: int) -> np.ndarray:
        """Indices of the tokens that share a character with text[start:end] of that column; none if it was cut off."""
        inside = (self.columns == column) & (self.spans[:, 0] < end) & (self.spans[:, 1] > start)
        return np.flatnonzero(inside & (self.spans[:, 1] > self.spans[:, 0]))


def text_gradient(
    victim: Victim, texts: tuple[str, ...], gold: np.ndarray, temperature: float = 1.0
) -> TextGradient:
    """The gradient of one example's plain cross-entropy, in eval mode, by the word embeddings at each of its tokens.

    The example is computed alone, so that its gradient depends on nothing else. However the victim was trained, its loss
    here is -log of the probability of the true label; where several of its labels mean that, of their sum.

    Args:
        victim: a classifier with a fast tokenizer.
        texts: the texts of one example.
        gold: (victim labels,) bool, True at the labels that mean the true one.
        temperature: by which the logits are divided first.

    Raises:
        BadInput: the tokenizer cannot say where its tokens stand in a text.
    """
    if not victim.tokenizer.is_fast:
        raise BadInput(
            f"a white-box attack needs a fast tokenizer, which tells where its tokens stand in a text; "
            f"{type(victim.tokenizer).__name__} is none"
        )
    encoded = victim.tokenizer(
        *texts,
        truncation=True,
        max_length=victim.max_length,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    spans = encoded.pop("offset_mapping")[0].numpy()
    columns = np.array([-1 if column is None else column for column in encoded.sequence_ids(0)])
    batch = {name: ids.to(victim.model.device) for name, ids in encoded.items()}
    weight = victim.model.get_input_embeddings().weight
    shift = torch.zeros(
        (*batch["input_ids"].shape, weight.shape[1]), device=weight.device, requires_grad=True
    )
    with torch.enable_grad(), WordPerturbation(victim.model, 0).added(shift):
        logits = victim.model(**batch).logits[0].float() / temperature
        right = torch.from_numpy(gold).to(logits.device)
        loss = logits.logsumexp(0) - logits[right].logsumexp(0)
        (gradient,) = torch.autograd.grad(loss, shift)
    return TextGradient(
        batch["input_ids"][0].cpu().numpy(), columns, spans, gradient[0].float().cpu().numpy()
    )


class OwnWords:
    """The words that are one token of a victim, with the victim's own input embeddings.

    A token counts if it consists of letters and the tokenizer gives it back for its word behind a space, which leaves out
    pieces of words and special tokens in every family.

    Attributes:
        words: token id -> word.
        vectors: the input embeddings, (vocabulary, width), float32.
    """

    def __init__(self, victim: Victim) -> None:
        tokenizer = victim.tokenizer
        vectors = victim.model.get_input_embeddings().weight.detach().float().cpu().numpy()
        self.vectors: np.ndarray = vectors
        self._tokenizer = tokenizer
        special = set(tokenizer.all_special_ids)
        candidates = []
        for number in range(min(len(tokenizer), len(vectors))):
            word = tokenizer.convert_tokens_to_string([tokenizer.convert_ids_to_tokens(number)]).strip()
            if number not in special and word.isalpha():
                candidates.append((number, word))
        self.words: dict[int, str] = {}
        for start in range(0, len(candidates), _CHUNK):
            part = candidates[start : start + _CHUNK]
            encoded = self._ids([word for _, word in part])
            for (number, word), ids in zip(part, encoded, strict=True):
                if ids == [number]:
                    self.words[number] = word
        self._numbers = np.array(sorted(self.words), dtype=np.int64)
        chosen = vectors[self._numbers]
        self._directions = chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-12)

    def _ids(self, words: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = self._tokenizer([f" {word}" for word in words], add_special_tokens=False)[
            "input_ids"
        ]
        return found

    def near(self, token: int, least: float, most: int) -> np.ndarray:
        """Ids of at most `most` other words whose cosine with a word's token is `least` or more, nearest first.

        None if the token is not a word. Of equal cosines the smaller id comes first.
        """
        if token not in self.words:
            return np.empty(0, dtype=np.int64)
        place = int(np.searchsorted(self._numbers, token))
        cosines = self._directions @ self._directions[place]
        allowed = np.flatnonzero(cosines >= least)
        allowed = allowed[allowed != place]
        order = np.lexsort((allowed, -cosines[allowed]))
        return self._numbers[allowed[order][:most]]

    def spelt(self, token: int, like: str) -> str | None:
        """A token's word in the case of another word; None where that is no longer this one token."""
        word = self.words[token]
        if like[:1].isupper() and word.islower():
            word = word.upper() if like.isupper() and len(like) > 1 else word.capitalize()
        if word[:1].isupper() != like[:1].isupper():
            return None
        return word if self._ids([word])[0] == [token] else None


def gains(gradient: np.ndarray, vectors: np.ndarray, old: int, new: np.ndarray) -> np.ndarray:
    """By how much the loss rises, to first order, if a token is exchanged (Ebrahimi et al., 2018, equation 10).

    Args:
        gradient: of the loss by the embedding at the token's place, (width,).
        vectors: the input embeddings, (vocabulary, width).
        old: the token that is there.
        new: the tokens that could be there, (candidates,).

    Returns:
        (vectors[new] - vectors[old]) @ gradient, (candidates,).
    """
    return (vectors[new] - vectors[old]) @ gradient
