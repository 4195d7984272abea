"""Signs that robustness is an illusion: each a check that is raised or not, with its value and what to do.

After Carlini et al. 2019 (arXiv:1902.06705), Tramer et al. 2020 (arXiv:2002.08347) and, for text, Raina et al. 2024
(arXiv:2406.14393). A flag that depends on a sample is raised by an exact one-sided test and not by any difference,
so that a clean run raises none by chance too often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from asa_bench.measures.accuracy import Proportion

#: One-sided level of the flags that test a sample.
FLAG_ALPHA = 0.01


@dataclass(frozen=True)
class Flag:
    """One check.

    Attributes:
        name: stable, e.g. 'budget_never_helps'.
        raised: whether the sign is there.
        value: what was measured, in the unit that `sentence` tells.
        threshold: beyond which it is raised.
        sentence: what was seen and, where raised, what to do about it.
    """

    name: str
    raised: bool
    value: float
    threshold: float
    sentence: str


def budget_never_helps(robust_by_budget: Mapping[int, float]) -> Flag:
    """More queries must find more adversarial examples; robust accuracy that stays means a broken search.

    Args:
        robust_by_budget: query budget -> robust accuracy in [0, 1], of the same examples. Value: the drop from the
            smallest to the largest budget; raised where it is 0 or less although something is left to break.

    Raises:
        ValueError: there are fewer than two budgets.
    """
    if len(robust_by_budget) < 2:
        raise ValueError("robust accuracy at two query budgets at least is needed")
    smallest, largest = min(robust_by_budget), max(robust_by_budget)
    start, end = robust_by_budget[smallest], robust_by_budget[largest]
    drop = start - end
    raised = drop <= 0 and end > 0
    seen = (
        f"robust accuracy is {percent(start)} with {smallest:,} queries and {percent(end)} with {largest:,}"
    )
    return make_flag(
        "budget_never_helps",
        raised,
        drop,
        0.0,
        seen,
        "the search gets no signal from this victim: calibrate its temperature, or attack it in another way",
    )


def transfer_beats_direct(direct_broken: ArrayLike, transfer_broken: ArrayLike) -> Flag:
    """Examples made for another model should not fool a model more often than those made for itself.

    Args:
        direct_broken: (examples,) bool: the attack on this very model succeeded.
        transfer_broken: (examples,) bool: the example that was made against another model fools this one. Value:
            share of examples broken by transfer alone less that broken directly alone; raised where it is above 0
            and the exact one-sided sign test of these flips has p below `FLAG_ALPHA`.

    Raises:
        ValueError: lengths differ or there are no examples.
    """
    return _one_sided(
        "transfer_beats_direct",
        direct_broken,
        transfer_broken,
        "examples made for another model break {second}, the attack on the model itself {first}",
        "the direct attack is hindered rather than the model robust: report the worst case of both, and "
        "calibrate before attacking",
    )


def random_beats_guided(guided_broken: ArrayLike, random_broken: ArrayLike) -> Flag:
    """Search by the victim's scores should not do worse than random search of the same budget.

    Args:
        guided_broken, random_broken: (examples,) bool: the search succeeded. Value and test as in
            `transfer_beats_direct`.

    Raises:
        ValueError: lengths differ or there are no examples.
    """
    return _one_sided(
        "random_beats_guided",
        guided_broken,
        random_broken,
        "random search breaks {second}, guided search {first}",
        "the victim's scores mislead the search: calibrate its temperature, or attack by decisions alone",
    )


def calibrated_beats_raw(raw_broken: ArrayLike, calibrated_broken: ArrayLike) -> Flag:
    """A temperature changes no answer, so the same search should not find more once it is fitted (Raina et al. 2024).

    Args:
        raw_broken, calibrated_broken: (examples,) bool: the search on the victim as it is, and on the same victim with a
            temperature, succeeded. Value and test as in `transfer_beats_direct`.

    Raises:
        ValueError: lengths differ or there are no examples.
    """
    return _one_sided(
        "calibrated_beats_raw",
        raw_broken,
        calibrated_broken,
        "the attack breaks {first} of the model as it is, {second} once its temperature is fitted",
        "its confidence hides it from the search: report the worst case of both",
    )


def training_overlap(shared: int, total: int, threshold: float = 0.01) -> Flag:
    """Test rows that stood in the training data are remembered, not generalized to.

    Args:
        shared: test rows whose texts are, in canonical form, those of a training row; of `total`. Value: their share;
            raised above `threshold`.

    Raises:
        ValueError: it is no proportion.
    """
    value = Proportion(shared, total).value
    return make_flag(
        "training_overlap",
        value > threshold,
        value,
        threshold,
        f"{shared:,} of {total:,} test rows stand in the training data",
        "the test set leaked: take these rows out of the training data and train again",
    )


def saturated_scores(
    confidence: ArrayLike, gradient_norms: ArrayLike | None = None, threshold: float = 0.1
) -> Flag:
    """Confidences of exactly 1.0, or gradients of exactly 0, leave a search nothing to follow.

    Args:
        confidence: (examples,) probability of the predicted class as the attack sees it; keep the precision that it
            sees (float32), since 1 - 1e-9 is 1.0 there.
        gradient_norms: (examples,) norm of the loss' gradient by the input, where it is known. Value: the larger of
            the share of confidences at 1.0 and of norms at 0; raised above `threshold`.

    Raises:
        ValueError: there are no examples.
    """
    sure = np.asarray(confidence)
    if sure.size == 0:
        raise ValueError("nothing to check: there are no examples")
    at_one = float(np.mean(sure >= 1))
    at_zero = 0.0 if gradient_norms is None else float(np.mean(np.asarray(gradient_norms) == 0))
    value = max(at_one, at_zero)
    seen = f"{percent(at_one)} of confidences are exactly 1"
    if gradient_norms is not None:
        seen += f" and {percent(at_zero)} of gradients exactly 0"
    return make_flag(
        "saturated_scores",
        value > threshold,
        value,
        threshold,
        seen,
        "a search sees no difference between candidates: calibrate the temperature and attack again",
    )


def stochastic_outputs(first_logits: ArrayLike, second_logits: ArrayLike, tolerance: float = 1e-4) -> Flag:
    """The same texts asked twice must get the same answers, or the search chases noise.

    Args:
        first_logits, second_logits: (examples, classes) of two passes over the same texts, ideally in batches of
            another size. Value: the largest difference relative to the larger of 1 and the logit; raised above
            `tolerance`, or where either pass gave a logit that is not finite.

    Raises:
        ValueError: shapes differ or there are no examples.
    """
    first, second = np.asarray(first_logits, dtype=np.float64), np.asarray(second_logits, dtype=np.float64)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(f"{first.shape} and {second.shape}: two passes over the same texts are needed")
    scale = np.maximum(1.0, np.maximum(np.abs(first), np.abs(second)))
    with np.errstate(invalid="ignore"):
        value = float(np.max(np.where(np.isfinite(first - second), np.abs(first - second) / scale, np.inf)))
    return make_flag(
        "stochastic_outputs",
        value > tolerance,
        value,
        tolerance,
        f"two passes over the same texts differ by up to {value:.2g} in a logit",
        "put the model in eval mode (dropout off) and fix whatever is random before attacking",
    )


def crash_rate(crashed: int, total: int, threshold: float = 0.01) -> Flag:
    """Searches that crash or run out of time measure nothing; they never count as robust.

    Args:
        crashed: searches that ended in an error or a timeout, of `total`. Value: their share; raised above `threshold`.

    Raises:
        ValueError: it is no proportion.
    """
    value = Proportion(crashed, total).value
    return make_flag(
        "crash_rate",
        value > threshold,
        value,
        threshold,
        f"{crashed} of {total} searches crashed or timed out",
        "read their errors and mend the cause; until then robust accuracy is a lower bound",
    )


def robust_above_clean(clean: Proportion, robust: Proportion) -> Flag:
    """An attack can only take right answers away, so robust accuracy of the same examples cannot exceed clean.

    Args:
        clean, robust: right answers before and after, of the same ids. Value: robust less clean; raised above 0.

    Raises:
        ValueError: the denominators differ.
    """
    if clean.total != robust.total:
        raise ValueError(f"clean is of {clean.total} examples and robust of {robust.total}")
    value = robust.value - clean.value
    return make_flag(
        "robust_above_clean",
        value > 0,
        value,
        0.0,
        f"robust accuracy is {percent(robust.value)}, clean accuracy {percent(clean.value)}",
        "the two were not scored on the same examples or labels: score both again",
    )


def ranking_changes(raw: Mapping[str, ArrayLike], gated: Mapping[str, ArrayLike]) -> Flag:
    """Methods that trade places when invalid adversarial examples are left out were ranked by what is invalid.

    Args:
        raw, gated: method -> (examples,) whether, or in which share of its seeds, each of the same examples is robust,
            counting every adversarial text, and only those that pass the gate. Value: how many pairs trade places by
            their means while the gate shifts their difference by more than chance: exact one-sided sign test over the
            examples, at `FLAG_ALPHA` shared by all pairs; raised above 0.

    Raises:
        ValueError: the methods or the numbers of examples differ.
    """
    from scipy.stats import binom

    if raw.keys() != gated.keys():
        raise ValueError("the raw and the gated ranking must hold the same methods")
    before = {name: np.asarray(values, dtype=np.float64) for name, values in raw.items()}
    after = {name: np.asarray(values, dtype=np.float64) for name, values in gated.items()}
    if len({values.shape for values in (*before.values(), *after.values())}) > 1:
        raise ValueError("the raw and the gated ranking must be of the same examples")
    names = list(raw)
    pairs = [(one, other) for at, one in enumerate(names) for other in names[at + 1 :]]
    changed = []
    for one, other in pairs:
        first, second = before[one] - before[other], after[one] - after[other]
        if first.mean() * second.mean() >= 0:
            continue
        shift = (second - first) * np.sign(second.mean())
        up, down = int(np.sum(shift > 1e-9)), int(np.sum(shift < -1e-9))
        if binom.sf(up - 1, up + down, 0.5) < FLAG_ALPHA / len(pairs):
            changed.append((one, other))
    seen = "no two methods trade places when invalid adversarial examples are left out"
    if changed:
        one, other = changed[0]
        told = "pair of methods trades" if len(changed) == 1 else "pairs of methods trade"
        seen = f"{len(changed)} {told} places when invalid examples are left out, e.g. {plain(one)} and {plain(other)}"
    return make_flag(
        "ranking_changes",
        bool(changed),
        float(len(changed)),
        0.0,
        seen,
        "report the gated ranking, and call neither method the more robust one",
    )


def raised(flags: Sequence[Flag]) -> tuple[Flag, ...]:
    """Those that were raised."""
    return tuple(flag for flag in flags if flag.raised)


def _one_sided(name: str, first: ArrayLike, second: ArrayLike, words: str, advice: str) -> Flag:
    """Raised where `second` breaks more than `first`, by the exact one-sided sign test of their flips."""
    from scipy.stats import binom

    one, other = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if one.ndim != 1 or one.shape != other.shape or one.size == 0:
        raise ValueError(f"{one.shape} and {other.shape}: both attacks must have met the same examples")
    more, fewer = int(np.sum(other & ~one)), int(np.sum(one & ~other))
    p = float(binom.sf(more - 1, more + fewer, 0.5)) if more else 1.0
    seen = words.format(first=percent(float(one.mean())), second=percent(float(other.mean())))
    return make_flag(
        name, p < FLAG_ALPHA, (more - fewer) / one.size, 0.0, f"{seen} (one-sided p = {p:.2g})", advice
    )


def make_flag(name: str, raised: bool, value: float, threshold: float, seen: str, advice: str) -> Flag:
    """A flag whose sentence says what was `seen` and, where raised, what to do."""
    sentence = f"{seen[0].upper()}{seen[1:]}" + (f": {advice}." if raised else ".")
    return Flag(name, raised, value, threshold, sentence)


def plain(text: str, limit: int = 60) -> str:
    """A name from data as it may stand in a sentence: one line, printable, cut short."""
    shown = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def percent(value: float) -> str:
    """A share in [0, 1] as a sentence tells it."""
    return f"{100 * value:.1f} %"
