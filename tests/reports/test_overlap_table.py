"""What a report says of test rows that stand in training data."""

from __future__ import annotations

from dataclasses import replace

import made_up

from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import TrainingOverlap


def told(counts: dict[str, dict[str, TrainingOverlap]]) -> ReportInput:
    """The made-up report, with what is known of some test sets by method."""
    source = made_up.report(seeds=(1, 2), scale=20)
    evaluations = tuple(
        replace(item, overlap=counts.get(item.task.name, {}).get(item.subject.method))
        for item in source.evaluations
    )
    return replace(source, evaluations=evaluations)


def test_counts_and_shares_by_training_task() -> None:
    same = TrainingOverlap(trained=1000, exact=3, near=2, shared_text=7)
    source = told(
        {
            "sst2": {"naive": same, "asa": same},
            "qqp": {"naive": replace(same, exact=0, near=0), "asa": replace(same, exact=1, near=0)},
            "paws_qqp": {"asa": replace(same, exact=0, near=None)},
        }
    )
    (table,) = build_tables(source, ("overlap",))
    found = {(row.group, row.label): [cell.text for cell in row.cells] for row in table.rows}
    assert found == {
        ("Trained on SST-2", "SST-2"): ["43", "1,000", "3", "2", "11.6", "7"],
        ("Trained on QQP", "QQP"): ["50", "1,000", "1", "0", "2.0", "7"],  # the method with most
        ("Trained on QQP", "PAWS-QQP"): ["33", "1,000", "0", "", "0.0", "7"],
    }
    (main,) = build_tables(source, ("main",))
    notes = [note for note in main.notes if "table overlap" in note]
    assert notes == [
        "Test rows that stand in the training data, equal or nearly (table overlap): SST-2 5 of 43, QQP 1 of 50."
    ]


def test_nothing_is_said_where_nothing_is_known_or_shared() -> None:
    assert build_tables(told({}), ("overlap",)) == []
    none = TrainingOverlap(trained=1000, exact=0, near=0, shared_text=0)
    main, table = build_tables(told({"sst2": {"naive": none}}), ("main", "overlap"))
    assert [row.label for row in table.rows] == ["SST-2"]
    assert not any("table overlap" in note for note in main.notes)
