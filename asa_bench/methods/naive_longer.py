"""Naive training for as much compute as ASA uses: the control for ASA's price."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from asa_bench.methods.base import Options
from asa_bench.methods.naive import Naive


class NaiveLongerOptions(Options):
    """How much longer."""

    factor: float = Field(
        default=2.11,
        gt=0.0,
        description="epochs, as a multiple of those of the methods it is compared with; the default is what "
        "an ASA step costs, counted in matrix products",
    )


class NaiveLonger(Naive):
    """loss = CE(logits, labels), as naive, for `factor` times the epochs.

    Initial weights and the batches of the common epochs are those of naive; the learning rate warms up and
    decays over the longer training.

    The default comes from counting multiplications. A layer of width d, with a feed-forward part of width
    4 d as in BERT, costs per token of a text of n tokens, forward:

        4 d^2 (query, key, value, output) + 8 d^2 (feed-forward) + 2 n d (scores, context) = 12 d^2 + 2 n d = F

    and backward 2 F, since a product has a gradient for each of its two factors: 3 F for naive. ASA does this
    for the clean and for the biased pass, 6 F, and trains an adversary per layer:

        forward 2 d^2 (its two maps) + n d (their scores); backward 2 d^2 (for the weights alone: the
        gradient stops at the hidden states) + 2 n d (for both factors of the scores) = 4 d^2 + 3 n d

    Over naive: [6 F + 4 d^2 + 3 n d] / 3 F = 2 + (4 + 3 r) / (36 + 6 r), with r = n / d. For texts that are
    short for the width this is 2 + 1/9 = 6.33 / 3 = 2.11. It grows slowly with the length: at width 768, 2.11
    for 32 tokens, 2.12 for 128, 2.15 for 512; at width 384, 2.12 for 56. Torch's counter of operations agrees.
    Time beside matrix products is not in it; `benchmarks/training_cost.py` measures that.
    """

    name = "naive_longer"
    title = "Naive, longer"
    summary = "naive training for as many epochs as cost what ASA costs: the compute control"
    citation = ""
    Options: ClassVar[type[Options]] = NaiveLongerOptions
    options: NaiveLongerOptions

    @property
    def epochs_factor(self) -> float:
        return self.options.factor
