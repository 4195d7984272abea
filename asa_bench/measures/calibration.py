"""Whether confidence can be believed: temperature, calibration error, Brier score, likelihood, selective risk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: Temperatures between which the fit looks. An optimum at an end is reported as not found within them.
TEMPERATURES = (0.01, 1000.0)


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature.

    Attributes:
        value: divide logits by it; above 1 where the model was too sure.
        nll_before, nll_after: mean negative log-likelihood in nats of the data that it was fitted on.
        bounded: True where the optimum lies outside `TEMPERATURES`, so that `value` is one of their ends: all answers
            are right (any sharper is better), or confidence says nothing or the opposite of the truth.
    """

    value: float
    nll_before: float
    nll_after: float
    bounded: bool


def fit_temperature(logits: ArrayLike, gold: ArrayLike) -> Temperature:
    """The temperature T that minimizes the negative log-likelihood of softmax(logits / T) on held-out data.

    One parameter, so the order of the classes and the accuracy stay (Guo et al. 2017,
    https://proceedings.mlr.press/v70/guo17a.html). In 1/T the likelihood is concave, so the optimum is the only
    one; scipy's bounded search finds it.

    Args:
        logits: (examples, classes), of data that neither training nor the report uses.
        gold: (examples,) index of the right class.

    Raises:
        ValueError: shapes do not fit, there are no examples, or a value is not finite.
    """
    from scipy.optimize import minimize_scalar

    scores, truth = _checked(logits, gold)

    def loss(log_inverse: float) -> float:
        return _nll(scores * math.exp(log_inverse), truth)

    low, high = -math.log(TEMPERATURES[1]), -math.log(TEMPERATURES[0])
    # The loss is unimodal in log(1/T) too, but flat far out: the search starts around the best of a coarse grid.
    grid = np.linspace(low, high, 47)
    best = int(np.argmin([loss(float(at)) for at in grid]))
    ends = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = float(minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-7}).x)
    at = min((low, high, found), key=loss)  # of equals the end, so that a flat loss is told
    bounded = at in (low, high) or min(at - low, high - at) < 1e-5
    return Temperature(math.exp(-at), loss(0.0), loss(at), bounded)


def softmax(logits: ArrayLike) -> Floats:
    """(examples, classes) probabilities."""
    from scipy.special import softmax as scipy_softmax

    found: Floats = scipy_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return found


@dataclass(frozen=True)
class Calibration:
    """How right and how honest about it a classifier is.

    Attributes:
        accuracy: share of right answers.
        expected_calibration_error: mean distance of confidence and accuracy over bins of equal mass, in [0, 1].
        debiased_calibration_error: their root mean square without what noise adds to it (see `calibration_error`).
        brier: mean squared distance of the probabilities to the truth, in [0, 2] (Brier 1950).
        nll: mean negative log-likelihood of the right class, in nats.
        risk_coverage_area: mean over coverages of the error rate among the surest, in [0, 1].
        mean_confidence: mean probability of the predicted class.
        bins: of the calibration error.
        examples: how many.
    """

    accuracy: float
    expected_calibration_error: float
    debiased_calibration_error: float
    brier: float
    nll: float
    risk_coverage_area: float
    mean_confidence: float
    bins: int
    examples: int


