"""How a wide table is cut into panels, and what LaTeX needs to set them."""

from __future__ import annotations

import re
from dataclasses import replace

import made_up
import pytest

from asa_bench.reports import latex, latex_widths, markdown
from asa_bench.reports.gather import Gathered
from asa_bench.reports.grid import panels
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.tables import Cell, Column, Row, Table, make_cell


def table(*groups: tuple[str, str, int], rows: int = 2) -> Table:
    """Columns given as (group, subgroup, how many)."""
    columns = tuple(
        Column(f"{group}/{sub}/{at}", f"{sub or group} {at}", group, subgroup=sub)
        for group, sub, many in groups
        for at in range(many)
    )
    cells = tuple(Cell("value", mean=0.5, number="50.0") for _ in columns)
    return Table("t", "T", "C", columns, tuple(Row(f"{at}", f"row {at}", cells) for at in range(rows)))


def sizes(of: Table, most: int) -> list[int]:
    return [len(panel.columns) for panel in panels(of, lambda part: len(part) <= most)]


@pytest.mark.parametrize(
    ("groups", "most", "found"),
    [
        ([("a", "", 3), ("b", "", 3)], 6, [6]),
        ([("a", "", 3), ("b", "", 3)], 5, [3, 3]),  # groups stay together
        ([("a", "", 4), ("b", "", 7)], 7, [4, 7]),
        ([("a", "", 4), ("b", "", 7)], 6, [6, 5]),  # one cut costs less than one panel more
        ([("a", "x", 3), ("a", "y", 4)], 5, [3, 4]),  # subgroups stay together
        ([("a", "", 1), ("b", "", 7), ("c", "", 2)], 8, [8, 2]),
        ([("a", "", 9)], 4, [3, 3, 3]),  # even, and nothing alone
    ],
)
def test_panels_take_few_lines_and_cut_no_group_without_need(
    groups: list[tuple[str, str, int]], most: int, found: list[int]
) -> None:
    assert sizes(table(*groups), most) == found


def test_many_rows_make_a_panel_dearer_than_a_cut() -> None:
    groups = [("a", "", 1), ("b", "", 7), ("c", "", 2)]
    assert len(sizes(table(*groups, rows=1), 7)) == 3 and len(sizes(table(*groups, rows=40), 7)) == 2


def test_a_column_that_fits_nowhere_stands_alone() -> None:
    assert sizes(table(("a", "", 2)), 0) == [1, 1]


def test_signs_have_room_of_their_own_where_digits_leave_none() -> None:
    def made(low: float) -> str:
        values = [
            make_cell({"1": value, "2": value}, unit)
            for value, unit in ((low, "percent"), (-0.034, "points"))
        ]
        rows = tuple(Row(f"{at}", f"r{at}", (cell,)) for at, cell in enumerate(values))
        return latex.body(Table("t", "T", "C", (Column("c", "c"),), rows))

    # 100.0 leaves room for the sign of 3.4; 97.0 does not, so that it would touch what stands left of it.
    assert r"\llap{$-$}$3.4" in made(1.0) and r"\hphantom{$-$}" not in made(1.0)
    assert r"\hphantom{$-$}$97.0" in made(0.97) and "$-$$3.4" in made(0.97)


def test_widths_are_those_of_the_font() -> None:
    # Summed by hand from cmr8.tfm: 'Average' is 6.37 + 4.49 + 3.78 + 3.31 + 4.25 + 4.25 + 3.78 points wide.
    assert latex_widths.points("Average") == pytest.approx(30.23, abs=0.5)
    # '100.0' is four digits and a point, its lowered '2.3' two small digits and a small point.
    found = table(("a", "", 1))
    cell = replace(make_cell({"1": 1.0, "2": 1.0}), tail="2.3")
    found = replace(found, columns=(Column("c", "c"),), rows=(Row("r", "r", (cell,)),))
    assert latex_widths.column(found, 0) == pytest.approx(
        4 * 4.25 + 2.36 + 2 * 3.67 + 2.1 + 0.5 + 5.4, abs=0.5
    )


def test_markdown_tells_a_wide_group_by_its_subgroups() -> None:
    made = markdown.render(table(("Attacks", "SST-2", 5), ("Attacks", "QQP", 5)))
    assert re.findall(r"^\*\*(.*)\*\*$", made, re.MULTILINE) == ["Attacks: SST-2", "Attacks: QQP"]
    narrow = markdown.render(table(("HANS", "entailed", 3), ("HANS", "not", 3)))
    assert "| entailed: entailed 0 |" in narrow and "**HANS**" in narrow


def test_a_substitute_of_every_attack_is_told_once_and_not_in_every_head() -> None:
    source = made_up.report(seeds=(1,), scale=40)
    other = made_up.PRUTHI.model_copy(
        update={
            "name": "pruthi+stopwords",
            "title": "Pruthi (x)",
            "substitutes": made_up.DEEPWORDBUG.substitutes,
        }
    )
    alike = tuple(
        replace(item, attack=other) if item.attack.name == "pruthi" else item for item in source.attacks
    )
    mixed, same = Gathered(source), Gathered(replace(source, attacks=alike))
    assert attack_head(mixed, made_up.DEEPWORDBUG) == "DeepWordBug +stopwords"
    assert attack_head(same, made_up.DEEPWORDBUG) == "DeepWordBug" and attack_head(same, other) == "Pruthi"
    calibrated = made_up.DEEPWORDBUG.model_copy(
        update={"name": "deepwordbug+stopwords+calibrated", "raw": "deepwordbug+stopwords"}
    )
    assert attack_head(same, calibrated) == "DeepWordBug +calibrated"
    from asa_bench.reports.layouts import build_tables

    told = build_tables(same, ("attacks",))[0].legend
    assert "Every attack: stop words of scikit-learn." in told
    assert (
        "DeepWordBug +stopwords: stop words of scikit-learn." in build_tables(mixed, ("attacks",))[0].legend
    )


def test_a_detectable_effect_stays_beside_its_difference() -> None:
    found = table(("", "", 8))
    named = tuple(
        replace(column, key=f"{at}/mde" if at in (3, 7) else column.key)
        for at, column in enumerate(found.columns)
    )
    assert sizes(replace(found, columns=named), 7) == [4, 4] and sizes(replace(found, columns=named), 3) == [
        2,
        3,
        3,
    ]
