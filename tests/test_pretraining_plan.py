"""Pre-training in a suite: its cells, what their addresses depend on, and that a report is made from records alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from models_for_tests import tiny_bert

from asa_bench import gathering, runner
from asa_bench.cell import Cell
from asa_bench.errors import BadInput
from asa_bench.plan import Plan
from asa_bench.request import Request
from asa_bench.store import Store

SUITE = """\
schema: 1
name: mine
title: Mine
description: A test.
default_profile: small
profiles:
  small:
    source: laboratory
    models: [laboratory]
    methods: [naive]
    train: [laboratory/sentiment]
    challenges: [laboratory/keyword]
    seeds: 2
    train_examples: 24
    eval_examples: 12
    training: {epochs: 1, batch_size: 8, max_length: 32, learning_rate: 1.0e-3}
    laboratory: {pretraining: {lines: 64}}
    pretraining:
      methods: {naive: {}, asa: {tau: 0.3}}
      corpus: {lines: 400, held_out: 0.1}
      steps: 4
      block_length: 32
      batch_size: 8
    device: cpu
    precision: float32
    threads: 1
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE)
    return path


def planned(suite: Path, **overrides: object) -> Plan:
    named = {key.replace("__", "."): (value, "--set") for key, value in overrides.items()}
    return Request(suite, overrides=named).plan()[0]


def pretrainings(plan: Plan) -> list[Cell]:
    return [cell for cell in plan.cells if cell.kind == "pretrain" and "corpus" in cell.reads]


def test_one_row_per_pretraining_and_one_for_the_encoder_as_it_is(suite: Path) -> None:
    plan = planned(suite)
    assert [cell.label for cell in pretrainings(plan)] == [
        f"pretrain laboratory-bert with {method} seed {seed}"
        for method in ("naive", "asa")
        for seed in (1, 2)
    ]
    titles = [cell.subject.model for cell in plan.cells if cell.kind == "train" and cell.subject]
    assert list(dict.fromkeys(titles)) == [
        "laboratory-bert",
        "laboratory-bert, pre-trained with Naive",
        "laboratory-bert, pre-trained with ASA",
    ]
    seen: set[str] = set()
    for cell in plan.cells:
        assert set(cell.waits.values()) <= seen
        seen.add(cell.address)
    assert len(seen) == len(plan.cells)
    # Each fine-tuning begins with the encoder of its own method and seed.
    by_address = {cell.address: cell for cell in plan.cells}
    for cell in plan.cells:
        if cell.kind == "train" and cell.subject and "," in cell.subject.model:
            encoder = by_address[cell.waits["encoder"]].spec
            assert (encoder["title"], encoder["seed"]) == (cell.subject.model, cell.subject.seed)


def test_without_start_with_one_seed_and_from_scratch(suite: Path) -> None:
    one = planned(suite, pretraining__start=False, pretraining__seed=7)
    assert [cell.spec["seed"] for cell in pretrainings(one)] == [7, 7]
    assert len([cell for cell in one.cells if cell.kind == "train"]) == 4
    scratch = planned(suite, pretraining__from_scratch="own")
    # No other pre-training comes before, and there is no encoder as it is.
    assert pretrainings(scratch) == [cell for cell in scratch.cells if cell.kind == "pretrain"]
    assert all(not cell.waits for cell in pretrainings(scratch))
    titles = {cell.subject.model for cell in scratch.cells if cell.subject}
    assert titles == {
        f"laboratory-bert from scratch (own), pre-trained with {name}" for name in ("Naive", "ASA")
    }


def test_a_method_that_reads_another_record_waits_for_its_pretraining(suite: Path) -> None:
    plan = planned(suite, pretraining__methods=["random_mask", "asa"])
    by_address = {cell.address: cell for cell in plan.cells}
    asa1, asa2, mask1, mask2 = pretrainings(plan)
    for mask, asa in ((mask1, asa1), (mask2, asa2)):
        assert by_address[mask.waits["measured"]] is asa
        assert mask.spec["method"] == "random_mask" and mask.spec["seed"] == asa.spec["seed"]
    with pytest.raises(BadInput, match="add 'asa' to the methods"):
        planned(suite, pretraining__methods=["random_mask"])


