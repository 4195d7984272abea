"""Two thousand simulated pull requests of each kind: the gate does not flicker, and it catches what it says it would.

A pull request has six scores. The same checkpoint is asked again, with the answers that a change of the code around it
flips; or the model is trained again, from other seeds. An example is right where a latent normal variable is positive
(see `test_coverage_simulations.py`), so the true loss is known exactly.

``ASA_BENCH_GATE_DESIGNS=all`` adds harder designs, three minutes in all; docs/gate.md has what they gave.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import ndtri

from asa_bench.measures import Pair, findings
from asa_bench.measures.choosing import choose_tests
from asa_bench.measures.margin import detectable_loss

pytestmark = pytest.mark.slow
RUNS, SCORES, MARGIN = 2_000, 6, 0.02


@dataclass(frozen=True)
class Requests:
    """How pull requests of one kind come about; the numbers are standard deviations of latent parts.

    Attributes:
        before, after: seeds of the baseline and of the pull request.
        seed: what training again changes for all examples at once; example: for each; answer: for each and seed.
    """

    examples: int
    before: int = 1
    after: int = 1
    clusters: int = 0
    accuracy: float = 0.8
    shared: float = 1.0
    seed: float = 0.0
    cluster: float = 0.0
    example: float = 0.0
    answer: float = 1.0
    fixed: bool = False
    drift: float = 0.0

    def drifted(self, request: int, score: int) -> Requests:
        """With the base rate that a score has by then: every score wanders at a pace of its own."""
        if not self.drift:
            return self
        return replace(self, accuracy=self.accuracy + self.drift * float(np.sin(request / (40 + 25 * score))))

    def pair(self, generator: np.random.Generator, loss: float) -> Pair:
        """One score before and after, whose true accuracy falls by `loss`."""
        examples, clusters = self.examples, None
        if self.clusters:
            sizes = np.ceil(generator.lognormal(2.0, 0.9, self.clusters)).astype(int)
            clusters = np.repeat(np.arange(self.clusters), sizes)
            examples = len(clusters)
        parts = (self.shared, self.seed, self.cluster, self.example, self.answer)
        spread = float(np.sqrt(sum(part**2 for part in parts)))
        common = generator.normal(0, self.shared, examples)
        right = []
        for accuracy, seeds in ((self.accuracy, self.before), (self.accuracy - loss, self.after)):
            latent = ndtri(accuracy) * spread + common + generator.normal(0, self.example, examples)
            if clusters is not None:
                latent = latent + generator.normal(0, self.cluster, self.clusters)[clusters]
            latent = latent + generator.normal(0, self.seed, (seeds, 1))
            right.append(latent + generator.normal(0, self.answer, (seeds, examples)) > 0)
        return Pair(right[0], right[1], clusters, None, "fixed" if self.fixed else "own")


KINDS = [
    pytest.param(Requests(500, answer=0.15, fixed=True), id="same checkpoint"),
    pytest.param(Requests(500, 10, 5, seed=0.05, example=0.1), id="retrained, 10 and 5 seeds"),
]
HARDER = [
    pytest.param(
        Requests(0, clusters=80, cluster=0.1, answer=0.1, fixed=True), id="same checkpoint, unequal clusters"
    ),
    pytest.param(
        Requests(500, answer=0.15, fixed=True, accuracy=0.75, drift=0.2),
        id="same checkpoint, drifting base rates",
    ),
    pytest.param(
        Requests(0, 10, 5, clusters=80, seed=0.05, cluster=0.1, example=0.1), id="retrained, unequal clusters"
    ),
    pytest.param(Requests(500, 3, 2, seed=0.05, example=0.1), id="retrained, 3 and 2 seeds"),
    pytest.param(Requests(500, 10, 1, seed=0.05, example=0.1), id="retrained, 10 seeds and one"),
    pytest.param(Requests(500, 5, 3, seed=0.3, example=0.1), id="retrained, seeds far apart"),
    pytest.param(
        Requests(500, 5, 3, seed=0.3, example=0.1, accuracy=0.95), id="retrained, at 95 %, seeds far apart"
    ),
    pytest.param(Requests(500, 3, 3, seed=0.2, example=0.1, accuracy=0.9), id="retrained, at 90 %, 3 seeds"),
    pytest.param(
        Requests(500, 10, 5, seed=0.15, example=0.1, accuracy=0.95), id="retrained, at 95 %, 10 seeds"
    ),
    pytest.param(
        Requests(500, 10, 5, seed=0.05, example=0.1, accuracy=0.75, drift=0.2),
        id="retrained, drifting base rates",
    ),
]
if os.environ.get("ASA_BENCH_GATE_DESIGNS") == "all":
    KINDS += HARDER


@pytest.mark.parametrize("kind", KINDS)
def test_no_change_raises_few_alarms(kind: Requests) -> None:
    """Without any margin, where every noise counts; with one, alarms are far rarer."""
    generator = np.random.default_rng(21)
    alarms = 0
    for request in range(RUNS):
        pairs = {score: kind.drifted(request, score).pair(generator, 0.0) for score in range(SCORES)}
        alarms += "worse" in findings(pairs, dict.fromkeys(pairs, 0.0)).values()
    print(f"false alarms {alarms / RUNS:.4f}")
    assert alarms / RUNS <= 0.06


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_of_margin_and_detectable_effect_is_caught(kind: Requests) -> None:
    """Each request loses, in one of its scores, what the gate printed for a request before it that changed nothing."""
    generator = np.random.default_rng(22)
    margins = dict.fromkeys(range(SCORES), MARGIN)
    caught = told = 0
    losses = []
    for request in range(RUNS):
        pairs = {score: kind.drifted(request, score).pair(generator, 0.0) for score in range(SCORES)}
        loss = MARGIN + detectable_loss(0, pairs, margins)
        if loss >= kind.drifted(request, 0).accuracy:
            continue
        told += 1
        pairs[0] = kind.drifted(request, 0).pair(generator, loss)
        losses.append(loss)
        caught += findings(pairs, margins)[0] == "worse"
    print(f"caught {caught / told:.4f} of {told}, in the median {100 * np.median(losses):.1f} points")
    assert told > 0.95 * RUNS
    assert caught / told >= 0.78


def test_the_spread_over_few_seeds_needs_t_quantiles() -> None:
    """What the interval would be with the normal distribution's: three and three seeds would raise alarms too often."""
    generator = np.random.default_rng(23)
    kind = Requests(400, 3, 3, seed=0.3)
    alarms = 0
    for _ in range(RUNS):
        mean = choose_tests(kind.pair(generator, 0.0)).mean
        assert mean is not None
        alarms += abs(mean.mean) > 1.96 * mean.standard_error
    print(f"with normal quantiles {alarms / RUNS:.4f}")
    assert alarms / RUNS > 0.08
