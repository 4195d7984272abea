"""How often predictions are right: overall, per slice, per HANS cell, with and against a planted shortcut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ENTAILMENT = "entailment"
NON_ENTAILMENT = "non-entailment"
_LABELS = (ENTAILMENT, NON_ENTAILMENT, "neutral", "contradiction")

#: The heuristics of McCoy et al. (2019), in the order of their tables, by gold label: the six cells of HANS.
HANS_CELLS: tuple[tuple[str, str], ...] = tuple(
    (heuristic, label)
    for label in (ENTAILMENT, NON_ENTAILMENT)
    for heuristic in ("lexical_overlap", "subsequence", "constituent")
)


@dataclass(frozen=True, order=True)
class Proportion:
    """`hits` of `total`, kept as counts so that pooling and intervals stay exact."""

    hits: int
    total: int

    def __post_init__(self) -> None:
        if self.total < 1 or not 0 <= self.hits <= self.total:
            raise ValueError(f"{self.hits} of {self.total} is no proportion")

    @property
    def value(self) -> float:
        """hits / total, in [0, 1]."""
        return self.hits / self.total

    def __add__(self, other: Proportion) -> Proportion:
        """Both samples pooled."""
        return Proportion(self.hits + other.hits, self.total + other.total)


def _pair(gold: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    first, second = np.asarray(gold), np.asarray(predictions)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"gold {first.shape} and predictions {second.shape} must be of the same length")
    if first.size == 0:
        raise ValueError("nothing to score: there are no examples")
    return first, second


def accuracy(gold: ArrayLike, predictions: ArrayLike) -> Proportion:
    """Right predictions over all examples: the metric of SST-2, MNLI, QNLI, RTE, AdvGLUE, PAWS and ANLI.

    Args:
        gold: (examples,) label names.
        predictions: (examples,) label names.

    Raises:
        ValueError: lengths differ or there are no examples.
    """
    first, second = _pair(gold, predictions)
    return Proportion(int(np.count_nonzero(first == second)), int(first.size))


def f1(gold: ArrayLike, predictions: ArrayLike, positive: str) -> float:
    """F1 of the class `positive`: 2 TP / (2 TP + FP + FN), as GLUE defines it for QQP and MRPC.

    Returns:
        A number in [0, 1]; 0.0 where the class is neither present nor predicted (scikit-learn's convention).
    """
    first, second = _pair(gold, predictions)
    hits = int(np.count_nonzero((first == positive) & (second == positive)))
    claims = int(np.count_nonzero(first == positive)) + int(np.count_nonzero(second == positive))
    return 2 * hits / claims if claims else 0.0


def precision_recall_area(gold: ArrayLike, scores: ArrayLike, positive: str) -> float:
    """Area under the precision-recall curve (trapezoids), the AUC of PAWS (Zhang et al. 2019, sec. 5).

    Args:
        gold: (examples,) label names.
        scores: (examples,) higher means more surely `positive`, e.g. the difference of the two logits.

    Raises:
        ValueError: lengths differ, or no example is `positive` (recall is then undefined).
    """
    from sklearn.metrics import auc, precision_recall_curve

    first, values = _pair(gold, scores)
    truth = first == positive
    if not truth.any():
        raise ValueError(f"no example has the label {positive!r}: recall is undefined")
    precision, recall, _ = precision_recall_curve(truth, values.astype(np.float64))
    return float(auc(recall, precision))


def slice_accuracies(gold: ArrayLike, predictions: ArrayLike, slices: ArrayLike) -> dict[str, Proportion]:
    """Accuracy within each value of a slice column, sorted by value; rows without one ("") do not count.

    Args:
        slices: (examples,) slice values, str.
    """
    first, second = _pair(gold, predictions)
    values = np.asarray(slices, dtype=object)
    if values.shape != first.shape:
        raise ValueError(f"slices {values.shape} and gold {first.shape} must be of the same length")
    right = first == second
    found: dict[str, Proportion] = {}
    for value in sorted({str(v) for v in values.tolist()} - {""}):
        chosen = values == value
        found[value] = Proportion(int(np.count_nonzero(right & chosen)), int(np.count_nonzero(chosen)))
    return found


def hans_cells(
    heuristics: ArrayLike, gold: ArrayLike, predictions: ArrayLike
) -> dict[tuple[str, str], Proportion]:
    """The six cells of HANS: accuracy per heuristic and gold label (McCoy et al. 2019, table 2 and sec. 5).

    As the authors do, three-way predictions are mapped to two before they are compared: neutral and
    contradiction both count as non-entailment. Gold labels are mapped the same way, so that three-way gold
    of HANS-like sets can be scored too.

    Args:
        heuristics: (examples,) e.g. lexical_overlap, subsequence, constituent.
        gold: (examples,) label names.
        predictions: (examples,) label names, of two or three.

    Returns:
        (heuristic, "entailment" or "non-entailment") -> proportion, the authors' six first and in their order
        (those that occur), then any others, sorted.

    Raises:
        ValueError: a label is none of entailment, neutral, contradiction, non-entailment.
    """
    first, second = _pair(gold, predictions)
    names = np.asarray(heuristics, dtype=object)
    if names.shape != first.shape:
        raise ValueError(f"heuristics {names.shape} and gold {first.shape} must be of the same length")
    unknown = sorted({str(v) for v in [*first.tolist(), *second.tolist()]} - set(_LABELS))
    if unknown:
        raise ValueError(
            f"label {unknown[0]!r} is no HANS label (entailment, neutral, contradiction, non-entailment)"
        )
    truth, guess = first == ENTAILMENT, second == ENTAILMENT
    cells: dict[tuple[str, str], Proportion] = {}
    for heuristic in sorted({str(v) for v in names.tolist()} - {""}):
        for label, of_label in ((ENTAILMENT, truth), (NON_ENTAILMENT, ~truth)):
            chosen = (names == heuristic) & of_label
            if chosen.any():
                right = int(np.count_nonzero((truth == guess) & chosen))
                cells[heuristic, label] = Proportion(right, int(np.count_nonzero(chosen)))
    first_six = {cell: cells[cell] for cell in HANS_CELLS if cell in cells}
    return first_six | cells


def macro_average(values: Sequence[float]) -> float:
    """The plain mean of several scores, each counted once whatever its number of examples.

    AdvGLUE (Wang et al. 2021) averages its tasks so; HANS' overall figure is the same as pooling because its
    cells are of equal size.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("the average of no scores is undefined")
    return math.fsum(values) / len(values)


def shortcut_reliance(gold: ArrayLike, predictions: ArrayLike, shortcut: ArrayLike) -> float | None:
    """Accuracy where the planted shortcut agrees with the label minus accuracy where it is reversed.

    0 means that the model does not use the shortcut; 1 that it uses nothing else.

    Args:
        shortcut: (examples,) "agrees", "reversed" or anything else, which does not count.

    Returns:
        A number in [-1, 1], or None where one of the two kinds of example is missing.
    """
    parts = slice_accuracies(gold, predictions, shortcut)
    if "agrees" not in parts or "reversed" not in parts:
        return None
    return parts["agrees"].value - parts["reversed"].value
