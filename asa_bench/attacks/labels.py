"""From a victim's logits to a task's labels, the same for searching and for replaying; imports no textattack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asa_bench.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asa_bench.tasks.base import Task


def label_groups(labels: Sequence[str], task: Task) -> np.ndarray:
    """For each of the victim's labels the index of the task's label that it means, by name.

    Raises:
        BadInput: a label of the victim means none of the task's, or a label of the task is meant by none.
    """
    meant = [task.label_map.get(label, label) for label in labels]
    for label, name in zip(labels, meant, strict=True):
        if name not in task.labels:
            raise BadInput(
                f"task {task.name!r} has no label {name!r}, which the model's label {label!r} stands for; "
                f"its labels: {', '.join(task.labels)}"
            )
    for name in task.labels:
        if name not in meant:
            raise BadInput(
                f"no label of the model stands for {name!r} of task {task.name!r}; "
                f"the model's labels: {', '.join(labels)}"
            )
    return np.array([task.labels.index(name) for name in meant])


def pool(logits: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The logits of the task's labels: for each, the largest of the victim's labels that map to it.

    The argmax of the result is the argmax of `logits`, mapped; summed probabilities would not have that.

    Args:
        logits: (texts, victim labels).
        groups: (victim labels,), the index of the task label that each one maps to.

    Returns:
        float64 array of shape (texts, task labels).
    """
    pooled = np.full((len(logits), int(groups.max()) + 1), -np.inf)
    for column, group in enumerate(groups):
        pooled[:, group] = np.maximum(pooled[:, group], logits[:, column])
    return pooled


def probabilities(logits: np.ndarray, groups: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax of `pool` over a temperature, float64, of shape (texts, task labels); its argmax is what a search takes for
    the answer."""
    pooled = pool(logits, groups) / temperature
    exponential = np.exp(pooled - pooled.max(axis=1, keepdims=True))
    normalized: np.ndarray = exponential / exponential.sum(axis=1, keepdims=True)
    return normalized
