"""The scores of an output folder that a gate can hold against a baseline, each with what must be equal to compare it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.errors import StoreError
from asa_bench.gathering import gather
from asa_bench.last_run import PlannedCell, PlannedRun, planned
from asa_bench.measures import Proportion, macro_average
from asa_bench.record import SCHEMA_VERSION, canonical_json
from asa_bench.reports.answers import Answers, order_of
from asa_bench.reports.exposure import seen
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.layouts.replays import robust
from asa_bench.reports.outcomes import replay_of
from asa_bench.reports.scores import metric, score_of
from asa_bench.reports.tables import Table
from asa_bench.store import Store
from asa_bench.tasks.slicing import slices_of

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.reports.outcomes import AttackOutcome, Evaluation, StoredReplay, Subject

#: What of a cell's spec belongs to the machine, or to one repetition, and not to the recipe.
_NOT_RECIPE = {"device", "threads", "subject", "seed", "split", "slices", "columns"}
_ASKED = {"max_length", "examples", "labels", "label_map", "model_labels", "kind"}


@dataclass(frozen=True)
class Identity:
    """What must be equal for two scores to be compared.

    Attributes:
        data: fingerprint of the rows of the split.
        examples: digest of the ids, texts and gold labels that were asked, in the order of their ids.
        recipe: how the model was trained (where it was trained here), asked and attacked.
        exposure: what it had seen, and what the task says that it must not have seen.
        schema: versions of records and of the meaning of this kind of cell.
    """

    data: str
    examples: str
    recipe: Mapping[str, Any]
    exposure: Mapping[str, Any]
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """One number of a report with the answers behind it.

    Attributes:
        key: ``MODEL/METHOD/TASK:MEASURE`` of a model trained here, ``NAME/TASK:MEASURE`` of a loaded one; TASK is
            ``TRAINED>FACED`` where these differ. MEASURE is a metric, the name of the attack under which accuracy was
            measured, or ``replay/NAME`` for robust accuracy on a stored adversarial set.
            Stable: what other scores there are does not change it.
        title: what it is, for people.
        values: seed as text ("" for none) -> the measure; a share where `answers` are given.
        answers: per seed and example, 1 for right; None for measures that are no mean of right and wrong.
        weights: seed -> digest of the model's weights.
        slices: kind of slice -> (examples,) in the order of the answers' ids.
        rows: seed -> the records' rows in that order.
        higher_is_better: whether a floor makes sense; a rate of failures has none.
    """

    key: str
    title: str
    identity: Identity
    values: Mapping[str, float]
    answers: Answers | None
    weights: Mapping[str, str]
    slices: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    rows: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    higher_is_better: bool = True

    @property
    def mean(self) -> float:
        return macro_average(list(self.values.values()))


@dataclass(frozen=True)
class Collected:
    """Everything of an output folder that a gate or a baseline needs.

    Attributes:
        scores: by key, in the order of tables.
        missing: (beginning of a key, why) of planned scores that have no record.
    """

    suite: str
    profile: str
    plan: str
    scores: Mapping[str, Score]
    missing: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]


def collect(store: Store) -> Collected:
    """The scores of a folder's last run.

    Raises:
        BadInput: not an output folder, or its records cannot stand in one table.
        StoreError: a record is not of the form that this asa-bench writes.
    """
    report = gather(store)
    plan = planned(store)
    data = Gathered(report)
    records = _Records(store, plan)
    scores: dict[str, Score] = {}
    for score in (*_evaluated(data, records), *_attacked(data, records), *_replayed(data, records)):
        scores[score.key] = score
    missing = []
    for cell in plan.cells:
        gated = cell.kind in ("evaluate", "attack") or cell.stored
        if gated and cell.subject is not None and records.of(cell) is None:
            missing.append((key_of(cell.subject, cell.task or "", _measured(cell)), cell.label))
    reasons = {key_of(gap.subject, gap.task, gap.attack): gap.error for gap in report.holes}
    told = tuple((key, f"{label}: {reasons.get(key, 'not recorded')}") for key, label in missing)
    return Collected(plan.suite, plan.profile, plan.fingerprint, scores, told, tuple(build_tables(report)))


def key_of(subject: Subject, task: str, measure: str) -> str:
    """See `Score.key`; ends with the colon where `measure` is empty."""
    who = subject.method if subject.loaded else f"{subject.model}/{subject.method}"
    faced = task if task == subject.train_task else f"{subject.train_task}>{task}"
    return f"{who}/{faced}:{measure}"


def _measured(cell: PlannedCell) -> str:
    """The end of a score's key; "" where the task says it."""
    return replay_of(cell.stored) if cell.stored else cell.attack or ""


