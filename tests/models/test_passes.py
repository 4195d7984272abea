"""Several passes of one step: replayed random state, and gradients that are carried."""

from __future__ import annotations

import torch

from asa_bench.models.passes import SameDropout, carried


def test_each_pass_draws_what_the_first_drew() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        dropout = SameDropout(torch.device("cpu"))
        draws = []
        for _ in range(3):
            with dropout.replayed():
                draws.append(torch.rand(4))
        after = torch.rand(4)
        torch.manual_seed(2)
        assert all(torch.equal(draw, draws[0]) for draw in draws)
        assert torch.equal(torch.rand(4), draws[0])
        assert torch.equal(torch.rand(4), after)  # as after a single pass


def test_a_carried_value_has_the_gradient_that_it_was_given() -> None:
    one, two = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    value = carried(torch.tensor(5.0), [torch.tensor([1.0, 2.0]), None], [one, two])
    total = 3 * value + (one * one).sum()
    assert total.item() == 17.0
    total.backward()
    assert one.grad is not None
    assert one.grad.tolist() == [3 * 1 + 2, 3 * 2 + 2]
    assert two.grad is None
