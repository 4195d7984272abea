"""How far people who judged the same things agree beyond chance, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures.paired import check_level

_RESAMPLES, _SEED = 1000, 20200  # of the bootstrap; fixed, so that the same judgements give the same interval


@dataclass(frozen=True)
class Agreement:
    """Agreement of several people on the same units.

    Attributes:
        alpha: Krippendorff's (Content Analysis, 2004): 1 is perfect, 0 chance; None where all judgements are alike, since
            chance would then agree as well.
        low, high: percentile interval of alpha by a bootstrap over units; None where alpha is, or no resample has one.
        kappa: Cohen's for two people, Fleiss' for more; None where alpha is.
        share: of pairs of judgements of one unit that are equal.
        units, people: how many.
        level: of confidence.
    """

    alpha: float | None
    low: float | None
    high: float | None
    kappa: float | None
    share: float
    units: int
    people: int
    level: float = 0.95


def agreement(
    judgements: Sequence[Sequence[int]],
    scale: Literal["nominal", "ordinal"] = "nominal",
    level: float = 0.95,
) -> Agreement:
    """Agreement of people who all judged the same units.

    Args:
        judgements: (units, people): codes of categories, or places on an ordinal scale.
        scale: what alpha takes as distance; kappa treats categories alike.

    Raises:
        ValueError: fewer than two people, no units, or not a table.
    """
    check_level(level)
    values = np.asarray(judgements)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
        raise ValueError(f"expected units by at least two people, not {values.shape}")
    categories, codes = np.unique(values, return_inverse=True)
    codes = codes.reshape(values.shape)
    counts = np.stack([(codes == at).sum(axis=1) for at in range(len(categories))], axis=1)
    people = values.shape[1]
    share = float((counts * (counts - 1)).sum() / (people * (people - 1) * len(values)))
    alpha = _alpha(counts, categories, scale)
    if alpha is None:
        return Agreement(None, None, None, None, share, len(values), people, level)
    generator = np.random.default_rng(_SEED)
    found = [
        value
        for chosen in generator.integers(0, len(counts), (_RESAMPLES, len(counts)))
        if (value := _alpha(counts[chosen], categories, scale)) is not None
    ]
    ends = np.quantile(found, [(1 - level) / 2, (1 + level) / 2]) if found else (None, None)
    low, high = (None if end is None else float(end) for end in ends)
    return Agreement(alpha, low, high, _kappa(codes, counts), share, len(values), people, level)


def _alpha(counts: NDArray[np.int_], categories: NDArray[np.int_], scale: str) -> float | None:
    import krippendorff

    used = counts.any(axis=0)
    if used.sum() < 2:
        return None
    return float(
        krippendorff.alpha(
            value_counts=counts[:, used], value_domain=categories[used], level_of_measurement=scale
        )
    )


def _kappa(codes: NDArray[np.int_], counts: NDArray[np.int_]) -> float:
    from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

    if codes.shape[1] > 2:
        return float(fleiss_kappa(counts, method="fleiss"))
    table = np.zeros((counts.shape[1],) * 2)
    np.add.at(table, (codes[:, 0], codes[:, 1]), 1)
    return float(cohens_kappa(table, return_results=False))
