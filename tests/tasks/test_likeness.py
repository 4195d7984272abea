"""Which rows were made from one original: planted ones, and AdvGLUE's, whose annotations tell."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import LaboratoryOptions, Source
from asa_bench.tasks.laboratory import generate
from asa_bench.tasks.likeness import FOUND, TOLD, key_of, shingles, sources

FILM = "a gorgeous , witty , seductive movie"
ROWS = [
    (FILM,),
    ("a gorgeous, wity, seductive movie .",),
    ("what happened to the second half of the plot ?",),
    ("gorgeous and witty , a seductive film",),
]


def test_rows_of_one_original_are_found_by_likeness_and_others_stand_alone() -> None:
    found = sources(ROWS, [""] * 4)
    assert found[0] == found[1] == found[3] != ""
    assert found[0].startswith(FOUND)
    assert found[2] == ""


def test_what_the_data_tell_decides_over_likeness() -> None:
    found = sources(ROWS, ["a", "b", "a", ""])
    assert found[2] == found[0]  # unlike, but told to be of one
    # The fourth is like the first, and nothing tells its original: it joins those.
    assert found[3] == found[0] and found[0].startswith(FOUND)
    apart = sources(ROWS[:3], ["a", "b", "a"])
    assert apart == [f"{TOLD}a", f"{TOLD}b", f"{TOLD}a"]  # alike, but told to be of two


def test_neither_order_nor_spacing_changes_what_belongs_together() -> None:
    order = np.random.default_rng(0).permutation(4)
    found, mixed = sources(ROWS, [""] * 4), sources([ROWS[at] for at in order], [""] * 4)
    assert [mixed[list(order).index(at)] for at in range(4)] == found
    assert key_of(("It's  a Film!", "x")) == key_of(("it 's a film", "X"))
    assert key_of(("ab", "c")) != key_of(("a", "bc"))


def test_texts_of_signs_alone_and_lone_surrogates_are_no_trouble() -> None:
    assert shingles("ab", 3) == {"ab"}
    assert sources([("...",), ("\ud800",), ("",)], ["", "", ""]) == ["", "", ""]
    assert sources([], []) == []


@pytest.mark.parametrize(("name", "size"), [("laboratory/keyword", 3), ("laboratory/paws", 4)])
def test_the_laboratory_tells_which_rows_are_of_one_sentence(name: str, size: int) -> None:
    frame = generate(name, "test", LaboratoryOptions(), 24)
    assert set(frame.groupby("source").size()) == {size}
    first = frame[TASKS.get(name).columns[0]]
    if name == "laboratory/paws":
        assert (first.groupby(frame["source"]).nunique() == 1).all()


def test_advglue_rows_belong_together_as_its_annotations_tell(shared: Path) -> None:
    known = {"sst2": (131, 62), "qqp": (71, 26), "mnli": (121, 54), "mnli-mm": (119, 60)}
    known |= {"qnli": (133, 62), "rte": (81, 25)}
    together = found = wrong = 0
    for part, (rows, originals) in known.items():
        task = TASKS.get(f"advglue/{part}")
        frame = loading.load(task, "dev", Source(kind="folder", root=shared / "data")).frame
        told = [name if name.startswith(TOLD) else "" for name in frame["source"]]
        assert (sum(map(bool, told)), len(set(told) - {""})) == (rows, originals)
        texts = list(zip(*(frame[column] for column in task.columns), strict=True))
        alike = sources(texts, [""] * len(texts))  # as from the hub, which tells nothing
        for one, other in itertools.combinations(range(len(told)), 2):
            if not (told[one] and told[other]):
                continue
            same, linked = told[one] == told[other], bool(alike[one]) and alike[one] == alike[other]
            together, found, wrong = together + same, found + (same and linked), wrong + (linked > same)
    assert (together, found, wrong) == (871, 835, 24)
