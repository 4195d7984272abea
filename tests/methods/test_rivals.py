"""What holds for every rival and control, for every kind of task: padding, seeds, random state, hooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from method_models import IDS, KINDS, batch, bert, gradients

from asa_bench.errors import BadInput
from asa_bench.methods import METHODS
from asa_bench.methods.perturbing import PerturbingMethod
from asa_bench.models.perturbation import WordPerturbation

RIVALS = ("rdrop", "freelb", "smart", "r3f")
PERTURBING = ("freelb", "smart", "r3f")
LARGE: dict[str, dict[str, Any]] = {  # perturbations that show in the first digits
    "rdrop": {},
    "freelb": {"norm": 0.5, "step_size": 0.5},
    "smart": {"norm": 0.1, "noise": 0.1, "step_size": 0.05},
    "r3f": {"noise": 0.1},
}


def attached(name: str, model: Any, seed: int = 3) -> Any:
    method = METHODS.get(name)(LARGE[name])
    method.attach(model, seed=seed)
    return method


def hooks(model: Any) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RIVALS)
def test_loss_and_gradient_do_not_depend_on_how_far_a_batch_is_padded(name: str, kind: str) -> None:
    model = bert(kind)
    short = attached(name, model).loss(model, batch(kind))
    long = attached(name, model).loss(model, batch(kind, padding=5))
    assert torch.isfinite(short.total)
    torch.testing.assert_close(short.total, long.total, rtol=1e-10, atol=1e-12)
    found = gradients(model, short.total)
    assert len(found) == len(list(model.parameters()))
    torch.testing.assert_close(found, gradients(model, long.total), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PERTURBING)
def test_a_perturbation_changes_the_loss_in_every_kind_of_task(name: str, kind: str) -> None:
    model, inputs = bert(kind), batch(kind)
    loss = attached(name, model).loss(model, inputs)
    assert abs(float(loss.total.detach() - model(**inputs).loss.detach())) > 1e-5
    assert loss.parts["ascent" if name == "freelb" else "divergence"] > 1e-5


@pytest.mark.parametrize("name", PERTURBING)
def test_draws_come_from_the_seed_and_leave_the_global_random_state(name: str) -> None:
    model, inputs = bert("classification"), batch("classification")
    state = torch.get_rng_state()
    one, two, other = (attached(name, model, seed) for seed in (3, 3, 4))
    totals = []
    for method in (one, two, other):
        totals.append([float(method.loss(model, inputs).total.detach()) for _ in range(2)])
        torch.testing.assert_close(torch.get_rng_state(), state, rtol=0, atol=0)
        torch.rand(3)
        torch.set_rng_state(state)
    assert totals[0] == totals[1]
    assert totals[0] != totals[2]
    assert totals[0][0] != totals[0][1]  # each step draws anew


@pytest.mark.parametrize("name", PERTURBING)
def test_an_interrupted_training_can_go_on_with_the_same_draws(name: str) -> None:
    model, inputs = bert("classification"), batch("classification")
    method = attached(name, model)
    method.loss(model, inputs)
    states = [generator.get_state() for generator in method.generators()]
    expected = method.loss(model, inputs).total
    resumed = attached(name, model)
    for generator, state in zip(resumed.generators(), states, strict=True):
        generator.set_state(state)
    assert torch.equal(resumed.loss(model, inputs).total, expected)
    assert not torch.equal(attached(name, model).loss(model, inputs).total, expected)
    method.detach()
    assert not list(method.generators())


@pytest.mark.parametrize("name", RIVALS)
def test_no_hook_stays_on_the_model_even_after_an_exception(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, inputs = bert("classification"), batch("classification")
    method = attached(name, model)
    method.loss(model, inputs)
    assert hooks(model) == 0
    with monkeypatch.context() as patch:
        patch.setattr(model.bert.pooler, "forward", lambda hidden: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            method.loss(model, inputs)
    assert hooks(model) == 0
    method.detach()
    assert hooks(model) == 0


@pytest.mark.parametrize("name", PERTURBING)
def test_a_perturbation_stays_in_its_ball_and_off_padding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    added = WordPerturbation.added

    @contextmanager
    def remembered(self: WordPerturbation, perturbation: torch.Tensor) -> Iterator[None]:
        seen.append(perturbation.detach().clone())
        with added(self, perturbation):
            yield

    monkeypatch.setattr(WordPerturbation, "added", remembered)
    model = bert("classification")
    published = METHODS.get(name)()
    published.attach(model, seed=3)
    for method in (published, attached(name, model)):
        assert isinstance(method, PerturbingMethod)
        seen.clear()
        method.loss(model, batch("classification"))
        options: Any = method.options
        drawn = seen
        if name == "r3f":
            clean, noised = seen[0].chunk(2)
            assert len(seen) == 1
            assert not clean.any()
            assert 0.5 * options.noise < noised.abs().max() <= options.noise
            drawn = [noised]
        else:
            assert len(seen) == options.steps + (name == "smart")
            # SMART's first perturbation is noise that no ball bounds.
            for perturbation in seen[1:] if name == "smart" else seen:
                sizes = perturbation.abs().amax((1, 2)) if name == "smart" else perturbation.norm(dim=(1, 2))
                assert (sizes <= options.norm * (1 + 1e-12)).all()
                assert (sizes > 0).all()
            assert sizes.max().item() == pytest.approx(options.norm)  # the ascent ends at the border
        for perturbation in drawn:
            assert not perturbation[IDS == 0].any()
            assert (perturbation[IDS != 0] != 0).any(-1).all()


@pytest.mark.parametrize("name", PERTURBING)
def test_what_cannot_be_perturbed_is_told(name: str) -> None:
    model, inputs = bert("classification"), batch("classification")
    with pytest.raises(BadInput, match=f"method '{name}' is not attached to a model"):
        METHODS.get(name)().loss(model, inputs)
    method = attached(name, model)
    method.detach()
    with pytest.raises(BadInput, match="not attached"):
        method.loss(model, inputs)
    method = attached(name, model)
    with pytest.raises(BadInput, match="a batch without 'labels'"):
        method.loss(model, {key: value for key, value in inputs.items() if key != "labels"})
