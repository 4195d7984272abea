"""Reliance as a kind of cell: planned, done once, recorded, in the tables, the same examples for every method."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import asa_bench
from asa_bench.cell import Cell
from asa_bench.cli import main
from asa_bench.errors import BadInput
from asa_bench.estimate import rough
from asa_bench.record import Record
from asa_bench.request import Request
from asa_bench.store import Store

SUITE = """\
schema: 1
name: words
title: Words left out
description: As small as a run with probes of reliance can be.
default_profile: tiny
profiles:
  tiny:
    train: [laboratory/sentiment, laboratory/inference]
    challenges: [laboratory/keyword, laboratory/hans]
    methods: [naive, asa]
    seeds: 1
    train_examples: 32
    eval_examples: 12
    reliance_examples: 9
    reliance_words: 20
    reliance_removed: [1, 2]
    training: {epochs: 1, batch_size: 32, max_length: 48, learning_rate: 1.0e-3}
    laboratory: {pretraining: {lines: 64, batch_size: 32}}
    device: cpu
    precision: float32
    threads: 1
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "words.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def results(suite: Path) -> asa_bench.Results:
    return asa_bench.run(suite, output=suite.parent / "out")


def _records(results: asa_bench.Results) -> dict[tuple[str, str], Record]:
    return {
        (record.spec["subject"]["method"], record.spec["task"]): record
        for record in Store(results.folder).records()
        if record.kind == "reliance"
    }


def test_training_tasks_and_challenges_with_a_shortcut_word_are_probed(results: asa_bench.Results) -> None:
    assert results.failures == {}
    tasks = ("laboratory/sentiment", "laboratory/keyword", "laboratory/inference")
    assert set(_records(results)) == {(method, task) for method in ("naive", "asa") for task in tasks}


def test_the_record_holds_every_example(results: asa_bench.Results) -> None:
    for (_, task), record in _records(results).items():
        rows = record.rows()
        assert len(rows) == record.manifest["result"]["examples"] == 9
        assert rows["id"].is_unique and rows["id"].is_monotonic_increasing
        assert rows["text_hash"].str.len().eq(16).all()
        assert {"shortcut", "construction", "fall_1", "fall_2"} < set(rows.columns)
        assert "fall_3" not in rows.columns
        assert (rows["words_probed"] <= 20).all() and (rows["words_total"] >= rows["words_seen"]).all()
        for row in rows.itertuples():
            words = json.loads(row.words)
            assert len(words) == len(row.importances) == len(row.attention) == row.words_probed
            assert row.fall_1 == max(row.importances)
            if task == "laboratory/inference":
                assert row.shortcut_word == -1 and {column for column, *_ in words} == {0, 1}
            else:
                assert (row.shortcut_word >= 0) == (row.shortcut != "absent")
                if row.shortcut_word >= 0:
                    assert words[row.shortcut_word][2].strip(",.") in ("Herald", "Gazette")
                    assert row.shortcut_fall == row.importances[row.shortcut_word]
        assert rows["attention_gini"].between(0, 1).all()
        assert rows["gold_probability"].between(0, 1).all()


def test_all_methods_are_asked_about_the_same_examples(results: asa_bench.Results) -> None:
    found = _records(results)
    for task in {task for _, task in found}:
        naive, asa = (found[method, task].rows()[["id", "words"]] for method in ("naive", "asa"))
        pd.testing.assert_frame_equal(naive, asa)


def test_the_tables_are_means_of_the_records(results: asa_bench.Results) -> None:
    probes = {key: record.rows() for key, record in _records(results).items()}
    table = results.tables["keywords"]
    assert [name for _, name in table.columns] == [
        "1 word",
        "2 words",
        "Importance",
        "Attention",
        "Compared",
        "All",
    ]
    naive, asa = probes["naive", "laboratory/sentiment"], probes["asa", "laboratory/sentiment"]
    right = (naive["label"] == naive["prediction"]) & (asa["label"] == asa["prediction"])
    assert right.any()
    line = table.loc[("Lab sentiment", "Naive")]
    assert line["Fall without", "2 words"] == pytest.approx(naive["fall_2"][right].mean())
    assert line["Gini coefficient", "Importance"] == pytest.approx(naive["importance_gini"][right].mean())
    assert (line["Examples", "Compared"], line["Examples", "All"]) == (right.sum(), 9)
    change = table.loc[("Lab sentiment", "ASA − Naive")]["Fall without", "1 word"]
    assert change == pytest.approx((asa["fall_1"] - naive["fall_1"])[right].mean())

    words = results.tables["shortcut_word"]
    assert set(words.index.get_level_values(0)) == {"Lab sentiment", "Lab keyword"}
    rows = probes["asa", "laboratory/keyword"]
    line = words.loc[("Lab keyword", "ASA")]
    for shortcut in ("agrees", "reversed"):
        its = rows[rows["shortcut"] == shortcut]
        assert line[f"Shortcut {shortcut}", "Fall"] == pytest.approx(its["shortcut_fall"].mean())
        assert line[f"Shortcut {shortcut}", "n"] == len(its) == 3
    its = rows[rows["shortcut"] == "agrees"]
    assert line["Shortcut agrees", "Rank"] == pytest.approx(its["shortcut_rank"].mean())
    assert line["Shortcut agrees", "Most important"] == np.mean(its["shortcut_rank"] == 1)


