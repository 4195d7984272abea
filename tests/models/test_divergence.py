"""Known answers of the divergence between two predictions, for every kind of task."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from asa_bench.errors import BadInput
from asa_bench.models.divergence import predict, predict_twice, take_apart

IDS = torch.tensor([[2, 5, 3], [2, 3, 0]])
REAL = torch.tensor([[1, 1, 1], [1, 1, 0]])
# Logits log 3 and 0 give the probabilities 3/4 and 1/4; against 1/4 and 3/4, KL is 1/2 log 3 either way.
P = torch.tensor([math.log(3.0), 0.0])
Q = torch.tensor([0.0, math.log(3.0)])
APART = 0.5 * math.log(3.0)


def made(labels: torch.Tensor, ids: torch.Tensor = IDS, real: torch.Tensor = REAL) -> Any:
    return take_apart({"input_ids": ids, "attention_mask": real, "labels": labels})


def test_classification_and_multiple_choice_take_the_mean_over_examples() -> None:
    batch = made(torch.tensor([0, 1]))
    one, other = torch.stack([P, P]), torch.stack([Q, P])  # the second example agrees
    assert batch.divergence(one, other).item() == pytest.approx(APART / 2)
    assert batch.summed_divergence(one, other).item() == pytest.approx(APART)
    choices = made(torch.tensor([0, 1]), IDS[:, None].repeat(1, 2, 1), REAL[:, None].repeat(1, 2, 1))
    assert choices.divergence(one, other).item() == pytest.approx(APART / 2)
    assert choices.real.shape == (2, 2, 3)


def test_token_classification_takes_the_mean_over_real_tokens_labelled_or_not() -> None:
    batch = made(torch.tensor([[-100, 1, -100], [0, -100, 0]]))
    one = P.repeat(2, 3, 1)
    other = one.clone()
    other[0, 0], other[1, 1], other[1, 2] = Q, Q, Q  # the last one is padding
    assert batch.divergence(one, other).item() == pytest.approx(2 * APART / 5)


def test_token_classification_counts_no_label_of_padding() -> None:
    batch = made(torch.tensor([[-100, 1, -100], [0, -100, 0]]))
    logits = P.repeat(2, 3, 1)
    assert batch.loss(logits).item() == pytest.approx(-(math.log(1 / 4) + math.log(3 / 4)) / 2)
    assert batch.labels[1, 2] == 0  # what was given is left as it is


def test_masked_words_take_the_mean_over_themselves() -> None:
    batch = made(torch.tensor([0, 1, 0]))  # three masked words in two texts
    one, other = torch.stack([P, P, P]), torch.stack([Q, P, P])
    assert batch.divergence(one, other).item() == pytest.approx(APART / 3)
    assert batch.loss(one).item() == pytest.approx(-(2 * math.log(3 / 4) + math.log(1 / 4)) / 3)


def test_regression_takes_the_squared_difference() -> None:
    batch = made(torch.tensor([1.0, 2.0]))
    one, other = torch.tensor([[1.0], [0.0]]), torch.tensor([[3.0], [1.0]])
    assert batch.divergence(one, other).item() == pytest.approx((4 + 1) / 2)
    assert batch.summed_divergence(one, other).item() == pytest.approx((4 + 1) / 2)
    assert batch.loss(one).item() == pytest.approx((0 + 4) / 2)


def test_the_gradient_passes_through_both_predictions() -> None:
    batch = made(torch.tensor([0, 1]))
    one = torch.tensor([[0.3, -0.2], [1.0, 0.1]], dtype=torch.float64, requires_grad=True)
    other = torch.tensor([[0.1, 0.4], [-0.5, 0.2]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(batch.divergence, (one, other))
    assert torch.autograd.gradcheck(batch.summed_divergence, (one, other))
    batch.divergence(one, other).backward()
    assert one.grad is not None and one.grad.abs().min() > 0
    assert other.grad is not None and other.grad.abs().min() > 0


def test_a_batch_is_taken_apart() -> None:
    inputs = {"input_ids": IDS, "labels": torch.tensor([0, 1])}
    batch = take_apart(inputs)
    assert set(batch.features) == {"input_ids"}
    assert set(inputs) == {"input_ids", "labels"}
    assert batch.real.all()  # without a mask every token is real
    assert batch.real.dtype == torch.bool
    with pytest.raises(BadInput, match="without 'labels'"):
        take_apart({"input_ids": IDS})
    with pytest.raises(BadInput, match="without 'input_ids'"):
        take_apart({"inputs_embeds": torch.ones(2, 3, 4), "labels": torch.tensor([0, 1])})


def test_predictions_are_float32_and_a_doubled_batch_gives_both() -> None:
    calls: list[dict[str, torch.Tensor]] = []

    def model(**features: torch.Tensor) -> Any:
        calls.append(features)
        rows = len(features["input_ids"])
        return SimpleNamespace(logits=torch.arange(rows * 2.0).view(rows, 2).bfloat16())

    features = {"input_ids": IDS, "attention_mask": REAL}
    assert predict(model, features).dtype == torch.float32
    first, second = predict_twice(model, features)
    assert first.tolist() == [[0, 1], [2, 3]]
    assert second.tolist() == [[4, 5], [6, 7]]
    assert torch.equal(calls[1]["input_ids"], torch.cat([IDS, IDS]))
    assert torch.equal(calls[1]["attention_mask"], torch.cat([REAL, REAL]))
