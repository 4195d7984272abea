"""Slices by one definition for accuracy and robust accuracy: hand-counted, from records alone, tested as families."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import made_up
import pandas as pd
import pytest
from made_up import DEEPWORDBUG, SST2

from asa_bench.errors import BadInput
from asa_bench.reports import drawn, write
from asa_bench.reports.gather import Gathered
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import AttackOutcome, Evaluation, StoredReplay, Subject
from asa_bench.reports.tables import Row, Table

FILM = SST2.model_copy(update={"slices": ("construction",)})
# Words, class, construction, right, and what became of it under attack.
EXAMPLES: list[tuple[int, str, str, bool, str]] = [
    (3, "negative", "plain", True, "failed"),
    (9, "negative", "plain", True, "successful"),
    (10, "positive", "negated", True, "failed"),
    (11, "positive", "negated", False, "skipped"),
    (15, "negative", "plain", True, "errored"),
    (50, "positive", "negated", True, "failed"),
]


def subject(method: str, seed: int = 1) -> Subject:
    return Subject("m", method, method.title(), False, "sst2", seed)


def rows(**more: Any) -> pd.DataFrame:
    frame = pd.DataFrame(EXAMPLES, columns=["words", "label", "construction", "right", "status"])
    frame["id"] = [f"e{at}" for at in range(len(frame))]
    frame["text_hash"] = [f"{at:016x}" for at in range(len(frame))]
    return frame.drop(columns=["words", "right"]).assign(**more)


def evaluation(method: str, told: bool = True) -> Evaluation:
    said = [
        label if right else ("negative" if label == "positive" else "positive")
        for _, label, _, right, _ in EXAMPLES
    ]
    lengths = {"word_count": [words for words, *_ in EXAMPLES]} if told else {}
    frame = rows(prediction=said, logits=[[0.0, 1.0]] * len(EXAMPLES), **lengths).drop(columns="status")
    return Evaluation(subject(method), FILM, "dev", "f", frame)


def attack(method: str, texts: bool = True, seed: int = 1, attack_seed: int = 0) -> AttackOutcome:
    original = [json.dumps(["w " * words]) if texts else "" for words, *_ in EXAMPLES]
    frame = rows(original=original, perturbed="", queries=5, original_logits=[[0.0, 1.0]] * len(EXAMPLES))
    return AttackOutcome(
        subject(method, seed), FILM, "dev", "f", DEEPWORDBUG, attack_seed, frame.iloc[::-1], 100
    )


def table(source: ReportInput, name: str) -> Table:
    return build_tables(source, (name,))[0]


def cells(found: Table) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(row.key.split("/")[-2], row.label): tuple(cell.text for cell in row.cells) for row in found.rows}


def test_accuracy_by_slice_is_what_a_hand_counts() -> None:
    source = ReportInput("s", "T", "p", evaluations=(evaluation("naive"),), methods=("naive",))
    found = {
        key: (n, accuracy.split("⁽")[0]) for key, (n, accuracy) in cells(table(source, "slices")).items()
    }
    assert found == {
        ("construction", "negated"): ("3", "66.7"),
        ("construction", "plain"): ("3", "100.0"),
        ("class", "negative"): ("3", "100.0"),
        ("class", "positive"): ("3", "66.7"),
        ("length", "1-10 words"): ("3", "100.0"),
        ("length", "11-20 words"): ("2", "50.0"),
        ("length", "41+ words"): ("1", "100.0"),
    }


@pytest.mark.parametrize("evaluated", [True, False])
def test_robust_accuracy_counts_every_attacked_example_of_the_same_slices(evaluated: bool) -> None:
    """Lengths from the attack's own texts, or joined by id and text from the evaluation."""
    source = ReportInput(
        "s",
        "T",
        "p",
        evaluations=(evaluation("naive"),) if evaluated else (),
        attacks=(attack("naive", texts=not evaluated),),
        methods=("naive",),
    )
    found = table(source, "attack_slices")
    assert {key: (n, robust.split("⁽")[0]) for key, (n, robust) in cells(found).items()} == {
        ("construction", "negated"): ("3", "66.7"),  # one was skipped
        ("construction", "plain"): ("3", "33.3"),  # one was fooled, one errored
        ("class", "negative"): ("3", "33.3"),
        ("class", "positive"): ("3", "66.7"),
        ("length", "1-10 words"): ("3", "66.7"),
        ("length", "11-20 words"): ("2", "0.0"),
        ("length", "41+ words"): ("1", "100.0"),
    }
    assert "under DeepWordBug by class" in {row.group.split("SST-2 ")[1] for row in found.rows}
    robust = {matrix.title.split(" by ")[1]: matrix for matrix in drawn.attack_slices(Gathered(source))}
    assert robust["length"].rows == ("1-10 words (n=3)", "11-20 words (n=2)", "41+ words (n=1)")
    assert [row[0] for row in robust["length"].cells] == pytest.approx([2 / 3, 0, 1])
    assert {matrix.title.split(" by ")[1] for matrix in drawn.slices(Gathered(source))} == (
        set(robust) if evaluated else set()
    )


