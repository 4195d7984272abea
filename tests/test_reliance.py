"""Reliance on single words of models whose reliance is known by construction, and of a tiny BERT."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from models_for_tests import tiny_bert

from asa_bench.errors import BadInput
from asa_bench.reliance import COLUMNS, measure
from asa_bench.victims import Victim


class Made:
    """Says "yes" with the logit that a function gives to an example's words; counts what it is asked."""

    def __init__(self, logit: Callable[[list[str]], float], labels: Sequence[str] = ("no", "yes")) -> None:
        self.logit = logit
        self.labels = tuple(labels)
        self.asked: list[list[tuple[str, ...]]] = []

    def logits(
        self, texts: Sequence[tuple[str, ...]], batch_size: int | None = None, progress: Any = None
    ) -> np.ndarray:
        self.asked.append(list(texts))
        result = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        result[:, 1] = [self.logit(" ".join(text).split()) for text in texts]
        if progress is not None:
            progress(len(texts), len(texts))
        return result


def keyword(words: list[str]) -> float:
    return 30.0 if "Herald," in words else -30.0


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


TEXT = "As I told the Herald, it was fine."  # 8 words
AT = (0, TEXT.index("Herald"))


def test_a_model_of_one_keyword_is_found_out() -> None:
    row = measure(Made(keyword), [(TEXT,)], ["yes"], shortcuts=[AT]).iloc[0]
    assert row["fall_1"] == pytest.approx(1, abs=1e-6)
    assert row["fall_3"] == pytest.approx(1, abs=1e-6)
    assert row["importance_gini"] == pytest.approx(7 / 8)
    assert (row["shortcut_word"], row["shortcut_rank"], row["shortcut_rank_normalized"]) == (4, 1.0, 0.0)
    assert row["shortcut_fall"] == row["fall_1"]
    assert row["prediction"] == row["label"] == "yes"
    assert json.loads(row["words"])[4] == [0, 4, "Herald,"]
    assert row["importances"] == pytest.approx([0, 0, 0, 0, 1, 0, 0, 0], abs=1e-6)


def test_a_keyword_against_the_label_has_a_negative_fall_and_the_last_rank() -> None:
    row = measure(Made(keyword), [(TEXT,)], ["no"], shortcuts=[AT]).iloc[0]
    assert row["shortcut_fall"] == pytest.approx(-1, abs=1e-6)
    assert (row["shortcut_rank"], row["shortcut_rank_normalized"]) == (8.0, 1.0)
    assert row["importance_gini"] == 0.0
    assert row["fall_1"] == pytest.approx(0, abs=1e-6)
    assert (row["label"], row["prediction"]) == ("no", "yes")


def test_a_bag_of_equal_words_leans_on_none() -> None:
    row = measure(Made(lambda words: 0.5 * len(words)), [("one two three four five",)], ["yes"]).iloc[0]
    assert row["importance_gini"] == pytest.approx(0, abs=1e-6)
    full = sigmoid(2.5)
    assert row["gold_probability"] == pytest.approx(full, abs=1e-6)
    for count in (1, 2, 3):
        assert row[f"fall_{count}"] == pytest.approx(full - sigmoid(2.5 - 0.5 * count), abs=2e-6)


def test_a_uniform_model_falls_nowhere() -> None:
    row = measure(Made(lambda words: 0.0), [(TEXT,)], ["yes"], shortcuts=[AT]).iloc[0]
    assert [row[f"fall_{count}"] for count in (1, 2, 3)] == [0, 0, 0]
    assert row["importance_gini"] == 0.0
    assert (row["shortcut_rank"], row["shortcut_rank_normalized"]) == (4.5, 0.5)
    assert row["gold_probability"] == 0.5


def test_words_are_removed_together_by_their_single_importance() -> None:
    """Greedy: a and b, which matter most alone, go first, although leaving out c and d would take away more."""

    def pairs(words: list[str]) -> float:
        return 1.0 * ("a" in words) + 0.9 * ("b" in words) + 8.0 * ("c" in words or "d" in words)

    victim = Made(pairs)
    row = measure(victim, [("c d a b",)], ["yes"], removed=[2, 4]).iloc[0]
    assert row["fall_2"] == pytest.approx(sigmoid(9.9) - sigmoid(8.0), abs=2e-6)
    assert row["fall_4"] == pytest.approx(sigmoid(9.9) - sigmoid(0), abs=2e-6)
    assert "fall_1" not in row.index
    assert [sorted(texts) for texts in victim.asked] == [
        sorted([("c d a b",), ("d a b",), ("c a b",), ("c d b",), ("c d a",)]),
        [("",), ("c d",)],
    ]


