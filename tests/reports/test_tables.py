"""What stands in a table: values, spreads, differences, holes, captions; and what cannot stand in one."""

from __future__ import annotations

import random
from dataclasses import replace

import made_up
import numpy as np
import pytest

from asa_bench.errors import BadInput
from asa_bench.measures import summarize
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import LAYOUTS, build_tables
from asa_bench.reports.outcomes import Hole, Subject
from asa_bench.reports.tables import MINUS, Cell, Table, format_number, make_cell
from asa_bench.reports.write import contents


@pytest.fixture(scope="module")
def source() -> ReportInput:
    return made_up.report(scale=5)


@pytest.fixture(scope="module")
def tables(source: ReportInput) -> dict[str, Table]:
    return {table.name: table for table in build_tables(source)}


def cell(table: Table, row: str, column: str) -> Cell:
    at = [item.key for item in table.columns].index(column)
    return next(item for item in table.rows if item.key == row).cells[at]


def test_every_layout_is_made_from_a_full_report(tables: dict[str, Table]) -> None:
    # These have tests of their own.
    own = {"ablation", "pretraining", "training", "budget", "transfer", "replays", "quality", "calibration"}
    own |= {"overlap"}
    assert list(tables) == [name for name in LAYOUTS if name not in own]
    for table in tables.values():
        assert table.title and table.caption and table.notes and table.rows and table.columns
        assert table.provenance["plan"] == "ab" * 32


def test_main_holds_mean_and_deviation_over_seeds(source: ReportInput, tables: dict[str, Table]) -> None:
    found = [
        float((item.rows["label"] == item.rows["prediction"]).mean())
        for item in source.evaluations
        if item.task.name == "sst2" and item.subject.method == "asa"
    ]
    shown = cell(tables["main"], "minilm-l6/asa", "sst2/validation/sst2")
    assert shown.mean == pytest.approx(summarize(found).mean)
    assert shown.spread == pytest.approx(summarize(found).sd)
    assert (shown.n_seeds, shown.n_examples) == (3, 174)
    assert shown.text == f"{100 * summarize(found).mean:.1f} ±{100 * (summarize(found).sd or 0):.1f}"


def test_main_has_its_three_groups_and_their_averages(tables: dict[str, Table]) -> None:
    table = tables["main"]
    groups = list(dict.fromkeys(column.group for column in table.columns))
    assert groups == ["Generalization", "Robustness: challenge sets", "Robustness: attacks"]
    members = [
        cell(table, "minilm-l6/naive", f"{name}/validation/{name}") for name in ("sst2", "qqp", "mnli")
    ]
    average = cell(table, "minilm-l6/naive", "average/Generalization")
    assert average.mean == pytest.approx(sum(member.mean or 0 for member in members) / 3)
    attacked = [column for column in table.columns if column.group == "Robustness: attacks"]
    assert [column.head for column in attacked] == [
        "No attack",
        "DeepWordBug +stopwords",
        "Pruthi",
        "Average, attacked",
    ]


def test_differences_are_paired_by_seed(source: ReportInput, tables: dict[str, Table]) -> None:
    table = tables["main"]
    naive, asa, both = (
        cell(table, row, "qqp/validation/qqp")
        for row in ("minilm-l6/naive", "minilm-l6/asa", "minilm-l6/asa-naive")
    )
    expected = summarize([dict(asa.values)[seed] - dict(naive.values)[seed] for seed in "123"])
    assert (both.mean, both.spread) == pytest.approx((expected.mean, expected.sd))
    assert both.number[0] in ("+", MINUS)


def test_attack_numbers_have_their_denominators(source: ReportInput, tables: dict[str, Table]) -> None:
    outcome = source.attacks[0]
    counts = outcome.rows["status"].value_counts()
    table = tables["attacks"]
    row = "deepwordbug+stopwords/sst2/validation/sst2/minilm-l6/naive"
    seed = str(outcome.subject.seed)
    assert dict(cell(table, row, "robust").values)[seed] == counts["failed"] / len(outcome.rows)
    right = len(outcome.rows) - counts["skipped"]
    assert dict(cell(table, row, "success").values)[seed] == counts["successful"] / right
    assert dict(cell(table, row, "clean").values)[seed] == right / len(outcome.rows)
    assert cell(table, row, "n").number == str(len(outcome.rows))
    assert cell(table, row, "budget").number == "500"


