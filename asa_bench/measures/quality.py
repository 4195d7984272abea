"""How far a perturbed text is from its original, and how robust accuracy changes where only good ones count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rapidfuzz.distance import Levenshtein

from asa_bench.measures.accuracy import Proportion


@dataclass(frozen=True)
class Change:
    """How much of a text was changed.

    Attributes:
        words: of the original, as white space separates them.
        words_changed: the fewest words that were replaced, put in or taken out: Levenshtein's distance over words.
        edit_distance: the same over characters.
    """

    words: int
    words_changed: int
    edit_distance: int


def change(before: str, after: str) -> Change:
    """What separates a perturbed text from its original; neither case nor punctuation is forgiven."""
    words = before.split()
    return Change(
        words=len(words),
        words_changed=int(Levenshtein.distance(words, after.split())),
        edit_distance=int(Levenshtein.distance(before, after)),
    )


def within(values: ArrayLike, *, most: float | None = None, least: float | None = None) -> NDArray[np.bool_]:
    """Which values lie within bounds, the bounds included; one that is not known (nan) never does.

    Returns:
        (values,) bool; all True without a bound.
    """
    found = np.asarray(values, dtype=np.float64)
    # A share such as 2 of 5 must not fail a bound of 0.4 for its last digit.
    fine = np.ones(found.shape, dtype=np.bool_)
    if most is not None:
        fine &= found <= most + 1e-9
    if least is not None:
        fine &= found >= least - 1e-9
    return fine


def gated_robust(statuses: Sequence[str], passes: Sequence[bool]) -> Proportion:
    """Robust accuracy where a success counts only if its text passes a gate.

    A right answer is robust if its search failed, or succeeded with a text that does not pass. The search did not know
    of the gate: one that looked for passing texts alone might have found some, so this is an upper bound.

    Args:
        statuses: (ids,) see `asa_bench.measures.attack_measures`.
        passes: (ids,) whether the perturbed text of each passes; of no meaning where there is none.

    Returns:
        A proportion over all ids.

    Raises:
        ValueError: lengths differ, or there are no ids.
    """
    return Proportion(int(gated(statuses, passes).sum()), len(statuses))


def gated(statuses: Sequence[str], passes: Sequence[bool]) -> NDArray[np.bool_]:
    """Which ids are robust where a success counts only if its text passes; see `gated_robust`.

    Raises:
        ValueError: lengths differ, or there are no ids.
    """
    status, fine = np.asarray(statuses, dtype=object), np.asarray(passes, dtype=np.bool_)
    if status.shape != fine.shape or status.size == 0:
        raise ValueError(
            f"statuses {status.shape} and passes {fine.shape}: expected as many, and at least one"
        )
    robust: NDArray[np.bool_] = (status == "failed") | ((status == "successful") & ~fine)
    return robust
