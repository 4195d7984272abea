"""The main job at its smallest, from Python and from the command line: train, evaluate, attack, load, report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import asa_bench
from asa_bench.cli import main
from asa_bench.errors import BadInput
from asa_bench.gathering import gather
from asa_bench.reports.gather import Gathered
from asa_bench.store import Store

SUITE = """\
schema: 1
name: smallest
title: The smallest main job
description: As small as a run of all kinds of cells can be.
default_profile: tiny
profiles:
  tiny:
    train: [laboratory/sentiment, laboratory/inference]
    challenges: [laboratory/keyword, laboratory/hans, laboratory/advglue-inference]
    methods: [naive, asa]
    attacks: [deepwordbug+stopwords, pruthi+stopwords]
    ensemble: [deepwordbug+stopwords, pruthi+stopwords]
    quality: {similarity: model, fluency: model}
    transfer: true
    seeds: 2
    train_examples: 96
    eval_examples: 40
    attack_examples: 2
    training: {epochs: 1, batch_size: 32, max_length: 48, learning_rate: 1.0e-3}
    laboratory: {pretraining: {lines: 320, batch_size: 32}}
    device: cpu
    precision: float32
    threads: 1
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "smallest.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def results(suite: Path) -> asa_bench.Results:
    return asa_bench.run(suite, output=suite.parent / "out")


def _trained(results: asa_bench.Results, method: str, task: str, seed: int) -> Path:
    for record in Store(results.folder).records():
        spec = record.spec
        if record.kind == "train" and (spec["method"], spec["task"], spec["seed"]) == (method, task, seed):
            return record.model_folder()
    raise LookupError((method, task, seed))


def test_every_cell_is_recorded(results: asa_bench.Results) -> None:
    kinds = [record.kind for record in Store(results.folder).records()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "pretrain": 1,
        "train": 8,
        "evaluate": 8 + 4 + 8,
        "attack": 16,
        "quality": 16,
        "replay": 16,
    }
    assert results.failures == {}


def test_tables_come_as_pandas_objects(results: asa_bench.Results) -> None:
    main_table = results.tables["main"]
    assert isinstance(main_table, pd.DataFrame)
    assert list(main_table.index)[:2] == ["Naive", "ASA"]
    assert {"main", "attacks", "quality", "budget", "transfer", "reliance", "hans", "slices"} <= set(
        results.tables
    )
    assert main_table.notna().to_numpy().any()


def test_records_say_what_they_are(results: asa_bench.Results) -> None:
    for record in Store(results.folder).records():
        manifest = record.manifest
        for field in ("label", "spec", "reads", "packages", "machine", "version", "checksum", "files"):
            if (record.kind, field) not in {
                ("replay", "reads"),
                ("quality", "reads"),
            }:  # they read records alone
                assert manifest[field], (record.kind, field)
        if record.kind == "replay":
            assert set(manifest["waits"]) == {"model", "set"}
        if record.kind == "quality":
            judges = manifest["result"]["judges"]
            assert judges["similarity"]["model"] == judges["fluency"]["model"] == "laboratory-bert"
            assert set(manifest["waits"]) == {"set", "encoder"}
        assert all(version != "not installed" for version in manifest["packages"].values())
        assert record.timings()["seconds"] >= 0
        if record.kind in {"evaluate", "attack"}:
            assert len(manifest["result"]["fingerprint"]) == 64
            assert manifest["result"]["task"]["name"] == record.spec["task"]
            rows = record.rows()
            assert len(rows) == manifest["result"]["examples"] == (40 if record.kind == "evaluate" else 2)
            assert rows["id"].is_unique
            assert rows["text_hash"].str.len().eq(16).all()
        if record.kind == "train":
            assert manifest["result"]["training"]["steps"] == 3


@pytest.mark.parametrize("task", ["laboratory/sentiment", "laboratory/inference"])
def test_a_replay_gives_the_attacked_model_its_own_robust_accuracy(
    results: asa_bench.Results, task: str
) -> None:
    for record in Store(results.folder).records():
        subject = record.spec.get("subject", {})
        if record.kind != "attack" or (subject["method"], subject["seed"]) != ("asa", 1):
            continue
        if record.spec["task"] != task:
            continue
        (again,) = asa_bench.replay(record.folder, [f"own={_trained(results, 'asa', task, 1)}"])
        status = record.rows().set_index("id")["status"]
        robust = again.replay.rows.set_index("id")["outcome"] == "robust"
        assert robust.to_dict() == (status == "failed").to_dict()


