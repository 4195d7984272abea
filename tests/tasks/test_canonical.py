"""Labels of every kind, words with white space inside, and samples that keep groups whole."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from asa_bench.errors import BadInput
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Task, choose_groups, fingerprint
from asa_bench.tasks.canonical import frame_of, number, right_choice, word
from asa_bench.tasks.entities import begun
from asa_bench.tasks.files import Row

STSB, WNUT, DREAM, SENTIMENT = (
    TASKS.get(name) for name in ("stsb", "wnut17", "dream", "checklist/sentiment")
)


def one(task: Task, label: str, *texts: str) -> str:
    """The canonical label of a single row."""
    return str(frame_of(task, [Row(texts, label, {}, "file, line 7")], {})["label"].iat[0])


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("3.800", "3.8"),
        ("3.799999952316284", "3.8"),
        ("5", "5"),
        ("0.000", "0"),
        ("-0.0", "0"),
        (" 1e0 ", "1"),
    ],
)
def test_numbers_are_equal_however_they_are_written(written: str, canonical: str) -> None:
    assert one(STSB, written, "a", "b") == canonical


@pytest.mark.parametrize("written", ["", "nan", "inf", "-0.1", "5.01", "three", "1,5"])
def test_a_label_that_is_no_number_in_the_range_is_told(written: str) -> None:
    with pytest.raises(BadInput, match=r"file, line 7: label .* is no number from 0 to 5"):
        one(STSB, written, "a", "b")


def test_number_is_none_for_what_is_none() -> None:
    texts = ("x", "nan", "-inf", "1_0", "\u0663", "1e999", "", ".")
    assert [number(text) for text in texts] == [None] * len(texts)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("1\u00a0000", "1_000"),
        ("a\u2003b\u3000c", "a_b_c"),
        ("\u00a0", "_"),
        ("plain", "plain"),
        ("\x85x", "x"),
    ],
)
def test_white_space_inside_a_word_never_changes_the_number_of_words(token: str, expected: str) -> None:
    assert word(token) == expected
    text = " ".join(["one", word(token), "two"])
    assert len(text.split()) == 3
    assert one(WNUT, "O B-person O", text) == "O B-person O"


@pytest.mark.parametrize("tags", ["O", "O O O", ""])
def test_words_without_tags_are_told(tags: str) -> None:
    with pytest.raises(BadInput, match=rf"file, line 7: 2 words, but {len(tags.split())} tags"):
        one(WNUT, tags, "two words")


def test_an_unknown_tag_and_an_unknown_choice_are_told() -> None:
    with pytest.raises(BadInput, match="unknown label 'B-animal'; known: O, B-corporation"):
        one(WNUT, "O B-animal", "two words")
    with pytest.raises(BadInput, match="unknown label '3'; known: 0, 1, 2"):
        one(DREAM, "3", *("abcde"))


def test_only_tasks_that_say_so_have_rows_without_a_label() -> None:
    assert one(SENTIMENT, "", "text") == ""
    with pytest.raises(BadInput, match="unknown label ''"):
        one(TASKS.get("sst2"), "", "text")


def test_the_right_choice_is_found_by_its_text_and_must_be_one() -> None:
    assert right_choice("Yes .", ["No.", "Yes  ."], "w") == "1"
    for choices in (["No", "No"], ["a", "b"]):
        with pytest.raises(BadInput, match=r"w: [02] choices equal the answer 'No'"):
            right_choice("No", choices, "w")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("I-PER I-PER O I-PER", "B-PER I-PER O B-PER"),
        ("I-PER B-PER I-PER", "B-PER B-PER I-PER"),
        ("I-PER I-ORG I-ORG", "B-PER B-ORG I-ORG"),
        ("B-PER I-PER O B-ORG B-ORG", "B-PER I-PER O B-ORG B-ORG"),
        ("O O", "O O"),
    ],
)
def test_every_entity_begins_with_b(old: str, new: str) -> None:
    assert " ".join(begun(old.split())) == new
    assert begun(new.split()) == new.split()


def grouped(sizes: dict[str, int], strata: dict[str, str] | None = None) -> tuple[Task, pd.DataFrame]:
    task = SENTIMENT if strata else TASKS.get("contrast/imdb")
    rows = [
        Row(
            (f"{group} text {n}",),
            "positive",
            {
                task.group: group,
                "test": (strata or {}).get(group, ""),
                "expectation": "label",
            },
            "line",
        )
        for group, size in sizes.items()
        for n in range(size)
    ]
    return task, frame_of(task, rows, {})


def test_a_sample_keeps_groups_whole_and_does_not_depend_on_order_or_names() -> None:
    sizes = {f"g{n}": 1 + n % 4 for n in range(40)}
    task, frame = grouped(sizes)
    chosen = choose_groups(frame, task, 30, "purpose")
    assert 25 < len(chosen) <= 30
    assert all(sizes[group] == count for group, count in Counter(chosen[task.group]).items())
    shuffled = frame.sample(frac=1, random_state=3)
    shuffled[task.group] = "other " + shuffled[task.group]
    again = choose_groups(shuffled, task, 30, "purpose")
    assert fingerprint(again, task.columns) == fingerprint(chosen, task.columns)
    assert choose_groups(frame, task, 30, "else")["id"].tolist() != chosen["id"].tolist()
    assert (
        len(choose_groups(frame, task, None, "p"))
        == len(choose_groups(frame, task, 10_000, "p"))
        == len(frame)
    )


def test_a_group_that_does_not_fit_is_passed_over_and_none_is_refused() -> None:
    task, frame = grouped({"large": 9, "a": 2, "b": 2})
    assert set(choose_groups(frame, task, 5, "p")[task.group]) == {"a", "b"}
    with pytest.raises(ValueError, match="smallest group has 2 rows, more than 1"):
        choose_groups(frame, task, 1, "p")


def test_rows_without_a_group_stand_alone() -> None:
    task, frame = grouped({"": 10, "pair": 2})
    assert len(choose_groups(frame, task, 7, "p")) == 7


def test_a_sample_takes_groups_from_every_stratum_in_turn() -> None:
    strata = {**{f"big{n}": "big" for n in range(300)}, **{f"small{n}": "small" for n in range(3)}}
    task, frame = grouped(dict.fromkeys(strata, 2), strata)
    taken = Counter(choose_groups(frame, task, 12, "p")["test"])
    assert taken == {"big": 6, "small": 6}
