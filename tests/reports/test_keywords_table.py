"""The tables of reliance on single words: which examples count, means, differences, counts, holes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import made_up
import numpy as np
import pandas as pd
import pytest

from asa_bench.errors import BadInput
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import LEAVING_OUT, Hole, Probe, Subject
from asa_bench.reports.tables import Cell, Table

LAB = "laboratory/hans/validation/mnli"
SST2 = "sst2/validation/sst2"


@pytest.fixture(scope="module")
def source() -> ReportInput:
    return replace(made_up.report(), evaluations=(), attacks=())


def cell(table: Table, row: str, column: str) -> Cell:
    at = [item.key for item in table.columns].index(column)
    return next(item for item in table.rows if item.key == row).cells[at]


def tables(source: ReportInput) -> dict[str, Table]:
    return {table.name: table for table in build_tables(source, ("keywords", "shortcut_word"))}


def probes(source: ReportInput, task: str, seed: int) -> dict[str, pd.DataFrame]:
    """Method -> rows by id."""
    return {
        item.subject.method: item.rows.set_index("id")
        for item in source.probes
        if (item.task.name, item.subject.seed) == (task, seed)
    }


def changed(
    source: ReportInput,
    rows: Callable[[pd.DataFrame], pd.DataFrame],
    method: str = "asa",
    seeds: tuple[int, ...] = (1, 2, 3),
) -> ReportInput:
    """`source` with other rows in the probes of one method."""
    found = tuple(
        replace(item, rows=rows(item.rows.copy()))
        if item.subject.method == method and item.subject.seed in seeds
        else item
        for item in source.probes
    )
    return replace(source, probes=found)


def test_means_are_over_what_every_method_gets_right(source: ReportInput) -> None:
    table = tables(source)["keywords"]
    for seed in (1, 2, 3):
        naive, asa = (probes(source, "sst2", seed)[method] for method in ("naive", "asa"))
        both = (naive["label"] == naive["prediction"]) & (asa["label"] == asa["prediction"])
        assert 0 < both.sum() < min((f["label"] == f["prediction"]).sum() for f in (naive, asa)), (
            "a weak case"
        )
        for method, frame in (("naive", naive), ("asa", asa)):
            row = f"{SST2}/minilm-l6/{method}"
            for name in ("fall_1", "fall_2", "fall_3", "importance_gini", "attention_gini"):
                found = cell(table, row, name)
                assert dict(found.values)[str(seed)] == pytest.approx(frame[name][both].mean())
            assert dict(cell(table, row, "compared").values)[str(seed)] == both.sum()
            assert cell(table, row, "all").number == "60"
        change = dict(cell(table, f"{SST2}/minilm-l6/asa-naive", "fall_1").values)[str(seed)]
        assert change == pytest.approx((asa["fall_1"] - naive["fall_1"])[both].mean())


def test_the_order_of_rows_and_of_probes_does_not_matter(source: ReportInput) -> None:
    mixed = replace(
        changed(source, lambda rows: rows.sample(frac=1, random_state=3)), probes=source.probes[::-1]
    )
    for name, table in tables(source).items():
        assert tables(mixed)[name].rows == table.rows


def test_encoders_are_compared_each_for_itself(source: ReportInput) -> None:
    one, turned = source, {"naive": ("asa", "ASA"), "asa": ("naive", "Naive")}
    # The other encoder gets right with one method what the first one gets right with the other.
    others = [
        replace(p, subject=replace(p.subject, model="other", method=method, method_title=title))
        for p in source.probes
        for method, title in [turned[p.subject.method]]
    ]
    two = replace(source, probes=(*source.probes, *others))
    both, alone = tables(two)["keywords"], tables(one)["keywords"]
    for column in ("fall_1", "compared"):
        key = f"{SST2}/minilm-l6/asa"
        assert cell(both, key, column).values == cell(alone, key, column).values
    assert any(row.label == "other: ASA" for row in both.rows)


def test_a_loaded_model_is_not_compared_with_trained_ones(source: ReportInput) -> None:
    before = tables(source)["keywords"]
    item = next(p for p in source.probes if p.task.name == "sst2")
    wrong = item.rows.assign(
        prediction=item.rows["label"].map({"negative": "positive", "positive": "negative"})
    )
    loaded = Probe(Subject("minilm-l6", "mine", "mine", True, "sst2", 1), *_place(item), wrong)
    after = tables(replace(source, probes=(*source.probes, loaded)))["keywords"]
    key = f"{SST2}/minilm-l6/naive"
    assert cell(after, key, "fall_1").values == cell(before, key, "fall_1").values
    assert cell(after, f"{SST2}/minilm-l6/mine/loaded", "fall_1").state == "undefined"
    assert cell(after, f"{SST2}/minilm-l6/mine/loaded", "compared").number == "0"


def _place(item: Probe) -> tuple[object, str, str]:
    return item.task, item.split, item.fingerprint  # type: ignore[return-value]


def test_the_shortcut_word_counts_where_it_stands_right_or_wrong(source: ReportInput) -> None:
    table = tables(source)["shortcut_word"]
    for method, fall in (("naive", 0.4), ("asa", 0.3)):
        row = f"{LAB}/minilm-l6/{method}"
        assert cell(table, row, "agrees/fall").mean == pytest.approx(fall)
        assert cell(table, row, "reversed/fall").mean == pytest.approx(-fall)
        frame = probes(source, "laboratory/hans", 2)[method]
        its = frame[(frame["shortcut"] == "agrees") & (frame["shortcut_word"] >= 0)]
        assert 0 < len(its) < (frame["shortcut"] == "agrees").sum()
        values = {n: dict(cell(table, row, f"agrees/{n}").values)["2"] for n in ("first", "rank", "relative")}
        assert values["first"] == pytest.approx((its["shortcut_rank"] == 1).mean())
        assert values["rank"] == pytest.approx(its["shortcut_rank"].mean())
        assert values["relative"] == pytest.approx(its["shortcut_rank_normalized"].mean())
        assert cell(table, row, "agrees/n").number == str(len(its))
        assert cell(table, row, "agrees/rank").number == f"{cell(table, row, 'agrees/rank').mean:.1f}"
    assert cell(table, f"{LAB}/minilm-l6/asa-naive", "agrees/fall").number == "−10.0"
    assert not any(row.key.startswith(SST2) for row in table.rows)


def test_without_probes_or_without_a_shortcut_word_there_is_no_table(source: ReportInput) -> None:
    assert tables(replace(source, probes=())) == {}
    none = changed(source, lambda rows: rows.assign(shortcut_word=-1))
    none = changed(none, lambda rows: rows.assign(shortcut_word=-1), method="naive")
    assert set(tables(none)) == {"keywords"}


def test_a_model_without_attention_has_no_number_there(source: ReportInput) -> None:
    table = tables(changed(source, lambda rows: rows.assign(attention_gini=np.nan)))["keywords"]
    found = cell(table, f"{SST2}/minilm-l6/asa", "attention_gini")
    assert (found.state, found.text) == ("undefined", "n/a")
    assert cell(table, f"{SST2}/minilm-l6/naive", "attention_gini").state == "value"


def test_an_example_without_words_is_left_out_of_the_mean(source: ReportInput) -> None:
    def without_first(rows: pd.DataFrame) -> pd.DataFrame:
        right = rows.index[rows["label"] == rows["prediction"]]
        rows.loc[right[:2], "fall_1"] = np.nan
        return rows

    broken = changed(source, without_first, method="naive")
    naive, asa = (probes(broken, "sst2", 1)[method] for method in ("naive", "asa"))
    both = (naive["label"] == naive["prediction"]) & (asa["label"] == asa["prediction"])
    defined = both & naive["fall_1"].notna()
    assert defined.sum() < both.sum()
    found = dict(cell(tables(broken)["keywords"], f"{SST2}/minilm-l6/naive", "fall_1").values)
    assert found["1"] == pytest.approx(naive["fall_1"][defined].mean())


def test_a_failed_probe_is_a_hole_of_its_own() -> None:
    full = made_up.report(scale=5)
    gone = [p for p in full.probes if p.subject.method == "asa" and p.task.name == "sst2"]
    holes = tuple(Hole(p.subject, "sst2", "ran out of memory", LEAVING_OUT) for p in gone)
    kept = tuple(p for p in full.probes if not any(p is other for other in gone))
    broken = replace(full, probes=kept, holes=holes)
    made = {table.name: table for table in build_tables(broken)}
    found = cell(made["keywords"], f"{SST2}/minilm-l6/asa", "fall_1")
    assert (found.state, found.reason) == ("hole", "ran out of memory")
    assert any("under leaving words out" in note for note in made["keywords"].notes)
    assert cell(made["main"], "minilm-l6/asa", SST2).state == "value"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda rows: rows.drop(columns="importance_gini"), "no column 'importance_gini'"),
        (lambda rows: rows.head(5), "other examples than the"),
        (lambda rows: rows.assign(label="neither"), "gold label 'neither' is no label"),
    ],
)
def test_probes_that_cannot_stand_side_by_side_are_refused(
    source: ReportInput, rows: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        tables(changed(source, rows))


def test_the_captions_tell_the_tables_apart(source: ReportInput) -> None:
    found = tables(source)
    assert "every method of the encoder gets right with the same seed" in " ".join(found["keywords"].notes)
    for table in found.values():
        assert "table reliance" in " ".join(table.notes).replace("The table", "table")
