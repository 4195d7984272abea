"""What several models make of one text: attention, the adversary's mask over it, and what each word is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class View:
    """One model's part.

    Attributes:
        model: what the user calls it.
        probabilities: label -> probability of the whole text.
        prediction: the most probable label.
        label: the label that `importances` speak of.
        words: the words within the model's length, in order, of all texts.
        importances: (words,) by how much the probability of `label` falls without the word.
        tokens: the model's tokens, special ones by their name.
        owners: (tokens,) place of the token's word in `words`; -1 for special tokens.
        attention: (tokens, tokens) probabilities, mean over the layer's heads, rows are queries; None with the reason in
            `attention_missing`.
        mask: (tokens, tokens) the adversary's, 1 where it keeps attention and 0 where it takes it away, rows are queries;
            None with the reason in `mask_missing`.
    """

    model: str
    probabilities: Mapping[str, float]
    prediction: str
    label: str
    words: tuple[str, ...]
    importances: tuple[float, ...]
    tokens: tuple[str, ...]
    owners: tuple[int, ...]
    attention: tuple[tuple[float, ...], ...] | None
    attention_missing: str
    mask: tuple[tuple[int, ...], ...] | None
    mask_missing: str

    @property
    def kept(self) -> float | None:
        """The share of the layer's units of attention that the adversary keeps."""
        if self.mask is None:
            return None
        return sum(map(sum, self.mask)) / len(self.tokens) ** 2

    def received(self) -> tuple[float, ...] | None:
        """(words,) the share of the attention paid to words that each word receives; None where there is none."""
        if self.attention is None:
            return None
        shares = [0.0] * len(self.words)
        for row in self.attention:
            for owner, weight in zip(self.owners, row, strict=True):
                if owner >= 0:
                    shares[owner] += weight
        total = sum(shares)
        return tuple(share / total for share in shares) if total > 0 else None


@dataclass(frozen=True)
class Explanation:
    """Several models side by side.

    Attributes:
        texts: the example: one text, or two.
        layer: whose attention and mask are shown, from 1.
    """

    texts: tuple[str, ...]
    layer: int
    views: tuple[View, ...]

    def to_json(self) -> str:
        """All of it as JSON in ASCII, texts as they are; the same bytes for the same numbers."""
        content: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
