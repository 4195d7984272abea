"""Predictions from any system: read strictly, scored with the authors' definition and with intervals."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asa_bench import scoring
from asa_bench.errors import BadInput, Unavailable
from asa_bench.measures import HANS_CELLS, Proportion, wilson_interval
from asa_bench.scoring import read_predictions, score, score_hans_order
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import TaskData
from asa_bench.tasks.hans import official_blocks


def written(tmp_path: Path, content: str | bytes, name: str = "p.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def hans_file(tmp_path: Path, change: dict[str, str] | None = None, leave_out: str = "") -> Path:
    """Always 'entailment', in the authors' layout."""
    labels = {f"ex{i}": "entailment" for i in range(30_000)} | (change or {})
    labels.pop(leave_out, None)
    return written(tmp_path, "pairID,gold_label\n" + "".join(f"{i},{label}\n" for i, label in labels.items()))


def data(task: str, rows: list[dict[str, str]]) -> TaskData:
    chosen = TASKS.get(task)
    return TaskData(
        task=chosen, split=chosen.evaluation_split, frame=pd.DataFrame(rows), fingerprint="f", origin={}
    )


@pytest.mark.parametrize("layout", ["csv", "jsonl"])
def test_the_published_hans_predictions_by_the_rules_of_the_authors_script(
    shared: Path, tmp_path: Path, layout: str
) -> None:
    """Whatever is not 'entailment' is 'non-entailment'; right are equal labels, counted by heuristic and gold label."""
    packed = (shared / "data" / "hans" / "bert_preds_example.txt.xz").read_bytes()
    rows = [line.split(",") for line in lzma.decompress(packed).decode().splitlines()[1:]]
    said = {identity: "entailment" if label == "entailment" else "non-entailment" for identity, label in rows}
    right: dict[str, int] = {}
    for number in range(30_000):
        block = official_blocks()[number // 1_000]
        cell = f"{block.heuristic}/{block.label}"
        right[cell] = right.get(cell, 0) + (said[f"ex{number}"] == block.label)
    if layout == "csv":
        path = written(tmp_path, lzma.decompress(packed))
    else:
        lines = (json.dumps({"id": identity, "prediction": label}) for identity, label in rows)
        path = written(tmp_path, "\ufeff" + "\n".join(lines), "p.jsonl")
    cells = score_hans_order(read_predictions(path)).slices["heuristic and label"]
    assert {name: (cell.hits, cell.examples) for name, cell in cells.items()} == {
        name: (count, 5_000) for name, count in right.items()
    }


def test_the_published_hans_predictions_score_what_the_authors_report(shared: Path) -> None:
    predictions = read_predictions(shared / "data" / "hans" / "bert_preds_example.txt.xz")
    found = score_hans_order(predictions)
    cells = {name: round(cell.value, 3) for name, cell in found.slices["heuristic and label"].items()}
    # McCoy et al. (2019), table 4 for entailment and figure 1 / table 11 for non-entailment.
    assert cells == {
        "lexical_overlap/entailment": 0.946,
        "subsequence/entailment": 0.993,
        "constituent/entailment": 0.984,
        "lexical_overlap/non-entailment": 0.164,
        "subsequence/non-entailment": 0.039,
        "constituent/non-entailment": 0.161,
    }
    assert found.accuracy is not None
    # Counted another way: block by block with plain Python.
    right = sum(
        (label == "entailment") == (official_blocks()[int(identity[2:]) // 1000].label == "entailment")
        for identity, label in predictions.labels.items()
    )
    assert found.accuracy.hits == right
    assert found.accuracy.strata == 30


def test_always_entailment_is_half_right(tmp_path: Path) -> None:
    found = score_hans_order(read_predictions(hans_file(tmp_path)))
    assert found.accuracy is not None
    assert found.accuracy.value == 0.5
    cells = found.slices["heuristic and label"]
    assert list(cells) == [f"{heuristic}/{label}" for heuristic, label in HANS_CELLS]
    assert [cell.value for cell in cells.values()] == [1, 1, 1, 0, 0, 0]
    assert cells["subsequence/entailment"].interval == pytest.approx(wilson_interval(5000, 5000))


def test_neutral_and_contradiction_count_as_non_entailment(tmp_path: Path) -> None:
    change = {"ex0": "neutral", "ex1": "contradiction", "ex2": "non-entailment", "ex5000": "neutral"}
    cells = score_hans_order(read_predictions(hans_file(tmp_path, change))).slices["heuristic and label"]
    assert cells["lexical_overlap/non-entailment"].hits == 3
    assert cells["lexical_overlap/entailment"].hits == 4999


def test_the_order_of_lines_does_not_count(tmp_path: Path) -> None:
    path = hans_file(tmp_path, {"ex0": "neutral", "ex29999": "neutral"})
    straight = score_hans_order(read_predictions(path))
    head, *lines = path.read_text().splitlines()
    shuffled = written(tmp_path, "\n".join([head, *sorted(lines)]), "q.csv")
    assert score_hans_order(read_predictions(shuffled)).to_json() == straight.to_json()


def test_some_hans_predictions_by_heuristic_and_label() -> None:
    found = scoring.hans_accuracies({"ex0": "neutral", "ex999": "entailment", "ex25000": "entailment"})
    assert found == {
        ("lexical_overlap", "non-entailment"): Proportion(1, 2),
        ("constituent", "entailment"): Proportion(1, 1),
    }


@pytest.mark.parametrize(
    ("change", "leave_out", "words"),
    [
        ({"ex30000": "entailment"}, "", "ex30000"),
        ({"r17": "entailment"}, "", "'r17'"),
        ({"ex007": "entailment"}, "", "'ex007'"),
        ({"ex" + "9" * 6_000: "entailment"}, "", "no row 'ex999"),
        (
            {"ex5": "LABEL_0"},
            "",
            "prediction 'LABEL_0' for id 'ex5' is no label of task 'hans'; labels: entailment, ",
        ),
        ({"ex29999": "Entailment"}, "", "prediction 'Entailment' for id 'ex29999'"),
        ({"ex7": "\x1b[31m" + "x" * 5_000}, "", r"prediction '\\x1b\[31mxxx"),
        ({}, "ex123", "'ex123'"),
    ],
)
def test_wrong_hans_files_are_refused(
    tmp_path: Path, change: dict[str, str], leave_out: str, words: str
) -> None:
    with pytest.raises(BadInput, match=words) as told:
        score_hans_order(read_predictions(hans_file(tmp_path, change, leave_out)))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("pack", [lambda b: b, lzma.compress, gzip.compress])
def test_every_format_gives_the_same(tmp_path: Path, pack: object) -> None:
    ending = {lzma.compress: ".xz", gzip.compress: ".gz"}.get(pack, "")  # type: ignore[call-overload]
    table = 'id,text,prediction\na,"x, y",1\n"b, c","say ""hi""",0\n'
    lines = '{"id": "a", "prediction": 1}\n\n{"prediction": "0", "id": "b, c", "other": [1]}\n'
    for name, text in (("p.csv", table), ("p.jsonl", lines)):
        path = written(tmp_path, pack(text.encode()), name + ending)  # type: ignore[operator]
        assert read_predictions(path).labels == {"a": "1", "b, c": "0"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.csv", "", "empty"),
        ("p.csv", "id,prediction\n", "only a header"),
        ("p.csv", "id,label\na,b\n", r"no column 'prediction'"),
        ("p.csv", "id,pairID,prediction\na,b,c\n", "more than one"),
        ("p.csv", "id,prediction,prediction\na,b,c\n", "more than one"),
        ("p.csv", "id,prediction\na,b\na,c\n", r"line 3: id 'a' occurs twice"),
        ("p.csv", "id,prediction\na\n", "line 2: 1 columns"),
        ("p.csv", "id,prediction\na,b,c\n", "line 2: 3 columns"),
        ("p.csv", "id,prediction\n,b\n", "line 2: the id is empty"),
        ("p.csv", "id,prediction\na, \n", "line 2: no prediction"),
        ("p.csv", 'id,prediction\na,"b\n', "no proper CSV"),
        ("p.csv", "id,prediction\na," + "b" * 200_000, "no proper CSV"),
        ("p.csv", b"id,prediction\na,\xff\n", "UTF-8"),
        ("p.csv.xz", b"no archive", "damaged"),
        ("p.jsonl", "[1]\n", "expected a JSON object"),
        ("p.jsonl", '{"id": "a"}\n', "line 1: expected one field 'prediction'"),
        ("p.jsonl", '{"id": "a", "prediction": null}\n', "with a text or number"),
        ("p.jsonl", '{"id": "a", "prediction": true}\n', "with a text or number"),
        ("p.jsonl", '{"id": "a", "prediction": NaN}\n', "not JSON"),
        ("p.jsonl", '{"id": "a", "id": "b", "prediction": "c"}\n', "occurs twice"),
        ("p.jsonl", "[" * 100_000 + "\n", "not JSON"),
    ],
)
def test_damaged_files_are_told_in_one_line(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    with pytest.raises(BadInput, match=words) as told:
        read_predictions(written(tmp_path, content, name))
    assert len(str(told.value)) < 700
    assert str(told.value).isprintable()


def test_a_file_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "LIMIT", 1 << 20)
    bomb = written(tmp_path, gzip.compress(b"id,prediction\n" + b"\0" * (5 << 20)), "p.csv.gz")
    assert bomb.stat().st_size < 10_000
    with pytest.raises(BadInput, match="larger than 1 MiB"):
        read_predictions(bomb)
    with pytest.raises(Unavailable, match="no such file"):
        read_predictions(tmp_path / "absent.csv")


ROWS = [
    {"id": f"r{i}", "sentence": f"film {i}", "label": "positive" if i % 2 else "negative"} for i in range(40)
]


def test_any_task_is_scored_by_id(tmp_path: Path) -> None:
    lines = [f"{row['id']},{'positive' if i < 30 else row['label']}" for i, row in enumerate(ROWS)]
    path = written(tmp_path, "id,prediction\n" + "\n".join(reversed(lines)))
    found = score(read_predictions(path), data("sst2", ROWS))
    assert found.accuracy is not None
    assert found.accuracy.hits == 25  # 15 of the first 30, all of the last 10
    assert found.accuracy.interval == pytest.approx(wilson_interval(25, 40))
    assert found.metrics["accuracy"] == pytest.approx(25 / 40)
    assert found.slices["class"]["negative"].hits == 5
    assert found.slices["class"]["negative"].examples == 20
    assert json.loads(json.dumps(found.to_json()))["examples"] == 40


def test_subcases_are_strata(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = [
        {"id": f"r{i}", "premise": "p", "hypothesis": "h", "label": "entailment", "heuristic": "constituent"}
        | {"subcase": f"c{i % 3}"}
        for i in range(300)
    ]
    lines = [
        f"{row['id']},{'entailment' if generator.random() < 0.2 + 0.3 * (i % 3) else 'neutral'}"
        for i, row in enumerate(rows)
    ]
    found = score(
        read_predictions(written(tmp_path, "id,prediction\n" + "\n".join(lines))), data("hans", rows)
    )
    assert found.accuracy is not None
    assert found.accuracy.strata == 3
    assert set(found.slices) == {"heuristic", "subcase"}  # one class and one length would say the same again
    assert "subcases are fixed" in found.design


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["r0,positive"], "39 of 40 ids are missing, the first is 'r1'"),
        ([f"r{i},positive" for i in range(40)] + ["ex0,positive"], "'ex0' is none of task 'sst2'"),
        ([f"r{i},{'good' if i == 7 else 'positive'}" for i in range(40)], "'good' for id 'r7' is no label"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(tmp_path: Path, lines: list[str], words: str) -> None:
    path = written(tmp_path, "id,prediction\n" + "\n".join(lines))
    with pytest.raises(BadInput, match=words):
        score(read_predictions(path), data("sst2", ROWS))
