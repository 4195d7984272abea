"""``asa-bench overlap``: planted copies are counted and shown harmlessly; wrong names are one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import command


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    return command("overlap", *arguments), *capsys.readouterr()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "glue" / "SST-2"
    folder.mkdir(parents=True)
    copied = "a film \x1b[31mthat one of us would never have wanted to see again"
    near = (
        "the camera follows an old captain through nine winters of a small harbour town, and never once does it "
        "look away from the quiet patience of the people who wait there for a ship"
    )
    test = [copied, near, "nothing in common with any of the others here"]
    train = [copied.upper(), near.replace("nine", "ten"), "zebras quietly jump over fifty wooden boxes"]
    for name, rows in (("dev_sample.tsv", test), ("train_sample_1000.tsv", train)):
        lines = "".join(f"{row} \t{at % 2}\n" for at, row in enumerate(rows))
        (folder / name).write_text("sentence\tlabel\n" + lines)
    return tmp_path


def test_copies_are_counted(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    code, out, _ = run(capsys, "--train", "sst2", "--test", "sst2", "--data-dir", data, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["train"], found["test"]) == ("sst2:train", "sst2:dev")
    assert (found["tested"], found["trained"], found["exact"], found["near"]) == (3, 3, 1, 1)
    assert found["exact_rows"] == [0] and found["near_rows"] == [1]


def test_what_is_printed_is_harmless(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    code, out, _ = run(capsys, "--train", "sst2", "--test", "sst2:dev", "--data-dir", data)
    assert code == 0
    assert "3 rows of sst2:dev against 3 of sst2:train" in out and "33.3 %" in out
    assert "\x1b" not in out and "nine winters" in out


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ("sst3", "sst2", "--train 'sst3'"),
        ("sst2", "sst2:tset", "no split 'tset'"),
        ("sst2", "sst2:", "no split"),
    ],
)
def test_wrong_names_are_one_line(
    capsys: pytest.CaptureFixture[str], data: Path, train: str, test: str, words: str
) -> None:
    code, _, err = run(capsys, "--train", train, "--test", test, "--data-dir", data)
    assert code == 2 and words in err and err.count("\n") == 1