def test_words_of_both_texts_are_left_out() -> None:
    victim = Made(lambda words: 4.0 * ("key" in words))
    row = measure(victim, [("a b", "c key")], ["yes"], removed=[1]).iloc[0]
    assert [word for *_, word in json.loads(row["words"])] == ["a", "b", "c", "key"]
    assert [column for column, *_ in json.loads(row["words"])] == [0, 0, 1, 1]
    assert set(victim.asked[0]) == {
        ("a b", "c key"),
        ("b", "c key"),
        ("a", "c key"),
        ("a b", "key"),
        ("a b", "c"),
    }
    assert row["fall_1"] == pytest.approx(sigmoid(4) - 0.5, abs=1e-6)


def test_empty_texts_and_texts_of_one_word() -> None:
    victim = Made(lambda words: 2.0 * len(words))
    found = measure(victim, [("",), ("one",), (" ",)], ["yes", "yes", "yes"])
    assert found["words_total"].tolist() == [0, 1, 0]
    assert found["fall_1"].tolist()[1] == found["fall_3"].tolist()[1] == pytest.approx(sigmoid(2) - 0.5)
    assert found["importance_gini"].tolist()[1] == 0.0
    for place in (0, 2):
        row = found.iloc[place]
        assert np.isnan(row[["fall_1", "fall_2", "fall_3", "importance_gini"]].astype(float)).all()
        assert (row["words"], row["importances"]) == ("[]", [])
    assert found["gold_probability"].tolist() == pytest.approx([0.5, sigmoid(2), 0.5])


def test_equal_texts_are_asked_once() -> None:
    victim = Made(lambda words: float(len(words)))
    measure(victim, [("a a b",), ("a a b",), ("b",)], ["yes", "no", "yes"], removed=[1])
    (asked,) = victim.asked[:1]
    assert sorted(asked) == sorted({("a a b",), ("a b",), ("a a",), ("b",), ("",)})


def test_long_texts_are_probed_in_part_and_that_is_told() -> None:
    text = " ".join(f"w{i}" for i in range(100))
    victim = Made(lambda words: 5.0 * ("w50" in words))
    row = measure(victim, [(text,)], ["yes"], max_words=5, shortcuts=[(0, text.index("w50"))]).iloc[0]
    assert [word for *_, word in json.loads(row["words"])] == ["w0", "w24", "w49", "w74", "w99"]
    assert (row["words_total"], row["words_seen"], row["words_probed"]) == (100, 100, 5)
    assert (row["fall_1"], row["shortcut_word"]) == (0.0, -1)
    assert np.isnan([row["shortcut_fall"], row["shortcut_rank"], row["shortcut_rank_normalized"]]).all()


def test_labels_that_map_to_one_are_added_up() -> None:
    class ThreeWay(Made):
        def logits(self, texts: Sequence[tuple[str, ...]], *_: Any, **__: Any) -> np.ndarray:
            return np.asarray([[1.0, 0.8, 0.6] if "x" in t[0] else [1.0, 0, 0] for t in texts], np.float32)

    labels = ("entailment", "neutral", "contradiction")
    mapping = {"neutral": "non-entailment", "contradiction": "non-entailment"}
    row = measure(ThreeWay(len, labels), [("x y",)], ["non-entailment"], label_map=mapping).iloc[0]  # type: ignore[arg-type]
    full, less = (np.exp([1.0, a, b]) / np.exp([1.0, a, b]).sum() for a, b in ((0.8, 0.6), (0.0, 0.0)))
    assert row["gold_probability"] == pytest.approx(full[1:].sum(), abs=1e-6)
    assert row["fall_1"] == pytest.approx(full[1:].sum() - less[1:].sum(), abs=2e-6)
    assert row["prediction"] == "entailment"  # the largest logit, as in an evaluation, not the largest sum


@pytest.mark.parametrize("text", [TEXT, "one"])
def test_progress_ends_at_its_total(text: str) -> None:
    told: list[tuple[int, int]] = []
    measure(Made(keyword), [(text,)], ["yes"], progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]
    assert all(done <= total for done, total in told)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"texts": [], "gold": []}, "no examples"),
        ({"gold": ["yes", "no"]}, "1 examples and 2 gold labels"),
        ({"gold": ["maybe"]}, "gold label 'maybe' is none of the model's: no, yes"),
        ({"texts": [("a",), ("a", "b")], "gold": ["yes", "no"]}, "same number of texts"),
        ({"removed": [0]}, "removed must be"),
        ({"removed": []}, "removed must be"),
        ({"max_words": 0}, "max_words must be 1 or more"),
        ({"shortcuts": []}, "1 examples and 0 shortcuts"),
        ({"shortcuts": [(1, 0)]}, "no word at text 1"),
        ({"shortcuts": [(0, 2)]}, "no word at text 0, character 2"),
        ({"shortcuts": [(0, 99)]}, "no word at text 0, character 99"),
    ],
)
def test_bad_input_is_told(changes: dict[str, Any], message: str) -> None:
    arguments = {"texts": [(TEXT,)], "gold": ["yes"], **changes}
    with pytest.raises(BadInput, match=message):
        measure(Made(keyword), **arguments)


