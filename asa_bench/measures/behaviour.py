"""How often cases of a behavioural test fail: CheckList's failure rate (Ribeiro et al. 2020).

What is asked of a case's rows is told by the slice ``expectation``: ``label`` (be predicted as gold), ``same`` (be
predicted like the other such rows of the case), ``given`` (the case counts only if this row is predicted as gold).

Source: Ribeiro et al., Beyond Accuracy: Behavioral Testing of NLP Models with CheckList, ACL 2020,
https://doi.org/10.18653/v1/2020.acl-main.442; "failure rate" is the share of cases that fail (section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures.accuracy import Proportion

EXPECTATIONS = ("label", "same", "given")


class Case(NamedTuple):
    """One judged case.

    Attributes:
        group: its name.
        rows: the places of its rows.
        failed: at least one of them does not meet what is asked of it.
    """

    group: str
    rows: tuple[int, ...]
    failed: bool


def judged_cases(
    gold: NDArray[np.object_],
    predictions: NDArray[np.object_],
    groups: NDArray[np.object_],
    expectations: NDArray[np.object_],
) -> Iterator[Case]:
    """The cases that count, in the order of their first rows.

    A case does not count if a row that is ``given`` is predicted otherwise, or if nothing is asked of it: no row
    to be predicted as gold, and fewer than two to be predicted alike.

    Args:
        gold, predictions, groups, expectations: (examples,) each.

    Raises:
        ValueError: lengths differ, or an expectation is none of `EXPECTATIONS`.
    """
    if not gold.shape == predictions.shape == groups.shape == expectations.shape:
        raise ValueError("gold, predictions, groups and expectations must be of the same length")
    unknown = sorted({str(value) for value in expectations.tolist()} - set(EXPECTATIONS))
    if unknown:
        raise ValueError(f"expectation {unknown[0]!r} is none of {', '.join(EXPECTATIONS)}")
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups.tolist()):
        members.setdefault(str(group), []).append(row)
    for group, rows in members.items():
        asked = {kind: [row for row in rows if expectations[row] == kind] for kind in EXPECTATIONS}
        if any(predictions[row] != gold[row] for row in asked["given"]):
            continue
        if not asked["label"] and len(asked["same"]) < 2:
            continue
        wrong = any(predictions[row] != gold[row] for row in asked["label"])
        changed = len({predictions[row] for row in asked["same"]}) > 1
        yield Case(group, tuple(rows), wrong or changed)


def failure_rate(
    gold: NDArray[np.object_],
    predictions: NDArray[np.object_],
    groups: NDArray[np.object_],
    expectations: NDArray[np.object_],
) -> Proportion | None:
    """Failed cases of all that count; None where none counts. Lower is better.

    Args:
        gold, predictions, groups, expectations: (examples,) each.
    """
    failed = [case.failed for case in judged_cases(gold, predictions, groups, expectations)]
    return Proportion(sum(failed), len(failed)) if failed else None


def failure_rates(
    gold: NDArray[np.object_],
    predictions: NDArray[np.object_],
    groups: NDArray[np.object_],
    expectations: NDArray[np.object_],
    by: NDArray[np.object_],
) -> dict[str, Proportion]:
    """`failure_rate` within each value of a slice column such as the capability or the test, sorted by value.

    Args:
        gold, predictions, groups, expectations: (examples,) each.
        by: (examples,) slice values; a case's is that of its first row.
    """
    found: dict[str, Proportion] = {}
    for case in judged_cases(gold, predictions, groups, expectations):
        value = str(by[case.rows[0]])
        one = Proportion(int(case.failed), 1)
        found[value] = found[value] + one if value in found else one
    return dict(sorted(found.items()))
