"""Scores within the parts of a test set: accuracy and robust accuracy, by one definition of the parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures import Proportion
from asa_bench.reports.answers import Answers, of_evaluations, order_of
from asa_bench.reports.scores import metric, scored
from asa_bench.tasks import slicing

if TYPE_CHECKING:
    from asa_bench.reports.gather import Gathered
    from asa_bench.reports.keys import MethodRow, TaskColumn
    from asa_bench.reports.outcomes import AttackOutcome, Evaluation, StoredReplay

    Recorded = Evaluation | AttackOutcome | StoredReplay


class Slices:
    """The slices of everything that a report was gathered from; each number is computed once."""

    def __init__(self, data: Gathered) -> None:
        self._data = data
        self._told: dict[tuple[str, str, str], dict[tuple[Any, Any], Any]] = {}
        self._ordered: dict[tuple[Any, ...], NDArray[np.object_] | None] = {}
        self._scores: dict[tuple[int, str], dict[str, tuple[float | Proportion | None, int]]] = {}

    def values(self, item: Recorded, name: str) -> NDArray[np.object_] | None:
        """(rows,) the slice of each row of a record; None where the records do not tell it of all of them.

        What the record itself does not tell is joined from others of the same examples, by id and text.
        """
        # Not kept: as objects, the slices of every record would take more memory than the records.
        values = slicing.values_of(item.task, name, item.rows)
        return self._joined(item, name) if values is None else values

    def _joined(self, item: Recorded, name: str) -> NDArray[np.object_] | None:
        place = (item.task.name, item.split, name)
        if place not in self._told:
            told: dict[tuple[Any, Any], Any] = {}
            others: list[Recorded] = [*self._data.source.evaluations, *self._data.source.attacks]
            for other in others:
                same = (other.task.name, other.split) == place[:2]
                values = slicing.values_of(other.task, name, other.rows) if same else None
                if values is not None:
                    told.update(zip(_examples(other.rows), values.tolist(), strict=True))
            self._told[place] = told
        found = [self._told[place].get(example) for example in _examples(item.rows)]
        return None if None in found else np.array(found, dtype=object)

    # -- accuracy --------------------------------------------------------------------------------------

    def scores(self, item: Evaluation, name: str) -> Mapping[str, tuple[float | Proportion | None, int]]:
        """Slice -> score and examples, sorted; {} where nobody knows which row is in which slice.

        The task's first metric; accuracy in slices that follow from the rows, where other metrics mean nothing (of one
        class alone). Rows in no slice do not count.
        """
        key = (id(item), name)
        if key not in self._scores:
            whole, values = scored(item), self.values(item, name)
            compute = metric(metric_of(item.task, name)).compute
            found = {}
            for value in slicing.kept(item.task, name, values):
                chosen = np.asarray(values == value, dtype=np.bool_)
                found[value] = (compute(whole.where(chosen)), int(chosen.sum()))
            self._scores[key] = found
        return self._scores[key]

    def answers(self, row: MethodRow, column: TaskColumn, name: str, value: str) -> Answers | None:
        """What a method answered to the examples of one slice."""
        found = self._data.evaluations(row, column)
        if not found:
            return None
        whole = self._data.answers(row, column, metric=metric_of(column.task, name))
        if whole is None or not whole.linear:
            return self._within(whole, next(iter(found.values())), (column.identity,), name, value)
        # The metric of a slice is made of its own examples.
        parts = {}
        for seed, item in found.items():
            values = self.values(item, name)
            if values is not None:
                parts[seed] = replace(item, rows=item.rows[np.asarray(values == value, np.bool_)])
        return of_evaluations(parts)

    # -- robust accuracy -------------------------------------------------------------------------------

    def robust_scores(
        self, row: MethodRow, column: TaskColumn, attack: str, name: str
    ) -> Mapping[str, tuple[Mapping[str, float], int]]:
        """Slice -> robust accuracy by training seed, and how many attacked examples it has, sorted."""
        outcomes = next(iter(self._data.outcomes(row, column, attack).values()), None)
        values = None if outcomes is None else self.values(outcomes[0], name)
        found = {}
        for value in slicing.kept(column.task, name, values):
            answers = self.robust_answers(row, column, attack, name, value)
            if answers is not None:
                means = {seed: float(each.mean()) for seed, each in answers.values.items()}
                found[value] = (means, len(answers.ids))
        return found

    def robust_answers(
        self, row: MethodRow, column: TaskColumn, attack: str, name: str, value: str
    ) -> Answers | None:
        """Whether a method is robust on each attacked example of one slice, mean over attack seeds."""
        outcomes = next(iter(self._data.outcomes(row, column, attack).values()), None)
        if outcomes is None:
            return None
        whole = self._data.robustness.answers(row, column, attack, robust=True)
        return self._within(whole, outcomes[0], (column.identity, attack), name, value)

    def _within(
        self, whole: Answers | None, item: Recorded, place: tuple[Any, ...], name: str, value: str
    ) -> Answers | None:
        """Those of `whole` to the examples of one slice; all methods of one `place` face the same examples."""
        if (place, name) not in self._ordered:
            values = self.values(item, name)
            self._ordered[place, name] = None if values is None else values[order_of(item.rows)[0]]
        ordered = self._ordered[place, name]
        return (
            None if whole is None or ordered is None else whole.where(np.asarray(ordered == value, np.bool_))
        )


def metric_of(task: Any, name: str) -> str:
    """By which metric a task's slices are told."""
    return "accuracy" if name in slicing.derived(task) else task.metrics[0]


def _examples(rows: Any) -> Iterator[tuple[Any, Any]]:
    """Id and hash of the text of each row, by which records of the same examples are joined."""
    return zip(*(rows[name].to_numpy(dtype=object).tolist() for name in ("id", "text_hash")), strict=True)