def test_a_model_of_another_kind_is_refused() -> None:
    victim = Made(keyword)
    victim.kind = "token_classification"  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="not of kind 'token_classification'"):
        measure(victim, [(TEXT,)], ["yes"])


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny_bert(tmp_path_factory.mktemp("bert"), ["negative", "positive"])
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        for (
            name,
            weights,
        ) in model.named_parameters():  # fresh weights are so small that all texts score alike
            if "LayerNorm" not in name:
                torch.nn.init.normal_(weights, std=0.3)
    return Victim(model, AutoTokenizer.from_pretrained(folder), ["negative", "positive"], max_length=32)


EXAMPLES = [
    ("The film was good, the actor was awful.",),
    ("a movie that  saw the doctor",),
    ("Not bad!",),
    ("what and why and how",),
    ("very fine music near the park",),
    ("",),
    ("good",),
    ("The film was good, the actor was awful.",),
]
GOLD = ["positive", "negative", "positive", "negative", "positive", "negative", "negative", "negative"]


def test_a_real_model_gives_everything(bert: Victim) -> None:
    found = measure(bert, EXAMPLES, GOLD)
    assert set(COLUMNS) < set(found.columns)
    assert found["prediction"].tolist() == bert.predict(EXAMPLES)
    logits = bert.logits(EXAMPLES).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    own = [probabilities[i, bert.labels.index(label)] for i, label in enumerate(GOLD)]
    np.testing.assert_allclose(found["gold_probability"], own, atol=1e-6)
    assert (found["fall_1"].abs() > 0.01).sum() >= 4
    assert found["attention_gini"].notna().tolist() == [True] * 5 + [False] + [True] * 2
    assert found["attention_missing"].tolist() == [""] * 5 + ["no word receives attention"] + [""] * 2
    assert [len(shares) for shares in found["attention"]] == found["words_probed"].tolist()
    assert found["attention_gini"][0] == found["attention_gini"][7]
    # Two labels: what speaks for one speaks against the other.
    np.testing.assert_allclose(found["importances"][0], -np.asarray(found["importances"][7]), atol=2e-6)
    without = bert.logits([("The film was the actor was awful.",)]).astype(np.float64)[0]
    expected = own[0] - np.exp(without[1]) / np.exp(without).sum()
    assert found["importances"][0][3] == pytest.approx(expected, abs=2e-6)


def test_the_order_of_examples_changes_nothing_at_all(bert: Victim) -> None:
    order = [5, 2, 7, 0, 4, 1, 6, 3]
    one = measure(bert, EXAMPLES, GOLD)
    other = measure(bert, [EXAMPLES[i] for i in order], [GOLD[i] for i in order])
    pd.testing.assert_frame_equal(one.iloc[order].reset_index(drop=True), other, check_exact=True)


def test_the_batch_size_changes_last_digits_only(bert: Victim) -> None:
    one = measure(bert, EXAMPLES, GOLD)
    small = Victim(bert.model, bert.tokenizer, bert.labels, max_length=32, batch_size=1)
    other = measure(small, EXAMPLES, GOLD)
    # How far the last digits of float32 reach depends on the processor's instructions; a concentration is a
    # quotient of small differences, which widens them.
    pd.testing.assert_frame_equal(one, other, rtol=0, atol=1e-4)


def test_the_model_is_left_as_it_was(bert: Victim) -> None:
    before = bert.logits(EXAMPLES)
    measure(bert, EXAMPLES, GOLD)
    np.testing.assert_array_equal(bert.logits(EXAMPLES), before)
    assert bert.model.config._attn_implementation == "sdpa"


def test_words_behind_the_models_length_are_not_probed(bert: Victim) -> None:
    short = Victim(bert.model, bert.tokenizer, bert.labels, max_length=6)
    row = measure(short, [("the film was good and awful",)], ["positive"]).iloc[0]
    assert [word for *_, word in json.loads(row["words"])] == ["the", "film", "was", "good"]
    assert (row["words_total"], row["words_seen"], row["words_probed"]) == (6, 4, 4)


def test_the_documented_example_runs(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny_bert(tmp_path, ["negative", "positive"])
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    victim = Victim(model, AutoTokenizer.from_pretrained(folder), ["negative", "positive"])
    found = measure(victim, [("A truly great film.",)], ["positive"])
    assert found[["fall_1", "importance_gini", "attention_gini"]].mean().notna().all()
