"""Every flag catches its planted trap and leaves a clean run alone."""

from __future__ import annotations

import numpy as np
import pytest

from asa_bench.measures import Proportion, flags, softmax


def broken(count: int, total: int = 200) -> np.ndarray:
    return np.arange(total) < count


def test_more_budget_that_never_helps() -> None:
    trap = flags.budget_never_helps({100: 0.62, 50: 0.62, 400: 0.62})
    assert trap.raised
    assert trap.value == 0.0
    assert "50 queries" in trap.sentence
    assert "calibrate" in trap.sentence
    clean = flags.budget_never_helps({50: 0.6, 100: 0.5, 400: 0.31})
    assert not clean.raised
    assert clean.value == pytest.approx(0.29)
    assert "calibrate" not in clean.sentence
    assert not flags.budget_never_helps({50: 0.0, 100: 0.0}).raised  # nothing is left to break
    with pytest.raises(ValueError, match="two query budgets"):
        flags.budget_never_helps({50: 0.6})


def test_transfer_that_beats_the_direct_attack() -> None:
    trap = flags.transfer_beats_direct(broken(40), broken(90))
    assert trap.raised
    assert trap.value == pytest.approx(50 / 200)
    assert "45.0 %" in trap.sentence
    assert not flags.transfer_beats_direct(broken(90), broken(40)).raised
    assert not flags.transfer_beats_direct(broken(40), broken(43)).raised  # 3 to 0: p = 1/8
    # 7 to 0 flips: p = 1/128, just below 1 %; 6 to 0: p = 1/64.
    assert flags.transfer_beats_direct(broken(40), broken(47)).raised
    assert not flags.transfer_beats_direct(broken(40), broken(46)).raised


def test_random_search_that_beats_guided_search() -> None:
    assert flags.random_beats_guided(broken(30), broken(60)).raised
    assert not flags.random_beats_guided(broken(60), broken(30)).raised
    assert not flags.random_beats_guided(broken(60), broken(60)).raised
    with pytest.raises(ValueError, match="same examples"):
        flags.random_beats_guided(broken(3), broken(3, 100))


def test_logits_scaled_by_a_hundred_are_saturated() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (300, 2)).astype(np.float32)
    clean = flags.saturated_scores(softmax(logits).max(axis=1).astype(np.float32))
    assert not clean.raised
    trap = flags.saturated_scores(softmax(100 * logits).max(axis=1).astype(np.float32))
    assert trap.raised
    assert trap.value > 0.9
    assert "temperature" in trap.sentence
    norms = np.where(np.arange(300) < 200, 0.0, 1.0)
    assert flags.saturated_scores(np.full(300, 0.7), norms).value == pytest.approx(2 / 3)
    assert not flags.saturated_scores(np.full(300, 0.7), np.ones(300)).raised


def test_dropout_left_on_is_stochastic() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, (50, 3))
    assert flags.stochastic_outputs(logits, logits * 1.1 * (generator.random((50, 3)) < 0.9)).raised
    assert not flags.stochastic_outputs(logits, logits + 1e-6 * generator.normal(size=(50, 3))).raised
    missing = logits.copy()
    missing[3, 1] = np.nan
    assert flags.stochastic_outputs(missing, missing).raised


def test_a_crashing_victim() -> None:
    assert flags.crash_rate(3, 200).raised
    assert not flags.crash_rate(2, 200).raised  # exactly 1 %
    assert flags.crash_rate(3, 200).value == pytest.approx(0.015)
    assert "3 of 200" in flags.crash_rate(3, 200).sentence


def test_robust_accuracy_above_clean() -> None:
    trap = flags.robust_above_clean(Proportion(70, 100), Proportion(71, 100))
    assert trap.raised
    assert trap.value == pytest.approx(0.01)
    assert not flags.robust_above_clean(Proportion(70, 100), Proportion(70, 100)).raised
    with pytest.raises(ValueError, match="examples"):
        flags.robust_above_clean(Proportion(70, 100), Proportion(7, 10))


def test_a_ranking_that_changes_once_gated() -> None:
    # Naive survives 60 of 200, ASA 80; by the gate 140 and 100: what ASA wins raw is texts that no reader would accept.
    raw = {"naive": broken(60), "asa": broken(80)}
    trap = flags.ranking_changes(raw, {"naive": broken(140), "asa": broken(100)})
    assert trap.raised
    assert trap.value == 1
    assert "naive and asa" in trap.sentence
    assert "report the gated ranking" in trap.sentence
    assert not flags.ranking_changes(raw, {"naive": broken(100), "asa": broken(140)}).raised
    assert not flags.ranking_changes(
        raw, {"naive": broken(100), "asa": broken(100)}
    ).raised  # a tie is no change
    # They trade places, but by 5 examples in one direction and none in the other: p = 1/32.
    near = {"naive": broken(60), "asa": broken(62)}
    assert not flags.ranking_changes(near, {"naive": broken(65), "asa": broken(62)}).raised
    with pytest.raises(ValueError, match="same methods"):
        flags.ranking_changes(raw, {"naive": broken(60)})
    with pytest.raises(ValueError, match="same examples"):
        flags.ranking_changes(raw, {"naive": broken(60), "asa": broken(60, 100)})


def test_a_calibrated_victim_that_falls_more_often() -> None:
    trap = flags.calibrated_beats_raw(broken(30), broken(80))
    assert trap.raised
    assert "15.0 % of the model as it is, 40.0 %" in trap.sentence
    assert not flags.calibrated_beats_raw(broken(80), broken(81)).raised
    assert not flags.calibrated_beats_raw(broken(80), broken(30)).raised


def test_test_rows_in_the_training_data() -> None:
    assert flags.training_overlap(3, 200).raised
    assert not flags.training_overlap(2, 200).raised
    assert "leaked" in flags.training_overlap(200, 200).sentence


def test_sentences_are_one_sentence_and_say_what_to_do_only_when_raised() -> None:
    found = [flags.crash_rate(50, 100), flags.crash_rate(0, 100)]
    assert [flag.sentence.endswith(".") for flag in found] == [True, True]
    assert ": " in found[0].sentence
    assert ": " not in found[1].sentence
    assert flags.raised(found) == (found[0],)
    assert found[0].sentence[0].isupper() or found[0].sentence[0].isdigit()
