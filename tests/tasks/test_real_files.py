"""The real files load, with the published counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tiny import folder

from asa_bench.errors import Unavailable
from asa_bench.tasks import TASKS
from asa_bench.tasks.loading import load

WHOLE = [
    ("sst2", "dev"),
    pytest.param("sst2", "train", marks=pytest.mark.slow),
    ("mnli", "dev"),
    ("qnli", "dev"),
    ("rte", "train"),
    ("rte", "dev"),
    *((f"advglue/{part}", "dev") for part in ("sst2", "qqp", "mnli", "mnli-mm", "qnli", "rte")),
    ("paws_qqp", "test"),
    ("paws_wiki", "dev"),
    ("paws_wiki", "test"),
    ("anli/r1", "test"),
    ("anli/r2", "test"),
    ("anli/r3", "test"),
    pytest.param("hans", "evaluation", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "split"), WHOLE)
def test_whole_files_have_the_published_counts(shared: Path, name: str, split: str) -> None:
    task = TASKS.get(name)
    data = load(task, split, folder(shared / "data"))
    assert len(data.frame) == task.splits[split].rows
    assert Counter(data.frame["label"]) == task.splits[split].labels
    assert data.frame["id"].is_unique
    assert "sample" not in data.origin
    for column in task.columns:
        assert data.frame[column].str.strip().ne("").all()


@pytest.mark.slow
def test_hans_has_thirty_subcases_of_a_thousand(shared: Path) -> None:
    frame = load(TASKS.get("hans"), "evaluation", folder(shared / "data")).frame
    assert set(Counter(frame["subcase"]).values()) == {1_000}
    assert frame["subcase"].nunique() == 30
    cells = Counter(zip(frame["heuristic"], frame["label"], strict=True))
    assert len(cells) == 6
    assert set(cells.values()) == {5_000}


def test_advglue_tells_its_attacks(shared: Path) -> None:
    frame = load(TASKS.get("advglue/sst2"), "dev", folder(shared / "data")).frame
    assert Counter(frame["construction"]) == {"word": 80, "sentence": 51, "human": 17}
    assert Counter(frame["method"])["SememePSO"] == 28


def test_no_paws_sentence_keeps_its_wrapper(shared: Path) -> None:
    frame = load(TASKS.get("paws_qqp"), "test", folder(shared / "data")).frame
    for column in ("sentence1", "sentence2"):
        assert not frame[column].str.contains(r"""^b['"]|\\x|\\'""").any()


@pytest.mark.slow
def test_qqp_dev_is_held_out_of_the_sample(shared: Path) -> None:
    qqp = TASKS.get("qqp")
    train, dev = (load(qqp, split, folder(shared / "data")) for split in ("train", "dev"))
    assert dev.origin["held_out_of"] == "train"
    assert len(dev.frame) == 2_000
    assert len(train.frame) + len(dev.frame) == 23_497
    pairs = [
        set(zip(frame["question1"], frame["question2"], strict=True)) for frame in (train.frame, dev.frame)
    ]
    assert not pairs[0] & pairs[1]


def test_what_is_not_there_is_told(shared: Path) -> None:
    with pytest.raises(Unavailable, match="QNLI download"):
        load(TASKS.get("qnli"), "train", folder(shared / "data"))


def test_glue_itself_may_be_the_folder(shared: Path) -> None:
    one = load(TASKS.get("rte"), "dev", folder(shared / "data"))
    other = load(TASKS.get("rte"), "dev", folder(shared / "data" / "glue"))
    assert one.fingerprint == other.fingerprint
