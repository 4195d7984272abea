"""The table of calibration: its numbers are the measures' own, clean and under attack; it refuses rows used twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import ADV_SST2, DEEPWORDBUG, HANS, NLI, SST2

from asa_bench.errors import BadInput
from asa_bench.measures import calibration
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import FITTING, AttackOutcome, CalibrationOutcome, Evaluation, Hole, Subject
from asa_bench.reports.tables import Table
from asa_bench.reports.write import contents

SUBJECT = Subject("encoder", "naive", "Naive", False, "sst2", 1)
TEMPERATURE = 2.5


def frame(
    prefix: str, n: int, labels: tuple[str, ...] = SST2.labels, said: tuple[str, ...] = ()
) -> pd.DataFrame:
    dice = np.random.default_rng(n)
    logits = dice.normal(0, 3, (n, len(said or labels)))
    return pd.DataFrame(
        {
            "id": [f"{prefix}{i}" for i in range(n)],
            "text_hash": [f"{prefix}{i:08x}" for i in range(n)],
            "label": dice.choice(np.array(labels), n).tolist(),
            "prediction": labels[0],
            "logits": logits.tolist(),
        }
    )


def attacked(n: int) -> pd.DataFrame:
    found = frame("e", 200).iloc[:n].rename(columns={"logits": "original_logits"}).drop(columns="prediction")
    found["status"] = ["successful", "failed", "skipped", "errored"] * (n // 4)
    found["queries"], found["success_budgets"], found["error"] = 5, "", ""
    found["perturbed_logits"] = [[9.0, 1.0] if s == "successful" else [] for s in found["status"]]
    return found.reset_index(drop=True)


def source() -> ReportInput:
    evaluations = (
        Evaluation(SUBJECT, SST2, "validation", "f", frame("e", 200)),
        Evaluation(SUBJECT, ADV_SST2, "validation", "g", frame("a", 60), labels=SST2.labels[::-1]),
    )
    outcome = AttackOutcome(SUBJECT, SST2, "validation", "f", DEEPWORDBUG, 0, attacked(40))
    fit = CalibrationOutcome(SUBJECT, SST2, "train", "h", frame("c", 50), TEMPERATURE, False)
    return ReportInput("s", "Title", "p", evaluations, (outcome,), calibrations=(fit,))


def cells(report: ReportInput) -> dict[str, dict[str, float | None]]:
    (made,) = build_tables(report, ("calibration",))
    assert isinstance(made, Table)
    return {
        row.group: {column.key: cell.mean for column, cell in zip(made.columns, row.cells, strict=True)}
        for row in made.rows
    }


def _expected(logits: np.ndarray, gold: list[str]) -> dict[str, float]:
    truth = np.array([SST2.labels.index(label) for label in gold])
    found = {"temperature": TEMPERATURE, "accuracy": calibration(logits, truth).accuracy}
    for which, at in (("raw", 1.0), ("calibrated", TEMPERATURE)):
        one = calibration(logits, truth, at)
        found[f"{which}/ece"] = one.expected_calibration_error
        found[f"{which}/brier"] = one.brier
        found[f"{which}/nll"] = one.nll
        found[f"{which}/aurc"] = one.risk_coverage_area
    return found


def test_clean_and_challenge_sets_have_the_measures_numbers() -> None:
    rows, challenge = frame("e", 200), frame("a", 60)
    found = cells(source())
    assert found["SST-2"] == pytest.approx(
        _expected(np.array(rows["logits"].tolist()), rows["label"].tolist())
    )
    # The victim of the challenge set has its labels the other way round.
    turned = np.array(challenge["logits"].tolist())[:, ::-1]
    assert found["AdvGLUE SST-2"] == pytest.approx(_expected(turned, challenge["label"].tolist()))


def test_under_attack_the_texts_count_that_it_ends_with() -> None:
    rows = attacked(40)
    kept = rows[rows["status"] != "errored"]
    logits = [
        [9.0, 1.0] if status == "successful" else given
        for status, given in zip(kept["status"], kept["original_logits"], strict=True)
    ]
    found = cells(source())["SST-2 under DeepWordBug"]
    assert found == pytest.approx(_expected(np.array(logits), kept["label"].tolist()))


def test_three_logits_for_two_labels_are_pooled_by_the_largest() -> None:
    subject = replace(SUBJECT, train_task="mnli")
    task = HANS.model_copy(
        update={
            "slices": (),
            "label_map": {"neutral": "non-entailment", "contradiction": "non-entailment"},
        }
    )
    rows = frame("h", 80, HANS.labels, NLI)
    evaluation = Evaluation(subject, task, "validation", "f", rows, labels=NLI)
    fit = CalibrationOutcome(subject, SST2, "train", "h", frame("c", 50), TEMPERATURE, False)
    found = cells(ReportInput("s", "t", "p", (evaluation,), calibrations=(fit,)))["HANS"]
    logits = np.array(rows["logits"].tolist())
    pooled = np.stack([logits[:, 0], logits[:, 1:].max(axis=1)], axis=1)
    gold = np.array([HANS.labels.index(label) for label in rows["label"]])
    assert found["raw/nll"] == pytest.approx(calibration(pooled, gold).nll)


def test_files_show_it_and_say_what_it_is() -> None:
    files = contents(source())
    for suffix in (".tex", ".md", ".csv", ".json"):
        assert f"calibration{suffix}" in files
    assert (
        "on 50 rows of the training data that no training and no reported number uses"
        in files["calibration.md"]
    )
    assert "Calibration" in files["report.txt"] and "Risk" not in files["report.txt"]
    assert "AURC" in files["report.html"]
    assert not [
        name for name in contents(replace(source(), calibrations=())) if name.startswith("calibration")
    ]


def test_what_cannot_be_known_is_no_number() -> None:
    report = source()
    bad = report.evaluations[0].rows.copy()
    bad["logits"] = [[float("nan"), 0.0]] * len(bad)
    broken = replace(report.evaluations[0], rows=bad)
    found = cells(replace(report, evaluations=(broken, report.evaluations[1])))
    assert "SST-2" not in found and "AdvGLUE SST-2" in found
    other = replace(SUBJECT, method="asa", method_title="ASA")
    evaluation = replace(report.evaluations[0], subject=other)
    hole = Hole(other, "sst2", "no rows are left", FITTING)
    report = replace(report, evaluations=(*report.evaluations, evaluation), holes=(hole,))
    (made,) = build_tables(report, ("calibration",))
    assert {cell.state for row in made.rows if row.method == "asa" for cell in row.cells} >= {"hole"}
    assert any("no rows are left" in note for note in made.notes)


def test_rows_that_are_reported_must_not_be_fitted_on() -> None:
    report = source()
    fit = replace(report.calibrations[0], rows=frame("e", 50))
    with pytest.raises(BadInput, match="fitted on 50 rows that are reported, too"):
        contents(replace(report, calibrations=(fit,)))
    with pytest.raises(BadInput, match="is no temperature"):
        contents(replace(report, calibrations=(replace(report.calibrations[0], temperature=0.0),)))
    with pytest.raises(BadInput, match="recorded twice"):
        contents(replace(report, calibrations=report.calibrations * 2))


def test_the_main_table_has_no_column_for_controls_and_none_twice() -> None:
    report = source()
    raw = report.attacks[0]

    def other(name: str, **fields: str) -> AttackOutcome:
        return replace(raw, attack=DEEPWORDBUG.model_copy(update={"name": name, **fields}))

    control, calibrated = (
        other(f"{DEEPWORDBUG.name}+random", control_of=DEEPWORDBUG.name),
        other(f"{DEEPWORDBUG.name}+calibrated", raw=DEEPWORDBUG.name),
    )
    report = replace(report, attacks=(raw, control, calibrated))

    def keys(one: ReportInput, name: str = "main") -> set[str]:
        (made,) = build_tables(one, (name,))
        return {
            column.key.rpartition("/")[2]
            for column in made.columns
            if column.group.startswith("Robustness: att")
        }

    assert keys(report) == {
        "clean",
        DEEPWORDBUG.name,
        calibrated.attack.name,
    }  # and no average of one attack with itself
    both = replace(report, ensemble=(DEEPWORDBUG.name, calibrated.attack.name))
    assert keys(both) == {"clean", DEEPWORDBUG.name, "worst"}
    assert not keys(replace(report, attacks=(control,)))
    (detail,) = build_tables(report, ("attacks",))
    assert len({row.group for row in detail.rows}) == 3


def test_differences_of_confidence_are_tested_on_the_rows_that_count() -> None:
    """Another method with other logits: every difference that is shown is that of its test, clean and under attack."""
    report = source()
    other = replace(SUBJECT, method="asa", method_title="ASA")
    changed = [
        replace(
            one, subject=other, rows=one.rows.assign(logits=[[b, 0.5 * a] for a, b in one.rows["logits"]])
        )
        for one in report.evaluations
    ]
    outcome = replace(report.attacks[0], subject=other)
    again = [["failed", "errored"][at % 8 == 0] for at in range(40)]  # other rows break off
    outcome = replace(outcome, rows=outcome.rows.assign(status=again, perturbed_logits=[[]] * 40))
    fits = (*report.calibrations, replace(report.calibrations[0], subject=other, temperature=0.7))
    both = replace(
        report,
        evaluations=(*report.evaluations, *changed),
        attacks=(*report.attacks, outcome),
        calibrations=fits,
    )
    (made,) = build_tables(both, ("calibration",))
    told = [
        (column.key, cell)
        for row in made.rows
        if row.kind == "difference"
        for column, cell in zip(made.columns, row.cells, strict=True)
        if cell.state == "value"
    ]
    assert {key for key, _ in told} == {
        "accuracy",
        "raw/ece",
        "calibrated/ece",
        "raw/aurc",
        "calibrated/aurc",
    }
    for key, cell in told:
        assert cell.comparison is not None, key
        assert cell.mean == pytest.approx(cell.comparison.difference, abs=1e-12), key
        assert cell.comparison.family == len(told) == 15
