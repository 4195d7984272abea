"""The table of what happened in training."""

from __future__ import annotations

from dataclasses import replace

import made_up

from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import Subject, TrainingOutcome

MASKS = {"kept_fraction": 0.7, "kept_fraction/0": 0.9, "kept_fraction/1": 0.5, "fully_masked_rows": 2.25}


def outcome(method: str, seed: int, divergence: float | None) -> TrainingOutcome:
    losses = {"total": 9.0, "cross_entropy": 0.4 + seed / 10}
    if divergence is not None:
        losses |= {"divergence": divergence, **MASKS}
    norms = {"model": 1.5} | ({"method": 30.0} if divergence is not None else {})
    subject = Subject("minilm-l6", method, made_up.TITLES[method], False, "sst2", seed)
    return TrainingOutcome(subject, "SST-2", 1000, losses, norms)


def source() -> ReportInput:
    trainings = [outcome("naive", seed, None) for seed in (1, 2)] + [
        outcome("asa", seed, 0.01 * seed) for seed in (1, 2)
    ]
    return replace(made_up.report(scale=20), trainings=tuple(trainings))


def test_each_method_shows_what_it_logged() -> None:
    (table,) = build_tables(source(), ("training",))
    assert [row.label for row in table.rows] == ["Naive", "ASA"]
    assert {row.group for row in table.rows} == {"SST-2"}
    shown = {
        row.label: {column.key: cell.number for column, cell in zip(table.columns, row.cells, strict=True)}
        for row in table.rows
    }
    assert shown["Naive"] == {
        "steps": "1,000",
        "cross_entropy": "0.550",
        "divergence": "",
        "kept": "",
        "least": "",
        "empty": "",
        "model": "1.500",
        "method": "",
    }
    assert shown["ASA"] | {"steps": ""} == {
        "steps": "",
        "cross_entropy": "0.550",
        "divergence": "0.015",
        "kept": "70.0",
        "least": "50.0",
        "empty": "2.2",
        "model": "1.500",
        "method": "30.000",
    }
    assert table.rows[1].cells[2].tail == "\N{PLUS-MINUS SIGN}0.007"


def test_reports_without_trainings_have_no_such_table() -> None:
    assert build_tables(made_up.report(scale=20), ("training",)) == []
