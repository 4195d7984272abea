"""A scored system beside an output folder: paired with known answers, kept apart where exposure is unlike, never misjoined."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from command_line import command
from sklearn.metrics import matthews_corrcoef

from asa_bench.cell import Subject
from asa_bench.last_run import PlannedCell, PlannedRun
from asa_bench.measures import crossed_mean, matthews_values
from asa_bench.store import Store
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source, row_hash
from asa_bench.tasks.loading import load

ROWS = 40


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "glue" / "SST-2"
    folder.mkdir(parents=True)
    lines = "".join(f"film {i} is good \t{i % 2}\n" for i in range(ROWS))
    (folder / "dev_sample.tsv").write_text("sentence\tlabel\n" + lines)
    return tmp_path / "data"


def frame(data: Path) -> pd.DataFrame:
    return load(TASKS.get("sst2"), "dev", Source(kind="folder", root=data)).frame


def flipped(labels: list[str], places: range) -> list[str]:
    pairs = (
        ("negative", "positive"),
        ("entailment", "non-entailment"),
        ("unacceptable", "acceptable"),
    )
    other = {one: two for pair in pairs for one, two in (pair, pair[::-1])}
    return [other[label] if at in places else label for at, label in enumerate(labels)]


def folder(path: Path, rows: pd.DataFrame, text: str = "", task: str = "sst2", split: str = "dev") -> Path:
    """One trained model, wrong on the first 12 rows."""
    gold = rows["label"].tolist()
    hashes = [row_hash((text or sentence,))[:16] for sentence in rows["sentence"]]
    said = flipped(gold, range(12))
    record = pd.DataFrame({"id": rows["id"], "text_hash": hashes, "label": gold, "prediction": said})
    record["logits"] = [[0.0, 1.0]] * ROWS
    for name in TASKS.get(task).extra_columns:
        record[name] = "x"
    store, address = Store(path), "0" * 20
    told = {"fingerprint": "a" * 64, "task": TASKS.get(task).model_dump(mode="json")}
    store.write("evaluate", address, {"spec": {"split": split}, "result": told, "label": "x"}, record, {})
    who = Subject(model="m", method="naive", method_title="Naive", loaded=False, train_task="sst2", seed=1)
    cell = PlannedCell(kind="evaluate", address=address, label="x", subject=who, task=task, attack=None)
    plan = PlannedRun(
        suite="s", title="S", profile="p", fingerprint="f" * 64, tasks=("sst2",), methods=("naive",),
        attacks=(), exposures={}, settings={}, cells=(cell,),
    )  # fmt: skip
    store.write_plan(plan.model_dump(mode="json"))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    return command("score", *arguments), *capsys.readouterr()


@pytest.fixture
def asked(data: Path, tmp_path: Path) -> tuple[object, ...]:
    """Right where the model is wrong but for two rows, and wrong on two others."""
    rows = frame(data)
    said = flipped(rows["label"].tolist(), range(10, 14))
    path = tmp_path / "p.jsonl"
    lines = [json.dumps({"id": i, "prediction": one}) for i, one in zip(rows["id"], said, strict=True)]
    path.write_text("\n".join(lines[::-1]))
    out = folder(tmp_path / "out", rows)
    return "--task", "sst2", "--predictions", path, "--data-dir", data, "--beside", out


def test_known_answer(capsys: pytest.CaptureFixture[str], asked: tuple[object, ...]) -> None:
    """10 rows gained, 2 lost: the exact p is 2 (1 + 12 + 66) / 4096."""
    code, out, err = run(capsys, *asked, "--trained-on", "sst2", "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["beside"]
    assert (row["accuracy"]["value"], row["scored"]["value"]) == (0.7, 0.9)
    told = row["comparison"]
    assert (told["gained"], told["lost"]) == (10, 2)
    assert told["p"] == pytest.approx(2 * 79 / 4096)
    assert told["difference"] == pytest.approx(0.2)


def test_it_is_printed_with_what_could_be_found(
    capsys: pytest.CaptureFixture[str], asked: tuple[object, ...]
) -> None:
    _, out, _ = run(capsys, *asked, "--trained-on", "sst2")
    assert "m naive, trained on sst2 (zero-shot)" in out
    assert "+20.0 [" in out and "MDE" in out and "one seed" in out


def test_a_metric_that_is_no_mean_is_compared_by_its_values(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """CoLA's MCC: of scikit-learn, with the interval of its values per example, alone and beside a model."""
    there = tmp_path / "data" / "glue" / "CoLA"
    there.mkdir(parents=True)
    lines = "".join(f"s\t{int(i % 3 > 0)}\t\tfilm {i} is good\n" for i in range(ROWS))
    (there / "dev_sample.tsv").write_text(lines)
    rows = load(TASKS.get("cola"), "dev", Source(kind="folder", root=tmp_path / "data")).frame
    gold = rows["label"].tolist()
    said = flipped(gold, range(10, 14))
    path = tmp_path / "p.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": i, "prediction": one}) + "\n" for i, one in zip(rows["id"], said, strict=True)
        )
    )
    out = folder(tmp_path / "out", rows, task="cola")
    asked = ("--task", "cola", "--predictions", path, "--data-dir", tmp_path / "data", "--beside", out)
    code, told, err = run(capsys, *asked, "--trained-on", "cola", "--json")
    assert (code, err) == (0, "")
    found = json.loads(told)
    mine, other = (matthews_corrcoef(gold, each) for each in (said, flipped(gold, range(12))))
    own = crossed_mean(matthews_values(gold, said)).interval()
    assert found["intervals"]["matthews"]["interval"] == pytest.approx(own)
    (row,) = found["beside"]
    assert (row["metric"], row["accuracy"]["value"]) == ("matthews", pytest.approx(other))
    assert row["scored"]["value"] == pytest.approx(mine) and row["scored"]["hits"] is None
    assert row["comparison"]["difference"] == pytest.approx(mine - other)
    assert row["comparison"]["flipped"] == 12 and row["comparison"]["gained"] is None
    _, printed, _ = run(capsys, *asked, "--trained-on", "cola")
    assert f"{mine:.3f}    [{own[0]:.3f}, {own[1]:.3f}]" in printed and "MDE" in printed


