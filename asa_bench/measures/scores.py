"""The metrics that tasks name: from gold and predicted labels to one number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures import behaviour
from asa_bench.measures.accuracy import Proportion, accuracy, f1
from asa_bench.measures.linearized import (
    Floats,
    f1_values,
    matthews_values,
    pearson_values,
    ratio_values,
    spearman_values,
)


@dataclass(frozen=True)
class Scored:
    """What a metric may look at.

    Attributes:
        gold: (examples,) gold labels as text: a label name, a number, or tags separated by single spaces.
        predictions: (examples,) predicted ones, written the same way.
        labels: the task's label names, none for regression.
        groups: (examples,) which rows belong together; empty strings where none do.
        slices: slice column -> (examples,) values.
    """

    gold: NDArray[np.object_]
    predictions: NDArray[np.object_]
    labels: tuple[str, ...]
    groups: NDArray[np.object_]
    slices: Mapping[str, NDArray[np.object_]]

    def where(self, chosen: NDArray[np.bool_]) -> Scored:
        """The same for the chosen examples alone."""
        return Scored(
            self.gold[chosen],
            self.predictions[chosen],
            self.labels,
            self.groups[chosen],
            {name: values[chosen] for name, values in self.slices.items()},
        )


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: as tasks name it.
        title: in the head of a column, where it is not accuracy.
        compute: None where the metric is undefined for these predictions.
        source: who defined it, or whose implementation it is.
        higher_is_better: False for a rate of failures, which no average counts.
        lowest: value that it can have; the highest is 1.
        values: (examples,) what each example adds to it, with the metric as their mean (`asa_bench.measures.linearized`); None
            where the metric is undefined. Metrics without it are a mean of right and wrong, or not tested.
    """

    name: str
    title: str
    compute: Callable[[Scored], float | Proportion | None]
    source: str
    higher_is_better: bool = True
    lowest: float = 0.0
    values: Callable[[Scored], Floats | None] | None = None


def numbers(values: Sequence[str] | NDArray[np.object_]) -> NDArray[np.float64]:
    """Labels of a regression as numbers."""
    return np.asarray([float(value) for value in values], dtype=np.float64)


def matthews(scored: Scored) -> float:
    """Matthews correlation coefficient, the metric of CoLA, in [-1, 1]; 0 where all predictions are the same.

    Source: Matthews 1975, https://doi.org/10.1016/0005-2795(75)90109-9; scikit-learn computes it.
    """
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(scored.gold.astype(str), scored.predictions.astype(str)))


def pearson(scored: Scored) -> float | None:
    """Pearson's correlation of gold and predicted numbers; None where either does not vary."""
    from scipy.stats import pearsonr

    gold, predicted = numbers(scored.gold), numbers(scored.predictions)
    return float(pearsonr(gold, predicted).statistic) if _varies(gold, predicted) else None


def spearman(scored: Scored) -> float | None:
    """Spearman's rank correlation of gold and predicted numbers; None where either does not vary."""
    from scipy.stats import spearmanr

    gold, predicted = numbers(scored.gold), numbers(scored.predictions)
    return float(spearmanr(gold, predicted).statistic) if _varies(gold, predicted) else None


def _varies(*arrays: NDArray[np.float64]) -> bool:
    return all(len(array) > 1 and float(np.ptp(array)) > 0 for array in arrays)


def entity_f1(scored: Scored) -> float:
    """F1 over whole entities, micro-averaged, as CoNLL's evaluation counts them; seqeval computes it.

    Source: Tjong Kim Sang and De Meulder, CoNLL 2003, https://aclanthology.org/W03-0419;
    https://github.com/chakki-works/seqeval.
    """
    from seqeval.metrics import f1_score

    return float(f1_score(*_tags(scored), zero_division=0))


def token_f1(scored: Scored) -> float:
    """Micro-averaged F1 over single tags without O, as the released ASA code scores WNUT-17."""
    gold, predicted = (np.concatenate([np.asarray(row) for row in rows]) for rows in _tags(scored))
    claims = int((gold != "O").sum()) + int((predicted != "O").sum())
    return 2 * int(((gold == predicted) & (gold != "O")).sum()) / claims if claims else 0.0


