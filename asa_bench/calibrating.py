"""A victim's temperature, fitted on clean rows that neither its training nor any reported number uses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.attacks.labels import label_groups, pool
from asa_bench.errors import BadInput
from asa_bench.measures import fit_temperature
from asa_bench.tasks.base import Task, row_hash

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from asa_bench.victims import Progress, Victim

#: Fewer held-out rows than this fit no temperature.
LEAST = 20


def held_out(
    task: Task, loaded: pd.DataFrame, trained: pd.DataFrame, reported: Collection[str], count: int
) -> pd.DataFrame:
    """The rows of the training data that nothing else looks at: the first `count` of those that are left.

    Args:
        loaded: rows of the training split, those that are trained on among them, in the order in which they are drawn.
        trained: those that are trained on; where rows belong together, no row of their groups is left either.
        reported: `text_hashes` of the evaluation split, as far as anything of it is reported.

    Raises:
        BadInput: fewer than `LEAST` are left.
    """
    hashes = text_hashes(loaded, task)
    taken = {*text_hashes(trained, task), *reported}
    free = np.array([one not in taken for one in hashes], dtype=np.bool_)
    if task.group:
        groups = set(trained[task.group].tolist()) - {""}
        free &= ~loaded[task.group].isin(groups).to_numpy()
    rest: pd.DataFrame = loaded[free].iloc[:count].reset_index(drop=True)
    if len(rest) < LEAST or not len(trained):
        raise BadInput(
            f"task {task.name!r}: {len(rest)} rows are left to fit a temperature on, {LEAST} are needed; train on fewer "
            "(train_examples), or leave calibration_examples out"
        )
    return rest


def text_hashes(frame: pd.DataFrame, task: Task) -> list[str]:
    """A hash of each row's texts, whatever its label."""
    return [row_hash(row) for row in zip(*(frame[column].tolist() for column in task.columns), strict=True)]


def calibrate(
    victim: Victim, task: Task, rows: pd.DataFrame, progress: Progress | None = None
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """A victim's logits on held-out rows, and the temperature that they give.

    Where the best temperature is beyond what is searched because every answer is right, sharper without end, the data do not
    bound it; the victim is then left as it is, since sharpening it would hide it from a search.

    Returns:
        (rows, victim labels) logits, and as JSON: ``temperature``, by which the victim's logits are to be divided;
        ``fit``, as `asa_bench.measures.Temperature`.

    Raises:
        BadInput: the victim's labels are not the task's.
        ValueError: a logit is no finite number.
    """
    texts = list(zip(*(rows[column].tolist() for column in task.columns), strict=True))
    logits = victim.logits(texts, progress=progress)
    gold = np.array([task.labels.index(label) for label in rows["label"].tolist()])
    found = fit_temperature(pool(logits, label_groups(victim.labels, task)), gold)
    used = 1.0 if found.bounded and found.value < 1 else found.value
    return logits, {"temperature": used, "fit": asdict(found)}
