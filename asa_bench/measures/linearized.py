"""Metrics that are no mean of right and wrong, as one value per example: what each example adds to the metric.

For a statistic T of the sample, the value of example i is ``T + L[i]`` with L the empirical influence function, the
derivative of T when example i gains weight (the infinitesimal jackknife: Jaeckel 1972, Bell Laboratories memorandum
MM 72-1215-11; Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, ch. 6). Influences sum to 0, so the
values' mean is T itself, and the variance of a mean of such values is that of T to first order, for single examples as for
clusters and strata (linearization: Binder 1983, International Statistical Review 51:279). So values of two methods are
subtracted, averaged over seeds and tested by `asa_bench.measures.crossed` like right and wrong answers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def ratio_values(parts: ArrayLike, wholes: ArrayLike) -> Floats:
    """(examples,) values of a ratio of totals R, ``R + (part - R whole) / mean whole`` (Cochran 1977, sec. 6.3).

    F1 is such a ratio of ``2 x hits`` to ``claims``. Where no example has a whole, R is 0 and so are all values.

    Args:
        parts, wholes: (examples,) what each example adds to either total.
    """
    part, whole = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    mean = float(whole.mean())
    if mean == 0:
        return np.zeros(len(whole))
    ratio = float(part.sum() / whole.sum())
    return np.asarray(ratio + (part - ratio * whole) / mean)


def f1_values(gold: ArrayLike, predictions: ArrayLike, positive: str) -> Floats:
    """(examples,) values of `asa_bench.measures.f1`."""
    true, claimed = np.asarray(gold) == positive, np.asarray(predictions) == positive
    return ratio_values(2.0 * (true & claimed), true.astype(np.float64) + claimed)


def matthews_values(gold: ArrayLike, predictions: ArrayLike) -> Floats:
    """(examples,) values of Matthews' coefficient, for two classes or more (R_K of Gorodkin 2004).

    ``R = C / sqrt(A B)`` with c the accuracy, p and t the shares of each class among predictions and gold labels,
    ``C = c - sum t p``, ``A = 1 - sum p^2`` and ``B = 1 - sum t^2``; influences of these by the product rule. Where one of
    A and B is 0, as for a model that always says the same, R is 0 by convention and so are all values.
    """
    classes, codes = np.unique(
        np.concatenate([np.asarray(gold, dtype=str), np.asarray(predictions, dtype=str)]), return_inverse=True
    )
    true, said = codes[: len(codes) // 2], codes[len(codes) // 2 :]
    t, p = (np.bincount(each, minlength=len(classes)) / len(each) for each in (true, said))
    right = true == said
    both, own, other = float(t @ p), float(p @ p), float(t @ t)
    a, b = 1 - own, 1 - other
    if a <= 1e-12 or b <= 1e-12:
        return np.zeros(len(true))
    root = math.sqrt(a * b)
    value = (float(right.mean()) - both) / root
    of_c = (right - right.mean()) - (t[said] + p[true] - 2 * both)
    of_a, of_b = 2 * (own - p[said]), 2 * (other - t[true])
    return np.asarray(value + of_c / root - value / 2 * (of_a / a + of_b / b))


def pearson_values(first: ArrayLike, second: ArrayLike) -> Floats | None:
    """(examples,) values of Pearson's correlation r, ``r + z w - r (z^2 + w^2) / 2`` with z, w in standard deviations.

    Devlin, Gnanadesikan and Kettenring 1975, Biometrika 62:531. None where either does not vary.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    z, w = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    value = float((z * w).mean())
    return np.asarray(value + z * w - value / 2 * (z**2 + w**2))


def spearman_values(first: ArrayLike, second: ArrayLike) -> Floats | None:
    """(examples,) values of Spearman's correlation; None where either does not vary.

    Spearman's is Pearson's of the mid-distribution functions U of the first and V of the second (equal numbers share their
    mean rank). An example has influence through its own ranks and through those of all others, which it moves: that of
    ``mean(U V)`` is ``U V + h + k - 3 mean(U V)``, h being the mean of V over the examples above it in the first (half of
    those equal to it), k likewise; those of the variances follow with U = V (Croux and Dehon 2010, Statistical Methods &
    Applications 19:497, for continuous distributions).
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    order_x, order_y = (np.unique(each, return_inverse=True)[1] for each in (x, y))
    u, v = _grades(order_x), _grades(order_y)

    def product(one: Floats, other: Floats, by_one: NDArray[np.intp], by_other: NDArray[np.intp]) -> Floats:
        mean = float((one * other).mean())
        return one * other + _above(by_one, other) + _above(by_other, one) - 3 * mean

    c, a, b = (float((one * other).mean()) - 0.25 for one, other in ((u, v), (u, u), (v, v)))
    root = math.sqrt(a * b)
    value = c / root
    of_c = product(u, v, order_x, order_y)
    of_a, of_b = product(u, u, order_x, order_x), product(v, v, order_y, order_y)
    return np.asarray(value + of_c / root - value / 2 * (of_a / a + of_b / b))


def _grades(order: NDArray[np.intp]) -> Floats:
    """(examples,) share of smaller ones and half of the equal ones, itself included; their mean is 1/2."""
    counts = np.bincount(order)
    return np.asarray(((np.cumsum(counts) - counts / 2) / len(order))[order])


def _above(order: NDArray[np.intp], values: Floats) -> Floats:
    """(examples,) sum of `values` over the larger ones and half of the equal ones, divided by the number of examples."""
    sums = np.bincount(order, weights=values)
    return np.asarray(((sums.sum() - np.cumsum(sums) + sums / 2) / len(order))[order])
