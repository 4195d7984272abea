"""Adversarial texts made against one model and faced by another: from records to one value per seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asa_bench.measures import Proportion
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.outcomes import AttackOutcome, ReplayOutcome, Subject

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Passes = Callable[[AttackOutcome | ReplayOutcome], NDArray[np.bool_] | None]


@dataclass(frozen=True)
class Transfer:
    """One model under one attack: searched directly, and before what the attack made against others.

    Attributes:
        direct: robust accuracy under the attack's own search.
        transferred: robust accuracy before each other model's set, by who that was.
        worst: ids that survive the own search and every set, over all ids.
    """

    subject: Subject
    task: str
    split: str
    attack: str
    attack_seed: int
    direct: Proportion
    transferred: tuple[tuple[Subject, Proportion], ...]
    worst: Proportion

    @property
    def best(self) -> tuple[Subject, Proportion] | None:
        """The set of others that leaves the lowest robust accuracy; of equal ones the first. None where there is none."""
        return min(self.transferred, key=lambda one: one[1].value, default=None)


def transfers(source: ReportInput, passes: Passes | None = None) -> list[Transfer]:
    """Per attacked model, task and attack: robust accuracy under the direct attack and before the sets of others.

    An example whose search errored or timed out has no text to face; it counts as robust nowhere.

    Args:
        passes: which texts of an attack, or of a replayed one, pass the quality gate; then a flip counts only by such a
            text. Attacks of which it knows nothing (None) are left out, and so are replays.
    """
    by_place: dict[tuple[object, ...], list[ReplayOutcome]] = {}
    for replay in source.replays:
        by_place.setdefault(_place(replay), []).append(replay)
    found = []
    for attack in source.attacks:
        replays = sorted(by_place.get(_place(attack), []), key=lambda one: repr(one.source))
        if passes is not None:
            if passes(attack) is None:
                continue
            replays = [one for one in replays if passes(one) is not None]
        survived = [_robust_ids(attack, passes), *(_robust_ids(one, passes) for one in replays)]
        total = len(attack.rows)
        found.append(
            Transfer(
                subject=attack.subject,
                task=attack.task.name,
                split=attack.split,
                attack=attack.attack.name,
                attack_seed=attack.attack_seed,
                direct=Proportion(len(survived[0]), total),
                transferred=tuple(
                    (one.source, Proportion(len(ids), len(one.rows)))
                    for one, ids in zip(replays, survived[1:], strict=True)
                ),
                worst=Proportion(len(set.intersection(*survived)), total),
            )
        )
    return found


def _place(item: AttackOutcome | ReplayOutcome) -> tuple[object, ...]:
    return item.subject, item.task.name, item.split, item.attack.name, item.attack_seed


def _robust_ids(item: AttackOutcome | ReplayOutcome, passes: Passes | None) -> set[str]:
    rows: pd.DataFrame = item.rows
    replayed = "outcome" in rows
    robust = rows["outcome"] == "robust" if replayed else rows["status"] == "failed"
    fine = None if passes is None else passes(item)
    if fine is not None:
        robust |= ~fine & (rows["outcome"] == "fooled" if replayed else rows["status"] == "successful")
    ids: Iterable[str] = rows["id"][robust]
    return set(ids)
