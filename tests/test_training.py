"""Tests of training: determinism, fairness between methods, the checkpoint, and what is told on bad input."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from toy_training import OPTIONS, TASK, rows, run, saved_encoder
from transformers import AutoModelForSequenceClassification

from asa_bench import training
from asa_bench.errors import BadInput
from asa_bench.methods import METHODS, Loss
from asa_bench.methods.naive import Naive
from asa_bench.training import load_model, load_tokenizer, resolve_precision, train

THREE = TASK.model_copy(update={"labels": ("a", "b", "c")})


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_encoder(tmp_path_factory.mktemp("encoder"))


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("method", ["naive", "asa"])
def test_the_same_spec_gives_the_same_bits(
    encoder: Path, tmp_path: Path, method: str, precision: str
) -> None:
    first = run(encoder, tmp_path / "first", method, precision=precision)
    torch.manual_seed(99)
    torch.rand(17), np.random.rand(3), random.random()
    second = run(encoder, tmp_path / "second", method, precision=precision)
    other = run(encoder, tmp_path / "other", method, precision=precision, seed=8)
    assert digest(tmp_path / "first") == digest(tmp_path / "second")
    assert first.as_json() == second.as_json()
    assert digest(tmp_path / "first") != digest(tmp_path / "other")
    assert "seconds" not in other.as_json()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("method", ["naive", "asa"])
def test_the_same_spec_gives_the_same_bits_in_another_process(
    encoder: Path, tmp_path: Path, method: str, precision: str
) -> None:
    run(encoder, tmp_path / "here", method, precision=precision, threads=2)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import torch; torch.rand(5)\n"
        "from pathlib import Path; import test_training as t\n"
        "t.run(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], precision=sys.argv[5], threads=2)"
    )
    arguments = [str(Path(__file__).parent), str(encoder), str(tmp_path / "there"), method, precision]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)
    assert digest(tmp_path / "here") == digest(tmp_path / "there")


def test_random_state_threads_and_determinism_are_put_back(encoder: Path, tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    def seed() -> None:
        random.seed(3), np.random.seed(3), torch.manual_seed(3)

    seed()
    expected = draw()
    seed()
    threads = torch.get_num_threads()
    run(encoder, tmp_path, "asa", threads=threads + 1)
    assert draw() == expected
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


class Recorder(Naive):
    """Keeps the batches that it sees; draws random numbers, as methods may."""

    def __init__(self, options: Mapping[str, Any] | None = None, draws: int = 0) -> None:
        super().__init__(options)
        self.seen: list[list[list[int]]] = []
        self.draws = draws
        self.start: dict[str, torch.Tensor] = {}

    def attach(self, model: Any, seed: int) -> None:
        torch.rand(self.draws)
        self.start = {name: value.clone() for name, value in model.state_dict().items()}

    def loss(self, model: Any, inputs: Mapping[str, torch.Tensor]) -> Loss:
        torch.rand(self.draws)
        self.seen.append(inputs["input_ids"].tolist())
        return super().loss(model, inputs)


def test_all_methods_see_the_same_weights_and_the_same_batches(encoder: Path, tmp_path: Path) -> None:
    recorders = [Recorder(draws=0), Recorder(draws=5)]
    for recorder in recorders:
        model = load_model(encoder, TASK, OPTIONS.seed)
        torch.rand(recorder.draws)
        train(rows(), TASK, recorder, model, load_tokenizer(encoder), OPTIONS, tmp_path)
    one, two = recorders
    assert one.seen == two.seen
    assert all(torch.equal(one.start[name], two.start[name]) for name in one.start)
    half = len(one.seen) // 2
    assert one.seen[:half] != one.seen[half:]  # the second epoch has another order
    epochs = [
        sorted([token for token in row if token] for batch in part for row in batch)
        for part in (one.seen[:half], one.seen[half:])
    ]
    assert len(epochs[0]) == 60
    assert epochs[0] == epochs[1]


def test_batches_are_grouped_by_length_and_padded_no_further_than_needed(
    encoder: Path, tmp_path: Path
) -> None:
    recorder = Recorder()
    model = load_model(encoder, TASK, 0)
    summary = train(rows(200), TASK, recorder, model, load_tokenizer(encoder), OPTIONS, tmp_path)
    padding = sum(row.count(0) for batch in recorder.seen for row in batch)
    units = sum(len(row) for batch in recorder.seen for row in batch)
    assert units - padding == 2 * summary.tokens
    assert all(any(row[-1] != 0 for row in batch) for batch in recorder.seen)
    assert padding / units < 0.1  # in random batches of these lengths about 30 %


def test_the_checkpoint_is_a_plain_model(encoder: Path, tmp_path: Path) -> None:
    run(encoder, tmp_path / "naive", "naive")
    summary = run(encoder, tmp_path / "asa", "asa")
    names = {path.name for path in (tmp_path / "asa").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not {name for name in names if name.endswith((".bin", ".pt", ".py")) or "checkpoint" in name}
    config = json.loads((tmp_path / "asa" / "config.json").read_text())
    assert config["id2label"] == {"0": "negative", "1": "positive"}
    assert config["label2id"] == {"negative": 0, "positive": 1}
    assert config == json.loads((tmp_path / "naive" / "config.json").read_text())
    weights = load_file(tmp_path / "asa" / "model.safetensors")
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in load_file(tmp_path / "naive" / "model.safetensors").items()
    }
    for path in (tmp_path / "asa").iterdir():
        if path.suffix == ".json":
            assert str(encoder) not in path.read_text()
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "asa")
    assert sum(parameter.numel() for parameter in model.parameters()) == summary.parameters
    assert summary.method_parameters == 2 * 2 * (16 * 16 + 16)


def test_the_summary_tells_steps_losses_and_gradient_norms(encoder: Path, tmp_path: Path) -> None:
    steps = []
    method = METHODS.get("asa")()
    model = load_model(encoder, TASK, 7)
    summary = train(
        rows(), TASK, method, model, load_tokenizer(encoder), OPTIONS, tmp_path, lambda *at: steps.append(at)
    )
    assert summary.steps == 2 * 8  # 60 rows in batches of 8
    assert steps == [(step, 16) for step in range(1, 17)]
    assert summary.examples == 60
    losses = summary.losses
    assert losses["total"] == pytest.approx(
        losses["cross_entropy"] + losses["divergence"] + losses["mask_term"]
    )
    assert 0 < losses["kept_fraction"] <= 1
    assert losses["kept_fraction"] == pytest.approx(
        (losses["kept_fraction/0"] + losses["kept_fraction/1"]) / 2
    )
    assert set(summary.gradient_norms) == {"model", "method"}
    assert 0 < summary.gradient_norms["model"] <= summary.largest_gradient_norms["model"]


def test_naive_training_learns_and_nothing_is_printed(
    encoder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = load_model(encoder, TASK, 0)
    options = OPTIONS.model_copy(update={"epochs": 12, "learning_rate": 5e-3})
    output = tmp_path / "model"
    train(rows(200), TASK, Naive(), model, load_tokenizer(encoder), options, output)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    encoded = load_tokenizer(output)(rows(200)["text"].tolist(), padding=True, return_tensors="pt")
    with torch.no_grad():
        guessed = model.eval()(**encoded).logits.argmax(-1)
    right = [model.config.id2label[int(i)] for i in guessed] == rows(200)["label"]
    assert right.mean() > 0.9


def test_a_training_keeps_its_last_weights_and_is_never_evaluated(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is chosen by a score: there is no data to score on, no checkpoint to go back to, and nobody who could stop it."""
    from transformers import EarlyStoppingCallback, Trainer

    made: list[Any] = []
    begin = Trainer.train

    def watched(self: Any, *arguments: Any, **options: Any) -> Any:
        made.append(self)
        return begin(self, *arguments, **options)

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a training must not look at a score")

    monkeypatch.setattr(Trainer, "train", watched)
    for name in ("evaluate", "_load_best_model", "_save_checkpoint"):
        monkeypatch.setattr(Trainer, name, refused)
    summary = run(encoder, tmp_path / "model", "asa", epochs=3)
    (trainer,) = made
    assert trainer.eval_dataset is None and not trainer.args.load_best_model_at_end
    assert not any(isinstance(each, EarlyStoppingCallback) for each in trainer.callback_handler.callbacks)
    assert summary.steps == trainer.state.global_step == 3 * -(-60 // OPTIONS.batch_size)
    saved = load_file(tmp_path / "model" / "model.safetensors")
    last = trainer.model.state_dict()
    assert all(torch.equal(saved[name], last[name]) for name in saved)


class Steep(Naive):
    """A loss whose gradient is far above the clip, with a parameter of its own whose gradient is far above it."""

    def attach(self, model: Any, seed: int) -> None:
        self.own = torch.nn.Parameter(torch.ones(4))
        self.seen: list[tuple[float, float]] = []
        self.parameters = list(model.parameters())

    def loss(self, model: Any, inputs: Mapping[str, torch.Tensor]) -> Loss:
        loss = super().loss(model, inputs)
        return Loss(1e3 * loss.total + 1e6 * self.own.sum(), loss.logits, loss.parts)

    def extra_parameters(self) -> list[torch.nn.Parameter]:
        return [self.own]


def test_the_model_and_the_method_are_clipped_apart(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Steep()
    norms: list[tuple[float, float]] = []

    def remember(self: Any, closure: Any = None) -> None:
        def norm(parameters: Any) -> float:
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            return float(torch.stack([gradient.norm() for gradient in gradients]).norm())

        norms.append((norm(method.parameters), norm([method.own])))
        owned = [parameter for group in self.param_groups for parameter in group["params"]]
        assert len(owned) == len(set(owned)) == len(method.parameters) + 1

    monkeypatch.setattr(torch.optim.AdamW, "step", remember)
    model = load_model(encoder, TASK, 0)
    options = OPTIONS.model_copy(update={"epochs": 1, "max_grad_norm": 0.5})
    summary = train(rows(), TASK, method, model, load_tokenizer(encoder), options, tmp_path)
    assert len(norms) == summary.steps
    for of_model, of_method in norms:
        assert of_model == pytest.approx(0.5, rel=1e-3)
        assert of_method == pytest.approx(0.5, rel=1e-3)
    assert summary.gradient_norms["method"] == pytest.approx(2e6)


class Constant(Naive):
    """Cross-entropy plus the sum of a parameter of its own, whose gradient is 1 in each of four entries."""

    def attach(self, model: Any, seed: int) -> None:
        self.own = torch.nn.Parameter(torch.ones(4))
        self.gradients: list[list[float]] = []
        self.own.register_post_accumulate_grad_hook(lambda own: self.gradients.append(own.grad.tolist()))

    def loss(self, model: Any, inputs: Mapping[str, torch.Tensor]) -> Loss:
        loss = super().loss(model, inputs)
        return Loss(loss.total + self.own.sum(), loss.logits, loss.parts)

    def extra_parameters(self) -> list[torch.nn.Parameter]:
        return [self.own]


def test_gradients_of_the_method_do_not_pile_up_over_steps(encoder: Path, tmp_path: Path) -> None:
    method = Constant()
    options = OPTIONS.model_copy(update={"max_grad_norm": 1e6, "learning_rate": 0.01, "epochs": 1})
    model = load_model(encoder, TASK, 0)
    summary = train(rows(), TASK, method, model, load_tokenizer(encoder), options, tmp_path)
    assert method.gradients == [[1.0] * 4] * summary.steps
    assert summary.gradient_norms["method"] == pytest.approx(2.0)
    # AdamW moves each entry by the learning rate of the step, which warms up and decays.
    assert 1 - 0.01 * summary.steps < float(method.own.detach().mean()) < 1 - 0.01 * summary.steps / 4


class Diverging(Naive):
    def loss(self, model: Any, inputs: Mapping[str, torch.Tensor]) -> Loss:
        loss = super().loss(model, inputs)
        return Loss(loss.total * float("nan"), loss.logits, loss.parts)


def test_bad_input_is_told_in_one_line(encoder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(encoder)
    model = load_model(encoder, TASK, 0)

    def attempt(frame: pd.DataFrame, method: Any = Naive, using: Any = model) -> None:
        train(frame, TASK, method(), using, tokenizer, OPTIONS, tmp_path / "never")

    with pytest.raises(BadInput, match="no rows"):
        attempt(rows().head(0))
    with pytest.raises(BadInput, match="label 'neutral' in the training rows; known: negative, positive"):
        attempt(rows().assign(label="neutral"))
    with pytest.raises(BadInput, match="3 labels, task 'toy' has 2"):
        attempt(rows(), using=load_model(encoder, THREE, 0))
    with pytest.raises(BadInput, match="diverged"):
        attempt(rows(), Diverging)
    assert not (tmp_path / "never" / "model.safetensors").exists()


def test_precision_is_resolved_from_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_precision("float32", "cpu") == "float32"
    assert resolve_precision("bf16", "cpu") == "bf16"
    monkeypatch.setattr(training, "_cpu_flags", lambda: {"avx2", "avx512_bf16"})
    assert resolve_precision("auto", "cpu") == "bf16"
    monkeypatch.setattr(training, "_cpu_flags", lambda: {"avx2", "avx512f"})
    assert resolve_precision("auto", "cpu") == "float32"
    with pytest.raises(BadInput, match="precision 'fp16': expected auto, float32 or bf16"):
        resolve_precision("fp16", "cpu")


def test_adversaries_are_kept_beside_the_checkpoint_where_asked(encoder: Path, tmp_path: Path) -> None:
    from asa_bench.models.adversaries import FILE_NAME, load_adversaries

    method = METHODS.get("asa")({"save_adversaries": True, "tau": 0.3})
    train(
        rows(),
        TASK,
        method,
        load_model(encoder, TASK, 0),
        load_tokenizer(encoder),
        OPTIONS,
        tmp_path / "kept",
    )
    run(encoder, tmp_path / "not", "asa")
    assert (tmp_path / "kept" / FILE_NAME).is_file() and not (tmp_path / "not" / FILE_NAME).exists()
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "kept")
    tokens = load_tokenizer(encoder)(["a good film"], return_tensors="pt")
    attached = load_adversaries(model, tmp_path / "kept")
    assert attached.tau == 0.3
    length = tokens["input_ids"].shape[1]
    assert [mask.shape for mask in attached.masks(**tokens)] == [(1, length, length)] * 2
