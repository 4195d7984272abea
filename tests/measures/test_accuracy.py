"""Accuracy, F1, slices, the six cells of HANS and shortcut reliance against known answers."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from asa_bench.measures import (
    Proportion,
    accuracy,
    f1,
    hans_cells,
    macro_average,
    precision_recall_area,
    shortcut_reliance,
    slice_accuracies,
)


def test_accuracy_counts_right_answers_over_all() -> None:
    assert accuracy(["a", "b", "a", "a"], ["a", "b", "b", "a"]) == Proportion(3, 4)
    assert accuracy(["a", "b", "a", "a"], ["a", "b", "b", "a"]).value == 0.75


@pytest.mark.parametrize(("gold", "predictions"), [([], []), (["a"], ["a", "b"])])
def test_accuracy_refuses_what_cannot_be_scored(gold: list[str], predictions: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no examples|same length"):
        accuracy(gold, predictions)


def test_pooled_proportions_add_counts_not_rates() -> None:
    assert Proportion(1, 2) + Proportion(9, 10) == Proportion(10, 12)
    with pytest.raises(ValueError, match="no proportion"):
        Proportion(3, 2)


def test_f1_is_of_the_named_class() -> None:
    # 2 true positives, 1 false positive, 2 false negatives: 4 / (4 + 1 + 2).
    gold = ["yes", "yes", "yes", "yes", "no", "no"]
    predictions = ["yes", "yes", "no", "no", "yes", "no"]
    assert f1(gold, predictions, "yes") == pytest.approx(4 / 7)
    assert f1(gold, predictions, "no") == pytest.approx(2 / 5)
    assert f1(["no"], ["no"], "yes") == 0.0


def test_precision_recall_area_of_a_curve_drawn_by_hand() -> None:
    # Thresholds from the top: (recall 1/2, precision 1), (1/2, 1/2), (1, 2/3), (1, 1/2); starting at (0, 1).
    area = precision_recall_area(["p", "n", "p", "n"], [0.9, 0.8, 0.7, 0.1], "p")
    assert area == pytest.approx(0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2)
    assert precision_recall_area(["p", "n"], [2.0, -1.0], "p") == pytest.approx(1.0)
    with pytest.raises(ValueError, match="recall is undefined"):
        precision_recall_area(["n", "n"], [1, 2], "p")


def test_slices_leave_out_rows_without_a_value() -> None:
    found = slice_accuracies(["a", "a", "b", "b"], ["a", "b", "b", "a"], ["x", "", "x", "y"])
    assert found == {"x": Proportion(2, 2), "y": Proportion(0, 1)}


def test_hans_maps_neutral_and_contradiction_to_non_entailment() -> None:
    cells = hans_cells(
        ["lexical_overlap"] * 4 + ["constituent"] * 2,
        ["non-entailment"] * 3 + ["entailment"] + ["entailment", "non-entailment"],
        ["neutral", "contradiction", "entailment", "neutral", "entailment", "non-entailment"],
    )
    assert cells == {
        ("lexical_overlap", "entailment"): Proportion(0, 1),
        ("lexical_overlap", "non-entailment"): Proportion(2, 3),
        ("constituent", "entailment"): Proportion(1, 1),
        ("constituent", "non-entailment"): Proportion(1, 1),
    }
    assert next(iter(cells)) == ("lexical_overlap", "entailment")


def test_hans_refuses_an_unmapped_label() -> None:
    with pytest.raises(ValueError, match="LABEL_0"):
        hans_cells(["constituent"], ["entailment"], ["LABEL_0"])


def test_published_hans_predictions_score_what_the_paper_reports(shared: Path) -> None:
    """BERT's rows of HANS: official order, 30 blocks of 1,000 (10 per heuristic, 5 of each label)."""
    path = shared / "data" / "hans" / "bert_preds_example.txt.xz"
    lines = lzma.decompress(path.read_bytes()).decode().splitlines()[1:]
    predictions = [line.split(",")[1] for line in lines]
    assert [line.split(",")[0] for line in lines] == [f"ex{i}" for i in range(30_000)]
    block = np.arange(30_000) // 1_000
    heuristics = np.array(["lexical_overlap", "subsequence", "constituent"])[block // 10]
    gold = np.where(block % 10 < 5, "non-entailment", "entailment")
    cells = hans_cells(heuristics, gold, predictions)
    assert {cell: round(found.value, 3) for cell, found in cells.items()} == {
        ("lexical_overlap", "entailment"): 0.946,
        ("subsequence", "entailment"): 0.993,
        ("constituent", "entailment"): 0.984,
        ("lexical_overlap", "non-entailment"): 0.164,
        ("subsequence", "non-entailment"): 0.039,
        ("constituent", "non-entailment"): 0.161,
    }
    assert {found.total for found in cells.values()} == {5_000}


def test_macro_average_counts_each_score_once() -> None:
    assert macro_average([0.5, 1.0, 0.0]) == 0.5
    with pytest.raises(ValueError, match="undefined"):
        macro_average([])


def test_shortcut_reliance_is_agreeing_minus_reversed() -> None:
    gold = ["a"] * 6
    predictions = ["a", "a", "a", "b", "a", "b"]
    shortcut = ["agrees", "agrees", "reversed", "reversed", "absent", "absent"]
    assert shortcut_reliance(gold, predictions, shortcut) == 0.5
    assert shortcut_reliance(gold, predictions, ["agrees"] * 6) is None
