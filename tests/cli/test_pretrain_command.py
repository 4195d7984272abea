"""``asa-bench pretrain``: one encoder, what it says, and one clear line where it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from models_for_tests import WORDS, tiny_bert

from asa_bench.cli import main


@pytest.fixture
def text(tmp_path: Path) -> Path:
    words = WORDS.split()
    documents = [" ".join(words[i % 30 :] + words[: i % 7] + [words[i % 29]]) for i in range(150)]
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(documents))
    return path


def command(model: object, text: object, output: Path, *more: str) -> list[str]:
    given = ["pretrain", "--model", str(model), "--corpus", str(text), "-o", str(output)]
    return [
        *given,
        "--block-length",
        "24",
        "--device",
        "cpu",
        "--precision",
        "float32",
        "--threads",
        "1",
        *more,
    ]


def ended(arguments: list[str]) -> object:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_it_makes_an_encoder_and_does_nothing_twice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: Path
) -> None:
    model = tiny_bert(tmp_path / "model", ["negative", "positive"])
    arguments = command(
        model, text, tmp_path / "out", "--method", "asa", "--steps", "3", "--set", "methods.asa.tau=0.1"
    )
    assert ended(arguments) == 0
    first = capsys.readouterr()
    assert "model, pre-trained with ASA: 3 steps" in first.out
    assert "before" in first.out and "after" in first.out
    assert f"encoder: {tmp_path / 'out' / 'encoder'}" in first.out
    assert "1 cells, 0 recorded, 1 to do" in first.err
    encoder = tmp_path / "out" / "encoder"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in encoder.iterdir()}
    weights = (encoder / "model.safetensors").read_bytes()
    (encoder / "model.safetensors").unlink()
    assert ended(arguments) == 0
    second = capsys.readouterr()
    assert "1 cells, 1 recorded, 0 to do" in second.err
    assert second.out == first.out
    assert (encoder / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--method", "asaa"], "--method: unknown method 'asaa'; did you mean 'asa'?"),
        (["--steps", "0"], "--steps: pretraining.steps: input should be greater than or equal to 1"),
        (["--steps", "5", "--epochs", "1"], "give either steps or epochs"),
        (["--from-scratch", "huge"], "--from-scratch"),
        (["--seed", "-1"], "--seed"),
        (["--checkpoint-minutes", "0"], "must be above 0"),
        (["--set", "corpus.held_out=2"], "--set corpus.held_out"),
        (["--set", "lines=3"], "unknown key"),
        (["--corpus", "nowhere.txt"], "--corpus nowhere.txt: there is no such file or folder"),
        (["--model", "no/such/folder/here"], "there is no such folder"),
    ],
)
def test_wrong_options(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: Path, more: list[str], expected: str
) -> None:
    model = tiny_bert(tmp_path / "model", ["negative", "positive"])
    assert ended(command(model, text, tmp_path / "out", *more)) == 2
    captured = capsys.readouterr()
    assert len(captured.err.strip().splitlines()) == 1, captured.err
    assert expected in captured.err
    assert not (tmp_path / "out").exists()


def test_a_pretraining_that_fails_ends_with_1_and_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: Path
) -> None:
    model = tiny_bert(tmp_path / "model", ["negative", "positive"])
    from asa_bench.methods.naive import Naive

    def diverge(self: Naive, *given: object) -> object:
        loss = original(self, *given)  # type: ignore[arg-type]
        loss.total = loss.total * float("inf")
        return loss

    original = Naive.loss
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Naive, "loss", diverge)
        assert ended(command(model, text, tmp_path / "out", "--steps", "3")) == 1
    assert "diverged" in capsys.readouterr().err
