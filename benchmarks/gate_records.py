"""How often the gate raises a false alarm, and how often it catches a true loss, on pull requests resampled from real records.

Run it from a checkout::

    python benchmarks/gate_records.py -o FOLDER                # trains 12 seeds in the laboratory first, minutes
    python benchmarks/gate_records.py --records OUTPUT_FOLDER  # or takes the seeds of a run that is there

A pull request asks the models a part of the examples (of the clusters, where the data have some), in every score of the
folder. There are two kinds:

- *retrained*: the baseline has some of the seeds, the pull request others. Which are which is drawn, so nothing has changed.
- *same checkpoint*: one seed's logits, with noise of their own before and after, as a change of the code around a model may
  bring: about two answers in a hundred flip, to and fro.

A loss is made by breaking so large a share of one score's right answers, in each seed others. It is the margin and what the gate
printed as detectable beyond it for a pull request without a change.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import asa_bench
from asa_bench.gating import collect
from asa_bench.gating.scores import Score
from asa_bench.measures import Pair
from asa_bench.measures.margin import detectable_loss, findings
from asa_bench.store import Store

MARGIN, ALPHA = 0.02, 0.05
Table = np.ndarray[Any, np.dtype[np.float64]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", type=Path, help="where the records of the training go")
    where.add_argument("--records", type=Path, help="an output folder with ten seeds or more")
    parser.add_argument("--method", default="naive", help="of which method the scores are")
    parser.add_argument("--seeds", type=int, default=12, help="that are trained where there is no folder")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--before", type=int, default=6, help="seeds of a baseline")
    parser.add_argument("--after", type=int, default=3, help="seeds of a pull request")
    parser.add_argument("--share", type=float, default=0.5, help="of the examples that a pull request asks")
    return parser.parse_args()


def train(folder: Path, seeds: int) -> Path:
    """Small models of the laboratory, three tasks and three challenge sets."""
    settings = {"train_examples": 1500, "eval_examples": 600, "attacks": {}, "reliance_examples": None}
    asa_bench.run("robustness", methods=["naive"], seeds=seeds, output=folder, settings=settings)
    return folder


class Requests:
    """Draws pull requests from the records of one folder."""

    def __init__(self, scores: Mapping[str, Score], options: argparse.Namespace) -> None:
        self.scores, self.options = scores, options
        self.right = {
            key: np.stack([*score.answers.values.values()]) for key, score in scores.items() if score.answers
        }
        self.leads = {key: leads(score) for key, score in scores.items()}
        self.noise = {key: np.quantile(np.abs(values), 0.04) for key, values in self.leads.items()}
        self.generator = np.random.default_rng(0)
        # As numbers once, since comparing texts would take most of the time.
        self.clusters, self.strata = (
            {key: _numbered(getattr(score.answers, name)) for key, score in scores.items()}
            for name in ("clusters", "strata")
        )

    def pairs(self, kind: str, loss: Mapping[str, float]) -> dict[str, Pair]:
        """Every score before and after; `loss` is what the scores truly lose."""
        draw = self.generator
        order: dict[str, Any] = {}
        found = {}
        for key, right in self.right.items():
            # Scores of one training share its seeds.
            seeds = order.setdefault(key.split(":")[0].split(">")[0], draw.permutation(len(right)))
            if kind == "retrained":
                before, after = (
                    right[seeds[: self.options.before]],
                    right[seeds[self.options.before :][: self.options.after]],
                )
            else:
                lead = self.leads[key][seeds[:1]]
                before, after = (
                    (lead + draw.normal(0, self.noise[key], lead.shape) > 0).astype(float) for _ in range(2)
                )
            clusters, strata = self.clusters[key], self.strata[key]
            chosen = self.chosen(right.shape[1], clusters)
            before, after = before[:, chosen], after[:, chosen]
            if key in loss:
                broken = draw.random(after.shape) < loss[key] / after.mean()
                after = np.where(broken, 0.0, after)
            found[key] = Pair(
                before,
                after,
                None if clusters is None else clusters[chosen],
                None if strata is None else strata[chosen],
                "own" if kind == "retrained" else "fixed",
            )
        return found

    def chosen(self, examples: int, clusters: Any) -> Any:
        """Which examples this pull request asks."""
        units = np.arange(examples) if clusters is None else clusters
        return (self.generator.random(units.max() + 1) < self.options.share)[units]


def _numbered(values: Any) -> Any:
    return None if values is None else np.unique(np.asarray(values).astype(str), return_inverse=True)[1]


def leads(score: Score) -> Table:
    """(seeds, examples) by how much the gold label's logit is ahead of the next."""
    found = []
    for frame in score.rows.values():
        logits = np.stack(frame["logits"].tolist())
        names = dict(zip(logits.argmax(axis=1).tolist(), frame["prediction"], strict=True))
        gold = np.array(
            [[names.get(at) == label for at in range(logits.shape[1])] for label in frame["label"]]
        )
        found.append(
            np.where(gold, logits, -np.inf).max(axis=1) - np.where(gold, -np.inf, logits).max(axis=1)
        )
    return np.stack(found)


def _share(count: int, total: int) -> str:
    """A share in percent with the simulation's own error: 95 %, as if requests were drawn independently."""
    share = count / max(total, 1)
    return f"{100 * share:.1f} % (+-{196 * (share * (1 - share) / max(total, 1)) ** 0.5:.1f})"


def main() -> None:
    """Prints a line per kind of pull request."""
    options = arguments()
    begun = time.perf_counter()
    collected = collect(Store(options.records or train(options.output, options.seeds)))
    scores = {
        key: score
        for key, score in collected.scores.items()
        if score.answers is not None and f"/{options.method}/" in key and key.endswith(":accuracy")
    }
    seeds = {key: len(score.values) for key, score in scores.items()}
    print(f"{len(scores)} scores, {time.perf_counter() - begun:.0f} s")
    for key, score in scores.items():
        spread = np.std(list(score.values.values()), ddof=1)
        print(f"  {key}: {seeds[key]} seeds, {100 * score.mean:.1f} +-{100 * spread:.1f} percent")
    requests = Requests(scores, options)
    generator = np.random.default_rng(1)
    for kind in ("same checkpoint", "retrained"):
        alarms = {0.0: 0, MARGIN: 0}
        caught, tried, losses = 0, 0, []
        for _ in range(options.requests):
            pairs = requests.pairs(kind, {})
            for margin in alarms:
                alarms[margin] += "worse" in findings(pairs, dict.fromkeys(pairs, margin), ALPHA).values()
            key = str(generator.choice(list(scores)))
            loss = MARGIN + detectable_loss(key, pairs, dict.fromkeys(pairs, MARGIN), ALPHA)
            if loss >= scores[key].mean:
                continue
            losses.append(loss)
            tried += 1
            lost = requests.pairs(kind, {key: loss})
            caught += findings(lost, dict.fromkeys(lost, MARGIN), ALPHA)[key] == "worse"
        told = [_share(count, options.requests) for count in alarms.values()]
        print(f"{kind}, {options.requests} pull requests")
        print(f"  false alarms: {told[0]} without a margin, {told[1]} at {100 * MARGIN:g} points")
        print(
            f"  caught: {_share(caught, tried)} of {tried} losses of margin and detectable effect, "
            f"in the median {100 * float(np.median(losses)):.1f} points"
        )


if __name__ == "__main__":
    main()
