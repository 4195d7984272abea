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
        f"robust accuracy is {_percent(start)} with {smallest:,} queries and {_percent(end)} with {largest:,}"
    )
    return _flag(
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
    seen = f"{_percent(at_one)} of confidences are exactly 1"
    if gradient_norms is not None:
        seen += f" and {_percent(at_zero)} of gradients exactly 0"
    return _flag(
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
    return _flag(
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
    return _flag(
        "crash_rate",
        value > threshold,
        value,
        threshold,
        f"{crashed} of {total} searches crashed or timed out",
        "read their errors and mend the cause; until then robust accuracy is a lower bound",
    )


def slice_at_extreme(slices: Mapping[str, Proportion], overall: Proportion, chance: float = 0.5) -> Flag:
    """A slice that is all right or all wrong, against all odds, usually means swapped labels or a leaked one.

    Args:
        slices: name -> right answers.
        overall: right answers of all examples, the slices' among them.
        chance: accuracy of guessing, 1 / number of labels. With n examples and the accuracy a of all examples outside
            the slice, being all right has the probability a^n, being all wrong ``(1 - max(a, chance))^n``. Value: how
            many slices are at exactly 0 or 1 with a probability below `FLAG_ALPHA`; raised above 0. A small slice,
            or one that is all right where nearly everything is, does not count.
    """
    extreme = {}
    for name, part in slices.items():
        others = overall.total - part.total
        outside = (overall.hits - part.hits) / others if others > 0 else float(part.hits > 0)
        right = outside if part.hits else 1 - max(outside, chance)
        if part.hits in (0, part.total) and right**part.total < FLAG_ALPHA:
            extreme[name] = part
    named = ", ".join(
        f"{_plain(name)} ({part.hits}/{part.total})" for name, part in list(extreme.items())[:3]
    )
    more = f" and {len(extreme) - 3} more" if len(extreme) > 3 else ""
    return _flag(
        "slice_at_extreme",
        bool(extreme),
        float(len(extreme)),
        0.0,
        f"all right or all wrong: {named}{more}"
        if extreme
        else "no slice is all right or all wrong against the odds",
        "check the order of the labels, and whether the slice gives its label away",
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
    return _flag(
        "robust_above_clean",
        value > 0,
        value,
        0.0,
        f"robust accuracy is {_percent(robust.value)}, clean accuracy {_percent(clean.value)}",
        "the two were not scored on the same examples or labels: score both again",
    )


def ranking_changes(raw: Mapping[str, float], gated: Mapping[str, float], margin: float = 0.0) -> Flag:
    """Methods that trade places when invalid adversarial examples are left out were ranked by what is invalid.

    Args:
        raw, gated: method -> robust accuracy, counting all and only valid adversarial examples.
        margin: differences up to this count as ties. Value: how many pairs change their order; raised above 0.

    Raises:
        ValueError: the methods differ.
    """
    if raw.keys() != gated.keys():
        raise ValueError("the raw and the gated ranking must hold the same methods")
    names = list(raw)
    changed = [
        (one, other)
        for at, one in enumerate(names)
        for other in names[at + 1 :]
        if (raw[one] - raw[other] > margin and gated[other] - gated[one] > margin)
        or (raw[other] - raw[one] > margin and gated[one] - gated[other] > margin)
    ]
    seen = "no two methods trade places when invalid adversarial examples are left out"
    if changed:
        one, other = changed[0]
        pairs = "pair of methods trades" if len(changed) == 1 else "pairs of methods trade"
        seen = f"{len(changed)} {pairs} places when invalid examples are left out, e.g. {_plain(one)} and {_plain(other)}"
    return _flag(
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
    seen = words.format(first=_percent(float(one.mean())), second=_percent(float(other.mean())))
    return _flag(
        name, p < FLAG_ALPHA, (more - fewer) / one.size, 0.0, f"{seen} (one-sided p = {p:.2g})", advice
    )


def _flag(name: str, raised: bool, value: float, threshold: float, seen: str, advice: str) -> Flag:
    sentence = f"{seen[0].upper()}{seen[1:]}" + (f": {advice}." if raised else ".")
    return Flag(name, raised, value, threshold, sentence)


def _plain(text: str, limit: int = 60) -> str:
    """A name from data as it may stand in a sentence: one line, printable, cut short."""
    shown = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
