"""Judges of adversarial texts, and the gate that holds their numbers against bounds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from models_for_tests import tiny_bert

from asa_bench import judging
from asa_bench.adversarial_sets import AdversarialSet, Example, SetHeader
from asa_bench.errors import BadInput
from asa_bench.models import fluency, similarity
from asa_bench.quality import QualityGate, describe
from asa_bench.tasks.base import row_hash


def made(*pairs: tuple[tuple[str, ...], tuple[str, ...]], column: str = "hypothesis") -> AdversarialSet:
    header = SetHeader(
        task="mnli",
        split="dev",
        columns=("premise", "hypothesis"),
        labels=("entailment", "neutral"),
        attack_column=column,
        fingerprint="f",
        attack="pruthi",
        attack_seed=0,
        recipe="r",
        query_budget=None,
        source={"model": "m", "method": "naive", "train_task": "mnli", "seed": 1},
        attack_cell="a" * 20,
        max_length=16,
        threads=1,
    )
    return AdversarialSet(
        header,
        tuple(
            Example(
                f"r{i}", row_hash(before)[:16], "neutral", "successful" if after else "failed", before, after
            )
            for i, (before, after) in enumerate(pairs)
        ),
    )


SET = made(
    (("a film", "the doctor was good"), ("a film", "the doctro was good")),
    (("a film", "the actor was bad"), ()),
    (("a book", "not very good"), ("a book", "not very fine")),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with a head for masked words."""
    from transformers import BertConfig, BertForMaskedLM

    where = tiny_bert(tmp_path_factory.mktemp("judge") / "judge", ["a", "b"])
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = BertForMaskedLM(BertConfig.from_pretrained(where, initializer_range=0.5))
    model.save_pretrained(where, safe_serialization=True)
    return where


def test_only_the_attacked_column_of_successes_is_judged(folder: Path) -> None:
    place = (str(folder), None)
    told: list[tuple[int, int]] = []
    encoder, scorer = judging.load({"similarity": place, "fluency": place})
    rows = judging.measure(SET, encoder, scorer, lambda done, total: told.append((done, total)))
    assert list(rows.columns) == list(judging.COLUMNS) and rows["id"].tolist() == ["r0", "r1", "r2"]
    assert rows["words"].tolist() == [4, -1, 3] and rows["words_changed"].tolist() == [1, -1, 1]
    assert rows["edit_distance"].tolist() == [2, -1, 4]
    assert rows.iloc[1, 7:].isna().all() and rows.iloc[[0, 2], 7:].notna().all(axis=None)
    assert told[-1] == (4, 4)
    assert scorer is not None
    assert rows["perplexity_after"][2] == scorer.perplexity("not very fine")
    none = judging.measure(SET)
    assert none["edit_distance"].tolist() == [2, -1, 4] and none.iloc[:, 7:].isna().all(axis=None)


def test_similarity_is_the_cosine_of_means(folder: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoder = similarity.load(folder)
    texts = ["the doctor was good", "a film", "the doctor was good , not very fine", ""]
    found = encoder.vectors(texts, batch_size=3)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for text, vector in zip(texts, found, strict=True):
        with torch.inference_mode():
            mean = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy()
        assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
    assert encoder.vectors([]).shape == (0, 0)


def test_perplexity_is_that_of_masking_by_hand(folder: Path) -> None:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    scorer = fluency.load(folder)
    model, tokenizer = (
        AutoModelForMaskedLM.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    text = "the cab was good"  # cab: c ##a ##b
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert ids.shape[1] == 2 + 6
    mask = tokenizer.mask_token_id
    # Each token with the places that are masked while it is told: the rest of its word to the right as well.
    places = {1: [1], 2: [2, 3, 4], 3: [3, 4], 4: [4], 5: [5], 6: [6]}
    total = 0.0
    for at, hidden in places.items():
        masked = ids.clone()
        masked[0, hidden] = mask
        with torch.inference_mode():
            total += float(model(masked).logits[0, at].log_softmax(-1)[ids[0, at]])
    assert scorer.perplexity(text) == pytest.approx(math.exp(-total / 4), rel=1e-4)
    assert math.isnan(scorer.perplexity(" "))
    assert scorer.perplexity("good " * 500) > 0


def test_a_model_without_the_head_is_refused(tmp_path: Path) -> None:
    plain = tiny_bert(tmp_path / "plain", ["a", "b"])
    with pytest.raises(BadInput, match="tells no masked tokens"):
        judging.load({"fluency": (str(plain), None)})
    encoder, scorer = judging.load({"similarity": (str(plain), None)})
    assert encoder is not None and scorer is None


def rows(**values: Any) -> pd.DataFrame:
    row = {
        "status": "successful",
        "words": 10,
        "words_changed": 4,
        "edit_distance": 30,
        "similarity": 0.8,
        "perplexity_before": 10.0,
        "perplexity_after": 20.0,
    }
    return pd.DataFrame([row | values])


@pytest.mark.parametrize(
    ("values", "passes"),
    [
        ({}, True),
        ({"words_changed": 5}, False),
        ({"edit_distance": 31}, False),
        ({"similarity": 0.79}, False),
        ({"similarity": float("nan")}, False),
        ({"status": "failed"}, False),
        ({"words": 0, "words_changed": 1}, False),
        ({"perplexity_after": 1e9}, True),
    ],
)
def test_the_gate_at_its_defaults(values: dict[str, Any], passes: bool) -> None:
    assert QualityGate().passes(rows(**values)).tolist() == [passes]


def test_bounds_that_nobody_measured_ask_nothing() -> None:
    unknown = {name: float("nan") for name in ("similarity", "perplexity_before", "perplexity_after")}
    gate = QualityGate(max_perplexity_ratio=1.5)
    assert gate.passes(rows()).tolist() == [False]
    assert gate.applied(describe("e", None)).passes(rows(perplexity_after=float("nan"))).tolist() == [True]
    assert gate.applied(describe(None, None)).passes(rows(**unknown)).tolist() == [True]
    assert gate.sentence() == (
        "at most 40 % of the words changed, at most 30 characters edited, similarity of at least 0.8, perplexity at most "
        "1.5 times the original's"
    )
    assert "similarity" not in gate.applied(describe(None, None)).sentence()
    nothing = QualityGate(max_words_changed=None, max_edit_distance=None, min_similarity=None)
    assert nothing.sentence() == "no bounds" and nothing.passes(rows(words_changed=9)).tolist() == [True]
