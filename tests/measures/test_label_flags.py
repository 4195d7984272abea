"""Swapped labels and slices that give their label away are caught; heuristics, easy slices and chance are not."""

from __future__ import annotations

import numpy as np
import pytest

from asa_bench.measures.label_flags import answers_contradict, slice_at_extreme

SIZE = 200
GOLD = np.array(["no", "yes"] * (SIZE // 2), dtype=object)
OTHER = np.array(["yes", "no"] * (SIZE // 2), dtype=object)
PART = np.arange(SIZE) < 40


def guesses(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(["no", "yes"], dtype=object), SIZE)


def test_swapped_labels_put_a_slice_at_zero() -> None:
    said = np.where(PART, OTHER, GOLD)
    trap = slice_at_extreme(GOLD, said, {"part": PART})
    assert trap.raised and trap.value == 1
    assert "part (0/40)" in trap.sentence and "order of the labels" in trap.sentence
    assert slice_at_extreme(GOLD, OTHER, {}).raised  # everything swapped


def test_a_slice_that_gives_its_label_away_while_the_rest_is_guessed() -> None:
    said = np.where(PART, GOLD, np.where(np.arange(SIZE) % 4 < 2, "no", "yes"))
    assert slice_at_extreme(GOLD, said, {"part": PART}).raised
    assert not slice_at_extreme(GOLD, said, {"rest": ~PART}).raised


def test_an_easy_slice_is_no_trap() -> None:
    said = GOLD.copy()
    said[150:] = guesses()[150:]  # 40 of 40 right in the part, about 5 of 6 elsewhere
    assert not slice_at_extreme(GOLD, said, {"part": PART}).raised
    assert not slice_at_extreme(GOLD, GOLD, {"part": PART}).raised  # everything is easy


def test_a_heuristic_is_no_trap() -> None:
    """Always 'yes', as on HANS: every slice of one label is all right or all wrong."""
    said = np.full(SIZE, "yes", dtype=object)
    by_label = {name: name == GOLD for name in ("no", "yes")}
    assert not slice_at_extreme(GOLD, said, by_label).raised
    assert not slice_at_extreme(GOLD, GOLD, by_label).raised
    half = {"overlap, no": PART & (GOLD == "no")}
    assert not slice_at_extreme(GOLD, np.where(PART, "yes", GOLD), half).raised


def test_a_slice_that_was_chosen_to_be_answered_wrongly_is_no_trap_but_all_examples_are() -> None:
    said = np.where(PART, OTHER, GOLD)
    assert not slice_at_extreme(GOLD, said, {"part": PART}, adversarially_filtered=True).raised
    assert slice_at_extreme(GOLD, OTHER, {"part": PART}, adversarially_filtered=True).value == 1
    alone = np.where(PART, GOLD, np.where(np.arange(SIZE) % 4 < 2, "no", "yes"))
    assert slice_at_extreme(
        GOLD, alone, {"part": PART}, adversarially_filtered=True
    ).raised  # all right, as before


def test_few_examples_tell_nothing() -> None:
    few = np.arange(SIZE) < 8
    assert not slice_at_extreme(GOLD, np.where(few, OTHER, GOLD), {"few": few}).raised


def test_guessing_raises_as_rarely_as_the_level_says() -> None:
    slices = {f"part {i}": np.arange(SIZE) // 20 == i for i in range(10)}
    raised = [slice_at_extreme(GOLD, guesses(seed), slices).raised for seed in range(100)]
    assert sum(raised) == 0
    assert sum(answers_contradict(GOLD, guesses(seed)).raised for seed in range(200)) <= 6


def test_answers_that_contradict_what_was_trained() -> None:
    said = OTHER.copy()
    said[:20] = GOLD[:20]  # nine of ten right, under the other name
    trap = answers_contradict(GOLD, said)
    assert trap.raised
    assert trap.value == pytest.approx(-0.8)
    assert "swapped" in trap.sentence
    three = np.array(["a", "b", "c"] * 20, dtype=object)
    assert answers_contradict(three, np.roll(three, 1)).raised
    # Two classes that are always confused and one that is right: no contradiction, a third is right.
    assert not answers_contradict(three, np.array(["a", "c", "b"] * 20, dtype=object)).raised
    always = np.full(SIZE, "yes", dtype=object)
    assert not answers_contradict(GOLD, always).raised


def test_hostile_names_stay_on_one_line() -> None:
    name = "\x1b[31m\nred" + "x" * 500
    sentence = slice_at_extreme(GOLD, np.where(PART, OTHER, GOLD), {name: PART}).sentence
    assert "\x1b" not in sentence and "\n" not in sentence and len(sentence) < 300


def test_lengths_must_fit() -> None:
    with pytest.raises(ValueError, match="one each per example"):
        answers_contradict(["a"], ["a", "b"])
