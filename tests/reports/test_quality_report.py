"""Gated robust accuracy beside the raw one in every table that shows one, from records with known answers."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from made_up import DEEPWORDBUG, PRUTHI, SST2
from test_transfer_and_budgets import ASA, NAIVE, attacked, made, means, replayed, table

from asa_bench.errors import BadInput
from asa_bench.quality import QualityGate, describe
from asa_bench.reports.gather import Gathered
from asa_bench.reports.head_to_head import Side, compare_sides
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import Hole, QualityOutcome, Subject
from asa_bench.reports.page.examples import pack
from asa_bench.reports.transfer import transfers
from asa_bench.reports.write import contents


def judged(
    subject: Subject, attack: Any, statuses: str, passing: Collection[int], **judges: str
) -> QualityOutcome:
    """Two words and four characters of eight words changed; successes not in `passing` have six words changed."""
    rows = attacked(subject, attack, statuses).rows[["id", "text_hash", "label", "status"]].copy()
    won = rows["status"] == "successful"
    rows["words"] = [8 if each else -1 for each in won]
    rows["words_changed"] = [(2 if at in passing else 6) if each else -1 for at, each in enumerate(won)]
    rows["edit_distance"] = [4 if each else -1 for each in won]
    rows["similarity"] = [0.9 if each else float("nan") for each in won]
    rows["perplexity_before"] = [8.0 if each else float("nan") for each in won]
    rows["perplexity_after"] = [32.0 if each else float("nan") for each in won]
    told = describe(judges.get("similarity", "encoder"), judges.get("fluency", "masked"))
    return QualityOutcome(subject, SST2, "validation", "f", attack, 0, rows, told, "recipe")


SOURCE = made(
    attacks=(
        attacked(
            NAIVE, PRUTHI, "ffskesss", [[], [], [[3, None]], [], [], [[5, None]], [[2, None]], [[9, None]]]
        ),
        attacked(ASA, PRUTHI, "fsfffkfs", [[], [[4, None]], [], [], [], [], [], [[7, None]]]),
        attacked(NAIVE, DEEPWORDBUG, "sfskesff"),
        attacked(ASA, DEEPWORDBUG, "fssffkff"),
    ),
    qualities=(
        judged(NAIVE, PRUTHI, "ffskesss", {2, 5}),
        judged(ASA, PRUTHI, "fsfffkfs", {1}),
        judged(NAIVE, DEEPWORDBUG, "sfskesff", {0}),
        judged(ASA, DEEPWORDBUG, "fssffkff", {1, 2}),
    ),
    replays=(
        replayed(ASA, NAIVE, "ffskesss", "rrxruwxr"),
        replayed(NAIVE, ASA, "fsfffkfs", "rxrwurrx"),
    ),
    ensemble=(DEEPWORDBUG.name, PRUTHI.name),
)


def test_the_main_table_shows_both_everywhere() -> None:
    main = table(SOURCE, "main")
    heads = [column.head for column in main.columns]
    assert heads == [
        "No attack",
        "DeepWordBug +stopwords",
        "DeepWordBug +stopwords, gated",
        "Pruthi",
        "Pruthi, gated",
        "Worst of 2",
        "Worst of 2, gated",
        "Average, attacked",
        "Average, gated",
    ]
    found = list(means(main, "Naive").values())
    # Of Pruthi's four successes two pass; of DeepWordBug's three one does. Worst: only id 1 survives both raw;
    # by the gate ids 1, 6 and 7 do (0 falls to DeepWordBug, 2 and 5 to Pruthi).
    assert found[1:7] == [3 / 8, 5 / 8, 2 / 8, 4 / 8, 1 / 8, 3 / 8]
    assert found[7:] == [pytest.approx(5 / 16), pytest.approx(9 / 16)]
    assert "at most 40 % of the words changed" in " ".join(main.notes)
    assert "similarity by encoder; fluency by masked" in " ".join(main.notes)
    assert {column.group for column in main.columns} == {"Robustness: attacks"}


def test_a_looser_gate_gives_the_raw_numbers_and_a_stricter_one_the_clean_ones() -> None:
    loose = replace(SOURCE, gate=QualityGate(max_words_changed=1.0))
    strict = replace(SOURCE, gate=QualityGate(max_edit_distance=3))
    for source, same in ((loose, "robust"), (strict, "clean")):
        shown = table(source, "attacks")
        for row in shown.rows:
            if row.kind == "method":
                cells = {column.key: cell.mean for column, cell in zip(shown.columns, row.cells, strict=True)}
                # An errored example was right before and is never robust.
                errored = cells["errored"] if same == "clean" else 0
                assert cells["gated"] == pytest.approx((cells[same] or 0) - (errored or 0) / 8)


def test_the_table_of_quality() -> None:
    shown = table(SOURCE, "quality")
    row = next(row for row in shown.rows if row.key.startswith("pruthi/") and row.label == "Naive")
    cells = dict(zip([column.key for column in shown.columns], row.cells, strict=True))
    assert cells["successes"].mean == 4 and cells["words"].mean == 4 and cells["share"].mean == 0.5
    assert cells["characters"].mean == 4 and cells["similarity"].mean == pytest.approx(0.9)
    assert cells["bits"].mean == 2 and cells["passing"].mean == 0.5
    assert (cells["clean"].mean, cells["robust"].mean, cells["gated"].mean) == (7 / 8, 2 / 8, 4 / 8)
    told = " ".join(shown.notes)
    assert "PLL-word-l2r" in told and "how much harder masked finds" in told
    none = replace(SOURCE, qualities=tuple(replace(q, judges=describe(None, None)) for q in SOURCE.qualities))
    keys = {column.key for column in table(none, "quality").columns}
    assert not keys & {"similarity", "bits"} and "words" in keys


def test_budgets_and_transfer_show_both() -> None:
    budget = table(SOURCE, "budget")
    assert [c.head for c in budget.columns if c.group.startswith("Robust")][-2:] == ["Full", "Full, gated"]
    assert means(budget, "Naive")["gated"] == 4 / 8
    matrix = table(SOURCE, "transfer")
    naive, asa = means(matrix, "Naive"), means(matrix, "ASA")
    # Naive before ASA's texts: fooled by 1 and 7, of which 1 passes; wrong or unknown at 3 and 4 as before.
    assert (naive["m/asa"], naive["m/asa/gated"]) == (4 / 8, 5 / 8)
    # ASA before Naive's: fooled by 2 and 6, of which 2 passes.
    assert (asa["m/naive"], asa["m/naive/gated"]) == (4 / 8, 5 / 8)
    assert (naive["m/naive"], naive["m/naive/gated"]) == (2 / 8, 4 / 8)
    # Naive by the gate survives its own search at 0, 1, 6, 7 and ASA's texts at 0, 2, 5, 6, 7.
    assert naive["worst/gated"] == 3 / 8
    data = Gathered(SOURCE)
    assert all(one.direct.hits >= 4 for one in transfers(SOURCE, data.passes) if one.attack == "pruthi")


def test_without_records_of_quality_nothing_is_gated() -> None:
    source = replace(SOURCE, qualities=())
    for shown in build_tables(source):
        assert not any("gated" in column.head.lower() for column in shown.columns), shown.name
        assert "Gated" not in shown.caption + " ".join(shown.notes)


def test_quality_that_failed_is_a_hole() -> None:
    gaps = tuple(Hole(NAIVE, "sst2", "out of memory", f"quality of {a.name}") for a in (PRUTHI, DEEPWORDBUG))
    source = replace(SOURCE, qualities=SOURCE.qualities[1:2], holes=gaps)
    main = table(source, "main")
    (row,) = (row for row in main.rows if row.label == "Naive")
    states = {column.head: cell.state for column, cell in zip(main.columns, row.cells, strict=True)}
    assert states["Pruthi"] == "value" and states["Pruthi, gated"] == "hole"
    assert any("out of memory" in note for note in main.notes)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (judged(ASA, PRUTHI, "fsfffkfs", {1}, similarity="another"), "measured otherwise .*another.*encoder"),
        (judged(ASA, PRUTHI, "fsfffkfs", {1}, fluency="another"), "measured otherwise .*fluency"),
        (judged(ASA, PRUTHI, "ffffffff", {1}), "is not of the attack that stands beside it"),
        (judged(NAIVE, PRUTHI, "ffskesss", {2, 5}), "recorded twice"),
        (replace(SOURCE.qualities[1], recipe="other"), "is not of the attack that stands beside it"),
        (replace(SOURCE.qualities[1], fingerprint="other"), "other"),
        (
            replace(SOURCE.qualities[1], rows=SOURCE.qualities[1].rows.drop(columns="words")),
            "no column 'words'",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(changed: QualityOutcome, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Gathered(replace(SOURCE, qualities=(SOURCE.qualities[0], changed)))


def test_every_writer_says_gated() -> None:
    files = contents(SOURCE)
    for name in ("main.md", "main.tex", "main.csv", "main.json", "transfer.csv", "report.txt", "report.html"):
        assert "gated" in files[name].lower(), name


def test_a_comparison_tells_both() -> None:
    sides = Side("one", SOURCE, "naive"), Side("other", SOURCE, "asa")
    found = {cell.attack: cell for cell in compare_sides(*sides).cells}
    assert found["pruthi"].means == (2 / 8, 5 / 8) and found["pruthi"].gated == (4 / 8, 6 / 8)
    again = found["pruthi"].gated_comparison
    assert again is not None and again.difference == 2 / 8
    assert again.family == found["pruthi"].comparison.family == 2 * len(found)
    strict = replace(SOURCE, gate=QualityGate(max_edit_distance=1))
    assert {c.gated for c in compare_sides(sides[0], Side("strict", strict, "asa")).cells} == {None}
    bare = replace(SOURCE, qualities=())
    assert {c.gated for c in compare_sides(sides[0], Side("bare", bare, "asa")).cells} == {None}


def test_the_page_tells_the_quality_of_each_success() -> None:
    packed = pack(SOURCE)
    rows = json.loads(zlib.decompress(base64.b64decode(packed.chunks[0])))
    said = [row[5] for row in rows]
    assert sum(map(bool, said)) == sum((item.rows["status"] == "successful").sum() for item in SOURCE.attacks)
    good = "Quality: 2 of 8 words changed, 4 characters edited, similarity 0.900, +2.0 bits per word; passes the gate."
    assert said.count(good) == 6
    assert sum("6 of 8 words" in text and "does not pass" in text for text in said) == 5
    assert not any(
        row[5]
        for row in json.loads(
            zlib.decompress(base64.b64decode(pack(replace(SOURCE, qualities=())).chunks[0]))
        )
    )


def test_every_difference_at_a_budget_is_tested() -> None:
    (budget,) = build_tables(SOURCE, ("budget",))
    told = [
        cell for row in budget.rows if row.kind == "difference" for cell in row.cells if cell.state == "value"
    ]
    assert told
    for cell in told:
        assert cell.comparison is not None and cell.mean == pytest.approx(cell.comparison.difference)