@pytest.mark.parametrize("task", ["laboratory/sentiment", "laboratory/inference"])
def test_a_replay_of_the_attacked_model_gives_the_gated_number_of_the_report(
    results: asa_bench.Results, task: str
) -> None:
    """Example by example, by whatever bound of the run's judges decides."""
    report = Gathered(gather(Store(results.folder)))
    model = _trained(results, "naive", task, 1)
    again = asa_bench.replay(results.folder, [f"own={model}"], task=task, source="naive", seed=1)
    assert len(again) == 2
    for one in again:
        header = one.replay.source.header
        (outcome,) = (
            item
            for item in report.source.attacks
            if (item.subject.method, item.subject.seed) == ("naive", 1)
            and (item.task.name, item.attack.name) == (task, header.attack)
        )
        survives, expected = one.replay.survives(by_gate=True), report.robustness.gated(outcome)
        assert survives is not None and expected is not None
        assert dict(zip(one.replay.rows["id"], survives, strict=True)) == dict(
            zip(outcome.rows["id"], expected, strict=True)
        )
        assert one.replay.judged is not None and one.replay.judged.by_run


def test_a_training_records_its_texts_and_an_evaluation_how_many_of_its_own_are_among_them(
    results: asa_bench.Results,
) -> None:
    records = list(Store(results.folder).records())
    assert {len(record.rows()) for record in records if record.kind == "train"} == {96}
    seen = [record.manifest["result"]["seen_in_training"] for record in records if record.kind == "evaluate"]
    assert seen and set(seen) == {0}
    told = [record.manifest["result"]["overlap"] for record in records if record.kind == "evaluate"]
    assert all(each["trained"] == 96 and each["exact"] == each["near"] == 0 for each in told)


def test_the_adversary_is_logged_and_not_saved(results: asa_bench.Results) -> None:
    for record in Store(results.folder).records():
        if record.kind != "train":
            continue
        losses = record.manifest["result"]["training"]["losses"]
        assert ("divergence" in losses) == (record.spec["method"] == "asa")
        assert {path.name for path in record.model_folder().iterdir()} >= {"config.json", "model.safetensors"}
        assert not list(record.model_folder().glob("*.bin"))


def test_a_trained_checkpoint_is_a_plain_one(results: asa_bench.Results) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        _trained(results, "asa", "laboratory/sentiment", 1)
    )
    assert list(model.config.id2label.values()) == ["negative", "positive"]


def test_the_second_run_does_nothing(
    results: asa_bench.Results, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in sorted(results.folder.glob("tables/*"))}
    with pytest.raises(SystemExit) as ended:
        main(["run", "--suite", str(suite), "-o", str(results.folder)])
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert " 0 to do" in said.err
    assert "ASA" in said.out
    assert {path: path.read_bytes() for path in sorted(results.folder.glob("tables/*"))} == before


def test_plan_tells_what_is_recorded(
    results: asa_bench.Results, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, expected in (
        ([], "everything is recorded"),
        (["--seeds", "3"], "by what is recorded here"),
    ):
        with pytest.raises(SystemExit):
            main(["plan", "--suite", str(suite), "-o", str(results.folder), *arguments])
        assert expected in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["plan", "--suite", str(suite), "-o", str(results.folder), "--json"])
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert all(cell["recorded"] for cell in cells)


def test_a_report_is_made_again_from_records_alone(results: asa_bench.Results, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results.folder, copy)
    before = {path.name: path.read_bytes() for path in copy.glob("tables/*")}
    shutil.rmtree(copy / "tables")
    for model in copy.glob("cells/train/*/model"):
        shutil.rmtree(model)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(copy)])
    assert ended.value.code == 0
    assert {path.name: path.read_bytes() for path in copy.glob("tables/*")} == before
    pd.testing.assert_frame_equal(asa_bench.report(copy).tables["main"], results.tables["main"])


def test_a_loaded_checkpoint_scores_as_when_it_was_trained(
    results: asa_bench.Results, suite: Path, tmp_path: Path
) -> None:
    checkpoint = _trained(results, "asa", "laboratory/inference", 1)
    loaded = asa_bench.evaluate(checkpoint, suite, name="mine", output=tmp_path / "out")
    rows = {}
    for folder in (results.folder, tmp_path / "out"):
        for record in Store(folder).records():
            subject = record.spec.get("subject", {})
            mine = subject.get("loaded") or (subject.get("method"), subject.get("seed")) == ("asa", 1)
            if (
                record.kind in {"evaluate", "attack"}
                and mine
                and subject["train_task"] == "laboratory/inference"
            ):
                key = (record.kind, record.spec["task"], record.spec.get("attack"))
                rows.setdefault(key, []).append(record.rows())
    assert len(rows) == 5
    for pair in rows.values():
        pd.testing.assert_frame_equal(*pair)
    assert loaded.tables["main"].index[0].startswith("mine")


def test_a_model_in_memory(results: asa_bench.Results, suite: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = _trained(results, "naive", "laboratory/sentiment", 2)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with pytest.raises(BadInput, match="needs its tokenizer"):
        asa_bench.evaluate(model, suite)
    done = asa_bench.evaluate(
        model,
        suite,
        tokenizer=AutoTokenizer.from_pretrained(folder),
        output=tmp_path / "out",
        tasks=["laboratory/keyword"],
    )
    assert done.failures == {}
    assert "attacks" in done.tables


def test_swapped_labels_of_an_inference_model_are_found(
    results: asa_bench.Results, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A classifier that never says 'entailment' of a text and itself has its labels swapped."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    source = _trained(results, "naive", "laboratory/inference", 1)
    model = AutoModelForSequenceClassification.from_pretrained(source)
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([-100.0, 0.0, 0.0]))
    model.save_pretrained(tmp_path / "swapped")
    AutoTokenizer.from_pretrained(source).save_pretrained(tmp_path / "swapped")
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "run",
                "--suite",
                str(suite),
                "--methods",
                "none",
                "--load",
                f"m={tmp_path / 'swapped'}",
                "-o",
                str(tmp_path / "o"),
            ]
        )
    assert ended.value.code == 2
    assert "premises as their own hypotheses" in capsys.readouterr().err


