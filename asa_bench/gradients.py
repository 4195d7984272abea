"""How a victim's loss changes with its word embeddings, and which of its words lie near each other: for white-box attacks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from asa_bench.errors import BadInput
from asa_bench.models.perturbation import WordPerturbation
from asa_bench.victims import at_once, threads_apart

if TYPE_CHECKING:
    from asa_bench.victims import Victim

_CHUNK = 4096  # words that are tokenized at once
_TOKENS = 1024  # of a pass with gradients, about; it bounds the memory
_FILLED = 8  # texts of a pass on other devices than the processor


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


class LossQuestion(NamedTuple):
    """One example whose loss is asked for.

    Attributes:
        texts: of the example.
        gold: per label of the victim whether it means the true one.
    """

    texts: tuple[str, ...]
    gold: tuple[bool, ...]


def text_gradients(
    victim: Victim, questions: Sequence[LossQuestion], temperature: float = 1.0
) -> list[TextGradient]:
    """The gradient of each example's plain cross-entropy, in eval mode, by the word embeddings at each of its tokens.

    It depends on its example alone, to the last bit. Examples of as many tokens share a pass where that can be kept
    (`Victim.apart`); on other devices than the processor passes are filled up with copies to one number of texts; otherwise
    each has a pass of its own. A pass is computed by one thread, and several at once where torch has several threads. However the
    victim was trained, the loss here is -log of the probability of the true label; where several of its labels mean that, of
    their sum.

    Args:
        victim: a classifier with a fast tokenizer.
        questions: equal ones are answered once.
        temperature: by which the logits are divided first.

    Raises:
        BadInput: the tokenizer cannot say where its tokens stand in a text.
    """
    if not victim.tokenizer.is_fast:
        raise BadInput(
            f"a white-box attack needs a fast tokenizer, which tells where its tokens stand in a text; "
            f"{type(victim.tokenizer).__name__} is none"
        )
    by_length: dict[int, list[_Asked]] = {}
    for question in dict.fromkeys(questions):
        encoded = victim.tokenizer(
            *question.texts, truncation=True, max_length=victim.max_length, return_offsets_mapping=True
        )
        by_length.setdefault(len(encoded["input_ids"]), []).append(_Asked(question, encoded))
    on_processor = victim.model.device.type == "cpu"
    found: dict[LossQuestion, TextGradient] = {}
    with contextlib.ExitStack() as stack:
        shared, threads = False, 1
        if on_processor:
            threads = stack.enter_context(threads_apart())
            shared = victim.apart and stack.enter_context(victim.products.differentiable())
        passes = []
        for length, asked in by_length.items():
            most = max(1, _TOKENS // length) if shared else 1 if on_processor else _FILLED
            # As many for each thread, where there are not enough for all.
            most = min(most, max(1, -(-len(asked) // threads))) if shared else most
            passes += [asked[start : start + most] for start in range(0, len(asked), most)]
        passes.sort(key=lambda part: -sum(len(one.encoded["input_ids"]) for one in part))

        def answered(part: list[_Asked]) -> list[TextGradient]:
            return _one_pass(victim, part, temperature, 0 if on_processor else _FILLED)

        for part, gradients in zip(passes, at_once(answered, passes, threads, stack), strict=True):
            found |= {one.question: gradient for one, gradient in zip(part, gradients, strict=True)}
    return [found[question] for question in questions]


class _Asked(NamedTuple):
    """A question, and the tokenizer's encoding of its texts."""

    question: LossQuestion
    encoded: Any


def _one_pass(victim: Victim, asked: list[_Asked], temperature: float, least: int) -> list[TextGradient]:
    """Gradients of examples of as many tokens, by one pass of at least `least` of them."""
    rows = [*asked, *asked[:1] * (least - len(asked))]
    device = victim.model.device
    names = [name for name in rows[0].encoded if name != "offset_mapping"]
    batch = {name: torch.tensor([row.encoded[name] for row in rows], device=device) for name in names}
    weight = victim.model.get_input_embeddings().weight
    shift = torch.zeros((*batch["input_ids"].shape, weight.shape[1]), device=device, requires_grad=True)
    right = torch.tensor([row.question.gold for row in rows], device=device)
    with torch.enable_grad(), WordPerturbation(victim.model, 0).added(shift):
        logits = victim.model(**batch).logits.float() / temperature
        losses = logits.logsumexp(1) - logits.masked_fill(~right, -torch.inf).logsumexp(1)
        (gradients,) = torch.autograd.grad(losses.sum(), shift)
    return [
        TextGradient(
            np.array(one.encoded["input_ids"]),
            np.array([-1 if column is None else column for column in one.encoded.sequence_ids(0)]),
            np.array(one.encoded["offset_mapping"]),
            gradient,
        )
        for one, gradient in zip(asked, gradients.float().cpu().numpy(), strict=False)
    ]


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
        # A product with the whole vocabulary took a third of a search's time.
        self._near: dict[tuple[int, float, int], np.ndarray] = {}
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
        asked = token, least, most
        if asked not in self._near:
            self._near[asked] = self._nearest(*asked)
        return self._near[asked]

    def _nearest(self, token: int, least: float, most: int) -> np.ndarray:
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
