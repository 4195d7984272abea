"""For one seed all methods share steps, batches, order, initial weights and clipping, and are deterministic."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from models_for_tests import WORDS, tiny_bert
from toy_training import TASK

from asa_bench.methods import METHODS, Loss, Method
from asa_bench.training import TrainingOptions, TrainingSummary, load_model, load_tokenizer, train

CLIP = 1e-3  # so low that every step of every method is clipped
OPTIONS = TrainingOptions(
    epochs=2, learning_rate=1e-3, batch_size=8, max_length=12, max_grad_norm=CLIP, seed=7
)
GIVEN: dict[str, dict[str, Any]] = {"random_mask": {"kept_fraction": 0.8}}  # what only a run can measure
OTHERS = [name for name in METHODS.names() if name != "naive"]


def rows(count: int = 28) -> pd.DataFrame:
    draw = random.Random(1)
    texts = [" ".join(draw.choices(WORDS.split(), k=draw.randint(2, 9))) for _ in range(count)]
    labels = ["positive" if "good" in text else "negative" for text in texts]
    return pd.DataFrame({"id": [str(i) for i in range(count)], "text": texts, "label": labels})


@dataclass
class Seen:
    """What one training run looked like from the inside."""

    start: dict[str, torch.Tensor] = field(default_factory=dict)
    batches: list[dict[str, list[Any]]] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)  # of the model's gradient, as the optimizer gets it
    learning_rates: list[float] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)
    summary: TrainingSummary | None = None
    digest: str = ""


def watched(name: str, encoder: Path, output: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Seen:
    """Train once with the method called `name` and remember what happened."""
    seen = Seen()
    model = load_model(encoder, TASK, OPTIONS.seed)
    method: Method = METHODS.get(name)(GIVEN.get(name))
    attach, loss = method.attach, method.loss
    parameters = dict(model.named_parameters())

    def attached(model: Any, seed: int) -> None:
        attach(model, seed)
        seen.start = {key: value.detach().clone() for key, value in model.state_dict().items()}

    def lost(model: Any, inputs: Mapping[str, torch.Tensor]) -> Loss:
        assert model.training
        seen.batches.append({key: value.tolist() for key, value in inputs.items()})
        return loss(model, inputs)

    step = torch.optim.AdamW.step

    def stepped(self: Any, closure: Any = None) -> Any:
        gradients = [parameter.grad for parameter in parameters.values()]
        assert all(gradient is not None for gradient in gradients)
        seen.norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))
        seen.learning_rates.append(self.param_groups[0]["lr"])
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(method, "attach", attached)
        patch.setattr(method, "loss", lost)
        patch.setattr(torch.optim.AdamW, "step", stepped)
        seen.summary = train(
            rows(),
            TASK,
            method,
            model,
            load_tokenizer(encoder),
            OPTIONS.model_copy(update=changes),
            output,
            lambda *at: seen.progress.append(at),
        )
    seen.digest = hashlib.sha256((output / "model.safetensors").read_bytes()).hexdigest()
    return seen


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("encoder"), TASK.labels)


@pytest.fixture(scope="module")
def naive(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return watched("naive", encoder, tmp_path_factory.mktemp("naive"), monkeypatch)


@pytest.mark.parametrize("name", OTHERS)
def test_methods_differ_in_their_objective_alone(
    name: str, naive: Seen, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watched(name, encoder, tmp_path, monkeypatch)
    assert seen.start.keys() == naive.start.keys()
    assert all(torch.equal(seen.start[key], naive.start[key]) for key in naive.start)
    assert len(naive.batches) == 2 * 4  # 28 rows in batches of 8
    assert naive.norms == pytest.approx([CLIP] * 8, rel=1e-3)
    if name == "naive_longer":
        assert seen.batches[:8] == naive.batches  # the epochs that both have
        steps = 17  # 2 * 2.11 epochs of 4 steps, rounded up
        assert seen.summary is not None
        assert seen.summary.epochs == 4.22
    else:
        assert seen.batches == naive.batches
        assert seen.learning_rates == naive.learning_rates
        steps = 8
    assert len(seen.batches) == steps
    assert seen.norms == pytest.approx([CLIP] * steps, rel=1e-3)
    assert seen.progress == [(step, steps) for step in range(1, steps + 1)]
    assert seen.summary is not None
    assert seen.summary.steps == steps
    assert seen.digest != naive.digest  # the objective does make a difference


def test_a_factor_costs_no_step_by_rounding(encoder: Path, tmp_path: Path) -> None:
    assert 3 * 1.1 > 3.3
    method = METHODS.get("naive_longer")({"factor": 1.1})
    options = OPTIONS.model_copy(update={"epochs": 3, "batch_size": 3})  # 10 steps an epoch
    model = load_model(encoder, TASK, 0)
    summary = train(rows(), TASK, method, model, load_tokenizer(encoder), options, tmp_path)
    assert (summary.steps, summary.epochs) == (33, 3.3)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", METHODS.names())
def test_every_method_trains_to_the_same_bits_twice(
    name: str, precision: str, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"precision": precision, "epochs": 0.5, "max_grad_norm": 1.0}
    first = watched(name, encoder, tmp_path / "first", monkeypatch, **changes)
    torch.rand(7)
    second = watched(name, encoder, tmp_path / "second", monkeypatch, **changes)
    other = watched(name, encoder, tmp_path / "other", monkeypatch, **changes, seed=8)
    assert first.digest == second.digest
    assert first.digest != other.digest
    assert first.summary is not None and second.summary is not None
    assert first.summary.as_json() == second.summary.as_json()
