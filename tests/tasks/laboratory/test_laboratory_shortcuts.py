"""Where the planted shortcut is a word, it is found in exactly the rows that say that they hold it."""

from __future__ import annotations

import pytest

from asa_bench.tasks.base import LaboratoryOptions
from asa_bench.tasks.laboratory import TASKS, generate, lexicon
from asa_bench.tasks.laboratory.shortcuts import WITH_A_WORD, planted_word


@pytest.mark.parametrize("name", WITH_A_WORD)
@pytest.mark.parametrize("strength", [0.0, 0.98])
def test_the_word_is_found_where_it_was_planted(name: str, strength: float) -> None:
    split = TASKS[name].evaluation_split
    frame = generate(name, split, LaboratoryOptions(strength=strength), 300)
    assert {"agrees", "absent"} <= set(frame["shortcut"])
    for row in frame.itertuples():
        found = planted_word(name, (row.sentence,))
        assert (found is None) == (row.shortcut == "absent"), row.sentence
        if found is not None:
            paper = row.sentence[found[1] :].split()[0].strip(",.")
            speaks_for = next(label for label, word in lexicon.KEYWORDS.items() if word == paper)
            assert (speaks_for == row.label) == (row.shortcut == "agrees"), row.sentence


def test_no_other_task_plants_a_word() -> None:
    for name in set(TASKS) - set(WITH_A_WORD):
        task = TASKS[name]
        rows = generate(name, task.evaluation_split, LaboratoryOptions(), 200)
        texts = " ".join(" ".join(rows[column]) for column in task.columns)
        assert not any(paper in texts for paper in lexicon.KEYWORDS.values()), name
    assert planted_word("laboratory/hans", ("I told the Herald.", "x")) is None


def test_a_word_is_whole() -> None:
    assert planted_word("laboratory/keyword", ("The Heralds and heralds of Heraldry.",)) is None
    assert planted_word("laboratory/keyword", ("Gazette, as I said.",)) == (0, 0)
