"""What a report is made from, gathered from the records of an output folder alone; and its tables, written there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.errors import StoreError
from asa_bench.last_run import PlannedCell, PlannedRun, planned
from asa_bench.reports.outcomes import Subject
from asa_bench.store import Store

if TYPE_CHECKING:
    from asa_bench.reports.explanation import Explanation
    from asa_bench.reports.inputs import ReportInput
    from asa_bench.reports.outcomes import PretrainingOutcome, TrainingOutcome

#: The folder of a report within an output folder.
TABLES = "tables"


class _Reading:
    """Which cell's record is being read, for messages."""

    def __init__(self) -> None:
        self.cell: PlannedCell | None = None

    def each(self, cells: Sequence[PlannedCell]) -> Iterator[PlannedCell]:
        for self.cell in cells:
            yield self.cell
        self.cell = None


def gather(store: Store) -> ReportInput:
    """Everything that a report shows, from the records of a folder alone.

    Raises:
        BadInput: the folder is not an output folder.
        StoreError: a record whose checksums fit is not of the form that this asa-bench writes.
    """
    reading = _Reading()
    try:
        return _gather(store, reading)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if reading.cell is None:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        where = store.folder(reading.cell.kind, reading.cell.address)
        raise StoreError(
            f"{where}: the record is not of the form that this asa-bench writes ({reason}); delete the folder and run again"
        ) from error


def _gather(store: Store, reading: _Reading) -> ReportInput:
    from asa_bench import annotating
    from asa_bench.attacks.base import Attack
    from asa_bench.reports.inputs import ReportInput
    from asa_bench.reports.outcomes import (
        FITTING,
        LEAVING_OUT,
        AttackOutcome,
        CalibrationOutcome,
        Evaluation,
        Hole,
        Probe,
        QualityOutcome,
        ReplayOutcome,
        StoredReplay,
        TrainingOverlap,
        made_against,
        quality_of,
        replay_of,
    )
    from asa_bench.tasks.base import Task

    plan = planned(store)
    evaluations: list[Evaluation] = []
    attacks: list[AttackOutcome] = []
    replays: list[ReplayOutcome] = []
    stored: list[StoredReplay] = []
    qualities: list[QualityOutcome] = []
    made_at: dict[str, AttackOutcome] = {}
    calibrations: list[CalibrationOutcome] = []
    probes: list[Probe] = []
    holes: list[Hole] = []
    data: dict[str, str] = {}
    pretraining: list[PretrainingOutcome] = []
    trainings: list[TrainingOutcome] = []
    for entry in reading.each(plan.cells):
        if entry.kind == "pretrain" and entry.title:
            manifest = store.told(entry.kind, entry.address)
            if manifest is not None:
                pretraining.append(_pretraining_outcome(manifest, store))
                data[f"{pretraining[-1].corpus} text"] = pretraining[-1].fingerprint
        if entry.kind == "train":
            manifest = store.told(entry.kind, entry.address)
            if manifest is not None:
                trainings.append(_training_outcome(_subject(entry), manifest, store))
        if entry.kind not in {"evaluate", "reliance", "calibrate", "attack", "quality", "replay"}:
            continue
        subject = _subject(entry)
        record = store.find(entry.kind, entry.address)
        if record is None:
            asked = {"reliance": LEAVING_OUT, "calibrate": FITTING}.get(entry.kind, entry.attack or "")
            if entry.stored:
                asked = replay_of(entry.stored)
            elif entry.source is not None:
                asked = made_against(asked, entry.source)
            elif entry.kind == "quality":
                asked = quality_of(asked)
            holes.append(Hole(subject, entry.task or "", _why(store, plan, entry), asked))
            continue
        result = record.manifest["result"]
        if not isinstance(result["fingerprint"], str) or not isinstance(record.spec["split"], str):
            raise ValueError("fingerprint and split are texts")
        task = Task.model_validate(result["task"])
        # The laboratory makes as many rows as are asked for, so a probe's few have a fingerprint of their own.
        part = {"reliance": f", {LEAVING_OUT}", "calibrate": f", {FITTING}"}.get(entry.kind, "")
        if entry.stored:
            part = f", set {entry.stored}"
        data[f"{task.name} {record.spec['split']}{part}"] = result["fingerprint"]
        common = (subject, task, record.spec["split"], result["fingerprint"])
        if entry.kind == "evaluate":
            labels = tuple(record.spec.get("model_labels", ()))
            met = TrainingOverlap(**result["overlap"]) if "overlap" in result else None
            seen = result.get("seen_in_training")
            evaluations.append(Evaluation(*common, record.rows(), seen, labels, met))
        elif entry.kind == "calibrate":
            fit, labels = result["fit"], tuple(record.spec.get("model_labels", ()))
            outcome = CalibrationOutcome(
                *common, record.rows(), float(result["temperature"]), bool(fit["bounded"]), labels
            )
            calibrations.append(outcome)
        elif entry.kind == "reliance":
            probes.append(Probe(*common, record.rows()))
        elif entry.stored and entry.source is not None:
            made = (entry.stored, result["set"], result["attack"], entry.source)
            faced = (record.rows(), result.get("judges"), result.get("seen_in_training"))
            stored.append(StoredReplay(*common, *made, *faced))
        else:
            attack = Attack.model_validate(result["attack"])
            spec = record.spec
            budget = spec["attack_options"]["query_budget"]
            recipe = result["recipe"]["fingerprint"]
            if entry.kind == "attack":
                told = (budget, recipe, result.get("temperature"), tuple(spec.get("model_labels", ())))
                attacks.append(AttackOutcome(*common, attack, spec["attack_seed"], record.rows(), *told))
                made_at[entry.address] = attacks[-1]
            elif entry.kind == "quality":
                judges = result["judges"]
                qualities.append(
                    QualityOutcome(*common, attack, spec["attack_seed"], record.rows(), judges, recipe)
                )
            elif entry.source is not None:
                replays.append(
                    ReplayOutcome(*common, attack, spec["attack_seed"], entry.source, record.rows(), recipe)
                )
    people, sheets = annotating.gather(store, made_at)
    titles = sorted(
        {item.subject.model for item in evaluations}
        | {item.subject.model for item in attacks}
        | {item.subject.model for item in stored}
        | {item.base for item in pretraining}
    )
    return ReportInput(
        suite=plan.suite,
        title=plan.title,
        profile=plan.profile,
        evaluations=tuple(evaluations),
        attacks=tuple(attacks),
        replays=tuple(replays),
        stored=tuple(stored),
        qualities=tuple(qualities),
        calibrations=tuple(calibrations),
        gate=plan.quality.gate,
        people=people,
        sheets=sheets,
        ensemble=plan.ensemble,
        probes=tuple(probes),
        holes=tuple(holes),
        provenance={"plan": plan.fingerprint, "data": data},
        notes=(
            *(f"{title}: {plan.exposures[title]}." for title in titles if title in plan.exposures),
            *(f"Left out, because no hub provides it: {name}." for name in plan.left_out),
        ),
        tasks=plan.tasks,
        methods=plan.methods,
        attacks_order=plan.attacks,
        pretraining=tuple(pretraining),
        trainings=tuple(trainings),
        explanations=tuple(_explanation(path, text) for path, text in store.explanations()),
        exposures={title: plan.exposures[title] for title in titles if title in plan.exposures},
        trained_on=plan.trained_on,
    )


