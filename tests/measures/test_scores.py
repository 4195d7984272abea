"""The metrics that tasks name, on cases counted by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from asa_bench.measures import METRICS, Proportion, Scored


def score(
    name: str,
    gold: Sequence[str],
    predictions: Sequence[str],
    labels: tuple[str, ...] = ("no", "yes"),
    groups: Sequence[str] | None = None,
) -> Any:
    columns = [np.array(column, dtype=object) for column in (gold, predictions, groups or [""] * len(gold))]
    return METRICS[name].compute(Scored(columns[0], columns[1], labels, columns[2], {}))


# 3 true positives, 1 false negative, 2 false positives, 4 true negatives
GOLD = ["yes"] * 4 + ["no"] * 6
SAID = ["yes"] * 3 + ["no"] + ["yes"] * 2 + ["no"] * 4


def test_accuracy_and_f1_of_the_second_label() -> None:
    assert score("accuracy", GOLD, SAID) == Proportion(7, 10)
    assert score("f1", GOLD, SAID) == pytest.approx(6 / 9)
    assert score("f1", GOLD, SAID, labels=("yes", "no")) == pytest.approx(8 / 11)


def test_matthews_correlation_by_its_formula() -> None:
    # (TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN)), Matthews 1975
    expected = (3 * 4 - 2 * 1) / math.sqrt(5 * 4 * 6 * 5)
    assert score("matthews", GOLD, SAID) == pytest.approx(expected)
    assert score("matthews", GOLD, ["no"] * 10) == 0
    assert score("matthews", GOLD, GOLD) == 1


def test_correlations_of_numbers() -> None:
    gold = ["1", "2", "3", "4"]
    assert score("pearson", gold, ["1", "2", "3", "5"]) == pytest.approx(6.5 / math.sqrt(5 * 8.75))
    assert score("spearman", gold, ["1", "2", "3", "50"]) == pytest.approx(1)
    # ranks 1 2 3 4 against 2 1 4 3: 1 - 6 * 4 / (4 * 15)
    assert score("spearman", gold, ["0.2", "0.1", "0.4", "0.3"]) == pytest.approx(0.6)
    # Numbers, not text: as text "10" would come before "9".
    assert score("spearman", ["8", "9", "10"], ["1", "2", "3"]) == pytest.approx(1)
    assert score("pearson", gold, ["2"] * 4) is None
    assert score("spearman", ["3"] * 4, gold) is None


def test_entities_count_whole_and_tokens_one_by_one() -> None:
    labels = ("O", "B-person", "I-person", "B-place")
    gold = ["B-person I-person O B-place", "O B-person", "O O"]
    said = ["B-person O O B-place", "O B-person", "B-place O"]
    # Entities: 3 gold, 4 said, 2 of them the same from beginning to end.
    assert score("entity_f1", gold, said, labels) == pytest.approx(2 * 2 / (3 + 4))
    # Tags other than O: 4 gold, 4 said, 3 at the same place.
    assert score("token_f1", gold, said, labels) == pytest.approx(2 * 3 / (4 + 4))
    assert score("token_f1", ["O O"], ["O O"], labels) == 0
    assert score("entity_f1", ["O O"], ["O O"], labels) == 0
    # The type counts, too.
    assert score("entity_f1", ["B-person"], ["B-place"], labels) == 0
    for name in ("entity_f1", "token_f1"):
        with pytest.raises(ValueError, match="example 1 has 2 gold tags and 1 predicted"):
            score(name, ["O", "O O"], ["O", "O"], labels)


def test_a_group_is_consistent_if_all_of_it_is_right() -> None:
    gold = ["yes", "no", "yes", "no", "yes"]
    said = ["yes", "no", "yes", "yes", "no"]
    assert score("consistency", gold, said, groups=["a", "a", "b", "b", ""]) == Proportion(1, 2)
    assert score("consistency", gold, said) is None


def test_where_keeps_columns_together() -> None:
    whole = Scored(
        np.array(["a", "b", "c"], dtype=object),
        np.array(["a", "x", "c"], dtype=object),
        ("a", "b", "c"),
        np.array(["1", "2", "3"], dtype=object),
        {"size": np.array(["s", "m", "l"], dtype=object)},
    )
    part = whole.where(np.array([False, True, True]))
    assert part.gold.tolist() == ["b", "c"] and part.predictions.tolist() == ["x", "c"]
    assert part.groups.tolist() == ["2", "3"] and part.slices["size"].tolist() == ["m", "l"]


def test_every_metric_tells_its_name_and_source() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name and metric.title and metric.source