def test_what_was_skipped_errored_or_timed_out_is_counted_apart(source: ReportInput) -> None:
    first, *others = source.attacks
    status = first.rows["status"].to_numpy(object).copy()
    searched = np.flatnonzero(status != "skipped")
    status[searched[:3]], status[searched[3:8]] = "errored", "timed_out"
    status[searched[8:]] = "failed"
    broken = replace(first, rows=first.rows.assign(status=status))
    (table,) = build_tables(replace(source, attacks=(broken, *others)), ("attacks",))
    row, seed = "deepwordbug+stopwords/sst2/validation/sst2/minilm-l6/naive", str(first.subject.seed)
    keys = ("skipped", "errored", "timed_out", "robust", "success", "n")
    found = {key: dict(cell(table, row, key).values).get(seed) for key in keys}
    total, skipped = len(status), len(status) - len(searched)
    assert (found["skipped"], found["errored"], found["timed_out"]) == (skipped, 3, 5)
    assert found["robust"] == (total - skipped - 8) / total and found["success"] == 0
    assert cell(table, row, "n").number == str(total)
    assert [c.head for c in table.columns if c.group == "Examples"] == [
        "Skipped",
        "Errored",
        "Timed out",
        "All",
    ]
    assert "crashed (errored) or ran out of time (timed out)" in " ".join(table.notes)


def test_attack_seeds_are_averaged_before_the_spread_over_training(source: ReportInput) -> None:
    twice = replace(source, attacks=(*source.attacks, *(replace(o, attack_seed=1) for o in source.attacks)))
    first, second = (build_tables(item, ("attacks",))[0] for item in (source, twice))
    assert [row.cells for row in first.rows] == [row.cells for row in second.rows]


def test_hans_has_six_cells(tables: dict[str, Table]) -> None:
    six = [c for c in tables["hans"].columns if c.key.startswith("hans/")]
    assert [(c.subgroup, c.head) for c in six] == [
        (label, head)
        for label in ("Entailed", "Not entailed")
        for head in ("Lexical overlap", "Subsequence", "Constituent")
    ]


def test_reliance_is_agreeing_minus_reversed(tables: dict[str, Table]) -> None:
    table = tables["reliance"]
    agrees, turned, both = (
        cell(table, "minilm-l6/naive", f"inference/{name}") for name in ("agrees", "reversed", "reliance")
    )
    assert dict(both.values) == {s: dict(agrees.values)[s] - dict(turned.values)[s] for s in "123"}
    assert (both.mean or 0) > 0.5


def test_generated_sets_are_declared_incomparable(source: ReportInput, tables: dict[str, Table]) -> None:
    assert "not comparable with published" in tables["main"].caption and "Lab HANS" in tables["main"].caption
    assert "no number is comparable with published" in tables["reliance"].caption
    assert "comparable" not in tables["advglue"].caption
    assert "Holm over the 15 differences of this table" in " ".join(tables["main"].notes)
    assert "Holm over the 3 differences of this table" in " ".join(tables["reliance"].notes)


def test_caption_tells_profile_seeds_and_the_columns_their_examples(tables: dict[str, Table]) -> None:
    assert "profile laptop" in tables["main"].caption
    assert "over 3 seeds" in tables["main"].caption
    assert {c.head: c.n_examples for c in tables["main"].columns}["PAWS-QQP"] == 677 // 5


def test_one_seed_says_so() -> None:
    table = build_tables(made_up.report(seeds=(7,), scale=10), ("main",))[0]
    shown = cell(table, "minilm-l6/naive", "sst2/validation/sst2")
    assert shown.spread is None and shown.text.endswith("⁽¹⁾") and "±" not in shown.text
    assert "One seed: the spread is unknown." in table.caption


def test_fewer_seeds_than_the_rest_are_marked_and_explained() -> None:
    source = made_up.failed(made_up.report(scale=10), "hans", "asa", [1])
    table = build_tables(source, ("main",))[0]
    assert "⁽²⁾" in cell(table, "minilm-l6/asa", "hans/validation/mnli").text
    assert cell(table, "minilm-l6/asa", "average/Robustness: challenge sets").state == "blank"
    assert any("ASA seed 1 on HANS" in note and "ran out of memory" in note for note in table.notes)


def test_a_failed_cell_is_a_hole_and_a_missing_combination_is_blank() -> None:
    source = made_up.failed(
        made_up.report(methods=("naive", "asa", "freelb"), scale=10), "hans", "asa", [1, 2, 3]
    )
    kept = tuple(
        item for item in source.evaluations if (item.subject.method, item.task.name) != ("freelb", "qqp")
    )
    table = build_tables(replace(source, evaluations=kept), ("main",))[0]
    gone = cell(table, "minilm-l6/asa", "hans/validation/mnli")
    assert (gone.state, gone.text, gone.reason) == ("hole", "--", "ran out of memory")
    assert cell(table, "minilm-l6/freelb", "qqp/validation/qqp").text == ""


def test_a_failed_training_leaves_holes_everywhere() -> None:
    source = made_up.report(scale=10)
    lost = Subject("minilm-l6", "freelb", "FreeLB", False, "mnli", 1)
    table = build_tables(replace(source, holes=(Hole(lost, "", "loss is not a number"),)), ("main",))[0]
    assert cell(table, "minilm-l6/freelb", "hans/validation/mnli").state == "hole"
    assert cell(table, "minilm-l6/freelb", "sst2/validation/sst2").state == "blank"


