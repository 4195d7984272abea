"""What several models make of one text: attention, the adversary's mask over it, and what each word is worth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

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
        example: the address of the attacked example on the page, of 12 hex digits, that the texts are of; "" for others.
        about: what the texts are, such as 'after deepwordbug'; "" where there is nothing to say.
    """

    texts: tuple[str, ...]
    layer: int
    views: tuple[View, ...]
    example: str = ""
    about: str = ""

    @property
    def address(self) -> str:
        """12 hex digits of what it shows, the same for the same numbers."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """All of it as JSON in ASCII, texts as they are; the same bytes for the same numbers."""
        content: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Explanation:
        """What `to_json` wrote.

        Raises:
            ValueError: it is something else, or of another schema.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("schema_version", None) != SCHEMA_VERSION:
            raise ValueError(f"no explanation of schema version {SCHEMA_VERSION}")
        try:
            found = TypeAdapter(cls).validate_python(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from None
        for view in found.views:
            sides = [
                len(view.owners),
                *(len(grid) for grid in (view.attention, view.mask) if grid is not None),
            ]
            lines = [len(row) for grid in (view.attention, view.mask) for row in grid or ()]
            if {*sides, *lines} - {len(view.tokens)} or len(view.importances) != len(view.words):
                raise ValueError("tokens, words and numbers do not fit together")
            if view.prediction not in view.probabilities or max(view.owners, default=-1) >= len(view.words):
                raise ValueError("a prediction or a word is not there")
        return found
