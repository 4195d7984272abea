"""The real files of the sets beyond the main job load, with the published counts and a few derived facts."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from tiny import folder

from asa_bench.errors import Unavailable
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import TaskData
from asa_bench.tasks.checklist import LEFT_OUT
from asa_bench.tasks.loading import load

LABELLED = [
    *((name, split) for name in ("cola", "mrpc", "wnli") for split in ("train", "dev")),
    *(pytest.param("imdb", split, marks=pytest.mark.slow) for split in ("train", "test")),
    *(("rotten_tomatoes", split) for split in ("train", "dev", "test")),
    ("ag_news", "test"),
    ("anli", "test"),
    *((f"anli/r{n}-trained", "test") for n in (1, 2, 3)),
    ("paws_qqp+qqp", "test"),
    *(("contrast/imdb", split) for split in ("dev", "test")),
    ("contrast/boolq", "test"),
    *((f"cad/{what}", split) for what in ("sentiment", "inference") for split in ("dev", "test")),
    *(
        (f"cad/{what}-{part}", split)
        for what in ("sentiment", "inference")
        for part in ("original", "combined")
        for split in ("train", "dev", "test")
    ),
    ("mnli-noun", "dev"),
    ("mnli-verb", "dev"),
]
COUNTED = [
    *(("stsb", split) for split in ("train", "dev")),
    *((name, split) for name in ("dream", "wnut17") for split in ("train", "dev", "test")),
]


@cache
def real(shared: Path, name: str, split: str) -> TaskData:
    return load(TASKS.get(name), split, folder(shared / "data"))


def frame(shared: Path, name: str, split: str) -> pd.DataFrame:
    return real(shared, name, split).frame


@pytest.mark.parametrize(("name", "split"), LABELLED)
def test_labelled_sets_have_the_published_counts(shared: Path, name: str, split: str) -> None:
    data = real(shared, name, split)
    published = data.task.splits[split]
    assert len(data.frame) == published.rows
    assert Counter(data.frame["label"]) == published.labels
    assert data.frame["id"].is_unique
    assert "sample" not in data.origin


@pytest.mark.parametrize(("name", "split"), COUNTED)
def test_other_kinds_have_the_published_rows(shared: Path, name: str, split: str) -> None:
    data = real(shared, name, split)
    assert len(data.frame) == data.task.splits[split].rows
    assert data.frame["id"].is_unique
    for column in data.task.columns:
        assert data.frame[column].str.strip().ne("").all()


def test_stsb_covers_its_range(shared: Path) -> None:
    for split, mean in (("train", 2.70100), ("dev", 2.36391)):
        gold = frame(shared, "stsb", split)["label"].astype(float)
        assert (gold.min(), gold.max()) == (0, 5)
        assert gold.mean() == pytest.approx(mean, abs=1e-4)


def test_dream_has_more_questions_than_dialogues(shared: Path) -> None:
    test = frame(shared, "dream", "test")
    assert len(test) == 2_041
    assert test["dialogue"].nunique() <= 1_287
    assert Counter(test["label"]) == {"0": 626, "1": 704, "2": 711}


ENTITIES = {
    "train": {
        "person": 660,
        "location": 548,
        "group": 264,
        "corporation": 221,
        "product": 142,
        "creative-work": 140,
    },
    "dev": {
        "person": 470,
        "product": 114,
        "creative-work": 105,
        "location": 74,
        "group": 39,
        "corporation": 34,
    },
    "test": {
        "person": 429,
        "group": 165,
        "location": 150,
        "creative-work": 142,
        "product": 127,
        "corporation": 66,
    },
}
TOKENS = {"train": 62_730, "dev": 15_733, "test": 23_394}


@pytest.mark.parametrize("split", TOKENS)
def test_wnut_has_the_published_tokens_and_entities(shared: Path, split: str) -> None:
    rows = frame(shared, "wnut17", split)
    tags = [tag for row in rows["label"] for tag in row.split(" ")]
    assert len(tags) == sum(len(text.split(" ")) for text in rows["text"]) == TOKENS[split]
    assert Counter(tag[2:] for tag in tags if tag.startswith("B-")) == ENTITIES[split]


def test_ag_news_train_is_a_sample_of_descriptions(shared: Path) -> None:
    data = real(shared, "ag_news", "train")
    assert data.origin["sample"] is True
    assert list(data.origin["files"]) == ["ag_news/dev.tsv.xz"]
    assert Counter(data.frame["label"]) == {
        "Sci/Tech": 2_538,
        "World": 2_509,
        "Business": 2_496,
        "Sports": 2_458,
    }


def test_hellaswag_is_a_sample_of_both_domains(shared: Path) -> None:
    data = real(shared, "hellaswag", "dev")
    assert data.origin["sample"] is True
    assert Counter(data.frame["domain"]) == {"indomain": 1_517, "zeroshot": 483}
    assert Counter(data.frame["label"]) == {"0": 523, "1": 480, "2": 516, "3": 481}


def test_anli_tells_its_rounds(shared: Path) -> None:
    assert Counter(frame(shared, "anli", "test")["round"]) == {"R1": 1_000, "R2": 1_000, "R3": 1_200}


@pytest.mark.parametrize(("name", "pairs"), [("contrast/imdb", 488), ("cad/sentiment", 488)])
def test_pairs_have_opposite_labels(shared: Path, name: str, pairs: int) -> None:
    rows = frame(shared, name, "test")
    grouped = rows.groupby(TASKS.get(name).group)
    assert len(grouped) == pairs
    assert (grouped["label"].nunique() == 2).all()
    assert (grouped["version"].nunique() == 2).all()
    assert (grouped.size() == 2).all()


def test_the_first_review_of_a_pair_is_the_original_with_one_exception(shared: Path) -> None:
    place = shared / "data" / "counterfactually_augmented" / "sentiment" / "orig" / "test.tsv.xz"
    original = pd.read_csv(place, sep="\t")["Text"].str.split().str.join(" ")
    rows = frame(shared, "cad/sentiment", "test")
    told = rows[rows["version"] == "original"]["text"].isin(set(original))
    assert Counter(told) == {True: 487, False: 1}


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_revisions_share_a_sentence_with_their_original(shared: Path, split: str) -> None:
    groups: dict[str, dict[str, list[tuple[str, str, str]]]] = {}
    for row in frame(shared, "cad/inference-combined", split).to_dict("records"):
        versions = groups.setdefault(row["original"], {"original": [], "revised": []})
        versions[row["version"]].append((row["premise"], row["hypothesis"], row["label"]))
    alone = 0
    for versions in groups.values():
        ((premise, hypothesis, label),) = versions["original"]
        assert len(versions["revised"]) == 4
        assert all(row[2] != label for row in versions["revised"])
        alone += sum(row[0] != premise and row[1] != hypothesis for row in versions["revised"])
    assert alone <= len(groups) // 100, (
        "but for a few in which a typing error of the original was corrected too"
    )


@pytest.mark.slow
def test_originals_of_the_sentiment_sets_are_in_imdb_train(shared: Path) -> None:
    """Why models trained on IMDb do not face them."""
    seen = set(frame(shared, "imdb", "train")["text"])
    for name, inside in (("cad/sentiment", 486), ("contrast/imdb", 484)):
        rows = frame(shared, name, "test")
        originals = rows[rows["version"] == "original"]["text"]
        assert originals.isin(seen).sum() >= inside


def test_contrast_boolq_has_69_sets(shared: Path) -> None:
    rows = frame(shared, "contrast/boolq", "test")
    assert Counter(rows["version"]) == {"original": 69, "contrast": 335}
    assert rows["set"].nunique() == 69


REMOVED = {
    # How many rows of MNLI's dev set, and of that without nouns and without verbs, have the word.
    "people": (420, 0, 420),
    "know": (646, 639, 8),
    "and": (4_193, 4_181, 4_190),
}


@pytest.mark.parametrize("word", REMOVED)
def test_one_word_class_is_gone_and_the_other_is_not(shared: Path, word: str) -> None:
    found = []
    for name in ("mnli", "mnli-noun", "mnli-verb"):
        rows = frame(shared, name, "dev")
        texts = (rows["premise"] + " " + rows["hypothesis"]).str.lower()
        found.append(int(texts.str.contains(rf"\b{word}\b").sum()))
    assert tuple(found) == REMOVED[word]


CASES = {"sentiment": (86_420, 65_903, 139_693), "qqp": (63_216, 53_574, 180_303)}


@pytest.mark.slow
@pytest.mark.parametrize("part", CASES)
def test_checklist_cases_are_all_accounted_for(shared: Path, part: str) -> None:
    published, judged, count = CASES[part]
    name = f"checklist/{part}"
    rows = frame(shared, name, "test")
    assert len(rows) == count == TASKS.get(name).splits["test"].rows
    assert rows["case"].nunique() == judged
    text = lzma.decompress((shared / "data" / "checklist" / f"{part}_suite.jsonl.xz").read_bytes()).decode()
    tests = {test["test"]: test for test in map(json.loads, text.splitlines())}
    assert sum(len(test["data"]) for test in tests.values()) == published
    assert set(LEFT_OUT[name]) <= set(tests)
    assert not set(LEFT_OUT[name]) & set(rows["test"])
    gone = published - judged
    gone -= sum(len(tests[test]["data"]) for test in LEFT_OUT[name])
    gone -= sum(case is None for test in tests.values() for case in test["data"])
    neutral = sum(
        label == 1 and case is not None
        for test in tests.values()
        if part == "sentiment" and test["type"] == "MFT" and test["test"] != "Q & A: no"
        for case, label in zip(
            test["data"],
            test["labels"] if isinstance(test["labels"], list) else [test["labels"]] * len(test["data"]),
            strict=True,
        )
    )
    assert gone == neutral
    kinds = rows.groupby("case")["type"].first().value_counts()
    assert kinds["INV"] == {"sentiment": 8_140, "qqp": 3_351}[part]
    assert set(rows[rows["expectation"] == "same"]["label"]) == {""}
    assert rows[rows["expectation"] == "label"]["label"].isin(TASKS.get(name).labels).all()
    sample = load(TASKS.get(name), "test", folder(shared / "data"), count=1_000).frame
    sizes = rows["case"].value_counts()
    assert all(sizes[case] == size for case, size in sample["case"].value_counts().items())
    assert sample["test"].nunique() > 0.8 * rows["test"].nunique()


def test_what_is_not_there_is_told(shared: Path) -> None:
    for name, split in (("swag", "train"), ("conll2003", "test"), ("boolq", "train"), ("anli", "train")):
        with pytest.raises(Unavailable, match=f"task '{name}', split '{split}'"):
            load(TASKS.get(name), split, folder(shared / "data"))
