"""``asa-bench score``: what it prints, as text and as JSON, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import command


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    return command("score", *arguments), *capsys.readouterr()


@pytest.fixture
def hans(tmp_path: Path) -> Path:
    path = tmp_path / "preds.txt"
    path.write_text("pairID,gold_label\n" + "".join(f"ex{i},entailment\n" for i in range(30_000)))
    return path


def test_hans_needs_no_data(capsys: pytest.CaptureFixture[str], hans: Path) -> None:
    code, out, _ = run(capsys, "--task", "hans", "--predictions", hans)
    assert code == 0
    assert "50.0 %" in out
    assert "lexical_overlap/non-entailment" in out
    assert "0.0 %  [0.0, 0.1]" in out
    assert "95 % intervals" in out


def test_json_holds_every_interval(capsys: pytest.CaptureFixture[str], hans: Path) -> None:
    code, out, _ = run(capsys, "--task", "hans", "--predictions", hans, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["accuracy"]["value"] == 0.5
    assert len(found["accuracy"]["interval"]) == 2
    assert len(found["slices"]["heuristic and label"]) == 6


def test_a_data_folder_gives_the_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from asa_bench.tasks import TASKS
    from asa_bench.tasks.base import Source
    from asa_bench.tasks.loading import load

    folder = tmp_path / "data" / "glue" / "SST-2"
    folder.mkdir(parents=True)
    rows = "".join(f"film {i} is good \t1\nfilm {i} is bad \t0\n" for i in range(10))
    (folder / "dev_sample.tsv").write_text("sentence\tlabel\n" + rows)
    frame = load(TASKS.get("sst2"), "dev", Source(kind="folder", root=tmp_path / "data")).frame
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"id": i, "prediction": "positive"}) + "\n" for i in frame["id"]))
    code, out, err = run(capsys, "--task", "sst2", "--predictions", path, "--data-dir", tmp_path / "data")
    assert (code, err) == (0, "")
    assert "50.0 %" in out
    assert "20 examples" in out


@pytest.mark.parametrize(
    ("content", "task", "words"),
    [
        ("pairID,gold_label\nex0,entailment\n", "hans", "29,999 of 30,000 ids are missing"),
        ("pairID,gold_label\nex0,entailment\n", "hanss", "did you mean 'hans'?"),
        ("pairID,gold_label\n", "hans", "only a header"),
        (
            "pairID,gold_label\nr0,entailment\nex1,entailment\n",
            "hans",
            "no row 'r0' in the HANS evaluation set",
        ),
        (
            "pairID,gold_label\nex0,1\n" + "".join(f"ex{i},0\n" for i in range(1, 30_000)),
            "hans",
            "'1' for id 'ex0'",
        ),
        ('pairID,gold_label\n"ex0\nex1",neutral\nex2,neutral\n', "hans", "no row 'ex0\\nex1'"),
    ],
)
def test_refusals_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, task: str, words: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(content)
    code, out, err = run(capsys, "--task", task, "--predictions", path)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_exported_ids_are_those_that_are_scored(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert run(capsys, "--task", "laboratory/hans", "--export-ids", path)[0] == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows and all("label" not in row and row["premise"] for row in rows)
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(json.dumps({"id": row["id"], "prediction": "entailment"}) + "\n" for row in rows)
    )
    code, out, err = run(capsys, "--task", "laboratory/hans", "--predictions", answers)
    assert (code, err) == (0, "") and f"{len(rows):,} examples" in out
    code, _, err = run(capsys, "--task", "laboratory/hans", "--export-ids", path)
    assert code == 2 and "exists already" in err
    code, _, err = run(capsys, "--task", "laboratory/hans")
    assert code == 2 and "--predictions" in err and "--export-ids" in err
