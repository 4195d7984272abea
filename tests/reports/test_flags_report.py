"""Flags from records: each trap planted in a record is caught, a clean record raises none, and pages show them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import DEEPWORDBUG, QQP, SST2

from asa_bench.reports import flags
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.outcomes import AttackOutcome, Evaluation, QualityOutcome, ReplayOutcome, Subject
from asa_bench.reports.write import contents

SUBJECT = Subject("encoder", "naive", "Naive", False, "sst2", 1)
SIZE = 200
Frame = pd.DataFrame


def records() -> tuple[Frame, Frame]:
    """An evaluation of 200 rows, 9 of 10 right, and an attack on the first 100 that breaks half of the right ones."""
    dice = np.random.default_rng(5)
    gold = np.arange(SIZE) % 2
    predicted = np.where(np.isin(np.arange(SIZE) % 20, (9, 18)), 1 - gold, gold)
    logits = [
        [float(1 + dice.random()) * (1 if place == label else -1) for place in (0, 1)] for label in predicted
    ]
    clean = pd.DataFrame(
        {
            "id": [f"e{i}" for i in range(SIZE)],
            "text_hash": [f"{i:016x}" for i in range(SIZE)],
            "label": [SST2.labels[i] for i in gold],
            "prediction": [SST2.labels[i] for i in predicted],
            "logits": logits,
        }
    )
    attacked = clean.iloc[:100].drop(columns=["prediction", "logits"]).reset_index(drop=True)
    right = gold[:100] == predicted[:100]
    won = right & (np.arange(100) % 4 < 2)
    attacked["status"] = np.where(~right, "skipped", np.where(won, "successful", "failed"))
    attacked["queries"] = np.where(right, 30, 1)
    attacked["success_budgets"] = ["[[12, null]]" if w else "[]" for w in won]
    attacked["original_logits"] = [[x + 1e-7 for x in row] for row in logits[:100]]
    attacked["error"] = ""
    return clean, attacked


def report(clean: Frame, attacked: Frame) -> ReportInput:
    evaluation = Evaluation(SUBJECT, SST2, "validation", "f", clean)
    outcome = AttackOutcome(SUBJECT, SST2, "validation", "f", DEEPWORDBUG, 0, attacked)
    return ReportInput("s", "Title", "p", (evaluation,), (outcome,))


def raised(clean: Frame, attacked: Frame) -> set[str]:
    return {sign.flag.name for sign in flags.find(report(clean, attacked)) if sign.flag.raised}


def test_a_clean_record_raises_none_and_every_check_was_made() -> None:
    signs = flags.find(report(*records()))
    assert {sign.flag.name for sign in signs} == {
        "saturated_scores",
        "slice_at_extreme",
        "answers_contradict",
        "crash_rate",
        "budget_never_helps",
        "stochastic_outputs",
        "robust_above_clean",
    }
    assert not [sign for sign in signs if sign.flag.raised]


def _scaled(clean: Frame, attacked: Frame) -> None:
    clean["logits"] = [[100 * x for x in row] for row in clean["logits"]]
    attacked["original_logits"] = [[100 * x for x in row] for row in attacked["original_logits"]]


def _dropout(clean: Frame, attacked: Frame) -> None:
    attacked["original_logits"] = [[x + 0.3, y] for x, y in attacked["original_logits"]]


def _swapped(clean: Frame, attacked: Frame) -> None:
    other = {SST2.labels[0]: SST2.labels[1], SST2.labels[1]: SST2.labels[0]}
    clean["prediction"] = clean["label"].map(other)
    attacked["status"], attacked["queries"] = "skipped", 1


def _crashing(clean: Frame, attacked: Frame) -> None:
    attacked.loc[attacked["status"] == "failed", "status"] = "errored"


def _timing_out(clean: Frame, attacked: Frame) -> None:
    attacked.loc[attacked["status"] == "failed", "status"] = "timed_out"


def _fruitless(clean: Frame, attacked: Frame) -> None:
    attacked.loc[attacked["status"] == "successful", "status"] = "failed"
    attacked["success_budgets"] = "[]"


def _other_labels(clean: Frame, attacked: Frame) -> None:
    attacked["status"] = "failed"


@pytest.mark.parametrize(
    ("trap", "name"),
    [
        (_scaled, "saturated_scores"),
        (_dropout, "stochastic_outputs"),
        (_swapped, "slice_at_extreme"),
        (_crashing, "crash_rate"),
        (_timing_out, "crash_rate"),
        (_fruitless, "budget_never_helps"),
        (_other_labels, "robust_above_clean"),
    ],
)
def test_a_planted_trap_is_caught(trap: Callable[[Frame, Frame], None], name: str) -> None:
    clean, attacked = records()
    trap(clean, attacked)
    assert name in raised(clean, attacked)


def _pair(trap: str, more: bool) -> ReportInput:
    """A record with a second attack, replay or method that finds more than, or exactly, what the first one does."""
    clean, attacked = records()
    found = attacked.copy()
    if more:
        found["status"] = found["status"].replace("failed", "successful")
    source = report(clean, attacked)
    raw = source.attacks[0]
    if trap == "transfer_beats_direct":
        outcome = found["status"].map({"skipped": "wrong", "successful": "fooled", "failed": "robust"})
        rows = found[["id", "text_hash", "label", "status"]].assign(outcome=outcome)
        other = replace(SUBJECT, method="asa", method_title="ASA")
        replay = ReplayOutcome(SUBJECT, SST2, "validation", "f", DEEPWORDBUG, 0, other, rows)
        return replace(source, replays=(replay,))
    field = "control_of" if trap == "random_beats_guided" else "raw"
    attack = DEEPWORDBUG.model_copy(update={"name": "second", field: DEEPWORDBUG.name})
    return replace(source, attacks=(raw, replace(raw, attack=attack, rows=found)))


@pytest.mark.parametrize("trap", ["transfer_beats_direct", "random_beats_guided", "calibrated_beats_raw"])
def test_two_attacks_on_the_same_examples_are_compared(trap: str) -> None:
    assert {sign.flag.name for sign in flags.find(_pair(trap, True)) if sign.flag.raised} >= {trap}
    signs = flags.find(_pair(trap, False))
    assert trap in {sign.flag.name for sign in signs}
    assert not [sign for sign in signs if sign.flag.raised]


def _judged(naive_fine: bool) -> ReportInput:
    """Naive is broken more often than ASA; by the gate, where `naive_fine` is False, by texts that do not count."""
    clean, attacked = records()
    better = attacked.copy()
    won = (attacked["status"] == "successful").to_numpy()
    better.loc[won & (np.arange(100) % 3 == 0), "status"] = "failed"
    asa = replace(SUBJECT, method="asa", method_title="ASA")
    attacks, qualities = [], []
    for subject, rows, fine in ((SUBJECT, attacked, naive_fine), (asa, better, True)):
        attacks.append(AttackOutcome(subject, SST2, "validation", "f", DEEPWORDBUG, 0, rows))
        changed = np.where(rows["status"] == "successful", 1 if fine else 9, -1)
        judged = rows[["id", "text_hash", "label", "status"]].assign(
            words=10,
            words_changed=changed,
            edit_distance=changed,
            similarity=np.nan,
            perplexity_before=np.nan,
        )
        judged["perplexity_after"] = np.nan
        judges = {"similarity": None, "fluency": None}
        qualities.append(QualityOutcome(subject, SST2, "validation", "f", DEEPWORDBUG, 0, judged, judges))
    return replace(report(clean, attacked), attacks=tuple(attacks), qualities=tuple(qualities))


def test_a_ranking_that_the_gate_turns_around_is_flagged() -> None:
    raised_by = {name: flags.find(_judged(name)) for name in (True, False)}
    found = {
        name: [sign for sign in signs if sign.flag.name == "ranking_changes"]
        for name, signs in raised_by.items()
    }
    assert [sign.flag.raised for sign in found[True]] == [False]
    assert [sign.flag.raised for sign in found[False]] == [True]
    assert "all methods" in flags.lines(found[False])[1] and "Naive and ASA" in flags.lines(found[False])[1]


def test_only_evaluations_of_the_same_model_and_task_stand_beside_an_attack() -> None:
    source = report(*records())
    other = replace(source.evaluations[0], subject=replace(SUBJECT, seed=2))
    names = {sign.flag.name for sign in flags.find(replace(source, evaluations=(other,)))}
    assert "stochastic_outputs" not in names and "robust_above_clean" not in names


def test_pages_show_what_is_raised_and_what_to_do() -> None:
    clean, attacked = records()
    _scaled(clean, attacked)
    files = contents(report(clean, attacked))
    found = json.loads(files["flags.json"])
    assert found["raised"] == 2 and found["checked"] == 8
    assert "## Flags" in files["report.md"]
    assert "calibrate the temperature" in files["report.md"]
    assert "calibrate the temperature" in files["report.txt"].replace("\n  ", " ")
    assert "calibrate the temperature" in files["report.html"]
    assert "Flag saturated\\_scores" in files["attacks.tex"] and "temperature" in files["attacks.tex"]
    assert "Flag" not in contents(report(*records()))["attacks.tex"]


def test_logits_that_are_not_finite_are_valid_json() -> None:
    clean, attacked = records()
    attacked["original_logits"] = [[float("nan"), 0.0] for _ in range(len(attacked))]
    text = flags.to_json(flags.find(report(clean, attacked)))
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert "stochastic_outputs" in raised(clean, attacked)


def test_names_from_data_do_nothing_on_a_page() -> None:
    clean, _ = records()
    task = QQP.model_copy(update={"slices": ("part",)})
    clean = clean.assign(label="paraphrase", prediction="paraphrase", part="<b>\x1b[31m|`x`")
    swapped = {task.labels[0]: task.labels[1], task.labels[1]: task.labels[0]}
    clean["label"] = [task.labels[i % 2] for i in range(SIZE)]
    clean["prediction"] = clean["label"].where(np.arange(SIZE) < 100, clean["label"].map(swapped))
    clean.loc[100:, "part"] = "<b>\x1b[31m|`y`"
    evaluation = Evaluation(SUBJECT, task, "validation", "f", clean)
    page = flags.section(flags.find(ReportInput("s", "t", "p", (evaluation,))))
    assert "slice_at_extreme" in page.replace("\\", "")
    assert "<b>" not in page and "\x1b" not in page


def test_without_records_the_page_says_so() -> None:
    assert "nothing that flags could be computed from" in flags.section([])
