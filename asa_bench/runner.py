"""Walks a plan: what is recorded is not done again, failures are kept, and the tables are written at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field, ValidationError

from asa_bench.attacks import variants
from asa_bench.cell import Cell
from asa_bench.errors import StoreError
from asa_bench.plan import Plan
from asa_bench.quality import QualitySettings
from asa_bench.reports.inputs import Subject
from asa_bench.store import SCHEMA_VERSION, Store
from asa_bench.tasks.base import Frozen

if TYPE_CHECKING:
    from asa_bench.executors import Executor
    from asa_bench.reports.explanation import Explanation
    from asa_bench.reports.inputs import PretrainingOutcome, ReportInput, TrainingOutcome

#: The folder of a report within an output folder.
TABLES = "tables"


class Watcher(Protocol):
    """Who is told how a run goes."""

    def waiting(self) -> None:
        """Another process holds the output folder."""

    def planned(self, plan: Plan, todo: list[Cell], recorded: int) -> None:
        """The run begins; `todo` is what is not recorded yet."""

    def started(self, cell: Cell) -> None:
        """A cell begins."""

    def progressed(self, cell: Cell, done: int, total: int) -> None:
        """A cell went on, in units of its own."""

    def finished(self, cell: Cell, seconds: float) -> None:
        """A cell is recorded."""

    def failed(self, cell: Cell, error: str) -> None:
        """A cell failed, or cannot be done because one that it waits for failed."""


class Silent:
    """A watcher that says nothing."""

    def waiting(self) -> None: ...

    def planned(self, plan: Plan, todo: list[Cell], recorded: int) -> None: ...

    def started(self, cell: Cell) -> None: ...

    def progressed(self, cell: Cell, done: int, total: int) -> None: ...

    def finished(self, cell: Cell, seconds: float) -> None: ...

    def failed(self, cell: Cell, error: str) -> None: ...


@dataclass
class RunSummary:
    """What a run did.

    Attributes:
        folder: the output folder, or the mirror of one behind a URL.
        shown: its name, for people.
        done: cells done now.
        recorded: cells that were recorded before.
        failures: label of each failed cell -> its error, one line.
        files: the tables that were written.
    """

    folder: Path
    shown: str
    done: int = 0
    recorded: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    report: ReportInput | None = None


def execute(
    plan: Plan,
    store: Store,
    executor: Executor | None = None,
    watcher: Watcher | None = None,
    only_failed: bool = False,
) -> RunSummary:
    """Do what of a plan is not recorded yet, then write its tables.

    A cell that fails is kept with its error, and what waits for it is left out; the rest goes on.

    Args:
        only_failed: do only cells that failed before, and what could not be done because of them.

    Raises:
        StoreError: the output folder cannot be written; what is recorded stays.
        KeyboardInterrupt: passed on; what is recorded stays.
    """
    watch: Watcher = watcher or Silent()
    summary = RunSummary(store.root, store.shown)
    with store.lock(watch.waiting):
        store.prepare()
        todo = [cell for cell in plan.cells if not store.has(cell.kind, cell.address)]
        summary.recorded = len(plan.cells) - len(todo)
        if only_failed:
            todo = failed_before(todo, store)
        where: Executor = executor or _local()
        if todo:
            where.check(todo)
        store.write_plan(describe(plan).model_dump(mode="json"))
        watch.planned(plan, todo, summary.recorded)
        try:
            _walk(todo, store, where, watch, summary)
        finally:
            where.close()
        summary.report = gather(store)
        summary.files = write_tables(store, summary.report)
        store.share(summary.files)
    return summary


def _walk(todo: Sequence[Cell], store: Store, where: Executor, watch: Watcher, summary: RunSummary) -> None:
    """Start every cell as soon as what it waits for is recorded and the executor takes it, in its order."""
    pending = where.order(todo, store)
    running: dict[str, Cell] = {}
    missing: dict[str, str] = {}  # address of what cannot be done -> label of the cell that failed
    while pending or running:
        unfinished = {cell.address for cell in pending} | set(running)
        for cell in list(pending):
            if len(running) >= where.slots:
                break
            broken = next((missing[at] for at in cell.waits.values() if at in missing), None)
            if broken is not None:
                pending.remove(cell)
                missing[cell.address] = broken
                summary.failures[cell.label] = f"not done, because '{broken}' failed"
                watch.failed(cell, summary.failures[cell.label])
            elif not any(at in unfinished for at in cell.waits.values()):
                pending.remove(cell)
                running[cell.address] = cell
                watch.started(cell)
                where.start(cell, store, partial(watch.progressed, cell))
        if not running:  # all that was left waited for what failed
            continue
        ended = where.wait()
        cell = running.pop(ended.cell.address)
        if ended.failure is None:
            summary.done += 1
            watch.finished(cell, ended.seconds)
            continue
        if ended.failure.stops:
            raise StoreError(ended.failure.error)
        missing[cell.address] = cell.label
        summary.failures[cell.label] = ended.failure.error
        content = {
            "label": cell.label,
            "error": ended.failure.error,
            "traceback": ended.failure.traceback,
            "spec": dict(cell.spec),
        }
        store.write_failure(cell.kind, cell.address, content)
        watch.failed(cell, ended.failure.error)


def failed_before(todo: Sequence[Cell], store: Store) -> list[Cell]:
    """The cells of `todo` whose error is kept, those that wait for one of them, and what these need in turn."""
    absent = {cell.address: cell for cell in todo}
    chosen: set[str] = set()

    def choose(cell: Cell) -> None:
        chosen.add(cell.address)
        for at in cell.waits.values():  # such as a model that was deleted since
            if at in absent and at not in chosen:
                choose(absent[at])

    for cell in todo:  # what a cell waits for comes before it
        again = store.read_failure(cell.kind, cell.address) is not None
        if again or any(at in chosen for at in cell.waits.values()):
            choose(cell)
    return [cell for cell in todo if cell.address in chosen]


def _local() -> Executor:
    from asa_bench.executors.local import LocalExecutor

    return LocalExecutor()


class PlannedCell(Frozen):
    """One cell of the last run, as a folder remembers it."""

    kind: str
    address: str
    label: str
    subject: Subject | None
    task: str | None
    attack: str | None
    source: Subject | None = Field(default=None, description="of a replay: whom the attack was made against")
    stored: str = Field(default="", description="of a replay of a stored set: the set's name")
    title: str = Field(default="", description="of a further pre-training: what tables call its encoder")


class PlannedRun(Frozen):
    """Which cells make up the last run of a folder, and in which order tables show them. No clock and no path."""

    schema_version: int = SCHEMA_VERSION
    suite: str
    title: str
    profile: str
    fingerprint: str
    # Lists, because the order of columns and rows is the suite's own.
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    attacks: tuple[str, ...]
    ensemble: tuple[str, ...] = ()
    quality: QualitySettings = QualitySettings()
    exposures: dict[str, str]
    trained_on: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    settings: dict[str, Any]
    cells: tuple[PlannedCell, ...]


def describe(plan: Plan) -> PlannedRun:
    """The plan as the output folder keeps it."""
    settings = plan.settings
    return PlannedRun(
        suite=plan.suite,
        title=plan.title,
        profile=plan.profile,
        fingerprint=plan.fingerprint,
        tasks=(*settings.train, *settings.challenges),
        methods=tuple(settings.methods),
        attacks=tuple(one for name, options in settings.attacks.items() for one in variants(name, options)),
        # The worst case is that of both victims where an attack asks for both.
        ensemble=tuple(one for name in settings.ensemble for one in variants(name, settings.attacks[name])),
        quality=settings.quality,
        exposures=dict(settings.exposures),
        trained_on=dict(settings.trained_on),
        left_out=plan.left_out,
        settings=settings.model_dump(mode="json", exclude={"models"}),
        cells=tuple(
            PlannedCell(
                kind=cell.kind,
                address=cell.address,
                label=cell.label,
                subject=cell.subject,
                task=cell.spec.get("task"),
                attack=cell.spec.get("attack"),
                source=None if cell.spec.get("source") is None else Subject(**cell.spec["source"]),
                title=cell.spec.get("title", ""),
                stored=cell.context.get("stored", ""),
            )
            for cell in plan.cells
        ),
    )


def planned(store: Store) -> PlannedRun:
    """The last run of a folder.

    Raises:
        BadInput: this is not an output folder.
        StoreError: its plan is damaged or of another version.
    """
    try:
        return PlannedRun.model_validate(store.read_plan())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field_ = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"{store.root / 'plan.json'}: {field_}: {first['msg'].lower()}; run the suite again with the same --output"
        ) from None


def unrecorded(store: Store) -> list[str]:
    """Labels of the cells of a folder's last run that have no record, or only a damaged one.

    Raises:
        BadInput: this is not an output folder.
        StoreError: its plan is damaged or of another version.
    """
    return [cell.label for cell in planned(store).cells if store.told(cell.kind, cell.address) is None]


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
    from asa_bench.reports.inputs import (
        FITTING,
        LEAVING_OUT,
        AttackOutcome,
        CalibrationOutcome,
        Evaluation,
        Hole,
        Probe,
        QualityOutcome,
        ReplayOutcome,
        ReportInput,
        StoredReplay,
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
            evaluations.append(Evaluation(*common, record.rows(), result.get("seen_in_training"), labels))
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
            stored.append(StoredReplay(*common, *made, record.rows(), result.get("judges")))
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
    from asa_bench.reports.inputs import TrainingOutcome
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
    from asa_bench.reports.inputs import PretrainingOutcome

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
