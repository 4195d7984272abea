"""How many rows of a test set stand, exactly or nearly, in the training data."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from asa_bench.tasks.likeness import normalized, shingles

#: Jaccard similarity of character shingles from which two texts count as near duplicates.
NEAR = 0.8
SHINGLE = 5  # characters
# 21 bands of 6 hashes: a pair at similarity 0.8 is compared with probability 0.998, one at 0.5 with 0.28.
_BANDS, _ROWS = 21, 6
_EXAMPLES = 5


@dataclass(frozen=True)
class Match:
    """One test row and the training row that is most like it.

    Attributes:
        test, training: positions of the two rows.
        test_text, training_text: the two rows, texts joined by " | ". Text from data: hostile until escaped.
        similarity: Jaccard similarity of their character shingles, 1 for equal texts.
    """

    test: int
    training: int
    test_text: str
    training_text: str
    similarity: float


@dataclass(frozen=True)
class Overlap:
    """Rows of a test set that stand in the training data.

    Attributes:
        tested: rows of the test set.
        trained: rows of the training data.
        exact: test rows whose texts, without case, punctuation and spacing, equal a training row's.
        near: test rows that have no equal, but a training row of similarity `threshold` or more.
        shared_text: test rows of which at least one text (premise, question) stands in some training row; for rows
            of one text the same as `exact`.
        threshold: of `near`; None where these were not looked for.
        exact_rows, near_rows: positions of these test rows, ascending.
        examples: the first few exact and the most similar near matches.
    """

    tested: int
    trained: int
    exact: int
    near: int
    shared_text: int
    threshold: float | None
    exact_rows: tuple[int, ...]
    near_rows: tuple[int, ...]
    examples: tuple[Match, ...]


def overlap(
    training: Iterable[Sequence[str]], test: Sequence[Sequence[str]], threshold: float | None = NEAR
) -> Overlap:
    """Exact and near-duplicate rows between training and test data.

    Near duplicates are found by MinHash and locality-sensitive hashing (Broder 1997; datasketch computes both, with
    a fixed seed) and then compared exactly, so that none is counted wrongly; a pair right at 0.8 is missed once in
    500 times. The test set is indexed and the training rows stream past it, so training data of any length will do.

    Args:
        training, test: rows as sequences of texts in the same order of columns, e.g. (premise, hypothesis).
        threshold: Jaccard similarity in (0.5, 1]; None: near duplicates are not looked for.

    Raises:
        ValueError: there are no test rows, or the threshold is not within (0.5, 1].
    """
    if threshold is not None and not 0.5 < threshold <= 1:
        raise ValueError(f"a similarity of {threshold} as threshold must lie above 0.5 and at most at 1")
    rows = [tuple(normalized(text) for text in row) for row in test]
    if not rows:
        raise ValueError("there are no test rows to look for")
    index = None if threshold is None else _Index(rows)
    by_row: dict[tuple[str, ...], list[int]] = {}
    by_text: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        by_row.setdefault(row, []).append(position)
        for text in set(row) - {""}:
            by_text.setdefault(text, []).append(position)
    exact: dict[int, Match] = {}
    near: dict[int, Match] = {}
    shared: set[int] = set()
    seen: set[tuple[str, ...]] = set()
    trained = 0
    for number, raw in enumerate(training):
        trained += 1
        row = tuple(normalized(text) for text in raw)
        if row in seen:  # the same texts again can add nothing
            continue
        seen.add(row)
        for text in set(row):
            shared.update(by_text.get(text, ()))
        for position in by_row.get(row, ()):
            exact.setdefault(position, _match(test, position, raw, number, 1.0))
        for position, similarity in index.similar(row, threshold) if index and threshold else ():
            if position in exact or rows[position] == row:
                continue
            if position not in near or similarity > near[position].similarity:
                near[position] = _match(test, position, raw, number, similarity)
    only_near = [match for position, match in near.items() if position not in exact]
    only_near.sort(key=lambda match: (-match.similarity, match.test))
    found = [exact[position] for position in sorted(exact)]
    return Overlap(
        tested=len(rows),
        trained=trained,
        exact=len(exact),
        near=len(only_near),
        shared_text=len(shared),
        threshold=threshold,
        exact_rows=tuple(sorted(exact)),
        near_rows=tuple(sorted(match.test for match in only_near)),
        examples=(*found[:_EXAMPLES], *only_near[:_EXAMPLES]),
    )


def _match(
    test: Sequence[Sequence[str]], position: int, training_row: Sequence[str], number: int, similarity: float
) -> Match:
    return Match(position, number, " | ".join(test[position]), " | ".join(training_row), similarity)


class _Index:
    """The test rows by their MinHash; equal rows are kept once."""

    def __init__(self, rows: Sequence[tuple[str, ...]]) -> None:
        from datasketch import MinHash, MinHashLSH

        # CRC-32 takes half the time of the default; what it confuses is told apart when pairs are compared exactly.
        self._sketch = MinHash(num_perm=_BANDS * _ROWS, seed=1, hashfunc=zlib.crc32)
        self._lsh: Any = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
        self._shingles: dict[str, frozenset[str]] = {}
        self._positions: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            text = _joined(row)
            if text not in self._positions:
                self._shingles[text] = shingles(text, SHINGLE)
                self._lsh.insert(text, self._minhash(self._shingles[text]))
            self._positions.setdefault(text, []).append(position)

    def similar(self, row: tuple[str, ...], threshold: float) -> list[tuple[int, float]]:
        """(test row, similarity) of every test row that is at least so similar to `row`."""
        mine = shingles(_joined(row), SHINGLE)
        found = []
        for candidate in self._lsh.query(self._minhash(mine)):
            other = self._shingles[candidate]
            similarity = len(mine & other) / len(mine | other)
            if similarity >= threshold:
                found += [(position, similarity) for position in self._positions[candidate]]
        return found

    def _minhash(self, shingles: frozenset[str]) -> Any:
        sketch = self._sketch.copy()  # shares the permutations, which take long to draw
        sketch.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in shingles])
        return sketch


def _joined(row: tuple[str, ...]) -> str:
    return "|".join(row)