class _Records:
    """The manifests of a folder by what they are of."""

    def __init__(self, store: Store, plan: PlannedRun) -> None:
        self.store, self.plan = store, plan
        self._found = {
            (cell.kind, cell.subject, cell.task, _measured(cell)): cell
            for cell in plan.cells
            if cell.subject is not None and (cell.stored or cell.kind != "replay")
        }

    def of(self, cell: PlannedCell) -> Mapping[str, Any] | None:
        return self.store.told(cell.kind, cell.address)

    def manifest(self, kind: str, subject: Subject, task: str, measured: str = "") -> Mapping[str, Any]:
        cell = self._found.get((kind, subject, task, measured))
        found = None if cell is None else self.of(cell)
        if found is None:
            raise StoreError(f"{self.store.root}: a record of {subject.method} on {task} vanished meanwhile")
        return found

    def weights(self, manifest: Mapping[str, Any]) -> str:
        """Digest of the weights that were asked."""
        trained = self._trained(manifest)
        if trained is None:
            return _digest(manifest["reads"].get("model", {}))
        return _digest({name: at for name, at in trained["files"].items() if name.endswith(".safetensors")})

    def recipe(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        spec = manifest["spec"]
        recipe: dict[str, Any] = {"asked": {name: spec[name] for name in sorted(_ASKED & set(spec))}}
        if manifest["kind"] == "attack":
            recipe["attack"] = {
                name: spec[name] for name in ("attack", "attack_options", "attack_seed", "library")
            }
            recipe["attack"]["fingerprint"] = manifest["result"]["recipe"]["fingerprint"]
        if manifest["kind"] == "replay":
            recipe["set"] = {"address": manifest["result"]["set"], "attack": spec["attack"]}
        trained = self._trained(manifest)
        if trained is not None:
            recipe["training"] = _without(trained["spec"])
            encoder = self._encoder(trained)
            if encoder is not None:
                recipe["encoder"] = _without(encoder["spec"])
            elif "model" in trained["reads"]:
                recipe["encoder"] = _digest(trained["reads"]["model"])
        return recipe

    def exposure(self, manifest: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
        exposure: dict[str, Any] = {
            "fine-tuned on": subject.train_task,
            "said of the model": self.plan.exposures.get(subject.model, "nothing"),
            "must not have seen": list(manifest["result"]["task"].get("exposure", ())),
        }
        declared = self.plan.trained_on.get(subject.method if subject.loaded else subject.model)
        if declared is not None:
            exposure["trained on"] = sorted(seen(declared))
        trained = self._trained(manifest)
        if trained is not None:
            exposure["training data"] = trained["result"]["fingerprint"]
            encoder = self._encoder(trained)
            if encoder is not None and "fingerprint" in encoder["result"]:
                exposure["pre-training text"] = encoder["result"]["fingerprint"]
        return exposure

    def _trained(self, manifest: Mapping[str, Any]) -> Mapping[str, Any] | None:
        at = manifest.get("waits", {}).get("model")
        return None if at is None else self.store.told("train", at)

    def _encoder(self, trained: Mapping[str, Any]) -> Mapping[str, Any] | None:
        at = trained.get("waits", {}).get("encoder")
        return None if at is None else self.store.told("pretrain", at)


def _without(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in _NOT_RECIPE}


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _evaluated(data: Gathered, records: _Records) -> Iterator[Score]:
    for row in data.rows:
        for column in data.columns:
            found = data.evaluations(row, column)
            if not found:
                continue
            subjects = {seed: item.subject for seed, item in found.items()}
            answers = data.answers(row, column)
            rows = {seed: item.rows for seed, item in found.items()}
            slices = _slices(data, next(iter(found.values())))
            make = partial(_score, data, records, row, column, "evaluate", subjects, rows, slices)
            if answers is not None and not answers.linear:
                yield make("accuracy", answers, None, {s: float(v.mean()) for s, v in answers.values.items()})
                continue
            name = column.task.metrics[0]
            values = {seed: score_of(item, name) for seed, item in found.items()}
            known = {
                seed: value.value if isinstance(value, Proportion) else float(value)
                for seed, value in values.items()
                if value is not None
            }
            if known:
                yield make(name, None, None, known)


def _attacked(data: Gathered, records: _Records) -> Iterator[Score]:
    for row in data.rows:
        for column in data.attack_columns:
            for attack in data.real_attacks:
                found = data.outcomes(row, column, attack.name)
                answers = data.robustness.answers(row, column, attack.name, robust=True)
                if not found or answers is None:
                    continue
                subjects = {seed: items[0].subject for seed, items in found.items()}
                rows = {seed: items[0].rows for seed, items in found.items()}
                values = {seed: float(each.mean()) for seed, each in answers.values.items()}
                slices = _slices(data, next(iter(found.values()))[0])
                make = partial(_score, data, records, row, column, "attack", subjects, rows, slices)
                yield make(attack.name, answers, f"accuracy under {attack.title}", values)


def _replayed(data: Gathered, records: _Records) -> Iterator[Score]:
    """Robust accuracy on stored sets. What the same run's attacks made against others is new each time: it is not gated."""
    for row in data.rows:
        for of in data.stored_sets:
            found = data.stored(row, of.name)
            answers = data.stored_answers(row, of, robust)
            if answers is None:
                continue
            subjects = {seed: item.subject for seed, item in found.items()}
            # The first thing that went wrong is what a reader wants to see.
            rows = {seed: item.rows.assign(prediction=_last_said(item.rows)) for seed, item in found.items()}
            values = {seed: float(each.mean()) for seed, each in answers.values.items()}
            column = TaskColumn(of.task, of.split, of.subject.train_task)
            said = f"robust accuracy on {of.name} ({of.title})"
            slices = _slices(data, next(iter(found.values())))
            make = partial(_score, data, records, row, column, "replay", subjects, rows, slices)
            yield make(replay_of(of.name), answers, said, values)


def _last_said(rows: pd.DataFrame) -> list[str]:
    """What a model said of the perturbed text where that fooled it, else of the original."""
    both = zip(rows["outcome"], rows["prediction"], rows["perturbed_prediction"], strict=True)
    return [after if outcome == "fooled" else before for outcome, before, after in both]


def _score(
    data: Gathered,
    records: _Records,
    row: MethodRow,
    column: TaskColumn,
    kind: str,
    subjects: Mapping[str, Subject],
    rows: Mapping[str, pd.DataFrame],
    slices: Mapping[str, NDArray[np.object_]],
    measure: str,
    answers: Answers | None,
    said: str | None,
    values: Mapping[str, float],
) -> Score:
    """A score; `said` is what its measure is called where it is no metric of the task."""
    task = column.task
    measured = "" if said is None else measure
    manifests = {
        seed: records.manifest(kind, subject, task.name, measured) for seed, subject in subjects.items()
    }
    first, subject = next(iter(manifests.values())), next(iter(subjects.values()))
    ordered = {seed: _ordered(frame) for seed, frame in rows.items()}
    frame = next(iter(ordered.values()))
    examples = _digest([[str(v) for v in frame[name]] for name in ("id", "text_hash", "label")])
    identity = Identity(
        data=first["result"]["fingerprint"],
        examples=examples,
        recipe=records.recipe(first),
        exposure=records.exposure(first, subject),
        schema={"records": SCHEMA_VERSION, kind: first.get("version"), "measure": measure},
    )
    faced = task.title if task.name == subject.train_task else f"{task.title} (from {subject.train_task})"
    who = row.title if row.loaded else f"{row.model} {row.title}"
    return Score(
        key=key_of(subject, task.name, measure),
        title=f"{who}, {faced}, {said or ('accuracy' if measure == 'accuracy' else metric(measure).title)}",
        identity=identity,
        values=dict(values),
        answers=answers,
        weights={seed: records.weights(manifest) for seed, manifest in manifests.items()},
        slices=slices,
        rows=ordered,
        higher_is_better=said is not None or metric(measure).higher_is_better,
    )


def _slices(
    data: Gathered, item: Evaluation | AttackOutcome | StoredReplay
) -> dict[str, NDArray[np.object_]]:
    """Slice -> (examples,) values in the order of `Answers.ids`, of those that the records tell."""
    order, _ = order_of(item.rows)
    found = {name: data.sliced.values(item, name) for name in slices_of(item.task)}
    return {
        name: values[order].astype(str).astype(object) for name, values in found.items() if values is not None
    }


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """In the order of `Answers.ids`."""
    order = np.argsort(
        np.array([str(value) for value in frame["id"]], dtype=object).astype(str), kind="stable"
    )
    return frame.iloc[order].reset_index(drop=True)