@pytest.mark.parametrize("said", [(), ("--trained-on", "sst2:dev")])
def test_unlike_exposure_is_not_compared(
    capsys: pytest.CaptureFixture[str], asked: tuple[object, ...], said: tuple[str, ...]
) -> None:
    _, out, _ = run(capsys, *asked, *said)
    assert "not compared: never one ranking" in out and "MDE" not in out


def test_other_texts_are_never_joined(
    capsys: pytest.CaptureFixture[str], asked: tuple[object, ...], data: Path, tmp_path: Path
) -> None:
    other = folder(tmp_path / "other", frame(data), text="something else")
    code, _, err = run(capsys, *asked[:-1], other, "--trained-on", "sst2")
    assert code == 2 and "another text" in err and err.count("\n") == 1


def test_the_authors_ids_of_hans_are_never_joined(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    own = pd.DataFrame({"id": [f"ex{i}" for i in range(ROWS)], "sentence": "x", "label": "entailment"})
    own["label"] = ["entailment", "non-entailment"] * (ROWS // 2)
    out = folder(tmp_path / "out", own, task="hans", split="evaluation")
    path = tmp_path / "preds.txt"
    path.write_text("pairID,gold_label\n" + "".join(f"ex{i},entailment\n" for i in range(30_000)))
    code, said, err = run(
        capsys, "--task", "hans", "--predictions", path, "--beside", out, "--trained-on", "sst2", "--json"
    )
    assert (code, err) == (0, "")
    (row,) = json.loads(said)["beside"]
    assert row["comparison"] is None and row["scored"] is None
    assert "never joined" in row["untested"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--trained-on", "sst3"), "unknown data 'sst3'"),
        (("--split", "train"), "train"),
    ],
)
def test_wrong_input_is_one_line(
    capsys: pytest.CaptureFixture[str], asked: tuple[object, ...], options: tuple[str, ...], words: str
) -> None:
    code, _, err = run(capsys, *asked, *options)
    assert code == 2 and words in err and err.count("\n") == 1
