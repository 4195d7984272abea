"""Adversarial sets that were stored, as a suite replays them, a table shows them and a gate holds them against a baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import command
from models_for_tests import tiny_bert
from stored_set_files import LABELS, TASK, stored

import asa_bench
from asa_bench import replaying, stored_sets
from asa_bench.errors import BadInput, Unavailable
from asa_bench.store import Store


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "model", LABELS)


def options(model: Path, out: Path, *replays: Path, maps: str = "") -> list[str]:
    said = ["--suite", "ci", "--methods", "none", "--tasks", TASK, "--eval-examples", "30", "-o", str(out)]
    said += ["--load", f"mine={model}", *(["--label-map", f"mine={maps}"] if maps else [])]
    return [*said, *(part for one in replays for part in ("--replay", str(one)))]


def test_a_stored_set_is_faced_recorded_shown_and_gated(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [(f"a good film {word}", f"a bad film {word}") for word in ("actor", "park", "book", "music")]
    pairs += [("a fine movie", ""), ("an awful movie", ""), ("a fine film", "an awful book")]
    file = stored(tmp_path / "sets" / "swaps.jsonl", pairs)
    assert command("run", *options(model, tmp_path / "one", file.parent)) == 0
    (record,) = [found for found in Store(tmp_path / "one").records() if found.kind == "replay"]
    (faced,) = asa_bench.replay(file, [f"mine={model}"])
    rows = record.rows()
    assert rows["outcome"].tolist() == faced.replay.rows["outcome"].tolist()
    for outcome, text, (_, after) in zip(rows["outcome"], rows["perturbed"], pairs, strict=True):
        assert text == (json.dumps([after]) if outcome == "fooled" else "")
    table = json.loads((tmp_path / "one" / "tables" / "replays.json").read_text())
    cells = {
        c["key"]: cell["mean"] for c, cell in zip(table["columns"], table["rows"][0]["cells"], strict=True)
    }
    assert cells["robust"] == pytest.approx(faced.replay.robust.value)
    assert faced.replay.gated is not None
    assert cells["gated"] == pytest.approx(faced.replay.gated.value)
    assert cells["clean"] == pytest.approx(faced.replay.clean.value)
    assert command("baseline", "save", tmp_path / "one", "-o", tmp_path / "b.json") == 0
    scores = json.loads((tmp_path / "b.json").read_text())["scores"]
    assert scores[f"mine/{TASK}:replay/swaps"]["count"] == 7
    assert command("gate", tmp_path / "one", "--baseline", tmp_path / "b.json") == 0
    assert "robust accuracy on swaps (Pruthi" in capsys.readouterr().out
    # Another set under the same name is another measurement, and no regression.
    stored(file, pairs[:-1])
    assert command("run", *options(model, tmp_path / "two", file)) == 0
    capsys.readouterr()
    assert command("gate", tmp_path / "two", "--baseline", tmp_path / "b.json") == 2
    assert "replay/swaps: other" in capsys.readouterr().err
    # Without the set the score was not planned.
    assert command("run", *options(model, tmp_path / "three")) == 0
    assert command("gate", tmp_path / "three", "--baseline", tmp_path / "b.json") == 2
    assert "which this run does not measure" in capsys.readouterr().err


def test_who_answers_worse_on_a_stored_set_fails(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same weights, read the wrong way round by the code around them."""
    words = ("actor", "park", "book", "music", "senator", "doctor", "question", "answer")
    pairs = [(f"a film {one} {other}", f"a flim {one} {other}") for one in words for other in words]
    (probe,) = asa_bench.replay(stored(tmp_path / "p.jsonl", pairs), [f"mine={model}"])
    maps = "negative,positive" if probe.replay.robust.value > 0.5 else "positive,negative"
    file = stored(tmp_path / "swaps.jsonl", pairs)
    assert command("run", *options(model, tmp_path / "one", file, maps=maps)) == 0
    assert command("baseline", "save", tmp_path / "one", "-o", tmp_path / "b.json") == 0
    right = replaying.probabilities
    monkeypatch.setattr(replaying, "probabilities", lambda *asked: 1 - right(*asked))
    assert command("run", *options(model, tmp_path / "two", file, maps=maps)) == 0
    capsys.readouterr()
    assert command("gate", tmp_path / "two", "--baseline", tmp_path / "b.json") == 1
    out = capsys.readouterr().out
    assert "FAIL  mine, Lab sentiment, robust accuracy on swaps" in out
    assert "newly wrong: r" in out and "said negative" in out


@pytest.mark.parametrize(
    ("names", "changes", "words"),
    [
        (["absent.jsonl"], None, "there is no such adversarial set"),
        (["a b.jsonl"], {}, "scores are called by the file's name"),
        (["x/one.jsonl", "y/one.jsonl"], {}, "another set is called 'one', too"),
        (["one.jsonl", "two.jsonl"], {}, "is the same set as 'one'"),
        (["one.jsonl"], {"task": "laboratory/paraphrase"}, "which no model of this run is trained on"),
        (["one.jsonl"], {"labels": ("positive", "negative")}, "its labels"),
        (
            ["one.jsonl"],
            {"split": "train"},
            "of split 'train', which models of task 'laboratory/sentiment' are trained on",
        ),
    ],
)
def test_sets_that_cannot_be_replayed_are_refused(
    tmp_path: Path, names: list[str], changes: dict[str, Any] | None, words: str
) -> None:
    paths = [tmp_path / name for name in names]
    for path in paths if changes is not None else ():
        stored(path, **changes)
    with pytest.raises((BadInput, Unavailable), match=words):
        stored_sets.find([str(path) for path in paths], [TASK])


def test_a_folder_gives_the_sets_of_this_runs_tasks(tmp_path: Path) -> None:
    stored(tmp_path / "b.jsonl")
    stored(tmp_path / "a.parquet", attack_seed=1)
    stored(tmp_path / "c.jsonl", task="laboratory/inference")
    (tmp_path / "README.md").write_text("no set")
    assert [one.name for one in stored_sets.find([str(tmp_path)], [TASK])] == ["a", "b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no adversarial set of the tasks"):
        stored_sets.find([str(tmp_path / "empty")], [TASK])
