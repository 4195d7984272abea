"""Figures for papers: the numbers beside them are those of the records, and the bytes are the same each time."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import made_up

from asa_bench.reports import drawn, palette
from asa_bench.reports.figures import charts
from asa_bench.reports.gather import Gathered
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables


@pytest.fixture(scope="module")
def data() -> Gathered:
    small = made_up.report(seeds=(1, 2), scale=60)
    kept = tuple(item for item in small.evaluations if item.task.name == "sst2")
    return Gathered(replace(small, evaluations=kept, attacks=(), probes=()))


@pytest.fixture(scope="module")
def files(data: Gathered) -> dict[str, bytes]:
    return charts.render(data)


def table(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name].decode())))


def test_each_figure_has_its_numbers_beside_it(files: dict[str, bytes]) -> None:
    assert set(files) == {
        f"{name}.{form}" for name in ("seeds", "slices", "reliability") for form in ("pdf", "png", "csv")
    }
    assert all(files[name].startswith(b"%PDF") for name in files if name.endswith(".pdf"))
    assert all(files[name].startswith(b"\x89PNG") for name in files if name.endswith(".png"))


def test_seeds_are_the_cells_of_the_main_table(data: Gathered, files: dict[str, bytes]) -> None:
    (main,) = build_tables(data, ("main",))
    wanted = {
        (row.method, column.head, seed): value
        for row in main.rows
        if row.kind == "method"
        for column, cell in zip(main.columns, row.cells, strict=True)
        for seed, value in (*cell.values, ("mean", cell.mean))
    }
    found = {
        (line["method"], line["column"], line["seed"]): float(line["value"])
        for line in table(files, "seeds.csv")
    }
    assert found == wanted


def test_reliability_counts_every_answer(data: Gathered, files: dict[str, bytes]) -> None:
    read = [line for line in table(files, "reliability.csv") if line["method"] == "asa"]
    rows = [
        item.rows
        for item in data.source.evaluations
        if item.subject.method == "asa" and item.task.name == "sst2"
    ]
    assert sum(int(line["examples"]) for line in read) == sum(map(len, rows))
    right = sum(int((each["prediction"] == each["label"]).sum()) for each in rows)
    assert sum(int(line["examples"]) * float(line["accuracy"]) for line in read) == pytest.approx(right)


def test_figures_and_page_share_their_colours(data: Gathered) -> None:
    style = palette.css()
    for at, colour in enumerate(palette.METHODS):
        assert f"--c{at}: {colour};" in style
    assert set(drawn.colors(data).values()) <= set(range(len(palette.METHODS)))
    assert palette.shade_of(1.0) == 9 and palette.shade_of(0.0) == 0 and palette.shade_of(0.55) == 5


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes() -> None:
    source = made_up.report(seeds=(1, 2), scale=60)
    first = charts.render(Gathered(source))
    assert {name.split(".")[0] for name in first} == {"seeds", "slices", "attack_slices", "reliability"}
    backwards = replace(source, evaluations=source.evaluations[::-1], attacks=source.attacks[::-1])
    assert charts.render(Gathered(backwards)) == first


@pytest.mark.slow
@pytest.mark.parametrize("text", ["$\\frac{", "=cmd|' /C calc'!A0", "\u202e\x1b[31m"])
def test_hostile_names_are_drawn_as_they_are(data: Gathered, text: str) -> None:
    def named(source: ReportInput) -> ReportInput:
        changed = tuple(
            replace(item, subject=replace(item.subject, model=text, method_title=text))
            for item in source.evaluations
        )
        return replace(source, evaluations=changed, attacks=())

    files = charts.render(Gathered(named(data.source)))
    for line in files["seeds.csv"].decode().splitlines():
        assert "\x1b" not in line and "\u202e" not in line and ",=cmd" not in line
