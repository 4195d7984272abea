"""The words of a text, the text without some of them, and which of a tokenizer's tokens belong to which word."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Word:
    """A run of characters without white space, punctuation included ("film,").

    Attributes:
        column: which of the example's texts it is in.
        position: which word of that text it is, from 0.
        start, end: where its characters are in that text.
    """

    column: int
    position: int
    start: int
    end: int
    text: str


def words_of(texts: Sequence[str]) -> list[Word]:
    """The words of all texts of one example, in order."""
    return [
        Word(column, position, found.start(), found.end(), found.group())
        for column, text in enumerate(texts)
        for position, found in enumerate(_WORD.finditer(text))
    ]


def without(texts: Sequence[str], words: Iterable[Word]) -> tuple[str, ...]:
    """The texts of an example with some of its words left out.

    A word goes with the white space behind it; white space at the ends of a text that lost a word goes too. A text
    that loses its only word becomes "".
    """
    left = list(texts)
    # From the end, so that the places of the words before stay right.
    for word in sorted(words, key=lambda one: (one.column, -one.start)):
        text = left[word.column]
        left[word.column] = text[: word.start] + text[word.end :].lstrip()
    return tuple(text if text == before else text.strip() for text, before in zip(left, texts, strict=True))


def spread_out(words: Sequence[Word], count: int) -> list[Word]:
    """At most `count` of the words, evenly spaced from the first to the last; a count of 1 is the first."""
    if len(words) <= count:
        return list(words)
    if count == 1:
        return [words[0]]
    # In integers, rounded down: no platform's floating point decides.
    return [words[i * (len(words) - 1) // (count - 1)] for i in range(count)]


def owners(
    words: Sequence[Word], columns: Sequence[int | None], offsets: Sequence[tuple[int, int]]
) -> NDArray[np.int64]:
    """Which word each token belongs to: the one that it shares most characters with, the first of several.

    Args:
        words: as `words_of` gives them.
        columns: (tokens,) which text a token comes from; None for special tokens. A fast tokenizer's
            ``sequence_ids``.
        offsets: (tokens,) start and end of its characters in that text. A fast tokenizer's ``offset_mapping``; some
            tokenizers count the space before a word in.

    Returns:
        (tokens,) places in `words`; -1 for special tokens and for tokens of white space alone.
    """
    by_column: dict[int, list[int]] = {}
    for place, word in enumerate(words):
        by_column.setdefault(word.column, []).append(place)
    starts = {column: [words[place].start for place in places] for column, places in by_column.items()}
    found = np.full(len(columns), -1, dtype=np.int64)
    for token, (column, (start, end)) in enumerate(zip(columns, offsets, strict=True)):
        if column is None or column not in by_column:
            continue
        most = 0
        at = max(bisect_right(starts[column], start) - 1, 0)
        for place in by_column[column][at:]:
            word = words[place]
            if word.start >= end:
                break
            shared = min(end, word.end) - max(start, word.start)
            if shared > most:
                most, found[token] = shared, place
    return found
