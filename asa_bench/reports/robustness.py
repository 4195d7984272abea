"""Robustness: what attacks left of each method, by itself, by the gate, in the worst case and by what people judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures import UNDECIDED, AttackMeasures, Proportion, attack_measures, gated, macro_average
from asa_bench.reports.answers import Answers, of_attacks, of_ratios
from asa_bench.reports.outcomes import quality_of
from asa_bench.reports.scores import label_named_by, survivors, value_of, worst_case

if TYPE_CHECKING:
    from asa_bench.reports.gather import Gathered
    from asa_bench.reports.keys import MethodRow, TaskColumn
    from asa_bench.reports.outcomes import AttackOutcome, PeopleOutcome
    from asa_bench.reports.tables import Cell, Unit


class Robustness:
    """Cells and answers of all attacks that a report was gathered from; each number is computed once."""

    def __init__(self, data: Gathered) -> None:
        self._data = data
        self._measures: dict[int, AttackMeasures] = {}
        self._answers: dict[tuple[Any, ...], Answers | None] = {}

    def cell(
        self,
        row: MethodRow,
        column: TaskColumn,
        attack: str,
        measure: Callable[[AttackMeasures], float | Proportion | None],
        unit: Unit = "percent",
    ) -> Cell:
        """The cell of a measure of attacks: attack seeds are averaged first: the spread is over training."""
        results: dict[str, float | Proportion | None] = {}
        n = None
        for seed, outcomes in self._data.outcomes(row, column, attack).items():
            each = [measure(self.measures(outcome)) for outcome in outcomes]
            values = [value_of(value) for value in each if value is not None]
            n = len(outcomes[0].rows)
            results[seed] = macro_average(values) if values else None
        return replace(
            self._data.cell_of(results, unit, self._data.holes(row, column, attack), n),
            exposure=self._data.exposure(row, column),
        )

    def measures(self, outcome: AttackOutcome) -> AttackMeasures:
        """The measures of one attack on one model, computed once; see `_right_before` for crashed examples."""
        key = id(outcome)
        if key not in self._measures:
            correct = self._right_before(outcome).tolist()
            self._measures[key] = attack_measures(
                outcome.rows["status"].tolist(), correct, outcome.rows["queries"].to_numpy()
            )
        return self._measures[key]

    def _right_before(self, outcome: AttackOutcome) -> NDArray[np.bool_]:
        """(examples,) whether each was right without attack.

        Whether an example whose search crashed was right before is taken from its original logits, whose
        order is that of the task's labels where the model was trained on the task; else it counts as wrong.
        """
        statuses = outcome.rows["status"].tolist()
        labels, logits = outcome.rows["label"].tolist(), outcome.rows["original_logits"].tolist()
        own = outcome.subject.train_task == outcome.task.name
        return np.array(
            [
                status in ("successful", "failed")
                or (status in UNDECIDED and own and label_named_by(scores, outcome.task.labels) == label)
                for status, label, scores in zip(statuses, labels, logits, strict=True)
            ],
            dtype=np.bool_,
        )

    def answers(self, row: MethodRow, column: TaskColumn, attack: str, robust: bool) -> Answers | None:
        """Whether a method is right about each attacked example, under attack or without. Made once."""
        key = (row, column.identity, attack, robust)
        if key not in self._answers:
            found = self._data.outcomes(row, column, attack)
            values = {
                seed: [
                    item.rows["status"].to_numpy(object) == "failed" if robust else self._right_before(item)
                    for item in outcomes
                ]
                for seed, outcomes in found.items()
            }
            self._answers[key] = of_attacks(found, values)
        return self._answers[key]

    def success_answers(self, row: MethodRow, column: TaskColumn, attack: str) -> Answers | None:
        """What each attacked example adds to an attack's success rate, a ratio to those that were right before."""
        found = self._data.outcomes(row, column, attack)
        totals = {
            seed: [
                (item.rows["status"].to_numpy(object) == "successful", self._right_before(item))
                for item in outcomes
            ]
            for seed, outcomes in found.items()
        }
        return of_ratios(found, totals, 1.0)

    def seed_values(
        self, row: MethodRow, column: TaskColumn, attack: str
    ) -> Mapping[str, NDArray[np.float64]]:
        """Training seed -> (attack seeds, examples) 1 where robust, attack seeds in their order, examples by their ids."""
        return {
            seed: np.stack(
                [
                    (item.rows["status"].to_numpy(object) == "failed")[self._data.order(item.rows)[0]]
                    for item in outcomes
                ]
            ).astype(np.float64)
            for seed, outcomes in self._data.outcomes(row, column, attack).items()
        }

    def slice_cell(self, row: MethodRow, column: TaskColumn, attack: str, name: str, value: str) -> Cell:
        """The cell of robust accuracy on the attacked examples of one slice."""
        answers = self._data.sliced.robust_answers(row, column, attack, name, value)
        results = {} if answers is None else {seed: float(v.mean()) for seed, v in answers.values.items()}
        n = None if answers is None else len(answers.ids)
        return replace(
            self._data.cell_of(results, "percent", self._data.holes(row, column, attack), n),
            exposure=self._data.exposure(row, column),
        )

    def gated(self, item: AttackOutcome) -> NDArray[np.bool_] | None:
        """(rows,) which examples are robust where a success counts only if its text passes the gate; None: not known."""
        passes = self._data.passes(item)
        return None if passes is None else gated(item.rows["status"].tolist(), passes.tolist())

    def gated_outcomes(
        self, row: MethodRow, column: TaskColumn, attack: str
    ) -> Mapping[str, list[AttackOutcome]]:
        """Those of `Gathered.outcomes` whose quality is known in every attack seed."""
        found = self._data.outcomes(row, column, attack)
        return {
            seed: many
            for seed, many in found.items()
            if all(self._data.quality(outcome) is not None for outcome in many)
        }

    def gated_cell(self, row: MethodRow, column: TaskColumn, attack: str) -> Cell:
        """Robust accuracy where a success counts only if its text passes the gate."""
        answers = self.gated_answers(row, column, attack)
        results = {} if answers is None else {seed: float(v.mean()) for seed, v in answers.values.items()}
        gaps = [*self._data.holes(row, column, attack), *self._data.holes(row, column, quality_of(attack))]
        return self._data.cell_of(results, "percent", gaps, None if answers is None else len(answers.ids))

    def gated_answers(self, row: MethodRow, column: TaskColumn, attack: str) -> Answers | None:
        """Whether a method is robust on each attacked example, by the gate; see `gated`. Made once."""
        key = (row, column.identity, attack, "gated")
        if key not in self._answers:
            found = self.gated_outcomes(row, column, attack)
            values = {
                seed: [truth for truth in map(self.gated, outcomes) if truth is not None]
                for seed, outcomes in found.items()
            }
            self._answers[key] = of_attacks(found, values)
        return self._answers[key]

    def ensemble_cell(
        self, row: MethodRow, column: TaskColumn, attacks: Sequence[str], by_gate: bool = False
    ) -> Cell:
        """Robust accuracy in the worst case: an example counts only if it survives every one of `attacks`.

        Seeds that lack one of the attacks do not count; attack seeds are paired, then averaged.

        Args:
            by_gate: a success counts only if its text passes the gate.
        """
        outcomes_of = self.gated_outcomes if by_gate else self._data.outcomes
        found = [outcomes_of(row, column, attack) for attack in attacks]
        results: dict[str, float | Proportion | None] = {}
        n = None
        for seed in set.intersection(*(set(outcomes) for outcomes in found)) if found else ():
            by_attack_seed = [{one.attack_seed: one for one in outcomes[seed]} for outcomes in found]
            shared = set.intersection(*(set(outcomes) for outcomes in by_attack_seed))
            each = [
                worst_case([outcomes[number] for outcomes in by_attack_seed], self.gated if by_gate else None)
                for number in sorted(shared)
            ]
            if each:
                n = each[0].total
                results[seed] = macro_average([one.value for one in each])
        names = [*attacks, *(map(quality_of, attacks) if by_gate else ())]
        gaps = [gap for name in names for gap in self._data.holes(row, column, name)]
        return replace(
            self._data.cell_of(dict(sorted(results.items())), "percent", gaps, n),
            exposure=self._data.exposure(row, column),
        )

    def ensemble_answers(
        self, row: MethodRow, column: TaskColumn, attacks: Sequence[str], by_gate: bool = False
    ) -> Answers | None:
        """Whether a method is robust on each example in the worst case; see `ensemble_cell`."""
        outcomes_of = self.gated_outcomes if by_gate else self._data.outcomes
        found = [outcomes_of(row, column, attack) for attack in attacks]
        firsts: dict[str, list[AttackOutcome]] = {}
        values: dict[str, list[NDArray[np.bool_]]] = {}
        for seed in sorted(set.intersection(*(set(outcomes) for outcomes in found))) if found else ():
            by_attack_seed = [{one.attack_seed: one for one in outcomes[seed]} for outcomes in found]
            for number in sorted(set.intersection(*(set(outcomes) for outcomes in by_attack_seed))):
                together = [outcomes[number] for outcomes in by_attack_seed]
                firsts.setdefault(seed, []).append(together[0])
                values.setdefault(seed, []).append(survivors(together, self.gated if by_gate else None))
        return of_attacks(firsts, values)

    def people_cell(
        self,
        row: MethodRow,
        column: TaskColumn,
        attack: str,
        measure: Callable[[AttackOutcome, PeopleOutcome], float | None],
        unit: Unit = "percent",
    ) -> Cell:
        """The cell of a measure of what people judged; attack seeds are averaged, seeds that nobody judged left out."""
        results: dict[str, float | Proportion | None] = {}
        for seed, outcomes in self._data.outcomes(row, column, attack).items():
            each = [
                measure(outcome, judged)
                for outcome in outcomes
                if (judged := self._data.people(outcome)) is not None
            ]
            values = [value for value in each if value is not None]
            if values:
                results[seed] = macro_average(values)
        return self._data.cell_of(results, unit, [])
