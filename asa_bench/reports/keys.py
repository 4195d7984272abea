"""What a line and a column of a table stand for, and what a record belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asa_bench.reports.outcomes import Subject
    from asa_bench.tasks.base import Task


@dataclass(frozen=True)
class MethodRow:
    """One line of most tables: a method on a model, whatever the seed and training task."""

    model: str
    method: str
    title: str
    loaded: bool

    @property
    def key(self) -> str:
        return f"{self.model}/{self.method}" + ("/loaded" if self.loaded else "")


@dataclass(frozen=True)
class TaskColumn:
    """One split of a task, faced by the models that were trained on `train_task`."""

    task: Task
    split: str
    train_task: str

    @property
    def key(self) -> str:
        return f"{self.task.name}/{self.split}/{self.train_task}"

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.task.name, self.split, self.train_task


def row_key(subject: Subject) -> tuple[str, str, bool]:
    """What the seeds and training tasks of one table row share."""
    return subject.model, subject.method, subject.loaded


def seed_text(subject: Subject) -> str:
    """The seed as text; "" for a loaded checkpoint without one."""
    return "" if subject.seed is None else str(subject.seed)
