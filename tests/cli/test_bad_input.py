"""Bad input: one clear line on stderr, exit code 2, no traceback, nothing lost."""

from __future__ import annotations

import json
import lzma
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from models_for_tests import tiny_bert

from asa_bench.cli import main

SUITE = """\
schema: 1
name: mine
title: Mine
description: A test.
default_profile: small
profiles:
  small:
    source: folder
    models: [MODEL]
    methods: [naive]
    train: [sst2]
    challenges: [advglue/sst2]
    seeds: 1
    device: cpu
    precision: float32
    threads: 1
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in the original layout, with a few rows."""
    folder = tmp_path / "data"
    (folder / "glue" / "SST-2").mkdir(parents=True)
    rows = "".join(f"the film number {i} is good \t1\nthe film number {i} is bad \t0\n" for i in range(4))
    for name in ("train_sample.tsv", "dev_sample.tsv"):
        (folder / "glue" / "SST-2" / name).write_text("sentence\tlabel\n" + rows)
    (folder / "advglue").mkdir()
    sst2 = [{"idx": i, "sentence": f"film {i}", "label": i % 2} for i in range(148)]
    (folder / "advglue" / "dev.json").write_text(json.dumps({"sst2": sst2}))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "model", ["negative", "positive"])


@pytest.fixture
def suite(tmp_path: Path, model: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE.replace("MODEL", str(model)))
    return path


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command says when it refuses its input; it must be one line and exit with 2."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert ended.value.code == 2, captured
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("asa-bench: ")
    assert "Traceback" not in captured.err
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--suite", "robustnes"], "did you mean 'robustness'?"),
        (["run", "--suite", "absent.yaml"], "absent.yaml: there is no such suite file"),
        (["run", "--profile", "embeded"], "did you mean 'embedded'?"),
        (["run", "--seeds", "0"], "--seeds: seeds: the number of seeds must be between 1 and 1000, not 0"),
        (["run", "--seeds", "three"], "--seeds 'three'"),
        (["run", "--seeds", "1,1"], "--seeds: seeds: 1 is given twice"),
        (["run", "--seeds=-1"], "--seeds"),
        (["run", "--methods", "asaa"], "did you mean 'asa'?"),
        (["run", "--methods", "naive,,asa"], "--methods 'naive,,asa'"),
        (["run", "--tasks", "laboratory/hanss"], "did you mean 'laboratory/hans'?"),
        (["run", "--attacks", "deepwordbug+stopword"], "did you mean 'deepwordbug+stopwords'?"),
        (["run", "--train-examples", "0"], "--train-examples"),
        (["run", "--eval-examples", "many"], "--eval-examples 'many': expected a whole number or 'all'"),
        (["run", "--attack-examples", "-3"], "--attack-examples"),
        (["run", "--threads", "0"], "--threads"),
        (["run", "--device", "tpu"], "--device: device: input should be 'auto', 'cpu' or 'cuda'"),
        (["run", "--precision", "fp8"], "--precision"),
        (["run", "--set", "training.epoch=1"], "did you mean 'epochs'?"),
        (["run", "--set", "training.epochs"], "expected KEY=VALUE"),
        (["run", "--set", "training.epochs=soon"], "--set training.epochs"),
        (["run", "--set", "methods.asa.tua=1"], "did you mean 'tau'?"),
        (["run", "--set", "laboratory.strength=2"], "--set laboratory.strength"),
        (["run", "--data-dir", "."], "add --profile laptop or paper"),
        (["run", "--profile", "laptop", "--data-dir", "no/such/folder"], "there is no such folder"),
        (["run", "--load", "mine"], "--load 'mine': expected NAME"),
        (["run", "--load", "mine@laboratory/sentiment=no/such/folder/here"], "there is no such folder"),
        (["run", "--label-map", "mine=a,b"], "there is no --load of that name"),
        (["run", "--methods", "none"], "nothing to do"),
        (["run", "--bogus"], "No such option"),
        (["run", "--seeds"], "requires an argument"),
        (["rnu"], "No such command"),
        (["show", "nothing-like-it"], "nothing is called 'nothing-like-it'"),
        (["validate", "absent.yaml"], "there is no such suite file"),
        (["report", "no/such/folder"], "not an output folder"),
    ],
)
def test_wrong_options(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in complaint(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def _edit(path: str, change: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda data: change(data / path)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_edit("glue/SST-2/train_sample.tsv", Path.unlink), "train"),
        (_edit("advglue/dev.json", Path.unlink), "dev"),
        (_edit("glue", shutil.rmtree), "SST-2"),
        (_edit("advglue/dev.json", lambda p: p.write_bytes(b"")), "advglue"),
        (_edit("advglue/dev.json", lambda p: p.write_text('{"sst2": [')), "advglue"),
        (_edit("advglue/dev.json", lambda p: p.write_text('{"sst2": [{"sentence": "a"}]}')), "advglue"),
    ],
)
def test_missing_data_is_told_before_any_work(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    suite: Path,
    data: Path,
    damage: Callable[[Path], object],
    expected: str,
) -> None:
    damage(data)
    line = complaint(capsys, "run", "--suite", suite, "--data-dir", data, "-o", tmp_path / "out")
    assert expected in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"sentence\tlabel\n", "no rows"),
        (b"", "empty"),
        (b"sentence\tlabel\ngood \t1\nbad \n", "line 3"),
        (b"sentence\tlabel\ngood \t1\nbad \t7\n", "7"),
        (b"text\tklass\ngood \t1\n", "sentence"),
        (b"sentence\tlabel\n\xff\xfe\t1\n", "UTF-8"),
    ],
)
def test_damaged_tables_are_told_with_their_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suite: Path, data: Path, content: bytes, expected: str
) -> None:
    (data / "glue" / "SST-2" / "train_sample.tsv").write_bytes(content)
    line = complaint(capsys, "run", "--suite", suite, "--data-dir", data, "-o", tmp_path / "out")
    assert "train_sample.tsv" in line
    assert expected.lower() in line.lower()


