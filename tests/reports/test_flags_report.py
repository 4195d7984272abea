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
from asa_bench.reports.inputs import AttackOutcome, Evaluation, ReportInput, Subject
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
    assert found["raised"] == 2 and found["checked"] == 7
    assert "## Flags" in files["report.md"]
    assert "calibrate the temperature" in files["report.md"]
    assert "calibrate the temperature" in files["report.txt"]


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
    clean.loc[100:, ["part", "prediction"]] = ["other", "different"]
    evaluation = Evaluation(SUBJECT, task, "validation", "f", clean)
    page = flags.section(flags.find(ReportInput("s", "t", "p", (evaluation,))))
    assert "slice_at_extreme" in page.replace("\\", "")
    assert "<b>" not in page and "\x1b" not in page


def test_without_records_the_page_says_so() -> None:
    assert "nothing that flags could be computed from" in flags.section([])
