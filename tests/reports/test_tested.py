"""Differences of a table are tested on the same examples and seeds, as one family, and marked only where they are told."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import made_up
import numpy as np
import pandas as pd
import pytest
from made_up import HANS, QQP, SST2

from asa_bench.measures import Combination, Pair, Part, compare_all, crossed_mean, matthews_values
from asa_bench.reports import latex, markdown, write
from asa_bench.reports import tested as differences
from asa_bench.reports.detectable import format_detectable
from asa_bench.reports.head_to_head import Side, compare_sides
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.look import Look
from asa_bench.reports.outcomes import Evaluation, Subject
from asa_bench.reports.tables import Cell, Column, Row, Table, make_cell
from asa_bench.reports.terminal import render_text
from asa_bench.reports.tested import DifferenceRow
from asa_bench.tasks.base import Task


def evaluation(
    item: Task, method: str, seed: int | None, right: Sequence[bool], trained: str = "", **extra: Any
) -> Evaluation:
    """Answers to examples 0, 1, ... that are right or wrong as said; rows come in reverse order for odd seeds."""
    first, second = item.labels[:2]
    frame = pd.DataFrame(
        {
            "id": [f"{number:03d}" for number in range(len(right))],
            "text_hash": "0",
            "label": first,
            "prediction": [first if each else second for each in right],
            "logits": [[0.0]] * len(right),
            **extra,
        }
    )
    if (seed or 0) % 2:
        frame = frame.iloc[::-1].reset_index(drop=True)
    subject = Subject("m", method, method.title(), seed is None, trained or item.name, seed)
    return Evaluation(subject, item, "validation", "f" * 64, frame)


def tables(*evaluations: Evaluation) -> dict[str, Table]:
    source = ReportInput("s", "Title", "p", evaluations=evaluations, methods=("naive", "asa", "other"))
    return {table.name: table for table in build_tables(source)}


def cell(table: Table, row: str, column: int = 0) -> Cell:
    return next(each for each in table.rows if each.label == row).cells[column]


def pattern(*blocks: tuple[int, bool]) -> list[bool]:
    return [value for count, value in blocks for _ in range(count)]


# Of 200 examples, the first gets 120 right; the second 30 more, and 4 fewer.
NAIVE = pattern((120, True), (80, False))
BETTER = pattern((4, False), (146, True), (50, False))


def test_one_seed_is_mcnemars_test() -> None:
    found = tables(evaluation(SST2, "naive", 1, NAIVE), evaluation(SST2, "asa", 1, BETTER))
    difference = cell(found["main"], "Asa − Naive")
    comparison = difference.comparison
    assert comparison is not None
    assert (comparison.gained, comparison.lost) == (30, 4)
    assert comparison.difference == pytest.approx(26 / 200)
    # The score test: (30 - 4) / sqrt(30 + 4) = 4.459, two-sided.
    assert comparison.p == pytest.approx(8.24e-6, rel=1e-2)
    assert difference.conclusive and difference.text.endswith("†")
    assert cell(found["main"], "Asa").best and cell(found["main"], "Asa").conclusive
    assert not cell(found["main"], "Naive").best
    notes = " ".join(found["main"].notes)
    assert "McNemar's test" in notes and "Holm over the 1 difference of this table" in notes
    assert "rest on one seed" in notes


def test_nothing_is_marked_that_cannot_be_told() -> None:
    slightly = pattern((118, True), (2, False), (6, True), (74, False))
    found = tables(evaluation(SST2, "naive", 1, NAIVE), evaluation(SST2, "asa", 1, slightly))
    for row in found["main"].rows:
        for each in row.cells:
            assert not each.best and not each.conclusive
    assert "†" not in latex.body(found["main"]).split(r"\begin{tabular}")[1].split(r"\end{tabular}")[0]
    assert r"\mathbf" not in latex.body(found["main"])


def test_all_of_a_table_are_one_family_on_shared_seeds_and_examples() -> None:
    draw = np.random.default_rng(5)
    answers = {
        (item.name, method, seed): draw.random(60) < right
        for item in (SST2, QQP)
        for method, right in (("naive", 0.6), ("asa", 0.8), ("other", 0.62))
        for seed in (1, 2, 3)
    }
    evaluations = [
        evaluation({"sst2": SST2, "qqp": QQP}[name], method, seed, values.tolist())
        for (name, method, seed), values in answers.items()
        if (method, seed) != ("asa", 3)  # only two seeds are shared with it
    ]
    shown = tables(*evaluations)["main"]
    pairs: dict[tuple[str, str], Any] = {}
    for method, seeds in (("asa", (1, 2)), ("other", (1, 2, 3))):
        for name in ("sst2", "qqp"):
            stacked = [
                np.stack([answers[name, who, seed] for seed in seeds]).astype(float)
                for who in ("naive", method)
            ]
            pairs[method, name] = Pair(stacked[0], stacked[1])
        # The average of both columns: models of their own, and examples of their own.
        pairs[method, "average"] = Combination(
            tuple(Part(pairs[method, name], 0.5, name, name) for name in ("sst2", "qqp"))
        )
    expected = compare_all(pairs)
    heads = [column.head for column in shown.columns]
    for (method, name), comparison in expected.items():
        at = heads.index({"sst2": "SST-2", "qqp": "QQP", "average": "Average"}[name])
        found = cell(shown, f"{method.title()} − Naive", at)
        assert found.comparison == comparison and found.mean == pytest.approx(comparison.difference)
        assert comparison.family == 6
    assert not any(note.startswith("Not tested") for note in shown.notes)


def test_hans_is_stratified_by_subcase() -> None:
    right = pattern((40, True), (40, False))
    extra = {
        "heuristic": ["subsequence"] * 80,
        "subcase": [f"s{number % 4}" for number in range(80)],
    }
    other = pattern((40, True), (30, True), (10, False))
    found = tables(
        evaluation(HANS, "naive", 1, right, "mnli", **extra),
        evaluation(HANS, "asa", 1, other, "mnli", **extra),
    )
    comparison = cell(found["hans"], "Asa − Naive").comparison
    assert comparison is not None and comparison.strata == 4
    assert "within strata" in comparison.method


def test_what_belongs_together_is_a_cluster() -> None:
    item = SST2.model_copy(update={"group": "pair"})
    extra = {"pair": [f"{number // 2}" for number in range(200)]}
    found = tables(evaluation(item, "naive", 1, NAIVE, **extra), evaluation(item, "asa", 1, BETTER, **extra))
    comparison = cell(found["main"], "Asa − Naive").comparison
    assert comparison is not None and (comparison.examples, comparison.clusters) == (200, 100)


def test_the_baseline_is_bold_where_it_beats_all_others() -> None:
    found = tables(
        evaluation(SST2, "naive", 1, BETTER),
        evaluation(SST2, "asa", 1, NAIVE),
        evaluation(SST2, "other", 1, NAIVE),
    )
    assert cell(found["main"], "Naive").best
    assert cell(found["main"], "Asa").conclusive and not cell(found["main"], "Asa").best


def mixed(
    method: str, seed: int, right: Sequence[bool], metrics: tuple[str, ...], **update: Any
) -> Evaluation:
    """As `evaluation`, with both labels among the gold ones."""
    item = SST2.model_copy(update={"metrics": metrics, **update})
    made = evaluation(item, method, seed, right)
    gold = [item.labels[int(name) % 3 == 0] for name in made.rows["id"]]
    hit = made.rows["label"] == made.rows["prediction"]
    said = [name if h else item.labels[name == item.labels[0]] for name, h in zip(gold, hit, strict=True)]
    return replace(made, rows=made.rows.assign(label=gold, prediction=said))


def test_metrics_that_are_no_mean_are_tested_by_their_values_per_example() -> None:
    sides = [
        mixed(method, 1, right, ("matthews", "accuracy"))
        for method, right in (("naive", NAIVE), ("asa", BETTER))
    ]
    found = tables(*sides)
    ordered = [side.rows.sort_values("id") for side in sides]
    values = [matthews_values(rows["label"], rows["prediction"]) for rows in ordered]
    expected = crossed_mean(values[1] - values[0])
    told = cell(found["main"], "Asa − Naive").comparison
    assert told is not None and told.difference == pytest.approx(expected.mean)
    assert told.interval == pytest.approx(expected.interval()) and told.flipped == 34 and told.gained is None
    # Beside it in the table of metrics: accuracy, by McNemar's test.
    (accuracy,) = (at for at, column in enumerate(found["metrics"].columns) if column.head == "Acc.")
    beside = cell(found["metrics"], "Asa − Naive", accuracy).comparison
    assert (
        beside is not None and beside.method.startswith("McNemar") and (beside.gained, beside.lost) == (30, 4)
    )
    (shown,) = found["comparisons"].rows
    assert [each.state for each in shown.cells[6:8]] == ["blank", "blank"]


def test_consistency_is_tested_by_groups_and_correlations_by_their_values() -> None:
    groups = {"pair": [f"{number // 2}" for number in range(200)]}
    update = {"slices": (), "group": "pair"}
    sides = []
    for method, right in (("naive", NAIVE), ("asa", BETTER)):
        made = mixed(method, 2, right, ("accuracy", "consistency"), **update)
        sides.append(replace(made, rows=made.rows.assign(**groups)))
    table = tables(*sides)["metrics"]
    told = {column.head: cell(table, "Asa − Naive", at).comparison for at, column in enumerate(table.columns)}
    assert told["Acc."] is not None and told["Acc."].clusters == 100
    # 60 of 100 pairs are right of the one, 71 of the other, 2 of them lost.
    assert told["Consistency"] is not None
    assert (told["Consistency"].examples, told["Consistency"].gained, told["Consistency"].lost) == (
        100,
        15,
        2,
    )
    item = SST2.model_copy(update={"metrics": ("spearman", "pearson"), "kind": "regression", "labels": ()})
    generator = np.random.default_rng(3)
    gold = generator.normal(size=200)
    numbers = []
    for method, noise in (("naive", 2.0), ("asa", 0.5)):
        made = replace(evaluation(SST2, method, 2, NAIVE), task=item)
        said = gold + noise * generator.normal(size=200)
        numbers.append(
            replace(made, rows=made.rows.assign(label=gold.astype(str), prediction=said.astype(str)))
        )
    found = cell(tables(*numbers)["main"], "Asa − Naive")
    assert found.comparison is not None and found.conclusive
    assert found.mean == pytest.approx(found.comparison.difference) and found.comparison.method.startswith(
        "t on"
    )


def test_every_difference_that_people_read_has_its_minimum_detectable_effect_beside_it() -> None:
    made = made_up.report(scale=5)
    found = set()
    for table in build_tables(made):
        shown = Look().page(table)
        tested = [
            (row.key, at)
            for row in table.rows
            for at, each in enumerate(row.cells)
            if each.comparison is not None and row.kind == "difference"
        ]
        lines = {row.key: row for row in shown.rows}
        for key, at in tested:
            own = next(row for row in table.rows if row.key == key).cells[at].comparison
            assert own is not None
            number = lines[f"{key}/mde"].cells[at].number
            # Not even the largest difference that there can be: that is told in a word.
            nothing = own.detectable == own.largest
            assert number == ("none" if nothing else f"{100 * own.detectable:.1f}"), table.name
            found.add(number)
        assert sum(row.kind == "detectable" for row in shown.rows) == len({key for key, _ in tested})
    assert "none" in found and len(found) > 1
    main = Look().page(build_tables(made, ("main",))[0])
    assert "*MDE*" in markdown.render(main) and r"\quad\textit{MDE}" in latex.body(main)
    assert "\nMDE " in render_text(main, 200)
    slices = Look(digits=2).page(build_tables(made, ("slices",))[0])
    at = [column.key for column in slices.columns].index("minilm-l6/asa-mde")
    assert slices.columns[at].head == "MDE"
    for row in slices.rows:
        comparison = row.cells[at - 1].comparison
        assert comparison is not None
        assert row.cells[at].number == (
            "none" if comparison.detectable == 1 else f"{100 * comparison.detectable:.2f}"
        )


def disagreeing() -> ReportInput:
    """Naive and ASA, whose two seeds contradict each other wholly: no difference could be found."""
    made = made_up.report(seeds=(1, 2), scale=5)

    def first(subject: Subject) -> bool:
        return (subject.method == "naive") == (subject.seed == 1)

    attacks = tuple(
        replace(item, rows=item.rows.assign(status="failed" if first(item.subject) else "successful"))
        for item in made.attacks
    )
    probes = tuple(
        replace(
            item,
            rows=item.rows.assign(
                prediction=item.rows["label"],
                fall_1=1.0 if first(item.subject) else -1.0,
                importance_gini=1.0 if first(item.subject) else 0.0,
            ),
        )
        for item in made.probes
    )
    return replace(made, attacks=attacks, probes=probes)


def test_nothing_to_be_found_is_told_by_what_each_measure_can_reach() -> None:
    source = disagreeing()
    known = {
        ("attacks", "robust"): 1.0,
        ("attacks", "success"): 1.0,
        ("keywords", "fall_1"): 2.0,
        ("keywords", "importance_gini"): 1.0,
    }
    for (name, key), largest in known.items():
        (table,) = build_tables(source, (name,))
        at = [column.key for column in table.columns].index(key)
        comparisons = [c for row in table.rows if (c := row.cells[at].comparison) is not None]
        assert comparisons, (name, key)
        assert {(one.largest, one.detectable) for one in comparisons} == {(largest, largest)}, (name, key)
        shown = [row.cells[at].number for row in Look().page(table).rows if row.kind == "detectable"]
        assert set(shown) == {"none"}, (name, key)


def test_a_note_names_the_surest_effect_and_says_where_there_is_none() -> None:
    right, wrong = np.ones((2, 40)), np.zeros((2, 40))
    turned = (np.stack([right[0], wrong[0]]), np.stack([wrong[0], right[0]]))
    nothing = compare_all({"": Pair(*turned, linear=True, largest=2.0)})[""]
    sure = compare_all({"": Pair(np.array([NAIVE], float), np.array([BETTER], float))})[""]
    beyond = replace(nothing, detectable=1.2)
    number = f"{100 * sure.detectable:.1f}"
    assert (format_detectable(nothing), format_detectable(beyond)) == ("none", "120.0")
    assert differences.findable([nothing]) == "none at all, with so few seeds or examples"
    assert differences.findable([sure]) == f"{number} points"
    assert differences.findable([nothing, nothing, sure]).startswith(
        f"{number} points in the surest column, and in most"
    )
    assert differences.findable([nothing, beyond, sure]).endswith("120.0 in the median one")


def test_every_writer_tells_it() -> None:
    found = tables(evaluation(SST2, "naive", 1, NAIVE), evaluation(SST2, "asa", 1, BETTER))
    main = found["main"]
    assert r"\mathbf{73.0}^{(1)\dagger}" in latex.body(main)
    assert "**73.0⁽¹⁾†**" in markdown.render(main)
    lines = list(csv.DictReader(io.StringIO(write.to_csv(main))))
    (line,) = [each for each in lines if each["row_kind"] == "difference"]
    assert line["conclusive"] == "true"
    assert float(line["adjusted_low"]) > 0 and float(line["adjusted_p"]) < 0.001
    assert 0 < float(line["detectable"]) < 0.13
    (shown,) = found["comparisons"].rows
    assert [each.number for each in shown.cells[:1]] == ["+13.0"]
    assert shown.cells[4].number == "<0.001"
    assert [each.number for each in shown.cells[6:11]] == ["30.0", "4.0", "1", "200", "200"]


def test_flips_in_one_direction_alone_are_no_trouble() -> None:
    only = pattern((150, True), (50, False))
    for first, second in ((NAIVE, only), (only, NAIVE), (NAIVE, NAIVE)):
        found = tables(evaluation(SST2, "naive", 1, first), evaluation(SST2, "asa", 1, second))
        for table in found.values():
            json.loads(write.to_json(table))
            write.to_csv(table)
            latex.body(table)


def test_a_checkpoint_without_seed_is_compared_with_another() -> None:
    found = tables(evaluation(SST2, "naive", None, NAIVE), evaluation(SST2, "asa", None, BETTER))
    assert cell(found["main"], "Asa − Naive").conclusive


def test_other_examples_are_refused_before_any_test() -> None:
    from asa_bench.errors import BadInput

    other = evaluation(SST2, "asa", 1, BETTER)
    other = replace(other, rows=other.rows.assign(id=[f"x{number}" for number in range(200)]))
    with pytest.raises(BadInput, match="other examples"):
        tables(evaluation(SST2, "naive", 1, NAIVE), other)


def test_slices_are_tested_as_one_family_and_the_best_is_marked() -> None:
    source = made_up.report(methods=("naive", "asa", "freelb"), seeds=tuple(range(8)), scale=3)
    kept = tuple(item for item in source.evaluations if "hans" in item.task.name)
    table = build_tables(replace(source, evaluations=kept), ("slices",))[0]
    heads = [column.key for column in table.columns]
    at = heads.index("minilm-l6/asa-")
    tests = [row.cells[at].comparison for row in table.rows]
    assert all(test is not None for test in tests)
    assert {test.family for test in tests if test is not None} == {2 * len(table.rows)}
    for row in table.rows:
        for name in ("asa", "freelb"):
            method, told = (
                row.cells[heads.index(f"minilm-l6/{name}")],
                row.cells[heads.index(f"minilm-l6/{name}-")],
            )
            assert told.comparison is not None and told.mean is not None
            assert abs(told.comparison.difference - told.mean) < 1e-12
            assert method.conclusive == told.conclusive == told.comparison.conclusive
            assert not method.best or (told.conclusive and told.mean > 0)
    assert any(cell.best for row in table.rows for cell in row.cells)
    assert not any(row.cells[heads.index("n")].conclusive for row in table.rows)


def test_notes_say_what_belongs_together_and_the_table_of_comparisons_claims_no_lack_of_tests() -> None:
    hans, told = build_tables(made_up.report(scale=5), ("hans", "comparisons"))[::-1]
    assert "within subcases, since the rows name no template: HANS." in " ".join(hans.notes)
    assert "do not name their source sentences" in " ".join(told.notes)
    assert "not tested for significance" not in " ".join((*hans.notes, *told.notes))


def test_rows_made_from_one_original_are_one_cluster_and_the_notes_say_how_that_is_known() -> None:
    item = SST2.model_copy(update={"made_from": "source"})
    # 30 originals of 5 rows each, of which one is told by the data; the others stand alone.
    source = [f"{'told' if row // 5 == 0 else 'alike'} {row // 5}" if row < 150 else "" for row in range(200)]
    found = tables(
        evaluation(item, "naive", 1, NAIVE, source=source), evaluation(item, "asa", 1, BETTER, source=source)
    )
    comparison = cell(found["main"], "Asa − Naive").comparison
    assert comparison is not None
    assert (comparison.examples, comparison.clusters) == (200, 80)
    # The sandwich estimate for cluster totals by hand: difference 26 / 200.
    gained = np.asarray(BETTER, float) - np.asarray(NAIVE, float)
    clusters = [range(at, at + 5) for at in range(0, 150, 5)] + [range(at, at + 1) for at in range(150, 200)]
    mean = gained.mean()
    parts = [(sum(gained[at] - mean for at in each) / 200) ** 2 / (1 - len(each) / 200) for each in clusters]
    assert comparison.standard_error == pytest.approx(sum(parts) ** 0.5)
    notes = " ".join(found["main"].notes)
    assert "5 rows of 1 told by the data; 145 rows of 29 found by likeness of texts, 50 rows alone" in notes


def test_records_that_tell_no_original_are_tested_as_independent_and_say_so() -> None:
    item = SST2.model_copy(update={"made_from": "source"})
    found = tables(
        evaluation(item, "naive", 1, NAIVE, source=""), evaluation(item, "asa", 1, BETTER, source="")
    )
    comparison = cell(found["main"], "Asa − Naive").comparison
    assert comparison is not None and comparison.clusters == 200
    assert "nothing tells what they were made from" in " ".join(found["main"].notes)


def test_one_seed_leaves_the_part_of_seeds_unknown() -> None:
    table = build_tables(made_up.report(seeds=(7,), scale=5), ("comparisons",))[0]
    heads = [column.key for column in table.columns]
    assert {row.cells[heads.index("seed_share")].text for row in table.rows} == {"unknown"}
    assert "the table of variance tells their part" in " ".join(table.notes)
    assert "-0" not in {row.cells[heads.index("lost")].number[:2] for row in table.rows}


def test_means_over_some_examples_and_rates_are_tested_as_ratios_of_totals() -> None:
    made = made_up.report(scale=5)
    found = {table.name: table for table in build_tables(made, ("reliance", "keywords", "attacks"))}
    for table in found.values():
        told = [
            (cell.mean, cell.comparison)
            for row in table.rows
            if row.kind == "difference"
            for cell, column in zip(row.cells, table.columns, strict=True)
            if cell.state == "value" and column.unit in ("percent", "points")
        ]
        assert told, table.name
        for mean, comparison in told:
            assert comparison is not None and mean == pytest.approx(comparison.difference, abs=1e-12)
        assert {comparison.family for _, comparison in told if comparison is not None} == {len(told)}
    # Accuracy where the shortcut agrees is one of right and wrong answers, its difference to the reversed ones is none.
    by_head = {
        c.head: cell(found["reliance"], "ASA − Naive", at) for at, c in enumerate(found["reliance"].columns)
    }
    agrees, reliance = by_head["Agrees"].comparison, by_head["Reliance"].comparison
    assert agrees is not None and agrees.gained is not None
    assert reliance is not None and reliance.gained is None and "linearized" in reliance.method
    assert reliance.examples > agrees.examples


def test_where_less_is_better_the_lowest_is_bold() -> None:
    columns = (Column("a", "A"), Column("b", "B", better="low"), Column("c", "C", better="neither"))
    pair = Pair(np.array([NAIVE], dtype=float), np.array([BETTER], dtype=float))
    cells = [make_cell({"1": sum(right) / 200}) for right in (NAIVE, BETTER)]
    told = make_cell({"1": 0.13}, "points")
    rows = [
        Row("naive", "Naive", (cells[0],) * 3),
        Row("asa", "Asa", (cells[1],) * 3),
        DifferenceRow(
            "asa-naive",
            "Asa − Naive",
            (told,) * 3,
            kind="difference",
            pairs=(pair,) * 3,
            of="asa",
            baseline="naive",
        ),
    ]
    naive, asa, difference = differences.tested(rows, columns)
    assert [each.conclusive for each in difference.cells] == [True] * 3
    assert [each.best for each in asa.cells] == [True, False, False]
    assert [each.best for each in naive.cells] == [False, True, False]


def test_a_rate_of_failures_is_tested_by_cases_and_less_is_better() -> None:
    item = SST2.model_copy(
        update={"metrics": ("failure_rate",), "slices": ("expectation",), "group": "case", "unlabelled": True}
    )
    told = {"expectation": ["same"] * 200, "case": [f"{number // 2:03d}" for number in range(200)]}
    sides = []
    for method, wrong in (("naive", 40), ("asa", 10)):  # so many cases of 100 are answered in two ways
        made = evaluation(SST2, method, 2, [at % 2 == 1 or at // 2 >= wrong for at in range(200)], **told)
        sides.append(replace(made, task=item))
    main = tables(*sides)["main"]
    difference = cell(main, "Asa − Naive")
    comparison = difference.comparison
    assert comparison is not None and difference.conclusive
    assert difference.mean == pytest.approx(-0.3) and comparison.difference == pytest.approx(-0.3)
    # 30 cases differ by -1 and 70 by 0, each case a cluster.
    assert comparison.standard_error == pytest.approx((0.3 * 0.7 / 99) ** 0.5) and comparison.clusters == 100
    assert cell(main, "Asa").best and not cell(main, "Naive").best
    source = ReportInput("s", "Title", "p", evaluations=tuple(sides), methods=("naive", "asa"))
    (compared,) = compare_sides(Side("a", source, "naive"), Side("a", source, "asa")).cells
    assert (compared.verdict, compared.metric, compared.flips) == ("better", "failure_rate", ())
