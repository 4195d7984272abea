"""Models that were not exposed alike never stand in one ranking, and every table says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hostile import HOSTILE
from made_up import rows

from asa_bench.errors import BadInput
from asa_bench.reports.exposure import UNKNOWN, ZERO_SHOT, exposure, seen, trained_on
from asa_bench.reports.gather import Gathered
from asa_bench.reports.head_to_head import Side, compare_sides
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.latex import body
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.merging import merge
from asa_bench.reports.outcomes import Evaluation, Subject
from asa_bench.tasks import TASKS

PAWS = TASKS.get("paws_qqp")
BOTH = {"naive": ("qqp",), "asa": ("qqp", "paws_qqp")}


def source(declared: dict[str, tuple[str, ...]], loaded: bool = True, better: str = "asa") -> ReportInput:
    """Two checkpoints on PAWS-QQP, of which one is far better."""
    items = []
    for name in ("naive", "asa"):
        for seed in (1, 2, 3):
            subject = Subject("encoder", name, name, loaded, "qqp", seed)
            right = 0.9 if name == better else 0.4
            items.append(Evaluation(subject, PAWS, "test", "f", rows(PAWS, subject, 300, right)))
    return ReportInput("s", "S", "p", tuple(items), methods=("naive", "asa"), trained_on=declared)


def test_what_was_seen() -> None:
    assert seen(["qqp", "mnli:dev"]) == {"qqp:train", "mnli:dev"}
    assert seen(["paws_qqp+qqp"]) == {"paws_qqp+qqp:train", "qqp:train", "paws_qqp:train"}
    assert exposure(PAWS, "test", ["qqp"]) == ZERO_SHOT
    assert exposure(PAWS, "test", ["paws_qqp+qqp"]) == "saw paws_qqp:train"
    assert exposure(PAWS, "test", ["paws_qqp:test"]) == "saw paws_qqp:test"
    assert exposure(PAWS, "test", None) == UNKNOWN
    assert exposure(TASKS.get("qqp"), "dev", ["qqp"]) == ZERO_SHOT


def test_what_is_not_said_of_a_checkpoint_is_unknown() -> None:
    assert trained_on({}, "encoder", "mine", True, "qqp") is None
    assert trained_on({"mine": ("qqp",)}, "encoder", "mine", True, "qqp") == ("qqp",)
    assert trained_on({"encoder": ("paws_wiki",)}, "encoder", "asa", False, "qqp") == ("qqp", "paws_wiki")


def test_alike_ones_are_ranked() -> None:
    (table,) = build_tables(source(dict.fromkeys(BOTH, ("qqp",))), ("main",))
    assert [row.kind for row in table.rows] == ["method", "method", "difference"]
    assert table.rows[1].cells[0].best
    assert not any("Never one ranking" in note for note in table.notes)


@pytest.mark.parametrize("better", ["naive", "asa"])
@pytest.mark.parametrize("declared", [BOTH, {"naive": ("qqp",)}])
def test_unlike_ones_are_not(declared: dict[str, tuple[str, ...]], better: str) -> None:
    (table,) = build_tables(source(declared, better=better), ("main",))
    assert [row.kind for row in table.rows] == ["method", "method"]
    assert not any(cell.best or cell.conclusive for row in table.rows for cell in row.cells)
    (note,) = [note for note in table.notes if note.startswith("Never one ranking")]
    assert "naive: zero-shot" in note
    assert ("saw paws_qqp:train" if "asa" in declared else UNKNOWN) in note
    assert "Never one ranking" in body(table)


def test_an_encoder_that_saw_it_stands_for_all_that_were_trained_from_it() -> None:
    data = Gathered(source({"encoder": ("paws_wiki",)}, loaded=False))
    assert {data.exposure(row, data.columns[0]) for row in data.rows} == {"saw paws_wiki:train"}


def test_compare_keeps_them_apart() -> None:
    sides = [Side("A", source(BOTH), name) for name in ("naive", "asa")]
    with pytest.raises(BadInput, match=r"never one ranking.*zero-shot; saw paws_qqp:train"):
        compare_sides(*sides)


def test_folders_that_say_otherwise_of_one_checkpoint_are_kept_apart() -> None:
    parts = merge([source(BOTH), source({"naive": ("qqp",), "asa": ("qqp",)})])
    assert len(parts) == 2
    assert all("other training data" in why for part in parts for _, why in part.apart)


def test_hostile_names_are_escaped() -> None:
    told = source({})
    items = tuple(
        replace(e, subject=replace(e.subject, method_title=HOSTILE["latex-immediate"]))
        for e in told.evaluations
    )
    (table,) = build_tables(replace(told, evaluations=items), ("main",))
    assert HOSTILE["latex-immediate"] not in body(table)