def calibration(logits: ArrayLike, gold: ArrayLike, temperature: float = 1.0, bins: int = 15) -> Calibration:
    """All measures of calibration of one set of logits.

    Args:
        logits: (examples, classes).
        gold: (examples,) index of the right class.
        temperature: logits are divided by it first.

    Raises:
        ValueError: shapes do not fit, there are no examples, a value is not finite, or the temperature or number
            of bins is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature of {temperature} is not above 0")
    scores, truth = _checked(logits, gold)
    scores = scores / temperature
    probabilities = softmax(scores)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    error, debiased, used = calibration_error(confidence, right, bins)
    wanted = np.zeros_like(probabilities)
    wanted[np.arange(len(truth)), truth] = 1
    return Calibration(
        accuracy=float(right.mean()),
        expected_calibration_error=error,
        debiased_calibration_error=debiased,
        brier=float(((probabilities - wanted) ** 2).sum(axis=1).mean()),
        nll=_nll(scores, truth),
        risk_coverage_area=risk_coverage(confidence, right).area,
        mean_confidence=float(confidence.mean()),
        bins=used,
        examples=len(truth),
    )


def calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> tuple[float, float, int]:
    """Expected calibration error, its debiased root mean square, and how many bins of equal mass there were.

    Bins hold equally many examples, sorted by confidence, and equal confidences share a bin (adaptive bins: Nixon et
    al. 2019, arXiv:1904.01685). With the gap ``g[b] = accuracy[b] - confidence[b]`` and n[b] of n examples:

    - expected calibration error ``sum of (n[b] / n) |g[b]|`` (Naeini et al. 2015). Noise alone keeps it above 0: a
      perfectly calibrated model has about ``sum of (n[b] / n) sqrt(2 a (1 - a) / (pi n[b]))``;
    - debiased root mean square ``sqrt(sum of (n[b] / n) (g[b]^2 - a (1 - a) / (n[b] - 1)))`` with the accuracy a of
      the bin, 0 where the sum is below 0: what noise adds to the squares is taken off (Kumar, Liang and Ma 2019,
      arXiv:1909.10155, sec. 5). Bins of one example do not count.

    Args:
        confidence: (examples,) probability of the predicted class.
        correct: (examples,) bool.

    Raises:
        ValueError: shapes differ, there are no examples, or fewer than one bin is wanted.
    """
    sure, right = _confidences(confidence, correct)
    order, starts = _bins(sure, bins)
    sure, right = sure[order], right[order]
    sizes = np.diff(np.append(starts, len(sure)))
    accuracy = np.add.reduceat(right, starts) / sizes
    gaps = accuracy - np.add.reduceat(sure, starts) / sizes
    weights = sizes / len(sure)
    noise = accuracy * (1 - accuracy) / np.maximum(sizes - 1, 1)
    squares = np.where(sizes > 1, gaps**2 - noise, 0.0)
    return float(weights @ np.abs(gaps)), math.sqrt(max(float(weights @ squares), 0.0)), len(starts)


def calibration_error_values(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> Floats:
    """(examples,) values whose mean is the expected calibration error, for `asa_bench.measures.linearized`.

    With the bins and the signs of their gaps taken as they are, it is the mean of ``sign(g[b]) (right - confidence)``. Where a
    gap is near 0 its size varies less than this says, so that tests of differences are cautious.

    Raises:
        ValueError: as for `calibration_error`.
    """
    sure, right = _confidences(confidence, correct)
    order, starts = _bins(sure, bins)
    gap = (right - sure)[order]
    signs = np.repeat(np.sign(np.add.reduceat(gap, starts)), np.diff(np.append(starts, len(sure))))
    values = np.empty(len(sure))
    values[order] = signs * gap
    return values


def _bins(sure: Floats, bins: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order of confidences, and where each bin of equal mass begins in it."""
    if bins < 1:
        raise ValueError(f"{bins} bins are too few")
    order = np.argsort(sure, kind="stable")
    edges = sure[order][(np.arange(bins) * len(sure)) // bins]
    return order, np.unique(np.searchsorted(sure[order], edges))


@dataclass(frozen=True)
class RiskCoverage:
    """Error rate of the answers that are given, by how many are given, surest first.

    Attributes:
        coverage: (points,) ascending shares of the examples answered, in (0, 1].
        risk: (points,) error rate among these.
        area: mean risk over the coverages 1/n, 2/n, ..., 1 (Geifman et al. 2019, arXiv:1805.08206); ties in
            confidence count as if answered in random order.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """The risk-coverage curve: one point for each distinct confidence.

    Raises:
        ValueError: shapes differ or there are no examples.
    """
    sure, right = _confidences(confidence, correct)
    levels, inverse, sizes = np.unique(-sure, return_inverse=True, return_counts=True)
    errors = np.bincount(inverse, 1 - right, len(levels)).astype(np.float64)
    answered, wrong = np.cumsum(sizes), np.cumsum(errors)
    return RiskCoverage(
        tuple((answered / len(sure)).tolist()),
        tuple((wrong / answered).tolist()),
        float(_risks(sizes, errors).mean()),
    )


def risk_coverage_values(confidence: ArrayLike, correct: ArrayLike) -> Floats:
    """(examples,) values whose mean is the area under the risk-coverage curve, for `asa_bench.measures.linearized`.

    With r[j] the risk when j of n are answered, an example in place k adds its own ``r[k]`` and, being answered from there on,
    ``sum over j >= k of (error - r[j]) / j``: the influence function of the area. Ties share the mean of their places.

    Raises:
        ValueError: as for `risk_coverage`.
    """
    sure, right = _confidences(confidence, correct)
    levels, inverse, sizes = np.unique(-sure, return_inverse=True, return_counts=True)
    risks = _risks(sizes, np.bincount(inverse, 1 - right, len(levels)).astype(np.float64))
    shares = 1 / np.arange(1, len(sure) + 1)
    starts = np.cumsum(sizes) - sizes

    def shared(values: Floats) -> Floats:
        return np.asarray((np.add.reduceat(values, starts) / sizes)[inverse])

    def onwards(values: Floats) -> Floats:
        return np.asarray(np.cumsum(values[::-1])[::-1])

    return shared(risks - onwards(risks * shares)) + (1 - right) * shared(onwards(shares))


def _risks(sizes: NDArray[np.intp], errors: Floats) -> Floats:
    """(examples,) error rate when 1, 2, ... are answered, surest first, from the sizes and errors of each confidence.

    Within a tie the expected number of errors grows evenly with the number answered.
    """
    answered, wrong = np.cumsum(sizes), np.cumsum(errors)
    position = np.arange(1, int(answered[-1]) + 1)
    group = np.searchsorted(answered, position)
    before = answered[group] - sizes[group]
    expected = wrong[group] - errors[group] + errors[group] * (position - before) / sizes[group]
    return np.asarray(expected / position)


def _nll(scores: Floats, truth: NDArray[np.intp]) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(scores, axis=1)[np.arange(len(truth)), truth].mean())


def _checked(logits: ArrayLike, gold: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    scores, truth = np.asarray(logits, dtype=np.float64), np.asarray(gold)
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or scores.size == 0 or scores.shape[1] < 2:
        raise ValueError(
            f"logits {scores.shape} and gold {truth.shape} must be (examples, classes) and (examples,)"
        )
    if not np.isfinite(scores).all():
        raise ValueError("a logit is not a finite number")
    if not np.issubdtype(truth.dtype, np.integer) or truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise ValueError(f"gold must be class indices from 0 to {scores.shape[1] - 1}")
    return scores, truth.astype(np.intp)


def _confidences(confidence: ArrayLike, correct: ArrayLike) -> tuple[Floats, Floats]:
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool).astype(np.float64)
    if sure.ndim != 1 or sure.shape != right.shape or sure.size == 0:
        raise ValueError(
            f"confidence {sure.shape} and correct {right.shape} must be of the same length, not 0"
        )
    if not bool(((sure >= 0) & (sure <= 1)).all()):
        raise ValueError("a confidence lies outside 0 to 1")
    return sure, right
