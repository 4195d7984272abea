"""Worst cases, transfer matrices and query budgets, from records with known answers."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from made_up import DEEPWORDBUG, PRUTHI, SST2, report

from asa_bench.errors import BadInput
from asa_bench.measures import Proportion
from asa_bench.reports.curves import curves, half_budget, to_csv
from asa_bench.reports.drawn import undecided
from asa_bench.reports.figures.charts import render
from asa_bench.reports.gather import Gathered
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import AttackOutcome, Hole, ReplayOutcome, Subject
from asa_bench.reports.page.charts import budget_panels
from asa_bench.reports.scores import worst_case
from asa_bench.reports.tables import Table
from asa_bench.reports.text import guard
from asa_bench.reports.transfer import transfers
from asa_bench.reports.write import contents

NAIVE = Subject("m", "naive", "Naive", False, "sst2", 1)
ASA = Subject("m", "asa", "ASA", False, "sst2", 1)
STATUS = {"f": "failed", "s": "successful", "k": "skipped", "e": "errored", "t": "timed_out"}
OUTCOME = {"r": "robust", "x": "fooled", "w": "wrong", "u": "unknown"}


def attacked(
    subject: Subject, attack: Any, statuses: str, budgets: list[Any] | None = None, limit: int | None = 20
) -> AttackOutcome:
    n = len(statuses)
    frame = pd.DataFrame(
        {
            "id": [f"i{i}" for i in range(n)],
            "text_hash": [f"h{i}" for i in range(n)],
            "label": ["positive"] * n,
            "status": [STATUS[letter] for letter in statuses],
            "queries": [10] * n,
            "original_logits": [[0.0, 1.0]] * n,
        }
    )
    if budgets is not None:
        frame["success_budgets"] = [json.dumps(each) for each in budgets]
    return AttackOutcome(subject, SST2, "validation", "f", attack, 0, frame, limit, "recipe")


def replayed(subject: Subject, source: Subject, statuses: str, outcomes: str) -> ReplayOutcome:
    frame = attacked(source, PRUTHI, statuses).rows[["id", "text_hash", "label", "status"]].copy()
    frame["outcome"] = [OUTCOME[letter] for letter in outcomes]
    return ReplayOutcome(subject, SST2, "validation", "f", PRUTHI, 0, source, frame, "recipe")


def made(**changes: Any) -> ReportInput:
    return ReportInput("s", "S", "p", tasks=("sst2",), methods=("naive", "asa"), **changes)


def table(source: ReportInput, name: str) -> Table:
    (found,) = build_tables(source, (name,))
    return found


def means(found: Table, label: str) -> dict[str, float | None]:
    (row,) = (row for row in found.rows if row.label == label)
    return {column.key: cell.mean for column, cell in zip(found.columns, row.cells, strict=True)}


MATRIX = made(
    attacks=(attacked(NAIVE, PRUTHI, "ffskesft"), attacked(ASA, PRUTHI, "fsfffkff")),
    replays=(
        replayed(ASA, NAIVE, "ffskesft", "rrxruwru"),
        replayed(NAIVE, ASA, "fsfffkff", "rxrwrrrr"),
    ),
)


def test_the_matrix_has_the_attack_itself_on_its_diagonal() -> None:
    found = table(MATRIX, "transfer")
    assert [column.head for column in found.columns] == ["No attack", "Naive", "ASA", "Worst"]
    naive, asa = means(found, "Naive"), means(found, "ASA")
    assert (naive["m/naive"], naive["m/asa"]) == (3 / 8, 6 / 8)
    assert (asa["m/naive"], asa["m/asa"]) == (4 / 8, 6 / 8)
    # Naive survives itself at 0, 1 and 6, and what was made against ASA at all but 1 and 3.
    assert naive["worst"] == 2 / 8
    assert asa["worst"] == 3 / 8
    assert "share their training seed" in " ".join(found.notes)


def test_transfer_as_numbers() -> None:
    naive, asa = transfers(MATRIX)
    assert (naive.direct, naive.best) == (Proportion(3, 8), (ASA, Proportion(6, 8)))
    assert (asa.direct, asa.best) == (Proportion(6, 8), (NAIVE, Proportion(4, 8)))
    alone = transfers(replace(MATRIX, replays=()))[0]
    assert alone.best is None and alone.worst == alone.direct


def test_a_failed_replay_is_a_hole() -> None:
    gap = Hole(ASA, "sst2", "out of memory", "pruthi made against Naive seed 1")
    found = table(replace(MATRIX, replays=MATRIX.replays[1:], holes=(gap,)), "transfer")
    (row,) = (row for row in found.rows if row.label == "ASA")
    assert [cell.state for cell in row.cells] == ["value", "hole", "value", "value"]
    assert any("out of memory" in note for note in found.notes)


def test_replays_of_other_examples_or_recipes_are_refused() -> None:
    other = replace(MATRIX.replays[0], rows=MATRIX.replays[0].rows.iloc[1:])
    with pytest.raises(BadInput, match="other examples"):
        Gathered(replace(MATRIX, replays=(other,)))
    with pytest.raises(BadInput, match="another recipe"):
        Gathered(replace(MATRIX, replays=(replace(MATRIX.replays[0], recipe="other"),)))
    with pytest.raises(BadInput, match="recorded twice"):
        Gathered(replace(MATRIX, replays=(MATRIX.replays[0],) * 2))


def test_the_worst_case_survives_every_attack() -> None:
    one, other = attacked(NAIVE, PRUTHI, "fffskete"), attacked(NAIVE, DEEPWORDBUG, "fsffkfff")
    assert worst_case([one, other]) == Proportion(2, 8)
    source = made(attacks=(one, other), ensemble=("pruthi", "deepwordbug+stopwords"))
    found = table(source, "main")
    assert means(found, "Naive")["sst2/validation/sst2/worst"] == 2 / 8
    assert "survives every one of" in " ".join(found.notes)
    lacking = table(replace(source, attacks=(one,)), "main")
    assert not any(column.key.endswith("/worst") for column in lacking.columns)
    shorter = replace(other, rows=other.rows.iloc[1:])
    with pytest.raises(BadInput, match="same ids"):
        worst_case([one, shorter])


def test_a_seed_without_one_of_the_attacks_has_no_worst_case() -> None:
    second = replace(NAIVE, seed=2)
    attacks = (
        attacked(NAIVE, PRUTHI, "ffss"),
        attacked(NAIVE, DEEPWORDBUG, "fsfs"),
        attacked(second, PRUTHI, "ffff"),
    )
    found = table(made(attacks=attacks, ensemble=("pruthi", "deepwordbug+stopwords")), "main")
    (row,) = found.rows
    (cell,) = (c for column, c in zip(found.columns, row.cells, strict=True) if column.key.endswith("/worst"))
    assert dict(cell.values) == {"1": 0.25}


BUDGETS = [[[3, None]], [[5, 6], [9, None]], [], [], [[4, 5]], [[12, None]]]
CURVED = made(attacks=(attacked(NAIVE, PRUTHI, "ssfkfs", BUDGETS),))


def test_the_curve_is_read_off_one_search() -> None:
    (curve,) = curves(Gathered(CURVED))
    assert curve.budgets == (1, 3, 4, 5, 6, 9, 12, 20)
    hits = [round(6 * value) for value in curve.robust[0]]
    assert hits == [5, 4, 3, 3, 4, 3, 2, 2]
    assert [whole.value for whole in curve.mean] == list(curve.robust[0])
    assert all(whole.interval[0] <= whole.value <= whole.interval[1] for whole in curve.mean)
    assert half_budget(CURVED.attacks[0]) == 12.0  # 2 of the 5 that were right before


def test_curves_as_csv() -> None:
    read = list(csv.DictReader(io.StringIO(contents(CURVED)["budget_curves.csv"])))
    assert {row["seed"] for row in read} == {"1", "mean"}
    means_ = [float(row["robust"]) for row in read if row["seed"] == "mean"]
    assert means_ == [float(row["robust"]) for row in read if row["seed"] == "1"]
    assert all(row["low"] and row["high"] and row["n"] == "6" for row in read if row["seed"] == "mean")
    hostile = replace(CURVED.attacks[0], subject=replace(NAIVE, model="=cmd|' /C calc'!A0\n"))
    text = to_csv(curves(Gathered(made(attacks=(hostile,)))), guard)
    assert all(row["model"].startswith("'=cmd") for row in csv.DictReader(io.StringIO(text)))


def test_the_table_names_its_budgets() -> None:
    long = attacked(NAIVE, PRUTHI, "ssfkfs", BUDGETS, limit=None)
    long.rows["queries"] = 30
    found = table(made(attacks=(long,)), "budget")
    assert means(found, "Naive") == {
        "clean": 5 / 6,
        "at/10": 3 / 6,
        "at/25": 2 / 6,
        "full": 2 / 6,
        "budget": None,
        "half": 12.0,
        "undecided": 0,
    }
    short = table(made(attacks=(long, attacked(ASA, PRUTHI, "ssfkfs", BUDGETS, limit=20))), "budget")
    assert means(short, "ASA")["at/25"] is None  # beyond its own search
    assert means(short, "ASA")["at/10"] == 3 / 6


def test_who_was_neither_flipped_nor_robust_is_counted_as_undecided() -> None:
    """Of eight, one search errored and two ran out of time in the first seed, one errored in the second."""
    intervals: list[Any] = [[[3, None]], *([[]] * 7)]
    first = attacked(NAIVE, PRUTHI, "sfkefttf", intervals)
    second = attacked(replace(NAIVE, seed=2), PRUTHI, "sfkfffef", intervals)
    source = made(attacks=(first, second))
    (curve,) = curves(Gathered(source))
    assert curve.undecided == (3, 1)
    assert curve.robust[0][0] == 4 / 8, "not robust even at one query"
    found = table(source, "budget")
    assert means(found, "Naive")["undecided"] == 2
    assert "count as not robust at every budget" in " ".join(found.notes)
    lines = list(csv.DictReader(io.StringIO(contents(source)["budget_curves.csv"])))
    assert {(line["seed"], float(line["undecided"])) for line in lines} == {("1", 3), ("2", 1), ("mean", 2)}
    (panel,) = budget_panels(Gathered(source))
    assert panel.title.endswith("; up to 3 of 8 undecided")
    figure = csv.DictReader(io.StringIO(render(Gathered(source))["budgets.csv"].decode()))
    assert {float(line["undecided"]) for line in figure} == {2}
    (whole,) = budget_panels(Gathered(CURVED))
    assert "undecided" not in whole.title
    assert undecided([2, 2], 9) == "2 of 9 undecided" and undecided([0, 0], 9) == ""


def test_searches_that_tell_no_budgets_have_no_curve() -> None:
    silent = attacked(NAIVE, PRUTHI, "sf", [[[3, None]], []])
    silent.rows["success_budgets"] = ""
    for source in (made(attacks=(silent,)), report(seeds=(1,), laboratory=False, scale=10)):
        assert curves(Gathered(source)) == []
        assert build_tables(source, ("budget", "transfer")) == []
    assert "budget_curves.csv" not in contents(made(attacks=(silent,)))


def test_the_main_table_names_its_budgets() -> None:
    one, other = attacked(NAIVE, PRUTHI, "fs"), attacked(NAIVE, DEEPWORDBUG, "fs", limit=None)
    told = table(made(attacks=(one, other)), "main").notes
    assert "Queries allowed per example: no limit (DeepWordBug +stopwords), 20 (Pruthi)." in told
    assert "Queries allowed per example: 20." in table(made(attacks=(one,)), "main").notes