def test_an_address_holds_everything_that_decides_the_result(suite: Path) -> None:
    base = {cell.label: cell.address for cell in planned(suite).cells}

    def changed(**overrides: object) -> set[str]:
        other = {cell.label: cell.address for cell in planned(suite, **overrides).cells}
        assert other.keys() == base.keys()
        return {label for label in base if base[label] != other[label]}

    every = {label for label in base if "with" in label.split() or "pre-trained" in label}
    asa = {label for label in every if "asa" in label or "ASA" in label}
    assert changed(pretraining__methods__asa__tau=0.4) == asa
    for key, value in {
        "steps": 5,
        "block_length": 24,
        "batch_size": 9,
        "learning_rate": 1e-3,
        "masked": 0.2,
        "held_out_blocks": 9,
        "corpus.lines": 401,
        "corpus.held_out": 0.2,
        "corpus.documents": 300,
    }.items():
        assert changed(**{f"pretraining__{key.replace('.', '__')}": value}) == every, key
    assert changed(training__epochs=2) == {label for label in base if not label.startswith("pretrain")}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"pretraining__step": 4}, "did you mean 'steps'?"),
        ({"pretraining__methods__asaa": {}}, "did you mean 'asa'?"),
        ({"pretraining__methods__asa__tua": 1}, "did you mean 'tau'?"),
        ({"pretraining__epochs": 1.0}, "give either steps or epochs"),
        (
            {"pretraining__corpus": "no/such/file.txt"},
            "--corpus no/such/file.txt: there is no such file or folder",
        ),
        ({"pretraining__corpus__held_out": 0.9}, "corpus.held_out"),
        ({"pretraining__from_scratch": "huge"}, "from_scratch"),
        ({"pretraining__methods": {}}, "methods"),
    ],
)
def test_bad_settings_are_told_in_one_line(suite: Path, overrides: Mapping[str, Any], expected: str) -> None:
    with pytest.raises(BadInput, match=expected.replace("?", r"\?")) as told:
        planned(suite, **overrides)
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_a_run_fills_the_table_and_leaves_no_partial_states(suite: Path, tmp_path: Path) -> None:
    methods = {"naive": {}, "asa": {"tau": 0.3}, "random_mask": {}}
    plan = planned(suite, seeds=1, pretraining__methods=methods)
    store = Store(tmp_path / "out")
    done = runner.execute(plan, store)
    assert done.failures == {}
    assert not list((tmp_path / "out").glob("partial/*"))
    report = gathering.gather(Store(tmp_path / "out"))
    assert [(item.method, item.steps, item.seed) for item in report.pretraining] == [
        ("naive", 4, 1),
        ("asa", 4, 1),
        ("random_mask", 4, 1),
    ]
    naive, asa, random = report.pretraining
    assert random.kept_fraction == pytest.approx(asa.kept_fraction, abs=0.02)
    assert naive.perplexity_before == asa.perplexity_before != naive.perplexity != asa.perplexity
    assert naive.relative_compute == 1.0
    assert 2 < asa.relative_compute < 3
    text = (tmp_path / "out" / "tables" / "pretraining.md").read_text()
    assert "Naive − None" in text
    assert "ASA − Naive" in text
    record = store.find("pretrain", pretrainings(plan)[0].address)
    assert record is not None
    assert "tokens_per_second" in record.timings()
    assert "tokens_per_second" not in str(record.manifest["result"])


@pytest.mark.slow
def test_a_folder_continues_and_starts_from_scratch(suite: Path, tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model", ["a", "b"])
    for scratch in (None, "own"):
        plan = planned(
            suite,
            models=[str(folder)],
            seeds=1,
            pretraining__from_scratch=scratch,
            pretraining__methods=["naive"],
        )
        assert runner.execute(plan, Store(tmp_path / f"out-{scratch}")).failures == {}


def test_what_is_wrong_with_text_or_model_is_told_before_any_work(suite: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("only one document of some words\n")
    with pytest.raises(BadInput, match=r"--corpus text\.txt: 1 documents"):
        runner.execute(planned(suite, pretraining__corpus=str(text)), Store(tmp_path / "out"))
    folder = tiny_bert(tmp_path / "model", ["a", "b"])
    plan = planned(suite, models=[str(folder)], pretraining__block_length=128)
    with pytest.raises(BadInput, match="block_length 128: the model and its tokenizer hold at most 64"):
        runner.execute(plan, Store(tmp_path / "out"))
    assert not list((tmp_path / "out").glob("cells/*/*"))


def test_partial_states_outlive_a_kill_and_end_with_the_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    store.partial("abc").mkdir(parents=True)
    store.prepare()
    assert store.partial("abc").is_dir()
    store.write("pretrain", "abc", {"spec": {}}, None, {})
    assert not store.partial("abc").exists()
    store.partial("abc").mkdir(parents=True)  # killed between recording and removing
    store.prepare()
    assert not store.partial("abc").exists()
