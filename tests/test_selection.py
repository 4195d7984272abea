"""Selection is not reporting: ways to choose by a score on what is reported, each refused or impossible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from stored_set_files import stored

from asa_bench import adversarial_sets
from asa_bench import suite as suites
from asa_bench.cli import main
from asa_bench.errors import BadInput
from asa_bench.methods import METHODS
from asa_bench.reports import flags
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.outcomes import StoredReplay, Subject
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Task

SENTIMENT = TASKS.get("laboratory/sentiment")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("training.load_best_model_at_end", True, "would select a model by its score"),
        ("training.metric_for_best_model", "eval_accuracy", "would select a model by its score"),
        ("training.eval_strategy", "epoch", "would select a model by its score"),
        ("early_stopping", {"patience": 2}, "would select a model by its score"),
        ("pretraining.early_stopping", True, "would select a model by its score"),
        ("methods.asa.select_on", "dev", "would select a model by its score"),
        ("best_seed", True, "would select a model by its score"),
        ("training.callbacks", ["EarlyStoppingCallback"], "unknown key 'training.callbacks'"),
        ("training.epochs", [1, 2, 3], "training.epochs: input should be a valid number"),
        (
            "training.learning_rate",
            {"grid": [1e-5, 1e-4]},
            "training.learning_rate: input should be a valid number",
        ),
        ("seeds", "best", "seeds: "),
        ("evaluation_split", "train", "unknown key 'evaluation_split'"),
        ("calibration_split", "dev", "unknown key 'calibration_split'"),
    ],
)
def test_settings_that_choose_by_a_score_are_refused(key: str, value: Any, said: str) -> None:
    with pytest.raises(BadInput) as told:
        suites.load("robustness").settings(overrides={key: (value, f"--set {key}")})
    assert said in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    "options",
    [
        ["--set", "training.load_best_model_at_end=true"],
        ["--set", "training.early_stopping_patience=3"],
        ["--checkpoint", "best"],
        ["--eval-split", "train"],
    ],
)
def test_a_run_that_is_asked_to_choose_does_no_work(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--suite", "robustness", "-o", str(tmp_path / "out"), *options])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_method_has_an_option_that_chooses() -> None:
    for name in METHODS.names():
        assert not suites.SELECTING & set(METHODS.get(name).Options.model_fields)


def test_a_task_whose_reported_split_is_trained_on_cannot_be_made() -> None:
    values = TASKS.get("sst2").model_dump()
    with pytest.raises(ValueError, match="must not be 'train', which models are trained on"):
        Task.model_validate(values | {"evaluation_split": "train"})
    files = {"train": "sst2/*.parquet", "dev": "sst2/*.parquet"}
    with pytest.raises(ValueError, match="what is reported must not be trained on"):
        Task.model_validate(values | {"hub": values["hub"] | {"files": files}})


def test_every_task_reports_a_split_that_no_model_of_it_is_trained_on() -> None:
    for task in map(TASKS.get, TASKS.names()):
        assert task.role == "challenge" or task.evaluation_split != "train"


def test_a_set_made_from_training_rows_is_refused(tmp_path: Path) -> None:
    found = adversarial_sets.read(stored(tmp_path / "one.jsonl", split="train"))
    with pytest.raises(BadInput, match="its rows are of split 'train'") as told:
        adversarial_sets.check_task(found, SENTIMENT)
    assert "such as 'dev'" in str(told.value) or "such as 'test'" in str(told.value)


def test_a_set_that_hides_its_training_rows_is_flagged() -> None:
    """What it calls itself does not count: the originals are looked for among what the model was trained on."""
    subject = Subject("tiny", "naive", "Naive", False, SENTIMENT.name, 1)
    rows = pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(40)],
            "text_hash": [f"{i:016x}" for i in range(40)],
            "label": "positive",
            "status": "failed",
            "outcome": "robust",
            "perturbed": "",
        }
    )
    faced = StoredReplay(subject, SENTIMENT, "test", "f", "mine", "a", "Pruthi", subject, rows)
    for seen, raised in ((None, []), (0, []), (30, ["training_overlap"])):
        source = ReportInput("s", "t", "p", (), stored=(replace(faced, seen_in_training=seen),))
        found = flags.find(source)
        assert [sign.flag.name for sign in found if sign.flag.raised] == raised
        assert len(found) == (seen is not None)
    assert found[0].attack == "replay/mine"