def test_a_failed_cell_leaves_a_hole_and_exit_code_1(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from asa_bench.attacks import engine

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("the attack crashed")

    monkeypatch.setattr(engine, "attack_rows", crash)
    arguments = ["run", "--suite", str(suite), "-o", str(tmp_path / "out"), "--tasks", "laboratory/keyword"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--seeds", "1", "--methods", "naive"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "RuntimeError: the attack crashed" in said.err
    assert "--" in said.out
    # Once the cause is gone, only what failed is done; what nobody has done yet is left alone.
    monkeypatch.undo()
    again = [*arguments, "--seeds", "2", "--methods", "naive", "--retry-failed"]
    with pytest.raises(SystemExit) as ended:
        main(again)
    assert ended.value.code == 0
    records = list(Store(tmp_path / "out").records())
    assert {record.spec["attack"] for record in records if record.kind == "attack"} == {
        "deepwordbug+stopwords",
        "pruthi+stopwords",
    }
    assert {record.spec["seed"] for record in records if record.kind == "train"} == {1}
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(again)
    assert "nothing has failed" in capsys.readouterr().err


def test_verify_finds_what_was_changed(
    results: asa_bench.Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify(folder: Path) -> tuple[int, dict[str, list[dict[str, str]]]]:
        with pytest.raises(SystemExit) as ended:
            main(["verify", str(folder), "--json"])
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    code, told = verify(results.folder)
    assert (code, told["faults"]) == (0, [])
    shutil.copytree(results.folder, tmp_path / "copy")
    rows = sorted((tmp_path / "copy").glob("cells/attack/*/rows.parquet"))[0]
    rows.write_bytes(rows.read_bytes()[:-1])
    code, told = verify(tmp_path / "copy")
    assert code == 1
    assert [fault["path"] for fault in told["faults"]] == [rows.relative_to(tmp_path / "copy").as_posix()]


def test_doctor_says_what_a_suite_needs(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--suite", str(suite)])
    assert ended.value.code == 0
    assert "ok      data laboratory/keyword" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--suite", "robustness", "--profile", "laptop", "--data-dir", str(tmp_path)])
    assert ended.value.code == 1
    assert "MISSING data sst2 train" in capsys.readouterr().out


def test_random_masks_keep_as_much_as_asa_did(suite: Path, results: asa_bench.Results) -> None:
    found = asa_bench.run(
        suite,
        output=results.folder,
        methods=["random_mask", "asa"],
        tasks=["laboratory/sentiment"],
        seeds=[1],
        settings={"attacks": []},
    )
    assert found.failures == {}
    kept = {
        record.spec["method"]: record.manifest["result"]["training"]["losses"]
        for record in Store(results.folder).records()
        if record.kind == "train"
        and (record.spec["task"], record.spec["seed"]) == ("laboratory/sentiment", 1)
    }
    for layer in range(2):
        name = f"kept_fraction/{layer}"
        assert kept["random_mask"][name] == pytest.approx(kept["asa"][name], abs=0.03)


@pytest.mark.slow
def test_an_attacked_example_is_looked_into_on_the_page(
    results: asa_bench.Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from asa_bench import gathering
    from asa_bench.reports.page.examples import address_of

    folder = tmp_path / "copy"
    shutil.copytree(results.folder, folder)
    item = gathering.gather(Store(folder)).attacks[0]
    address = address_of(item, item.rows["id"].iloc[0])
    with pytest.raises(SystemExit) as ended:
        main(["explain", "--run", str(folder), "--example", address, "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    first = told[0] if isinstance(told, list) else told
    assert [view["model"] for view in first["views"]] == ["Naive", "ASA"]
    assert list(first["texts"]) == json.loads(item.rows["original"].iloc[0])
    page = (folder / "tables" / "report.html").read_text()
    assert f'data-example="{address}"' in page and "The mechanism" in page
    # A report made again from the records alone has it still.
    with pytest.raises(SystemExit):
        main(["report", str(folder)])
    assert (folder / "tables" / "report.html").read_text() == page
    for wrong, said in (
        (["--example", "0" * 12], "no attacked example of this address"),
        (["a text"], "choose one with --task"),
        (["--task", "laboratory/sentiment", "--seed", "7", "a text"], "has seeds 1, 2"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["explain", "--run", str(folder), *wrong])
        assert ended.value.code == 2 and said in capsys.readouterr().err