def test_a_damaged_archive_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suite: Path, data: Path
) -> None:
    plain = data / "glue" / "SST-2" / "train_sample.tsv"
    packed = lzma.compress(plain.read_bytes())
    plain.unlink()
    (data / "glue" / "SST-2" / "train_sample.tsv.xz").write_bytes(packed[:-20])
    line = complaint(capsys, "run", "--suite", suite, "--data-dir", data, "-o", tmp_path / "out")
    assert "train_sample.tsv.xz" in line


def test_a_truncated_official_file_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suite: Path, data: Path
) -> None:
    folder = data / "glue" / "SST-2"
    (folder / "train_sample.tsv").rename(folder / "train.tsv")
    line = complaint(capsys, "run", "--suite", suite, "--data-dir", data, "-o", tmp_path / "out")
    assert "67,349" in line or "67349" in line


@pytest.mark.parametrize(
    ("labels", "extra", "expected"),
    [
        (["a", "b", "c"], [], "has 3 labels, task 'sst2' has 2"),
        (["LABEL_0", "LABEL_1"], [], "--label-map"),
        (["apples", "pears"], [], "are not those of task 'sst2'"),
        (["negative", "positive"], ["--label-map", "mine=negative,negative"], "are not those of task 'sst2'"),
        (
            ["negative", "positive"],
            ["--label-map", "other=negative,positive"],
            "there is no --load of that name",
        ),
    ],
)
def test_wrong_checkpoints(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    suite: Path,
    data: Path,
    labels: list[str],
    extra: list[str],
    expected: str,
) -> None:
    checkpoint = tiny_bert(tmp_path / "checkpoint", labels)
    line = complaint(
        capsys, "run", "--suite", suite, "--data-dir", data, "--load", f"mine@sst2={checkpoint}", *extra
    )
    assert expected in line


def test_a_pickle_is_refused_by_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suite: Path, data: Path
) -> None:
    checkpoint = tiny_bert(tmp_path / "checkpoint", ["negative", "positive"])
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    line = complaint(capsys, "run", "--suite", suite, "--data-dir", data, "--load", f"mine={checkpoint}")
    assert "pytorch_model.bin is a pickle" in line


def test_an_output_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in complaint(capsys, "run", "-o", tmp_path / "file")
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IREAD | stat.S_IEXEC)

    def refuse(
        self: Path, *_: object, **__: object
    ) -> None:  # root may write anywhere, so the refusal is played
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert "cannot be written" in complaint(capsys, "run", "-o", locked / "out")


def test_hostile_names_reach_the_terminal_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "show", "\x1b[31mred\x1b[0m\u202e")
    assert "\x1b" not in line
    assert "\u202e" not in line