def entity_values(scored: Scored) -> Floats:
    """(examples,) values of `entity_f1`, a ratio of totals over sentences."""
    from seqeval.metrics.sequence_labeling import get_entities

    totals = []
    for gold, predicted in zip(*_tags(scored), strict=True):
        own, said = set(get_entities(gold)), set(get_entities(predicted))
        totals.append((2 * len(own & said), len(own) + len(said)))
    parts, wholes = np.array(totals, dtype=np.float64).T
    return ratio_values(parts, wholes)


def token_values(scored: Scored) -> Floats:
    """(examples,) values of `token_f1`, a ratio of totals over sentences."""
    totals = []
    for gold, predicted in zip(*_tags(scored), strict=True):
        hits = sum(own == said != "O" for own, said in zip(gold, predicted, strict=True))
        totals.append((2 * hits, sum(tag != "O" for tag in (*gold, *predicted))))
    parts, wholes = np.array(totals, dtype=np.float64).T
    return ratio_values(parts, wholes)


def _tags(scored: Scored) -> tuple[list[list[str]], list[list[str]]]:
    """Gold and predicted tags per example.

    Raises:
        ValueError: an example has another number of predicted tags than of gold ones.
    """
    gold, predicted = (
        [str(tags).split(" ") for tags in column] for column in (scored.gold, scored.predictions)
    )
    for number, (one, other) in enumerate(zip(gold, predicted, strict=True)):
        if len(one) != len(other):
            raise ValueError(f"example {number} has {len(one)} gold tags and {len(other)} predicted ones")
    return gold, predicted


def consistency(scored: Scored) -> Proportion | None:
    """Share of groups all of whose rows are right (Gardner et al., Findings of EMNLP 2020, "contrast consistency").

    https://doi.org/10.18653/v1/2020.findings-emnlp.117. Rows without a group do not count.
    """
    right = scored.gold == scored.predictions
    whole: dict[str, bool] = {}
    for group, hit in zip(scored.groups.tolist(), right.tolist(), strict=True):
        if group:
            whole[group] = whole.get(group, True) and bool(hit)
    return Proportion(sum(whole.values()), len(whole)) if whole else None


def failure_rate(scored: Scored) -> Proportion | None:
    """Share of cases that fail, as the slice ``expectation`` tells what is asked; None where no case counts.

    Source: `asa_bench.measures.behaviour`, Ribeiro et al. 2020, https://doi.org/10.18653/v1/2020.acl-main.442.
    """
    return behaviour.failure_rate(
        scored.gold, scored.predictions, scored.groups, scored.slices["expectation"]
    )


def failure_values(scored: Scored) -> Floats | None:
    """(examples,) values of `failure_rate`, a ratio of totals over cases; a case stands in its first row."""
    failed, counted = np.zeros(len(scored.gold)), np.zeros(len(scored.gold))
    cases = behaviour.judged_cases(
        scored.gold, scored.predictions, scored.groups, scored.slices["expectation"]
    )
    for case in cases:
        failed[case.rows[0]], counted[case.rows[0]] = case.failed, 1
    return ratio_values(failed, counted) if counted.any() else None


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Acc.", lambda s: accuracy(s.gold, s.predictions), "counted"),
        Metric(
            "f1",
            "F1",
            lambda s: f1(s.gold, s.predictions, s.labels[-1]),
            "GLUE: F1 of the second label",
            values=lambda s: f1_values(s.gold, s.predictions, s.labels[-1]),
        ),
        Metric(
            "matthews",
            "MCC",
            matthews,
            "scikit-learn",
            lowest=-1.0,
            values=lambda s: matthews_values(s.gold, s.predictions),
        ),
        Metric(
            "pearson",
            "Pearson",
            pearson,
            "scipy",
            lowest=-1.0,
            values=lambda s: pearson_values(numbers(s.gold), numbers(s.predictions)),
        ),
        Metric(
            "spearman",
            "Spearman",
            spearman,
            "scipy",
            lowest=-1.0,
            values=lambda s: spearman_values(numbers(s.gold), numbers(s.predictions)),
        ),
        Metric("entity_f1", "Entity F1", entity_f1, "seqeval", values=entity_values),
        Metric("token_f1", "Token F1", token_f1, "the released ASA code", values=token_values),
        Metric("consistency", "Consistency", consistency, "Gardner et al. 2020"),
        Metric(
            "failure_rate",
            "Failures",
            failure_rate,
            "Ribeiro et al. 2020",
            higher_is_better=False,
            values=failure_values,
        ),
    )
}