def test_rows_are_grouped_by_model_only_where_there_are_several(tables: dict[str, Table]) -> None:
    assert {row.group for row in tables["main"].rows} == {""}
    both = build_tables(made_up.report(models=("b-model", "a-model"), seeds=(1, 2), scale=20), ("main",))[0]
    assert list(dict.fromkeys(row.group for row in both.rows)) == ["a-model", "b-model"]


def test_nothing_depends_on_the_order_of_records() -> None:
    source, dice = made_up.report(scale=20), random.Random(3)
    evaluations, attacks = list(source.evaluations), list(source.attacks)
    dice.shuffle(evaluations)
    dice.shuffle(attacks)
    evaluations = [replace(item, rows=item.rows.sample(frac=1, random_state=1)) for item in evaluations]
    shuffled = replace(source, evaluations=tuple(evaluations), attacks=tuple(attacks))
    assert contents(shuffled) == contents(source)


def test_loaded_checkpoints_without_a_seed_stand_beside_trained_ones(source: ReportInput) -> None:
    item = next(e for e in source.evaluations if e.task.name == "sst2")
    mine = Subject("minilm-l6", "mine", "mine", True, "sst2", None)
    table = build_tables(
        replace(source, evaluations=(*source.evaluations, replace(item, subject=mine))), ("main",)
    )[0]
    assert cell(table, "minilm-l6/mine/loaded", "sst2/validation/sst2").n_seeds == 1
    assert not any(row.key.startswith("minilm-l6/mine/loaded-") for row in table.rows)
    assert any("Loaded checkpoints" in note for note in table.notes)


def test_a_task_faced_from_two_trainings_has_two_columns(source: ReportInput) -> None:
    item = next(e for e in source.evaluations if e.task.name == "hans")
    other = replace(item, subject=replace(item.subject, train_task="qqp"))
    table = build_tables(replace(source, evaluations=(*source.evaluations, other)), ("main",))[0]
    assert {"HANS (from MNLI)", "HANS (from QQP)"} <= {column.head for column in table.columns}


def test_exposure_is_told(source: ReportInput) -> None:
    task = made_up.PAWS.model_copy(update={"exposure": ("qqp:train",)})
    changed = tuple(replace(e, task=task) if e.task.name == "paws_qqp" else e for e in source.evaluations)
    table = build_tables(replace(source, evaluations=changed), ("main",))[0]
    assert any("PAWS-QQP is not zero-shot for models trained on QQP" in note for note in table.notes)


def test_what_cannot_be_compared_is_refused(source: ReportInput) -> None:
    first, *rest = source.evaluations

    def refused(changed: object, words: str) -> None:
        with pytest.raises(BadInput, match=words):
            build_tables(replace(source, evaluations=(changed, *rest)))  # type: ignore[arg-type]

    refused(replace(first, fingerprint="other"), "other data")
    refused(replace(first, rows=first.rows.iloc[1:]), "other examples")
    refused(replace(first, rows=first.rows.iloc[:0]), "no rows")
    refused(replace(first, rows=first.rows.drop(columns="logits")), "no column 'logits'")
    refused(
        replace(first, rows=first.rows.assign(logits="")),
        "'logits' holds something else than lists of numbers",
    )
    ragged = [[0.5, 1.0], *([[0.5]] * (len(first.rows) - 1))]
    refused(replace(first, rows=first.rows.assign(logits=ragged)), r"different numbers of scores \(1 and 2\)")
    refused(replace(first, rows=first.rows.assign(prediction="LABEL_0")), "no label of the task")
    refused(replace(first, rows=first.rows.assign(id="x")), "occurs twice")
    with pytest.raises(BadInput, match="recorded twice"):
        build_tables(replace(source, evaluations=(*source.evaluations, first)))
    with pytest.raises(BadInput, match="did you mean 'main'"):
        build_tables(source, ("mian",))


def test_an_empty_report_makes_no_table() -> None:
    assert build_tables(ReportInput("robustness", "Robustness", "embedded")) == []


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.8136, "percent", "81.4"),
        (1.0, "percent", "100.0"),
        (0.034, "points", "+3.4"),
        (-0.034, "points", f"{MINUS}3.4"),
        (-0.0001, "points", "0.0"),
        (1234.5, "number", "1,234.5"),
    ],
)
def test_numbers_have_one_decimal(value: float, unit: str, text: str) -> None:
    assert format_number(value, unit) == text  # type: ignore[arg-type]


def test_cells_order_their_seeds_as_numbers() -> None:
    assert [seed for seed, _ in make_cell({"10": 0.1, "9": 0.2, "": 0.3}).values] == ["", "9", "10"]
