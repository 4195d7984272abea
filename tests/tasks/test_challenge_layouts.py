"""Tiny challenge sets in the layouts in which they are distributed: pairs, revisions and cases belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import folder, tsv, unpublished, write

from asa_bench.errors import BadInput
from asa_bench.tasks import TASKS
from asa_bench.tasks.loading import load


def groups(name: str, split: str, root: Path, *columns: str) -> dict[str, list[tuple[str, ...]]]:
    """Group -> its rows' values of `columns`, sorted."""
    task = unpublished(TASKS.get(name))
    frame = load(task, split, folder(root)).frame
    found: dict[str, list[tuple[str, ...]]] = {}
    for row in frame.to_dict("records"):
        found.setdefault(row[task.group], []).append(tuple(row[column] for column in columns))
    return {group: sorted(rows) for group, rows in sorted(found.items())}


@pytest.mark.parametrize("place", ["contrast_sets/IMDb", "contrast-sets/IMDb/data", "."])
def test_contrast_imdb_pairs_rows_by_their_place(tmp_path: Path, place: str) -> None:
    header = ("Sentiment", "Text")
    tsv(
        tmp_path / place / "test_original.tsv",
        header,
        [("Negative", '"A ""bad"" one."'), ("Positive", "B good.")],
    )
    tsv(
        tmp_path / place / "test_contrast.tsv.xz",
        header,
        [("Positive", "A good one."), ("Negative", "B bad.")],
    )
    assert groups("contrast/imdb", "test", tmp_path, "text", "label", "version") == {
        "1": [('A "bad" one.', "negative", "original"), ("A good one.", "positive", "contrast")],
        "2": [("B bad.", "negative", "contrast"), ("B good.", "positive", "original")],
    }


def test_a_pair_is_never_torn_by_a_sample(tmp_path: Path) -> None:
    header = ("Sentiment", "Text")
    tsv(tmp_path / "test_original.tsv", header, [("Negative", f"bad {n}") for n in range(30)])
    tsv(tmp_path / "test_contrast.tsv", header, [("Positive", f"good {n}") for n in range(30)])
    task = unpublished(TASKS.get("contrast/imdb"))
    frame = load(task, "test", folder(tmp_path), count=9).frame
    assert len(frame) == 8
    assert set(frame["pair"].value_counts()) == {2}
    with pytest.raises(BadInput, match="cannot take 1 rows; rows of one pair stay together"):
        load(task, "test", folder(tmp_path), count=1)


def test_counterfactual_reviews_by_batch(tmp_path: Path) -> None:
    place = tmp_path / "counterfactually_augmented" / "sentiment"
    rows = [("Negative", "A bad.", "9"), ("Positive", "A good.", "9"), ("Positive", "B.", "3")]
    tsv(place / "combined" / "paired" / "test_paired.tsv", ("Sentiment", "Text", "batch_id"), rows)
    told = groups("cad/sentiment", "test", tmp_path, "text", "label", "version")
    assert told == {
        "3": [("B.", "positive", "original")],
        "9": [("A bad.", "negative", "original"), ("A good.", "positive", "revised")],
    }
    tsv(place / "orig" / "train.tsv", ("Sentiment", "Text"), [("Negative", "C bad.")])
    tsv(place / "new" / "train.tsv", ("Sentiment", "Text"), [("Positive", "C good.")])
    original = groups("cad/sentiment-original", "train", tmp_path, "text", "version")
    combined = groups("cad/sentiment-combined", "train", tmp_path, "text", "version")
    assert original == {"": [("C bad.", "original")]}
    assert combined == {"": [("C bad.", "original"), ("C good.", "revised")]}
    tsv(place / "combined" / "paired" / "train_paired.tsv", ("Sentiment", "Text", "batch_id"), rows)
    assert set(groups("cad/sentiment-combined", "train", tmp_path, "text")) == {"3", "9"}, (
        "pairs are preferred"
    )


def inference(root: Path, split: str, originals: int, revised: int) -> None:
    header = ("sentence1", "sentence2", "gold_label")
    tsv(
        root / "NLI" / "original" / f"{split}.tsv",
        header,
        [(f"P{n}", f'"H""{n}"""', "neutral") for n in range(originals)],
    )
    tsv(
        root / "NLI" / "revised_combined" / f"{split}.tsv",
        header,
        [(f"P{n // 4}", f"revised {n}", "entailment") for n in range(revised)],
    )


