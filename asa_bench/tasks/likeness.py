"""How alike two texts are, letter by letter; and which rows of a set were made from one original."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Jaccard similarity of three-letter shingles from which two rows are taken to be made from one original. Of the 871 pairs of
#: AdvGLUE rows whose one original its annotations tell, 835 are found without them, and 24 pairs that are of two.
ALIKE, LETTERS = 0.4, 3
#: What a source begins with: told by the data, or found by likeness.
TOLD, FOUND = "told ", "alike "


def normalized(text: str) -> str:
    """Letters and digits of `text` alone, in compatibility form and lower case.

    Texts that differ in case, punctuation and spacing (a tokenizer's "ca n't" for "can't") are thereby equal; a text
    without letters and digits stays as it is.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LMN") or " ".join(folded.split())


def shingles(text: str, size: int) -> frozenset[str]:
    """All runs of `size` characters; the text itself where it is shorter."""
    return frozenset(text[at : at + size] for at in range(max(1, len(text) - size + 1)))


def key_of(texts: Sequence[str]) -> str:
    """A name for an original, the same whatever its case, punctuation and spacing."""
    return hashlib.sha256("|".join(map(normalized, texts)).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def sources(rows: Sequence[Sequence[str]], told: Sequence[str]) -> list[str]:
    """Which rows were made from one original: the same name for all of them, "" for a row that stands alone.

    Rows of which the data tell the original belong together where it is the same. A row of which they do not tell it
    belongs to every row that is alike; what is linked over several rows belongs together. The order of rows counts for
    nothing.

    Args:
        rows: texts of each row.
        told: the name of each row's original, "" where the data do not tell it.

    Returns:
        Names that begin with `TOLD` where the data tell all of it, with `FOUND` where likeness was needed.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, second = _alike(rows, np.array([bool(name) for name in told], dtype=np.bool_))
    places: dict[str, int] = {}
    same = [(at, places.setdefault(name, at)) for at, name in enumerate(told) if name]
    links = np.concatenate([np.stack([first, second], axis=1), np.array(same, dtype=np.intp).reshape(-1, 2)])
    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(len(rows), len(rows)))
    _, component = connected_components(graph, directed=False)
    members: dict[int, list[int]] = {}
    for at, number in enumerate(component.tolist()):
        members.setdefault(number, []).append(at)
    found = [""] * len(rows)
    for group in members.values():
        names = {told[at] for at in group}
        if len(names) == 1 and "" not in names:
            name = TOLD + names.pop()
        elif len(group) > 1:
            name = FOUND + min(key_of(rows[at]) for at in group)
        else:
            continue
        for at in group:
            found[at] = name
    return found


def _alike(
    rows: Sequence[Sequence[str]], told: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of rows that are alike, of which the data do not tell both originals."""
    import numpy as np
    from scipy.sparse import csr_matrix

    known: dict[str, int] = {}
    columns: list[int] = []
    ends = [0]
    for row in rows:
        found = shingles("".join(map(normalized, row)), LETTERS)
        columns += [known.setdefault(one, len(known)) for one in sorted(found)]
        ends.append(len(columns))
    matrix = csr_matrix(
        (np.ones(len(columns), dtype=np.int32), columns, ends), shape=(len(rows), max(len(known), 1))
    )
    sizes = np.diff(ends)
    shared = (matrix @ matrix.T).tocoo()
    alike = shared.data >= ALIKE * (sizes[shared.row] + sizes[shared.col] - shared.data)
    chosen = alike & (shared.row < shared.col) & ~(told[shared.row] & told[shared.col])
    return shared.row[chosen].astype(np.intp), shared.col[chosen].astype(np.intp)
