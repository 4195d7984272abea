"""From texts to padded batches, the same for training a model and for asking it, for every kind of task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.errors import BadInput

if TYPE_CHECKING:
    import torch

    from asa_bench.tasks.base import Kind

IGNORED = -100  # the label of a token that no loss counts


@dataclass
class Encoded:
    """Encoded examples, kept as unpadded arrays of token ids.

    Attributes:
        columns: input name -> one int64 array per sequence.
        lengths: tokens of each example; of multiple choice, of its longest choice.
        choices: sequences per example (those of one example lie together), or None where an example is one
            sequence and batches are (batch, length) instead of (batch, choices, length).
        words: of token classification, per example the position of each word's first token, -1 for a word that
            was truncated or of which the tokenizer leaves nothing; else None.
        padding: input name -> value that pads it.
        at_least: tokens to which every batch is padded, even where its longest example is shorter.
        left: whether padding comes first.
    """

    columns: dict[str, list[np.ndarray]]
    lengths: list[int]
    choices: int | None
    words: list[np.ndarray] | None
    padding: dict[str, int]
    left: bool
    at_least: int = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """The inputs of these examples, int64: (batch, longest), of multiple choice (batch, choices, longest)."""
        import torch

        longest = max(self.at_least, *(self.lengths[index] for index in indices))
        each = self.choices or 1
        sequences = [index * each + choice for index in indices for choice in range(each)]
        batch = {}
        for name, column in self.columns.items():
            padded = self.padded(
                [column[sequence] for sequence in sequences], longest, self.padding.get(name, 0)
            )
            batch[name] = torch.from_numpy(padded)
            if self.choices is not None:
                batch[name] = batch[name].view(len(indices), each, longest)
        return batch

    def padded(self, rows: Sequence[np.ndarray], longest: int, value: int) -> np.ndarray:
        """`rows` as one int64 array of shape (rows, longest), filled up with `value` on the tokenizer's side."""
        filled = np.full((len(rows), longest), value, dtype=np.int64)
        for target, row in zip(filled, rows, strict=True):
            if self.left:
                target[longest - len(row) :] = row
            else:
                target[: len(row)] = row
        return filled

    def token_labels(self, labels: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Per example one label per token: that of a word at its first token, `IGNORED` elsewhere.

        Raises:
            ValueError: an example has another number of labels than of words.
        """
        found = []
        for example, (numbers, positions) in enumerate(zip(labels, self.words or [], strict=True)):
            if len(numbers) != len(positions):
                raise ValueError(f"example {example} has {len(positions)} words, but {len(numbers)} labels")
            row = np.full(self.lengths[example], IGNORED, dtype=np.int64)
            there = positions >= 0
            row[positions[there]] = np.asarray(numbers, dtype=np.int64)[there]
            found.append(row)
        return found


def encode(
    tokenizer: Any, kind: Kind, texts: Sequence[tuple[str, ...]], max_length: int, *, whole: bool = False
) -> Encoded:
    """Encode examples of one kind of task.

    Args:
        tokenizer: a transformers tokenizer; for token classification a fast one.
        texts: one tuple per example, in the order of the task's columns: one text, or two; of multiple choice the
            context, the beginning of every answer, and the choices: a model reads the context as its first text
            and the beginning with one choice as its second; of token classification one text, whose words are
            separated by single spaces.
        max_length: tokens; of longer inputs the end is cut, of the longer of two texts first.
        whole: pad every batch to `max_length`.

    Raises:
        BadInput: the tokenizer cannot say which word a token belongs to.
    """
    choices = None
    if kind == "multiple_choice":
        choices = len(texts[0]) - 2
        texts = [
            (context, f"{beginning} {choice}".strip())
            for context, beginning, *answers in texts
            for choice in answers
        ]
    if kind == "token_classification" and not tokenizer.is_fast:
        raise BadInput(
            f"token classification needs a fast tokenizer, which tells where its tokens stand in a text; "
            f"{type(tokenizer).__name__} is none"
        )
    encoded = tokenizer(
        *(list(column) for column in zip(*texts, strict=True)),
        truncation=True,
        max_length=max_length,
        return_offsets_mapping=kind == "token_classification",
    )
    offsets = encoded.pop("offset_mapping", None)
    words = None
    if offsets is not None:
        words = [first_tokens(text, spans) for (text,), spans in zip(texts, offsets, strict=True)]
    columns = {name: [np.asarray(ids, dtype=np.int64) for ids in rows] for name, rows in encoded.items()}
    lengths = [len(ids) for ids in encoded["input_ids"]]
    if choices is not None:
        lengths = [max(lengths[start : start + choices]) for start in range(0, len(lengths), choices)]
    return Encoded(
        columns=columns,
        lengths=lengths,
        choices=choices,
        words=words,
        padding={
            "input_ids": int(tokenizer.pad_token_id or 0),
            "token_type_ids": int(getattr(tokenizer, "pad_token_type_id", 0)),
        },
        left=tokenizer.padding_side == "left",
        at_least=max_length if whole else 0,
    )


def first_tokens(text: str, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """Where the first token of each word stands.

    Args:
        text: words separated by single spaces.
        spans: per token its (start, end) in `text`; empty for special tokens.

    Returns:
        int64 array of shape (words,); -1 where a word has no token.
    """
    positions = np.full(text.count(" ") + 1, -1, dtype=np.int64)
    # The number of the word that each character belongs to; a space belongs to the word before it.
    word_of = np.cumsum([0, *(character == " " for character in text)])
    for token, (start, end) in enumerate(spans):
        if end > start:
            # Some tokenizers count the space before a word as the token's own, so its last character decides.
            word = word_of[end - 1]
            if text[end - 1] != " " and positions[word] < 0:
                positions[word] = token
    return positions
