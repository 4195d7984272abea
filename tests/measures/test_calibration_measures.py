"""Calibration against answers by hand, scikit-learn and planted temperatures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from asa_bench.measures import calibration, calibration_error, fit_temperature, risk_coverage, softmax
from asa_bench.measures.calibration import TEMPERATURES


def honest(generator: np.random.Generator, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits that mean what they say, and labels drawn from them."""
    logits = generator.normal(0, 2, (examples, 3))
    uniform = generator.random((examples, 1))
    return logits, (softmax(logits).cumsum(axis=1) < uniform).sum(axis=1)


@pytest.mark.parametrize("planted", [0.25, 1.0, 3.0, 100.0])
def test_a_planted_temperature_is_found(planted: float) -> None:
    logits, gold = honest(np.random.default_rng(0), 8_000)
    found = fit_temperature(logits * planted, gold)
    assert found.value == pytest.approx(planted, rel=0.06)
    assert found.nll_after <= found.nll_before
    assert not found.bounded
    scaled = calibration(logits * planted, gold, found.value)
    assert scaled.nll == pytest.approx(found.nll_after)
    assert scaled.accuracy == calibration(logits * planted, gold).accuracy


def test_the_optimum_is_where_mean_logits_agree() -> None:
    """At the optimum the expected logit under the model equals that of the right class (the score equation)."""
    logits, gold = honest(np.random.default_rng(1), 500)
    found = fit_temperature(logits, gold)
    expected = (softmax(logits / found.value) * logits).sum(axis=1).mean()
    assert expected == pytest.approx(logits[np.arange(500), gold].mean(), abs=1e-5)


def test_an_optimum_without_bound_is_said() -> None:
    all_right = fit_temperature([[2.0, 0.0], [0.0, 1.0]], [0, 1])
    assert all_right.bounded
    assert all_right.value == pytest.approx(TEMPERATURES[0])
    all_wrong = fit_temperature([[2.0, 0.0], [0.0, 1.0]], [1, 0])
    assert all_wrong.bounded
    assert all_wrong.value == pytest.approx(TEMPERATURES[1])
    assert all_wrong.nll_after == pytest.approx(math.log(2), abs=1e-2)


def test_scores_of_two_examples_by_hand() -> None:
    # Probabilities (0.8, 0.2) right and (0.6, 0.4) wrong.
    logits = np.log([[0.8, 0.2], [0.6, 0.4]])
    found = calibration(logits, [0, 1], bins=1)
    assert found.accuracy == 0.5
    assert found.brier == pytest.approx((0.2**2 + 0.2**2 + 0.6**2 + 0.6**2) / 2)
    assert found.nll == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    assert found.mean_confidence == pytest.approx(0.7)
    assert found.expected_calibration_error == pytest.approx(0.2)
    assert calibration(logits, [0, 1], bins=2).expected_calibration_error == pytest.approx((0.2 + 0.6) / 2)
    # Surest first: no error in one, one in two: (0 + 1/2) / 2.
    assert found.risk_coverage_area == pytest.approx(0.25)


def test_likelihood_and_brier_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    logits, gold = generator.normal(size=(200, 2)), generator.integers(0, 2, 200)
    found, probability = calibration(logits, gold), softmax(logits)
    assert found.nll == pytest.approx(log_loss(gold, probability))
    assert found.brier == pytest.approx(2 * brier_score_loss(gold, probability[:, 1]))


def test_noise_alone_does_not_look_like_miscalibration() -> None:
    generator = np.random.default_rng(3)
    debiased, plain = [], []
    for _ in range(40):
        confidence = generator.uniform(0.5, 1, 600)
        error, rms, bins = calibration_error(confidence, generator.random(600) < confidence)
        assert bins == 15
        plain.append(error)
        debiased.append(rms**2)
    assert np.mean(plain) > 0.04  # expected from noise: about sqrt(2 * 0.19 / (pi * 40)) = 0.055
    assert np.sqrt(np.mean(debiased)) < 0.03
    confidence = generator.uniform(0.7, 1, 20_000)
    _, rms, _ = calibration_error(confidence, generator.random(20_000) < confidence - 0.2)
    assert rms == pytest.approx(0.2, abs=0.02)


def test_bins_hold_equal_masses_and_no_tie_is_split() -> None:
    confidence = np.repeat([0.5, 0.9, 1.0], [10, 10, 60])
    error, _, bins = calibration_error(confidence, np.ones(80, bool), bins=8)
    assert bins == 3
    assert error == pytest.approx((10 * 0.5 + 10 * 0.1) / 80)


def test_risk_coverage_by_hand() -> None:
    found = risk_coverage([0.9, 0.8, 0.8, 0.6], [True, False, True, False])
    assert found.coverage == (0.25, 0.75, 1.0)
    assert found.risk == pytest.approx((0, 1 / 3, 0.5))
    # The two tied ones in random order: half an error after two, one after three.
    assert found.area == pytest.approx((0 + 0.5 / 2 + 1 / 3 + 2 / 4) / 4)
    assert risk_coverage(np.full(50, 0.7), np.arange(50) % 5 != 0).area == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("logits", "gold", "words"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), "examples, classes"),
        (np.zeros((2, 2)), np.zeros(3, int), "examples, classes"),
        (np.zeros((2, 1)), np.zeros(2, int), "examples, classes"),
        (np.full((2, 2), np.inf), np.zeros(2, int), "finite"),
        (np.zeros((2, 2)), np.array([0, 2]), "class indices"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), "class indices"),
    ],
)
def test_what_cannot_be_scored_is_refused(logits: np.ndarray, gold: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit_temperature(logits, gold)
    with pytest.raises(ValueError, match="temperature"):
        calibration([[0.0, 1.0]], [0], temperature=0)
    with pytest.raises(ValueError, match="outside 0 to 1"):
        risk_coverage([1.5], [True])
    with pytest.raises(ValueError, match="bins"):
        calibration_error([0.5], [True], bins=0)
