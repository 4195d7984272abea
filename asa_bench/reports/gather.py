"""From single records to the units of a table: which rows and columns there are, and one value per seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures import Proportion
from asa_bench.measures.accuracy import ENTAILMENT
from asa_bench.reports.answers import Answers, of_attacks, of_evaluations, order_of
from asa_bench.reports.exposure import exposure, trained_on
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.keys import MethodRow, TaskColumn, row_key, seed_text
from asa_bench.reports.outcomes import (
    LEAVING_OUT,
    AttackOutcome,
    Evaluation,
    Hole,
    PeopleOutcome,
    Probe,
    QualityOutcome,
    ReplayOutcome,
    StoredReplay,
    Subject,
    attacked,
    quality_of,
    replay_of,
)
from asa_bench.reports.robustness import Robustness
from asa_bench.reports.scores import metric, value_of
from asa_bench.reports.sliced import Slices
from asa_bench.reports.tables import UNDEFINED, Cell, Unit, hole, make_cell
from asa_bench.tasks.base import Family

if TYPE_CHECKING:
    from asa_bench.attacks.base import Attack
    from asa_bench.reports.tables import Table

_FAMILIES: tuple[str, ...] = get_args(Family)
_LAST = 1_000_000


class Gathered:
    """A checked `ReportInput`, indexed and in canonical order whatever the order of its records.

    Raises:
        BadInput: the input cannot be put into one table (`ReportInput.check`).
    """

    def __init__(self, source: ReportInput) -> None:
        source.check()
        self.source = source
        records: list[Evaluation | AttackOutcome | Probe | StoredReplay] = [
            *source.evaluations,
            *source.attacks,
            *source.probes,
            *source.stored,
        ]
        self._known_tasks = {item.task.name: item.task for item in records}
        self.rows = self._rows([item.subject for item in records] + [gap.subject for gap in source.holes])
        self.models = list(dict.fromkeys(row.model for row in self.rows))
        self._evaluations: dict[tuple[Any, ...], dict[str, Evaluation]] = {}
        for item in source.evaluations:
            place = (row_key(item.subject), item.task.name, item.split, item.subject.train_task)
            self._evaluations.setdefault(place, {})[seed_text(item.subject)] = item
        self._attacks: dict[tuple[Any, ...], dict[str, list[AttackOutcome]]] = {}
        for outcome in sorted(source.attacks, key=lambda item: item.attack_seed):
            key = (
                row_key(outcome.subject),
                outcome.task.name,
                outcome.split,
                outcome.subject.train_task,
                outcome.attack.name,
            )
            self._attacks.setdefault(key, {}).setdefault(seed_text(outcome.subject), []).append(outcome)
        self._probes: dict[tuple[Any, ...], dict[str, Probe]] = {}
        for probe in source.probes:
            place = (row_key(probe.subject), probe.task.name, probe.split, probe.subject.train_task)
            self._probes.setdefault(place, {})[seed_text(probe.subject)] = probe
        self._stored: dict[tuple[Any, ...], dict[str, StoredReplay]] = {}
        for stored in source.stored:
            self._stored.setdefault((row_key(stored.subject), stored.name), {})[seed_text(stored.subject)] = (
                stored
            )
        self._qualities = {attacked(item): item for item in source.qualities}
        asked = {quality_of(name) for name in {item.attack.name for item in source.attacks}}
        #: Whether the quality of attacks' texts was to be measured, so that tables show gated numbers.
        self.judged = bool(self._qualities) or any(gap.attack in asked for gap in source.holes)
        self._people = {attacked(item): item for item in source.people}
        self._passes: dict[int, NDArray[np.bool_]] = {}
        self.columns = self._columns(list(source.evaluations))
        self.attack_columns = self._columns(list(source.attacks))
        self.probe_columns = self._columns(list(source.probes))
        self.attacks = self._attack_list()
        #: One replay of each stored set, which tells what the set is; in the order of the suite.
        self.stored_sets: list[StoredReplay] = []
        for stored in source.stored:
            if all(stored.name != other.name for other in self.stored_sets):
                self.stored_sets.append(stored)
        counts = [len(found) for found in self._evaluations.values()]
        counts += [len(found) for found in self._attacks.values()]
        counts += [len(found) for found in self._probes.values()]
        counts += [len(found) for found in self._stored.values()]
        self.seeds = max(counts, default=0)
        self._tables: dict[str, Table | None] = {}
        self._answers: dict[tuple[Any, ...], Answers | None] = {}
        self._orders: dict[int, tuple[NDArray[np.intp], NDArray[np.object_]]] = {}
        self._ids: list[NDArray[np.object_]] = []
        self._made: dict[tuple[str, int], Any] = {}
        self.sliced = Slices(self)
        self.robustness = Robustness(self)

    def table(self, name: str, layout: Callable[[Gathered], Table | None]) -> Table | None:
        """The table that a layout makes of this, made once: some read others."""
        if name not in self._tables:
            self._tables[name] = layout(self)
        return self._tables[name]

    def once(self, what: str, item: Any, make: Callable[[Any], Any]) -> Any:
        """What `make` makes of one of the records, made once."""
        key = (what, id(item))
        if key not in self._made:
            self._made[key] = make(item)
        return self._made[key]

    # -- order -----------------------------------------------------------------------------------------

    def _rows(self, subjects: list[Subject]) -> list[MethodRow]:
        order = self.source.methods
        found: dict[tuple[str, str, bool], set[str]] = {}
        for subject in subjects:
            found.setdefault(row_key(subject), set()).add(subject.method_title or subject.method)
        rows = [
            MethodRow(model, method, min(titles), loaded) for (model, method, loaded), titles in found.items()
        ]

        def rank(row: MethodRow) -> tuple[Any, ...]:
            place = order.index(row.method) if row.method in order else _LAST
            is_baseline = row.method == self.source.baseline
            return row.model.casefold(), row.model, row.loaded, not is_baseline, place, row.method

        return sorted(rows, key=rank)

    def task_rank(self, name: str) -> tuple[Any, ...]:
        """Sort key of a task: the suite's order, then family, then name."""
        order = self.source.tasks
        place = order.index(name) if name in order else _LAST
        task = self._known_tasks.get(name)
        return place, _FAMILIES.index(task.family) if task else len(_FAMILIES), name

    def _columns(self, items: list[Any]) -> list[TaskColumn]:
        found = {}
        for item in items:
            column = TaskColumn(item.task, item.split, item.subject.train_task)
            found[column.identity] = column
        return sorted(
            found.values(),
            key=lambda c: (self.task_rank(c.task.name), c.split, self.task_rank(c.train_task)),
        )

    def _attack_list(self) -> list[Attack]:
        found = {outcome.attack.name: outcome.attack for outcome in self.source.attacks}
        order = self.source.attacks_order
        return sorted(
            found.values(), key=lambda a: (order.index(a.name) if a.name in order else _LAST, a.name)
        )

    @property
    def real_attacks(self) -> list[Attack]:
        """The attacks without controls, which nobody's robustness is compared by."""
        return [attack for attack in self.attacks if not attack.control_of]

    # -- names -----------------------------------------------------------------------------------------

    def task_title(self, name: str) -> str:
        """The title of a task, or its name where no record describes it."""
        return self._known_tasks[name].title if name in self._known_tasks else name

    def head(self, column: TaskColumn, among: list[TaskColumn], metric_shown: bool = False) -> str:
        """The head of a column: the task's title, and what else is needed to tell it from its neighbours.

        Args:
            metric_shown: name the task's first metric where it is not accuracy.
        """
        extra = []
        first = column.task.metrics[0]
        if metric_shown and first != "accuracy":
            extra.append(metric(first).title)
        same_task = [other for other in among if other.task.name == column.task.name]
        if len({other.split for other in same_task}) > 1:
            extra.append(column.split)
        if len({other.train_task for other in same_task}) > 1:
            extra.append(f"from {self.task_title(column.train_task)}")
        return f"{column.task.title} ({', '.join(extra)})" if extra else column.task.title

    # -- values ----------------------------------------------------------------------------------------

    def evaluations(self, row: MethodRow, column: TaskColumn) -> Mapping[str, Evaluation]:
        """Seed -> evaluation."""
        return self._evaluations.get(((row.model, row.method, row.loaded), *column.identity), {})

    def outcomes(self, row: MethodRow, column: TaskColumn, attack: str) -> Mapping[str, list[AttackOutcome]]:
        """Seed -> outcomes, one per attack seed."""
        return self._attacks.get(((row.model, row.method, row.loaded), *column.identity, attack), {})

    def stored(self, row: MethodRow, name: str) -> Mapping[str, StoredReplay]:
        """Seed -> replay of a stored set."""
        return self._stored.get(((row.model, row.method, row.loaded), name), {})

    def stored_cell(self, row: MethodRow, of: StoredReplay, survived: Callable[[Any], Any]) -> Cell:
        """The cell of a share of a stored set's examples.

        Args:
            of: one of the set's replays.
            survived: tells which of a record's rows count.
        """
        found = self.stored(row, of.name)
        results: dict[str, float | Proportion | None] = {
            seed: Proportion(int(survived(item.rows).sum()), len(item.rows)) for seed, item in found.items()
        }
        column = TaskColumn(of.task, of.split, of.subject.train_task)
        gaps = self.holes(row, column, replay_of(of.name))
        return replace(self.cell_of(results, "percent", gaps), exposure=self.exposure(row, column))

    def stored_answers(
        self, row: MethodRow, of: StoredReplay, survived: Callable[[Any], Any]
    ) -> Answers | None:
        """Which of a stored set's examples count, see `stored_cell`."""
        found = {seed: [item] for seed, item in self.stored(row, of.name).items()}
        values = {
            seed: [survived(item.rows).to_numpy(np.bool_) for item in many] for seed, many in found.items()
        }
        return of_attacks(found, values)

    def probes(self, row: MethodRow, column: TaskColumn) -> Mapping[str, Probe]:
        """Seed -> probe of reliance."""
        return self._probes.get(((row.model, row.method, row.loaded), *column.identity), {})

    def records_of(self, row: MethodRow, column: TaskColumn) -> bool:
        """Whether the row's models faced the column's task, as it is or under an attack."""
        return bool(self.evaluations(row, column)) or any(
            self.outcomes(row, column, attack.name) for attack in self.attacks
        )

    def exposure(self, row: MethodRow, column: TaskColumn) -> str:
        """What the row's models saw of what the column's task must not share; only equals are ranked together."""
        said = trained_on(self.source.trained_on, row.model, row.method, row.loaded, column.train_task)
        return exposure(column.task, column.split, said)

    def holes(self, row: MethodRow, column: TaskColumn, attack: str = "") -> list[Hole]:
        """What failed of one cell."""
        return [
            gap
            for gap in self.source.holes
            if row_key(gap.subject) == (row.model, row.method, row.loaded)
            and gap.subject.train_task == column.train_task
            and gap.task in ("", column.task.name)
            and gap.attack in ("", attack)
        ]

    def cell(
        self,
        row: MethodRow,
        column: TaskColumn,
        measure: Callable[[Evaluation], float | Proportion | None],
        unit: Unit = "percent",
    ) -> Cell:
        """The cell of a measure of evaluations: one value per seed."""
        found = self.evaluations(row, column)
        results = {seed: measure(item) for seed, item in found.items()}
        sizes = {len(item.rows) for item in found.values()}
        n = sizes.pop() if len(sizes) == 1 else None
        return replace(
            self.cell_of(results, unit, self.holes(row, column), n), exposure=self.exposure(row, column)
        )

    def quality(self, item: AttackOutcome) -> QualityOutcome | None:
        """How good the texts of an attack are; None where that is not recorded."""
        return self._qualities.get(attacked(item))

    def passes(self, item: AttackOutcome | ReplayOutcome) -> NDArray[np.bool_] | None:
        """(rows,) which perturbed texts of an attack, or of a replayed one, pass the gate; False where there is none.

        None where their quality is not recorded.
        """
        subject = item.source if isinstance(item, ReplayOutcome) else item.subject
        key = (subject, item.task.name, item.split, item.attack.name, item.attack_seed)
        found = self._qualities.get(key)
        if found is None:
            return None
        if id(item) not in self._passes:
            fine = self.source.gate.applied(found.judges).passes(found.rows)
            known = dict(zip(found.rows["id"].tolist(), fine.tolist(), strict=True))
            self._passes[id(item)] = np.array([known[name] for name in item.rows["id"].tolist()], np.bool_)
        return self._passes[id(item)]

    def people(self, item: AttackOutcome) -> PeopleOutcome | None:
        """What people judged of an attack's texts; None where they judged none."""
        return self._people.get(attacked(item))

    def probe_cell(
        self,
        row: MethodRow,
        column: TaskColumn,
        measure: Callable[[str, Probe], tuple[float | None, int]],
        unit: Unit,
    ) -> Cell:
        """The cell of a measure of probes, which is told the seed and gives a mean and its number of examples."""
        found = {seed: measure(seed, item) for seed, item in self.probes(row, column).items()}
        sizes = {n for value, n in found.values() if value is not None}
        results = {seed: value for seed, (value, _) in found.items()}
        n = sizes.pop() if len(sizes) == 1 else None
        return self.cell_of(results, unit, self.holes(row, column, LEAVING_OUT), n)

    def cell_of(
        self,
        results: Mapping[str, float | Proportion | None],
        unit: Unit,
        gaps: list[Hole],
        n_examples: int | None = None,
    ) -> Cell:
        """The cell of one number per seed, None where that is undefined.

        Args:
            gaps: what failed, which is told where there is no number at all.
            n_examples: behind each number that does not say so itself.
        """
        if not results:
            return hole(gaps[0].error) if gaps else make_cell({})
        known = {seed: value for seed, value in results.items() if value is not None}
        if not known:
            return UNDEFINED
        sizes = {value.total for value in known.values() if isinstance(value, Proportion)}
        # Seeds may differ in their denominator, such as the examples that were right before an attack.
        n = (sizes.pop() if len(sizes) == 1 else None) if sizes else n_examples
        values = {seed: value_of(value) for seed, value in known.items()}
        return make_cell(values, unit, n_examples=n, seeds=self.seeds)

    def answers(
        self,
        row: MethodRow,
        column: TaskColumn,
        metric: str = "",
        entailed: bool = False,
    ) -> Answers | None:
        """What a method answered to each example; see `asa_bench.reports.answers.of_evaluations`. Made once."""
        key = (row, column.identity, entailed, metric or column.task.metrics[0])
        if key not in self._answers:
            found = self.evaluations(row, column)
            self._answers[key] = of_evaluations(found, entailed, self.order, metric)
        return self._answers[key]

    def hans_answers(self, row: MethodRow, column: TaskColumn, cell: tuple[str, str]) -> Answers | None:
        """Those to the examples of one HANS heuristic and gold label, entailed or not."""
        whole = self.answers(row, column, entailed=True)
        if whole is None:
            return None
        first = next(iter(self.evaluations(row, column).values()))
        heuristic, entailed = self.once("hans rows", first, self._hans_rows)
        chosen = (heuristic == cell[0]) & (entailed == (cell[1] == ENTAILMENT))
        return whole.where(np.asarray(chosen, dtype=np.bool_))

    def _hans_rows(self, item: Evaluation) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """(examples,) heuristic of each, and whether it is entailed, in the order of their ids."""
        order = self.order(item.rows)[0]
        heuristic, gold = (item.rows[name].to_numpy(object)[order] for name in ("heuristic", "label"))
        return heuristic, np.asarray(gold == ENTAILMENT, dtype=np.bool_)

    def order(self, rows: Any) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
        """`order_of`, once for every record; records of the same examples share their ids, which as texts are large."""
        if id(rows) not in self._orders:
            order, ids = order_of(rows)
            self._orders[id(rows)] = order, next((k for k in self._ids if np.array_equal(k, ids)), ids)
            if self._orders[id(rows)][1] is ids:
                self._ids.append(ids)
        return self._orders[id(rows)]