def test_four_revisions_belong_to_each_inference_pair(tmp_path: Path) -> None:
    inference(tmp_path, "test", 2, 8)
    told = groups("cad/inference", "test", tmp_path, "premise", "version")
    assert told == {str(n + 1): [(f"P{n}", "original"), *[(f"P{n}", "revised")] * 4] for n in range(2)}
    inference(tmp_path, "train", 3, 12)
    assert len(groups("cad/inference-original", "train", tmp_path, "premise")) == 3
    rows = groups("cad/inference-combined", "train", tmp_path, "hypothesis")
    assert [len(group) for group in rows.values()] == [5, 5, 5]
    assert ('H"0"',) in rows["1"]


def test_revisions_that_do_not_add_up_are_told(tmp_path: Path) -> None:
    inference(tmp_path, "test", 2, 7)
    with pytest.raises(BadInput, match=r"revised_combined/test.tsv': 7 revised rows are no multiple of 4"):
        groups("cad/inference", "test", tmp_path, "premise")


def boolq(*entries: dict[str, Any]) -> str:
    template = {
        "title": "Title",
        "paragraph": "Paragraph",
        "question": "Question",
        "answer": "Gold Answer",
        "perturbed_questions": [{"perturbed_q": "Perturbed Q", "answer": "New Answer"}],
    }
    return json.dumps({"data": [template, *entries]})


ENTRY: dict[str, Any] = {
    "paragraph": "It is so.",
    "question": "is it",
    "answer": "TRUE",
    "perturbed_questions": [
        {"perturbed_q": "is it not", "answer": "FALSE"},
        {"perturbed_q": "", "answer": ""},
    ],
}


def test_contrast_boolq_leaves_out_its_template_and_empty_entries(tmp_path: Path) -> None:
    write(tmp_path / "contrast_sets" / "BoolQ" / "boolq_perturbed.json", boolq(ENTRY))
    assert groups("contrast/boolq", "test", tmp_path, "question", "passage", "label", "version") == {
        "2": [
            ("is it", "It is so.", "true", "original"),
            ("is it not", "It is so.", "false", "contrast"),
        ]
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", "no list 'data'"),
        (boolq({**ENTRY, "answer": ""}), "entry 2: no field 'answer' with a text"),
        (boolq({**ENTRY, "perturbed_questions": None}), "entry 2: no list 'perturbed_questions'"),
        (
            boolq({**ENTRY, "perturbed_questions": [{"perturbed_q": "x", "answer": ""}]}),
            "entry 2, perturbed question 1: no field 'answer'",
        ),
        (boolq({**ENTRY, "answer": "MAYBE"}), "entry 2: unknown label 'MAYBE'; known: TRUE, FALSE"),
    ],
)
def test_a_spoiled_contrast_set_is_told(tmp_path: Path, content: str, expected: str) -> None:
    write(tmp_path / "boolq_perturbed.json", content)
    with pytest.raises(BadInput) as caught:
        groups("contrast/boolq", "test", tmp_path, "question")
    assert expected in str(caught.value)
    assert "boolq_perturbed.json" in str(caught.value)


def test_mnli_without_nouns(tmp_path: Path) -> None:
    header = ("index", "sentence1", "sentence2", "gold_label")
    tsv(
        tmp_path / "nli_data_sanity_check" / "MNLI-NOUN.tsv",
        header,
        [("0", "The new are", "likes the", "neutral")],
    )
    frame = load(unpublished(TASKS.get("mnli-noun")), "dev", folder(tmp_path)).frame
    assert frame[["premise", "hypothesis", "label"]].values.tolist() == [
        ["The new are", "likes the", "neutral"]
    ]


def suite(root: Path, part: str, *tests: tuple[str, str, list[Any], Any]) -> None:
    records = [
        {"test": name, "type": kind, "capability": "C", "data": data, "labels": labels}
        for name, kind, data, labels in tests
    ]
    write(
        root / "checklist" / f"{part}_suite.jsonl", "".join(f"{json.dumps(record)}\n" for record in records)
    )


