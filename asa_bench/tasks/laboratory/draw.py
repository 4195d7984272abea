"""Random choices that are the same on every machine and Python version: seeded by text, drawn one way."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A source of choices that is fixed by the text that seeds it.

    Only ``random.Random.random`` is used, which Python promises to keep reproducible; ``choice``, ``sample``
    and ``shuffle`` carry no such promise.
    """

    def __init__(self, *seed: object) -> None:
        text = "/".join(str(part) for part in seed)
        digest = hashlib.sha256(text.encode()).digest()
        self._random = random.Random(int.from_bytes(digest, "big"))  # noqa: S311  (not a secret)

    def below(self, count: int) -> int:
        """An integer from 0 to `count` - 1."""
        return int(self._random.random() * count)

    def chance(self, probability: float) -> bool:
        """True with `probability`."""
        return self._random.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of `choices`."""
        return choices[self.below(len(choices))]

    def sample(self, choices: Sequence[T], count: int) -> list[T]:
        """`count` different members of `choices`, in random order."""
        pool = list(choices)
        return [pool.pop(self.below(len(pool))) for _ in range(count)]


def bucket(text: str, buckets: int) -> int:
    """Which of `buckets` a text falls into, by its sha256."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % buckets
