"""The table of pre-training: which rows are compared, what stands in its columns, and what the caption promises."""

from __future__ import annotations

from dataclasses import replace

import made_up
import pytest

from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import PretrainingOutcome
from asa_bench.reports.tables import Cell, Table
from asa_bench.reports.terminal import render
from asa_bench.reports.write import contents

METHODS = {
    "naive": ("Naive", 1.0, 400),
    "naive_longer": ("Naive, longer", 2.2, 880),
    "asa": ("ASA", 2.2, 400),
}


def outcomes(from_scratch: bool = False) -> list[PretrainingOutcome]:
    return [
        PretrainingOutcome(
            model=f"tiny, pre-trained with {title}",
            base="tiny",
            from_scratch=from_scratch,
            method=method,
            method_title=title,
            seed=seed,
            corpus="some text",
            fingerprint="ab" * 32,
            steps=steps,
            relative_compute=compute,
            perplexity_before=50.0,
            perplexity=20.0 + seed - steps / 400,
            kept_fraction=0.9 if method == "asa" else None,
        )
        for method, (title, compute, steps) in METHODS.items()
        for seed in (1, 2)
    ]


def source(methods: tuple[str, ...] = ("naive",), from_scratch: bool = False) -> ReportInput:
    made = outcomes(from_scratch)
    models = tuple(dict.fromkeys(item.model for item in made))
    whole = made_up.report(
        models=models if from_scratch else ("tiny", *models), methods=methods, seeds=(1, 2), scale=5
    )
    return replace(whole, pretraining=tuple(made))


def table(report: ReportInput) -> Table:
    return build_tables(report, ("pretraining",))[0]


def row(found: Table, label: str) -> dict[str, Cell]:
    cells = next(item.cells for item in found.rows if item.label == label)
    return dict(zip((column.key for column in found.columns), cells, strict=True))


def test_rows_are_objectives_and_differences_are_at_equal_steps_and_at_equal_compute() -> None:
    found = table(source())
    assert [item.label for item in found.rows] == [
        "None",
        "Naive",
        "Naive − None",
        "Naive, longer",
        "Naive, longer − Naive",
        "ASA",
        "ASA − Naive",
        "ASA − Naive, longer",
    ]
    assert found.stub == "Pre-training"
    assert "equal steps" in found.caption and "'Naive, longer' equal compute" in found.caption
    assert "some text" in found.caption


def test_columns_of_pretraining_itself() -> None:
    found = table(source())
    asa = row(found, "ASA")
    assert (asa["steps"].text, asa["compute"].text, asa["kept"].number) == ("400", "2.20", "90.0")
    assert asa["perplexity"].mean == pytest.approx(20.5)
    assert asa["perplexity"].n_seeds == 2
    longer = row(found, "Naive, longer")
    assert (longer["steps"].text, longer["compute"].text, longer["kept"].state) == ("880", "2.20", "blank")
    start, difference = row(found, "None"), row(found, "ASA − Naive")
    for key in ("steps", "compute", "kept", "perplexity_before", "perplexity"):
        assert start[key].state == difference[key].state == "blank"


def test_columns_of_fine_tuned_models_are_those_of_the_main_table() -> None:
    report = source()
    found = table(report)
    main = build_tables(report, ("main",))[0]
    for label, model in (("None", "tiny"), ("ASA", "tiny, pre-trained with ASA")):
        own = next(item for item in main.rows if item.model == model and item.kind == "method")
        values = {column.key: cell for column, cell in zip(main.columns, own.cells, strict=True)}
        mine = row(found, label)
        for key in ("sst2/validation/sst2", "paws_qqp/validation/qqp", "hans/validation/mnli"):
            assert mine[key].mean == values[key].mean
    difference = row(found, "ASA − Naive, longer")["sst2/validation/sst2"]
    expected = (row(found, "ASA")["sst2/validation/sst2"].mean or 0) - (
        row(found, "Naive, longer")["sst2/validation/sst2"].mean or 0
    )
    assert difference.mean == pytest.approx(expected)


def test_several_ways_of_fine_tuning_are_blocks_and_from_scratch_there_is_no_start() -> None:
    found = table(source(methods=("naive", "asa"), from_scratch=True))
    assert list(dict.fromkeys(item.group for item in found.rows)) == [
        "fine-tuned with Naive",
        "fine-tuned with ASA",
    ]
    assert "None" not in {item.label for item in found.rows}
    assert len({item.key for item in found.rows}) == len(found.rows)


def test_pretraining_alone_has_a_table_and_other_reports_have_none() -> None:
    alone = ReportInput("pretrain", "Pre-training", "pretrain", pretraining=tuple(outcomes()))
    found = table(alone)
    assert [item.label for item in found.rows] == ["Naive", "Naive, longer", "ASA"]
    assert "encoders" not in found.caption
    assert "pretraining.md" in contents(alone)
    assert build_tables(made_up.report(scale=20), ("pretraining",)) == []


def test_a_terminal_shows_it_in_place_of_the_main_table() -> None:
    shown = render(source(), width=100)
    assert "Perplexity" in shown
    assert "generalization and robustness" not in shown
    assert "generalization and robustness" in render(made_up.report(scale=20), width=100)
