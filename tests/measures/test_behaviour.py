"""Failure rates of small suites, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from asa_bench.measures import METRICS, Scored, failure_rates
from asa_bench.measures.accuracy import Proportion
from asa_bench.measures.behaviour import failure_rate, judged_cases

# group, expectation, gold, prediction, capability
ROWS = [
    ("mft right", "label", "positive", "positive", "Vocabulary"),
    ("mft wrong", "label", "positive", "negative", "Vocabulary"),
    ("mft one of two wrong", "label", "negative", "negative", "Negation"),
    ("mft one of two wrong", "label", "negative", "positive", "Negation"),
    ("inv kept", "same", "", "negative", "Robustness"),
    ("inv kept", "same", "", "negative", "Robustness"),
    ("inv kept", "same", "", "negative", "Robustness"),
    ("inv changed", "same", "", "negative", "Robustness"),
    ("inv changed", "same", "", "negative", "Robustness"),
    ("inv changed", "same", "", "positive", "Robustness"),
    ("inv alone", "same", "", "negative", "Robustness"),
    ("dir met", "given", "positive", "positive", "NER"),
    ("dir met", "label", "negative", "negative", "NER"),
    ("dir not met", "given", "positive", "positive", "NER"),
    ("dir not met", "label", "negative", "negative", "NER"),
    ("dir not met", "label", "negative", "positive", "NER"),
    ("dir does not count", "given", "positive", "negative", "NER"),
    ("dir does not count", "label", "negative", "positive", "NER"),
    ("only given", "given", "positive", "positive", "NER"),
]
COUNTED = {
    "mft right": False,
    "mft wrong": True,
    "mft one of two wrong": True,
    "inv kept": False,
    "inv changed": True,
    "dir met": False,
    "dir not met": True,
}


def columns(rows: list[tuple[str, ...]]) -> tuple[NDArray[np.object_], ...]:
    """Gold, predictions, groups, expectations and capabilities of `rows`."""
    groups, expectations, gold, predictions, capabilities = (
        np.array(column, dtype=object) for column in zip(*rows, strict=True)
    )
    return gold, predictions, groups, expectations, capabilities


def test_each_kind_of_case_is_judged_as_its_authors_do() -> None:
    assert {case.group: case.failed for case in judged_cases(*columns(ROWS)[:4])} == COUNTED
    assert failure_rate(*columns(ROWS)[:4]) == Proportion(4, 7)


def test_failure_rates_per_capability_add_up_to_the_whole() -> None:
    *rows, capability = columns(ROWS)
    rates = failure_rates(*rows, capability)
    assert rates == {
        "NER": Proportion(1, 2),
        "Negation": Proportion(1, 1),
        "Robustness": Proportion(1, 2),
        "Vocabulary": Proportion(1, 2),
    }
    total = sum(rate.hits for rate in rates.values()), sum(rate.total for rate in rates.values())
    assert total == (4, 7)


def test_the_order_of_rows_and_of_cases_does_not_count() -> None:
    shuffled = [ROWS[at] for at in np.random.default_rng(5).permutation(len(ROWS))]
    assert {case.group: case.failed for case in judged_cases(*columns(shuffled)[:4])} == COUNTED


def test_the_metric_reads_groups_and_slices_and_lower_is_better() -> None:
    gold, predictions, groups, expectations, _ = columns(ROWS)
    scored = Scored(gold, predictions, ("negative", "positive"), groups, {"expectation": expectations})
    metric = METRICS["failure_rate"]
    assert metric.compute(scored) == Proportion(4, 7)
    assert not metric.higher_is_better
    assert all(other.higher_is_better for name, other in METRICS.items() if name != "failure_rate")


def test_nothing_to_judge_is_no_rate() -> None:
    alone = [row for row in ROWS if row[0] in {"inv alone", "dir does not count"}]
    assert failure_rate(*columns(alone)[:4]) is None


def test_bad_columns_are_refused() -> None:
    gold, predictions, groups, expectations, _ = columns(ROWS)
    with pytest.raises(ValueError, match="same length"):
        failure_rate(gold[1:], predictions, groups, expectations)
    expectations[0] = "better"
    with pytest.raises(ValueError, match="'better' is none of label, same, given"):
        failure_rate(gold, predictions, groups, expectations)