def cases(root: Path, part: str) -> dict[str, list[tuple[str, ...]]]:
    columns = TASKS.get(f"checklist/{part}").columns
    return groups(f"checklist/{part}", "test", root, "expectation", "label", *columns)


def test_sentiment_cases_as_a_two_way_model_can_meet_them(tmp_path: Path) -> None:
    suite(
        tmp_path,
        "sentiment",
        ("words", "MFT", ["good", "awful", "flat"], [2, 0, 1]),
        ("neutral", "MFT", ["american"], 1),
        ("simple negations: not negative", "MFT", ["not awful"], None),
        ("Q & A: no", "MFT", ["Is it awful? No", "Is it good? No"], [1, 0]),
        ("typos", "INV", [["a b", "ab"], ["c", "d", "e"]], None),
        ("reducers", "DIR", [["x", "y"]], None),
        ("Hard: no texts", "MFT", [None, None], 0),
    )
    assert cases(tmp_path, "sentiment") == {
        "1.1": [("label", "positive", "good")],
        "1.2": [("label", "negative", "awful")],
        "3.1": [("label", "positive", "not awful")],
        "4.1": [("label", "positive", "Is it awful? No")],
        "4.2": [("label", "negative", "Is it good? No")],
        "5.1": [("same", "", "a b"), ("same", "", "ab")],
        "5.2": [("same", "", "c"), ("same", "", "d"), ("same", "", "e")],
    }


def test_question_cases(tmp_path: Path) -> None:
    pair, other = ["A?", "B?"], ["A?", "C?"]
    suite(
        tmp_path,
        "qqp",
        ("Modifier: adj", "MFT", [pair], 0),
        ("Order does not matter for comparison", "MFT", [[pair, other]], 1),
        ("Symmetry: f(a, b) = f(b, a)", "INV", [[pair, ["B?", "A?"]]], None),
        ("Change numbers in one of the questions", "DIR", [[pair, other, other]], None),
        ("(q, paraphrase(q))", "DIR", [[["A?", "A?"], pair]], None),
        ("Keep entitites, fill in with gibberish", "DIR", [[pair, other]], None),
        ("Testing implications", "DIR", [[pair, pair, other]], None),
        ("Order does matter for asymmetric relations", "MFT", [pair], 1),
        ("(question, f(question)) where f(question) replaces synonyms?", "INV", [[pair]], None),
    )
    assert cases(tmp_path, "qqp") == {
        "1.1": [("label", "not_duplicate", *pair)],
        "2.1": [("label", "duplicate", *pair), ("label", "duplicate", *other)],
        "3.1": [("same", "", *pair), ("same", "", "B?", "A?")],
        "4.1": [("given", "duplicate", *pair), *[("label", "not_duplicate", *other)] * 2],
        "5.1": [("label", "duplicate", *pair)],
        "6.1": [("label", "not_duplicate", *other)],
    }


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (("t", "MFT", "text", 0), "line 1: expected a list 'data' and a 'type' MFT, INV or DIR"),
        (("t", "BAD", [], 0), "line 1: expected a list 'data'"),
        (("", "MFT", [], 0), "line 1: no field 'test' with a text"),
        (("t", "MFT", ["a", "b"], [0]), "line 1: 2 cases, but 1 labels"),
        (("t", "MFT", ["a", "b"], [0, 7]), "line 1, case 2: unknown label '7'"),
        (("t", "INV", [["a"], [3]], None), "line 1, case 2: expected texts, got [3]"),
        (("t", "INV", [[]], None), "line 1, case 1: expected texts, got []"),
        (
            ("t", "DIR", [["a", "b"]], None),
            "line 1, case 1: no expectation is known of the directional test 't'",
        ),
    ],
)
def test_a_spoiled_suite_is_told(tmp_path: Path, test: Any, expected: str) -> None:
    suite(tmp_path, "sentiment", test)
    with pytest.raises(BadInput) as caught:
        cases(tmp_path, "sentiment")
    assert expected in str(caught.value)
    assert "sentiment_suite.jsonl" in str(caught.value)