def test_a_length_that_no_record_tells_is_left_out_and_nothing_else() -> None:
    source = ReportInput(
        "s", "T", "p", (evaluation("naive", told=False),), (attack("naive", texts=False),), methods=("naive",)
    )
    for name in ("slices", "attack_slices"):
        assert {key for key, _ in cells(table(source, name))} == {"construction", "class"}
    # One record that tells it is enough for all of the same examples.
    more = replace(source, evaluations=(evaluation("asa"), evaluation("naive", told=False)))
    for name in ("slices", "attack_slices"):
        assert {key for key, _ in cells(table(more, name))} == {"construction", "class", "length"}


@pytest.mark.parametrize("damaged", ["x", None, 1.5, float("nan")])
def test_a_record_whose_lengths_are_no_numbers_is_refused(damaged: object) -> None:
    item = evaluation("naive")
    item = replace(item, rows=item.rows.assign(word_count=[damaged] * len(EXAMPLES)))
    with pytest.raises(BadInput, match="'word_count' holds something else than whole numbers"):
        Gathered(ReportInput("s", "T", "p", evaluations=(item,)))


def test_slices_of_a_stored_set_are_joined_by_id_and_text() -> None:
    """Its rows have neither slices nor texts; an example that no record knows leaves all of it without."""
    faced = rows(outcome="robust", prediction="positive")[["id", "text_hash", "label", "status", "outcome"]]
    stored = StoredReplay(
        subject("naive"), FILM, "dev", "f", "set", "a" * 20, "x", subject("asa"), faced.iloc[::-1]
    )
    data = Gathered(ReportInput("s", "T", "p", evaluations=(evaluation("naive"),), methods=("naive",)))
    for name, wanted in (
        ("construction", [construction for _, _, construction, *_ in EXAMPLES]),
        ("class", [label for _, label, *_ in EXAMPLES]),
        ("length", ["1-10 words"] * 3 + ["11-20 words"] * 2 + ["41+ words"]),
    ):
        values = data.sliced.values(stored, name)
        assert values is not None and values.tolist() == wanted[::-1]
    other = replace(stored, rows=faced.assign(text_hash="another"))
    assert data.sliced.values(other, "length") is None
    assert data.sliced.values(other, "class") is not None  # the label is its own


def test_attack_seeds_are_averaged_and_differences_are_one_family_of_their_own() -> None:
    source = made_up.report(seeds=(1, 2, 3), scale=4)
    found = table(replace(source, evaluations=(), probes=()), "attack_slices")
    tests = [cell.comparison for row in found.rows for cell in row.cells if cell.comparison is not None]
    assert len(tests) == 4  # two classes under two attacks
    assert {one.family for one in tests} == {4}
    assert {one.examples for one in tests} == {int(row.cells[0].text) for row in found.rows}
    twice = ReportInput(
        "s",
        "T",
        "p",
        attacks=(
            attack("naive"),
            replace(attack("naive", attack_seed=1), rows=attack("naive").rows.assign(status="failed")),
        ),
        methods=("naive",),
    )
    row: Row = next(row for row in table(twice, "attack_slices").rows if row.label == "11-20 words")
    assert row.cells[1].mean == pytest.approx(0.5)  # never robust in one attack seed, always in the other


def test_csv_and_json_hold_slices_with_denominators_and_tests() -> None:
    source = ReportInput(
        "s", "T", "p", attacks=(attack("naive"), attack("asa")), methods=("naive", "asa"), baseline="naive"
    )
    found = table(source, "attack_slices")
    lines = {
        (line["row_group"].split(" by ")[1], line["row"], line["column"]): line
        for line in csv.DictReader(io.StringIO(write.to_csv(found)))
    }
    robust = lines["length", "1-10 words", "Asa"]
    assert (robust["n_examples"], float(robust["mean"])) == ("3", pytest.approx(2 / 3))
    told = lines["class", "positive", "Asa \u2212 Naive"]
    assert (told["n_examples"], float(told["adjusted_p"])) == ("3", 1.0)  # both the same
    rows = json.loads(write.to_json(found))["rows"]
    comparisons = [cell["comparison"] for row in rows for cell in row["cells"] if cell["comparison"]]
    assert {(one["family"], one["seeds"]) for one in comparisons} == {(7, 1)}  # all seven slices