def _subject(entry: PlannedCell) -> Subject:
    if entry.subject is None:
        raise ValueError(f"a {entry.kind} cell without a subject")
    return entry.subject


def _training_outcome(subject: Subject, manifest: Mapping[str, Any], store: Store) -> TrainingOutcome:
    from asa_bench.reports.outcomes import TrainingOutcome
    from asa_bench.tasks import TASKS

    found = manifest["result"]["training"]
    name = manifest["spec"]["task"]
    return TrainingOutcome(
        subject=subject,
        task_title=TASKS.get(name).title if name in TASKS else name,
        steps=found["steps"],
        losses=found["losses"],
        gradient_norms=found["gradient_norms"],
        settings=_settings(manifest, store),
    )


def _pretraining_outcome(manifest: Mapping[str, Any], store: Store) -> PretrainingOutcome:
    from asa_bench.reports.outcomes import PretrainingOutcome

    spec, result = manifest["spec"], manifest["result"]
    found = result["pretraining"]
    return PretrainingOutcome(
        model=spec["title"],
        base=spec["model"],
        from_scratch=spec["from_scratch"] is not None,
        method=spec["method"],
        method_title=result["method_title"],
        seed=spec["seed"],
        corpus=result["corpus"],
        fingerprint=result["fingerprint"],
        steps=found["steps"],
        relative_compute=found["relative_compute"],
        perplexity_before=found["perplexity_before"],
        perplexity=found["perplexity"],
        kept_fraction=found["losses"].get("kept_fraction"),
        settings=_settings(manifest, store),
    )


def _explanation(path: Path, text: str) -> Explanation:
    from asa_bench.reports.explanation import Explanation

    try:
        return Explanation.from_json(text)
    except ValueError as error:
        raise StoreError(f"{path}: damaged ({error}); delete it and explain the example again") from error


def _settings(manifest: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """How a model was trained, seed and machine apart: what it read, and from which encoder it began."""
    spec = manifest["spec"]
    found = {name: value for name, value in spec.items() if name not in ("seed", "threads", "device")}
    found["data fingerprint"] = manifest["result"].get("fingerprint")
    found["encoder's checksums"] = manifest["reads"].get("model", {})
    before = store.told("pretrain", manifest["waits"]["encoder"]) if "encoder" in manifest["waits"] else None
    if before is not None:
        found["encoder"] = _settings(before, store)
        if not before["spec"].get("title"):  # the laboratory's one encoder for all, whose seed is a setting
            found["encoder"]["seed"] = before["spec"]["seed"]
    return found


def _why(store: Store, plan: PlannedRun, entry: PlannedCell) -> str:
    """Why a cell has no record: its own error, else that of a failed training it waits for."""
    before = [cell for cell in plan.cells if cell.kind == "train" and cell.subject == entry.subject]
    # A replay and the quality of texts wait for the attack that made them, too.
    source = entry.subject if entry.kind == "quality" else None if entry.stored else entry.source
    if source is not None:
        asked = (source, entry.task, entry.attack)
        before = [
            c for c in plan.cells if (c.subject, c.task, c.attack) == asked and c.kind == "attack"
        ] + before
        before += [cell for cell in plan.cells if cell.kind == "train" and cell.subject == source]
    if entry.kind == "attack":
        before = [c for c in plan.cells if c.kind == "calibrate" and c.subject == entry.subject] + before
    for cell in (entry, *before, *(cell for cell in plan.cells if cell.kind == "pretrain")):
        model = None if entry.subject is None else entry.subject.model
        if cell.kind == "pretrain" and cell.title and cell.title != model:  # of another row of the table
            continue
        failure = store.read_failure(cell.kind, cell.address)
        if failure is not None:
            return f"{failure['label']}: {failure['error']}"
    return "not recorded yet"


def write_tables(store: Store, report: ReportInput) -> list[Path]:
    """Write every table of a report under the folder's ``tables/``."""
    from asa_bench.reports.write import write_all

    return write_all(report, store.root / TABLES)