def test_the_second_run_does_nothing(
    results: asa_bench.Results, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--suite", str(suite), "-o", str(results.folder)])
    assert ended.value.code == 0
    assert " 0 to do" in capsys.readouterr().err


def test_a_loaded_checkpoint_is_probed_as_when_it_was_trained(
    results: asa_bench.Results, suite: Path, tmp_path: Path
) -> None:
    (trained,) = [
        record
        for record in Store(results.folder).records()
        if record.kind == "train"
        and (record.spec["method"], record.spec["task"]) == ("asa", "laboratory/sentiment")
    ]
    loaded = asa_bench.evaluate(trained.model_folder(), suite, name="mine", output=tmp_path / "out")
    assert loaded.failures == {}
    for task in ("laboratory/sentiment", "laboratory/keyword"):
        pd.testing.assert_frame_equal(
            _records(loaded)["mine", task].rows(), _records(results)["asa", task].rows()
        )


def _cells(**settings: object) -> list[Cell]:
    overrides = {key: (value, key) for key, value in settings.items()}
    return list(Request(overrides=overrides).plan()[0].cells)


def test_nothing_is_probed_unless_it_is_asked_for() -> None:
    assert "reliance" not in {cell.kind for cell in _cells(reliance_examples=None)}
    assert "reliance" not in {cell.kind for cell in _cells(reliance_examples=0)}
    kinds = [cell.kind for cell in _cells(reliance_examples=20)]
    assert kinds.count("reliance") == 2 * 3 * 4  # methods, seeds, three training tasks and the keyword set


def test_probes_change_no_other_cell_and_depend_on_their_own_settings() -> None:
    plain = {cell.address for cell in _cells(reliance_examples=None)}
    probed = _cells(reliance_examples=20)
    assert {cell.address for cell in probed if cell.kind != "reliance"} == plain
    base = {cell.label: cell.address for cell in probed if cell.kind == "reliance"}
    assert "reliance laboratory-bert asa seed 2 on laboratory/inference" in base
    for change in ({"reliance_words": 7}, {"reliance_removed": [1, 5]}, {"reliance_examples": 21}):
        other = {c.label: c.address for c in _cells(**{"reliance_examples": 20, **change})}
        assert all(other[label] != address for label, address in base.items())
    reordered = {c.address for c in _cells(reliance_examples=20, reliance_removed=[3, 1, 2])}
    assert set(base.values()) <= reordered


def test_attack_tasks_do_not_limit_what_is_probed() -> None:
    cells = _cells(reliance_examples=20, attack_tasks=["laboratory/sentiment"])
    assert sum(cell.kind == "reliance" for cell in cells) == 2 * 3 * 4


def test_an_estimate_grows_with_words_and_examples() -> None:
    def seconds(**settings: object) -> float:
        cells = [cell for cell in _cells(**settings) if cell.kind == "reliance"]
        return sum(rough(cell) or 0.0 for cell in cells)

    assert seconds(reliance_examples=400) > seconds(reliance_examples=40) > 0
    assert seconds(reliance_examples=400) > seconds(reliance_examples=400, reliance_words=2)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("reliance_examples", -1, "reliance_examples"),
        ("reliance_words", 0, "reliance_words"),
        ("reliance_removed", [], "reliance_removed"),
        ("reliance_removed", [0, 1], "at least 1 word must be left out, not 0"),
        ("reliance_removed", [2, 2], "2 is given twice"),
    ],
)
def test_wrong_settings_are_told(key: str, value: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        _cells(**{key: value})


@pytest.mark.slow
def test_a_shortcut_that_always_agrees_is_found_to_be_the_most_important_word(tmp_path: Path) -> None:
    """Trained where the newspaper tells the label a model leans on it; where it tells nothing, much less."""
    shares, falls = {}, {}
    for strength in (0.0, 1.0):
        settings = {
            "methods": ["naive"],
            "train": ["laboratory/sentiment"],
            "challenges": ["laboratory/keyword"],
            "train_examples": 2500,
            "training.epochs": 3,
            "reliance_examples": 60,
            "laboratory.pretraining.lines": 4000,
            "laboratory.strength": strength,
        }
        path = tmp_path / "words.yaml"
        path.write_text(SUITE)
        done = asa_bench.run(path, output=tmp_path / f"{strength}", settings=settings)
        line = done.tables["shortcut_word"].loc[("Lab keyword", "Naive")]
        shares[strength] = line["Shortcut agrees", "Most important"]
        falls[strength] = [line[f"Shortcut {value}", "Fall"] for value in ("agrees", "reversed")]
    assert shares[1.0] > 0.9 and shares[0.0] < 0.5
    assert falls[1.0][0] > 0.2 and falls[1.0][1] < -0.2
    assert max(map(abs, falls[0.0])) < 0.1
