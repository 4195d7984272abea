"""The same numbers in another form: digits, columns, spread, which way round, where they come from."""

from __future__ import annotations

import csv
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import made_up
import pytest
from test_writers import compiled

from asa_bench.errors import BadInput
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.look import Look, interval
from asa_bench.reports.tables import Cell, Table, make_cell
from asa_bench.reports.write import contents, write_all


@pytest.fixture(scope="module")
def source() -> ReportInput:
    return made_up.report(methods=("naive", "asa", "freelb"), scale=40)


@pytest.fixture(scope="module")
def main(source: ReportInput) -> Table:
    return build_tables(source, ("main",))[0]


def cells(table: Table) -> dict[tuple[str, str], Cell]:
    return {
        (row.label, column.key): cell
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
    }


def test_an_interval_over_seeds_is_student_s() -> None:
    # 0.8, 0.9, 1.0: mean 0.9, standard deviation 0.1, t(0.975, 2) = 4.302653.
    low, high = interval(make_cell({"1": 0.8, "2": 0.9, "3": 1.0})) or (0.0, 0.0)
    assert (low, high) == pytest.approx((0.9 - 4.302653 * 0.1 / 3**0.5, 0.9 + 4.302653 * 0.1 / 3**0.5))
    assert interval(make_cell({"1": 0.8})) is None


def test_digits_change_numbers_and_spread_alike(main: Table) -> None:
    (found,) = Look(digits=3).numbers([main])
    for place, cell in cells(found).items():
        before = cells(main)[place]
        if before.state == "value" and before.mean is not None:
            assert re.fullmatch(r"[+−]?\d+\.\d{3}", cell.number), cell.number
            assert float(cell.number.replace("−", "-")) == pytest.approx(100 * before.mean, abs=0.0005)
            assert re.fullmatch(r"(±\d+\.\d{3})?", cell.tail)
    (whole,) = Look(digits=0).numbers([main])
    assert {cell.number.lstrip("+−").isdigit() for cell in cells(whole).values() if cell.number} == {True}


def test_the_spread_is_told_as_what_it_is(main: Table) -> None:
    (bare,) = Look(spread="none").numbers([main])
    assert not any(cell.tail for cell in cells(bare).values())
    assert "±" not in bare.caption + " ".join(bare.notes) and "Mean over 3 seeds." in bare.caption
    (found,) = Look(spread="interval").numbers([main])
    assert "95 % interval" in found.caption and "±" not in found.caption + " ".join(found.notes)
    for place, cell in cells(found).items():
        if cell.comparison is not None and cell.tail:
            low, high = (float(end.replace("−", "-")) for end in cell.tail.strip("[]").split(", "))
            assert (low, high) == pytest.approx([100 * end for end in cell.comparison.interval], abs=0.06), (
                place
            )


def test_columns_are_chosen_by_key_group_or_head(main: Table) -> None:
    (found,) = Look(columns=("*average*", "SST-2")).numbers([main])
    assert [column.head for column in found.columns] == [
        *("SST-2", "Average", "Average", "No attack", "DeepWordBug +stopwords", "Pruthi", "Average, attacked")
    ]
    with pytest.raises(BadInput, match="no column is called so; there are SST-2, QQP"):
        Look(columns=("sst3",)).numbers([main])


def test_turning_keeps_every_number_and_its_marks(main: Table) -> None:
    turned, upright = Look(transpose=True).page(main), Look().page(main)
    assert [column.head for column in turned.columns] == [row.label for row in upright.rows]
    for at, row in enumerate(turned.rows):
        assert row.cells == tuple(other.cells[at] for other in upright.rows)
    assert turned.rows[0].label == "SST-2 (n = 21)" and turned.rows[0].group == "Generalization"


def test_turned_files_hold_the_same_data(source: ReportInput, tmp_path: Path) -> None:
    plain, turned = (contents(source, ("main",), look) for look in (Look(), Look(transpose=True)))
    assert plain["main.csv"] == turned["main.csv"] and plain["main.json"] == turned["main.json"]
    assert plain["main.md"] != turned["main.md"]
    assert set(plain) == {f"main.{end}" for end in ("tex", "standalone.tex", "md", "csv", "json")}
    read = list(csv.DictReader(io.StringIO(plain["main.csv"])))
    assert {line["row"] for line in read} >= {"Naive", "ASA", "FreeLB"}
    (tmp_path / "hans.md").write_text("of before")
    write_all(source, tmp_path, ("main",))
    assert (tmp_path / "hans.md").read_text() == "of before"


def test_a_footer_says_where_numbers_come_from_without_clock_or_path(main: Table) -> None:
    (found,) = Look(footer=True).numbers([main])
    assert found.legend[-1].startswith("Provenance: suite: robustness; profile: laptop; plan: abababababab;")
    assert "cdcdcdcdcdcd" in found.legend[-1] and "cd" * 7 not in found.legend[-1]


def test_ablation_takes_differences_against_asa(source: ReportInput) -> None:
    (table,) = build_tables(source, ("ablation",))
    assert [row.label for row in table.rows] == ["ASA", "Naive", "Naive − ASA", "FreeLB", "FreeLB − ASA"]
    assert any("differs from ASA" in note for note in table.notes)
    assert build_tables(made_up.report(scale=40), ("ablation",)) == []


@pytest.mark.parametrize("wrong", [{"digits": 7}, {"digits": -1}, {"spread": "sem"}])
def test_no_such_look(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=r"--(digits|spread)"):
        Look(**wrong)  # type: ignore[arg-type]


def test_a_layout_without_records_is_told(source: ReportInput) -> None:
    with pytest.raises(BadInput, match="layout 'transfer': the records hold nothing for it; there is main"):
        contents(replace(source, evaluations=source.evaluations[:2], attacks=(), probes=()), ("transfer",))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize("look", [Look(transpose=True, footer=True), Look(2, spread="interval", footer=True)])
def test_every_look_compiles_without_a_warning(source: ReportInput, tmp_path: Path, look: Look) -> None:
    files = contents(source, ("main", "hans", "advglue", "attacks", "ablation"), look)
    for name, text in files.items():
        if name.endswith(".standalone.tex"):
            log = compiled(text, tmp_path)
            assert not re.findall(r".*Warning.*|Overfull.*|Underfull.*", log), name
