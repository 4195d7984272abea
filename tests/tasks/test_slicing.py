"""Slices that follow from rows: the gold class and the length, told alike by frames and by records."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from asa_bench.tasks import TASKS
from asa_bench.tasks.slicing import CLASS, LENGTH, WORDS, kept, lengths_of, slices_of, values_of, words_in

QQP = TASKS.get("qqp")


def test_lengths_are_words_of_all_texts_of_a_row() -> None:
    assert words_in(("How are you ?", " fine  thanks")) == 6
    counts = [0, 1, 10, 11, 20, 21, 40, 41, 5_000]
    bins = ["", "1-10", "1-10", "11-20", "11-20", "21-40", "21-40", "41+", "41+"]
    assert lengths_of(counts).tolist() == [name and f"{name} words" for name in bins]
    names = lengths_of([1, 11, 21, 41]).tolist()
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("hans", (CLASS, LENGTH)),
        ("cola", (CLASS, LENGTH)),
        ("stsb", ()),  # a number is no class
        ("swag", ()),
        ("wnut17", ()),
        ("checklist/sentiment", ()),  # not every row has a gold label
    ],
)
def test_every_task_of_classes_has_both(name: str, more: tuple[str, ...]) -> None:
    task = TASKS.get(name)
    assert slices_of(task) == (*task.slices, *more)


def test_frames_evaluations_and_attacks_tell_the_same() -> None:
    pairs = [("one two", "three"), ("a " * 10, "b"), ("a " * 40, "b")]
    labels = ["paraphrase", "not_paraphrase", "paraphrase"]
    frame = pd.DataFrame(
        {"question1": [a for a, _ in pairs], "question2": [b for _, b in pairs], "label": labels}
    )
    evaluation = pd.DataFrame({WORDS: [words_in(pair) for pair in pairs], "label": labels})
    attack = pd.DataFrame({"original": [json.dumps(pair) for pair in pairs], "label": labels})
    for rows in (frame, evaluation, attack):
        length, gold = values_of(QQP, LENGTH, rows), values_of(QQP, CLASS, rows)
        assert length is not None and gold is not None
        assert length.tolist() == ["1-10 words", "11-20 words", "41+ words"]
        assert gold.tolist() == labels


def test_rows_that_do_not_tell_a_length_say_so() -> None:
    assert values_of(QQP, LENGTH, pd.DataFrame({"label": ["paraphrase"]})) is None
    for damaged in ("", "[1]", "{", "null"):
        assert values_of(QQP, LENGTH, pd.DataFrame({"original": [damaged]})) is None


def test_a_class_or_a_length_that_all_rows_share_is_no_slice() -> None:
    one = pd.DataFrame({"label": ["paraphrase"] * 2, WORDS: [5, 15]})
    assert kept(QQP, CLASS, values_of(QQP, CLASS, one)) == []
    assert kept(QQP, LENGTH, values_of(QQP, LENGTH, one)) == ["1-10 words", "11-20 words"]
    assert kept(QQP, LENGTH, None) == []
    hans = TASKS.get("hans")
    same = pd.DataFrame({"heuristic": ["subsequence", ""]})
    assert kept(hans, "heuristic", values_of(hans, "heuristic", same)) == ["subsequence"]


def test_a_task_without_texts_tells_no_length() -> None:
    """Which no task of ours is, but what a forged record may say."""
    rows = pd.DataFrame({"label": ["positive", "negative"]})
    assert values_of(TASKS.get("sst2").model_copy(update={"columns": ()}), "length", rows) is None
