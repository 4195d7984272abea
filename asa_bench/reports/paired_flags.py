"""Flags that need two records: an attack beside its control, a set made against others, raw beside gated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asa_bench.measures import flags
from asa_bench.measures.flags import Flag
from asa_bench.reports.gather import Gathered
from asa_bench.reports.outcomes import AttackOutcome, ReplayOutcome, Subject, made_against

if TYPE_CHECKING:
    import pandas as pd

# Examples that two attacks have both finished; of fewer no flag can tell anything.
_FEWEST = 10


@dataclass(frozen=True)
class Sign:
    """One flag and whom it is about.

    Attributes:
        subject: the model that was asked.
        task: name of the data set.
        attack: name of the attack; "" for an evaluation.
        flag: what was measured, whether it is raised, and the sentence with what to do.
    """

    subject: Subject
    task: str
    attack: str
    flag: Flag


def comparisons(data: Gathered) -> Iterator[Sign]:
    """The flags of two attacks on the same model and examples, of replays, and of methods beside each other."""
    attacks = {_key(item, item.attack.name): item for item in data.source.attacks}
    for outcome in data.source.attacks:
        attack = outcome.attack
        for name, compare in ((attack.control_of, flags.random_beats_guided), (attack.raw, _calibrated)):
            other = attacks.get(_key(outcome, name)) if name else None
            # A control's own calibrated victim has the guided search on it as its counterpart, and is told nothing.
            if other is None or (attack.raw and attack.control_of):
                continue
            first, second = _both(other.rows, outcome.rows)
            if len(first) >= _FEWEST:
                flag = compare(_broken(first), _broken(second))
                yield Sign(outcome.subject, outcome.task.name, attack.name, flag)
    for replay in data.source.replays:
        own = attacks.get(_key(replay, replay.attack.name))
        if own is not None:
            yield from _transferred(own, replay)
    yield from _rankings(data)


def _calibrated(raw: np.ndarray, calibrated: np.ndarray) -> Flag:
    return flags.calibrated_beats_raw(raw, calibrated)


def _key(item: AttackOutcome | ReplayOutcome, attack: str) -> tuple[object, ...]:
    return item.subject, item.task.name, item.split, attack, item.attack_seed


def _both(one: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the examples whose search ended in both, in one order."""
    ended = [frame[frame["status"].isin(("successful", "failed"))].set_index("id") for frame in (one, other)]
    shared = sorted(set(ended[0].index) & set(ended[1].index))
    return ended[0].loc[shared], ended[1].loc[shared]


def _broken(rows: pd.DataFrame) -> np.ndarray:
    return (rows["status"] == "successful").to_numpy()


def _transferred(own: AttackOutcome, replay: ReplayOutcome) -> Iterator[Sign]:
    """Of the examples that the model gets right and whose own search ended."""
    direct = own.rows[own.rows["status"].isin(("successful", "failed"))].set_index("id")
    faced = replay.rows[replay.rows["outcome"].isin(("robust", "fooled"))].set_index("id")
    shared = sorted(set(direct.index) & set(faced.index))
    if len(shared) >= _FEWEST:
        fooled = (faced.loc[shared, "outcome"] == "fooled").to_numpy()
        flag = flags.transfer_beats_direct(_broken(direct.loc[shared]), fooled)
        yield Sign(own.subject, own.task.name, made_against(own.attack.name, replay.source), flag)


def _rankings(data: Gathered) -> Iterator[Sign]:
    """Per attack and task: the methods of one encoder, where raw and gated robustness of all of them is known."""
    for column in data.attack_columns if data.judged else ():
        for attack in data.attacks:
            for model in data.models:
                raw: dict[str, np.ndarray] = {}
                gated: dict[str, np.ndarray] = {}
                subject: Subject | None = None
                for row in data.rows:
                    before = data.robustness.answers(row, column, attack.name, robust=True)
                    after = data.robustness.gated_answers(row, column, attack.name)
                    if row.model != model or before is None or after is None:
                        continue
                    name = row.title if row.title not in raw else row.key
                    raw[name], gated[name] = _mean(before.values), _mean(after.values)
                    found = data.outcomes(row, column, attack.name)
                    subject = subject or next(o.subject for many in found.values() for o in many)
                sizes = {len(values) for values in (*raw.values(), *gated.values())}
                if len(raw) > 1 and len(sizes) == 1 and subject is not None:
                    flag = flags.ranking_changes(raw, gated)
                    every = Subject(model, "", "all methods", subject.loaded, column.train_task)
                    yield Sign(every, column.task.name, attack.name, flag)


def _mean(values: Mapping[str, np.ndarray]) -> np.ndarray:
    found: np.ndarray = np.mean([np.asarray(each, dtype=np.float64) for each in values.values()], axis=0)
    return found
