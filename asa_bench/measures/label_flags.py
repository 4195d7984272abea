"""Signs that answers and labels do not belong together: swapped labels, slices that give their label away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures.flags import FLAG_ALPHA, Flag, make_flag, percent, plain

# A slice of fewer examples than this tells nothing.
_FEWEST = 10
Labels = Sequence[str] | NDArray[np.object_]


def slice_at_extreme(
    gold: Labels,
    predictions: Labels,
    slices: Mapping[str, NDArray[np.bool_]],
    adversarially_filtered: bool = False,
) -> Flag:
    """A slice that is all right or all wrong, where neither a shortcut nor an easy slice explains it.

    Whoever says the same label throughout is all right or all wrong on every slice of one label; that is a heuristic (what
    HANS measures) and no swapped label. So a slice counts only where labels and answers both vary in it and do not
    hang together by chance: Cohen's kappa with its large-sample test under independence, given how often each label is
    there and is said (Fleiss, Cohen and Everitt 1969), one-sided at `FLAG_ALPHA`.

    - All wrong, kappa below 0: answers tell the label and are turned around. Labels are swapped there.
    - All right, kappa above 0, while the other examples are answered no better than by guessing: the slice gives its
      label away, or was learned by heart. An easy slice beside others that are answered better than by guessing is
      none.

    Args:
        gold, predictions: (examples,) labels.
        slices: name -> (examples,) which belong to it. Leave out slices by a shortcut that the task itself planted: all
            wrong where it is reversed is what such a set measures. Value: how many slices count; raised above 0.
        adversarially_filtered: examples were kept because models answer them wrongly (AdvGLUE, ANLI). A slice that is all
            wrong is then what they were chosen for; only all examples together still count.

    Raises:
        ValueError: there are no examples, or lengths differ.
    """
    truth, said = _answers(gold, predictions)
    right, chance = truth == said, 1 / max(2, len(set(truth.tolist())))
    extreme = {}
    for name, chosen in {"all examples": np.ones(len(truth), bool), **slices}.items():
        part, others = right[chosen], right[~chosen]
        if len(part) < _FEWEST or 0 < part.sum() < len(part):
            continue
        sign = 1 if part.all() else -1
        if sign < 0 and adversarially_filtered and len(others):
            continue
        odd = sign < 0 or (len(others) >= _FEWEST and float(others.mean()) <= chance)
        if odd and _kappa(truth[chosen], said[chosen], sign)[1] < FLAG_ALPHA:
            extreme[name] = f"{int(part.sum())}/{len(part)}"
    named = ", ".join(f"{plain(name)} ({hits})" for name, hits in list(extreme.items())[:3])
    more = f" and {len(extreme) - 3} more" if len(extreme) > 3 else ""
    return make_flag(
        "slice_at_extreme",
        bool(extreme),
        float(len(extreme)),
        0.0,
        f"all right or all wrong: {named}{more}"
        if extreme
        else "no slice is all right or all wrong in a way that labels alone would not explain",
        "check the order of the labels, and whether the slice gives its label away",
    )


def answers_contradict(gold: Labels, predictions: Labels) -> Flag:
    """A model that contradicts the labels of the very task it was trained on has learned them under other names.

    Args:
        gold, predictions: (examples,) labels of the training task's own evaluation data; on a challenge set answers
            below chance are no sign of anything. Value: Cohen's kappa; raised where it is below 0 with a one-sided p
            below `FLAG_ALPHA`.

    Raises:
        ValueError: there are no examples, or lengths differ.
    """
    truth, said = _answers(gold, predictions)
    kappa, p = _kappa(truth, said, -1)
    seen = f"{percent(float((truth == said).mean()))} of answers are right on the task it was trained on"
    if p < FLAG_ALPHA:
        seen += f", fewer than unrelated answers would be (kappa {kappa:.2f}, one-sided p = {p:.2g})"
    return make_flag(
        "answers_contradict",
        p < FLAG_ALPHA,
        kappa,
        0.0,
        seen,
        "the labels are swapped somewhere: check their order in the checkpoint and in the data",
    )


def _answers(gold: Labels, predictions: Labels) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    truth, said = np.asarray(gold, dtype=object), np.asarray(predictions, dtype=object)
    if truth.ndim != 1 or truth.shape != said.shape or truth.size == 0:
        raise ValueError(
            f"{truth.shape} gold labels and {said.shape} predictions: one each per example is needed"
        )
    return truth, said


def _kappa(truth: NDArray[np.object_], said: NDArray[np.object_], sign: int) -> tuple[float, float]:
    """Cohen's kappa, and its one-sided p towards `sign` under independence; (0, 1) where labels or answers do not vary."""
    from scipy.stats import norm
    from statsmodels.stats.inter_rater import cohens_kappa

    names, places = np.unique(np.concatenate([truth, said]).astype(str), return_inverse=True)
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (places[: len(truth)], places[len(truth) :]), 1)
    if min((table.sum(axis=0) > 0).sum(), (table.sum(axis=1) > 0).sum()) < 2:
        return 0.0, 1.0
    found = cohens_kappa(table)
    return float(found.kappa), float(norm.sf(sign * found.z_value))
