"""From what a user names to replays: finds adversarial sets, loads checkpoints, and faces each with each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asa_bench import adversarial_sets, checkpoints, judging, last_run
from asa_bench.adversarial_sets import AdversarialSet
from asa_bench.errors import BadInput, StoreError, Unavailable, nearest
from asa_bench.judging import RunJudgement
from asa_bench.last_run import PlannedRun
from asa_bench.quality import QualitySettings, is_description
from asa_bench.replaying import Replay, replay
from asa_bench.store import Store
from asa_bench.stores import open_store, url_of
from asa_bench.tasks import TASKS, files

_ADDRESS = re.compile(r"^[0-9a-f]{20}$")
_RUNS = Path("reports") / "runs"


@dataclass(frozen=True)
class Which:
    """Which of a folder's adversarial sets are meant; None for all."""

    attack: str | None = None
    task: str | None = None
    source: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class FoundSet:
    """An adversarial set, and how the run that made it judged it; None where that is not known, as of a file."""

    made: AdversarialSet
    judgement: RunJudgement | None = None


@dataclass(frozen=True)
class Faced:
    """One model before one set.

    Attributes:
        name: what the user calls the model.
        seed: the model's training seed, where the user told one.
    """

    name: str
    seed: int | None
    replay: Replay


def find(where: str | Path, which: Which | None = None) -> list[FoundSet]:
    """The adversarial sets that `where` names: a file, an output folder, a record's folder, or an attack's address.

    An address is looked for in the output folders under ``reports/runs``, first in those whose run judged the set.

    Args:
        which: keeps only some of a folder's sets.

    Raises:
        BadInput: a damaged file, or a folder without such a set.
        StoreError: a damaged record.
        Unavailable: there is nothing of that name.
    """
    which = which or Which()
    path, shown = Path(where).expanduser(), files.shown(str(where), 300)
    if path.is_dir():
        own = Store.of_record(path)
        sets = _of_run(Store(path), which, shown) if own is None else [_of_record(*own)]
    elif url_of(where) is not None:
        sets = _of_run(open_store(where), which, shown)
    elif _ADDRESS.match(str(where)):
        stores = [Store(folder) for folder in sorted(_RUNS.glob("*")) if folder.is_dir()]
        holding = [store for store in stores if store.told("attack", str(where)) is not None]
        if not holding:
            raise Unavailable(f"{shown}: no output folder under {_RUNS} holds an attack of this address")
        several = [_of_record(store, "attack", str(where)) for store in holding]
        sets = [next((one for one in several if one.judgement is not None), several[0])]
    else:
        sets = [FoundSet(adversarial_sets.read(path))]
    recipes: dict[str, AdversarialSet] = {}
    for one in (found.made for found in sets):
        first = recipes.setdefault(one.header.attack, one)
        if first.header.recipe != one.header.recipe:
            raise BadInput(
                f"{shown}: {one.title}: another recipe than {first.title} (fingerprints {one.header.recipe[:12]}, "
                f"{first.header.recipe[:12]}); the sets cannot be compared"
            )
    return sets


def _of_record(store: Store, kind: str, at: str, run: PlannedRun | None = None) -> FoundSet:
    record = store.find(kind, at)
    if record is None:
        raise StoreError(f"{store.folder(kind, at)}: the record is damaged; run its suite again")
    return FoundSet(adversarial_sets.of_record(record), _judgement(store, at, run))


def _judgement(store: Store, attack: str, run: PlannedRun | None) -> RunJudgement | None:
    """How the last run of a folder judged what the attack at this address made; None where it did not."""
    if run is None:
        try:
            run = last_run.planned(store)
        except (BadInput, StoreError):  # a record that was taken out of its folder can be faced, too
            return None
    about = {(cell.subject, cell.task, cell.attack) for cell in run.cells if cell.address == attack}
    for cell in run.cells:
        if cell.kind != "quality" or (cell.subject, cell.task, cell.attack) not in about:
            continue
        manifest = store.told("quality", cell.address)
        if manifest is not None and manifest.get("waits", {}).get("set") == attack:
            suite = f"suite {run.suite}, profile {run.profile}"
            judges = manifest["result"].get("judges")
            if not is_description(judges):
                where = store.folder("quality", cell.address)
                raise StoreError(f"{where}: does not say by what it was judged; run its suite again")
            return RunJudgement(store, cell.address, suite, run.quality.gate, judges)
    return None


def _of_run(store: Store, which: Which, shown: str) -> list[FoundSet]:
    run = last_run.planned(store)
    cells = [cell for cell in run.cells if cell.kind == "attack" and cell.subject]
    for name, wanted, known in (
        ("attack", which.attack, [cell.attack or "" for cell in cells]),
        ("task", which.task, [cell.task or "" for cell in cells]),
        ("source", which.source, [cell.subject.method for cell in cells if cell.subject]),
    ):
        if wanted is not None and wanted not in known:
            raise BadInput(
                f"{shown}: holds no attack with {name} {files.shown(wanted)}; {nearest(wanted, known)}"
            )
    chosen = [
        cell
        for cell in cells
        if cell.subject
        and which.attack in (None, cell.attack)
        and which.task in (None, cell.task)
        and which.source in (None, cell.subject.method)
        and which.seed in (None, cell.subject.seed)
    ]
    found = [_of_record(store, "attack", c.address, run) for c in chosen if store.told("attack", c.address)]
    if not found:
        raise BadInput(f"{shown}: holds no recorded attack" + (" of these" if cells else ""))
    return found


def face(
    found: Sequence[FoundSet],
    loads: Sequence[str],
    label_maps: Sequence[str] = (),
    *,
    device: str = "cpu",
    threads: int | None = None,
    quality: QualitySettings | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Faced]:
    """Faces every checkpoint with every set of its task.

    Args:
        loads: ``NAME[@TASK][#SEED]=FOLDER_OR_HUB_ID`` each; without TASK a checkpoint faces the sets whose labels are its.
        label_maps: ``NAME=LABEL,LABEL`` each, in the order of the outputs.
        threads: of the processor; by default as many as the set was made with.
        quality: how the texts' quality is measured, and the gate. If None, a set is judged as the run that made it judged
            it; where that is not known, by words and characters alone.
        progress: called with (name, texts asked, all texts).

    Raises:
        BadInput: no set is of a checkpoint's task, or labels or weights cannot be used.
        StoreError: the record of a run's judgement is damaged.
        Unavailable: a checkpoint is not here.
    """
    import torch

    if not loads:
        raise BadInput("replay: no model to face; give --load NAME=FOLDER_OR_HUB_ID")
    maps = checkpoints.parse_label_maps(label_maps)
    requests = [checkpoints.parse_load(text) for text in loads]
    names = {request.name for request in requests} | {f"{r.name}@{r.task}" for r in requests if r.task}
    unused = sorted(set(maps) - names)
    if unused:
        raise BadInput(f"--label-map {unused[0]}: there is no --load of that name")
    told = [(request.name, request.task, request.seed) for request in requests]
    twice = next((one for one in told if told.count(one) > 1), None)
    if twice is not None:
        raise BadInput(f"--load {twice[0]}: given twice; add #SEED or another name")
    faced = []
    before = torch.get_num_threads()
    sets = [one.made for one in found]
    judged = {one.made.address: _judged(one, quality, device) for one in found}
    try:
        for request in requests:
            said = f"--load {request.name}"
            identity = checkpoints.identify(request.where, said)
            key = next((k for k in (f"{request.name}@{request.task}", request.name) if k in maps), None)
            labels = maps[key] if key else checkpoints.model_labels(identity)
            for task_name, its in _by_task(sets, request, labels, said).items():
                task = TASKS.get(task_name)
                victim = checkpoints.load_victim(
                    identity.where,
                    identity.revision,
                    checkpoints.match_labels(labels, task, said, explicit=key is not None),
                    max_length=its[0].header.max_length,
                    device=device,
                    said=said,
                )
                if task.family == "inference" and task.columns[0] != "question":
                    premises = [example.original[0] for example in its[0].examples[:64]]
                    checkpoints.probe_inference(victim, premises, said)
                for one in its:
                    torch.set_num_threads(threads or one.header.threads)
                    report = None if progress is None else _named(progress, request.name)
                    made = replay(one, victim, task, report, judged[one.address])
                    faced.append(Faced(request.name, request.seed, made))
    finally:
        torch.set_num_threads(before)
    return faced


def _judged(found: FoundSet, quality: QualitySettings | None, device: str) -> judging.Judged:
    run = found.judgement
    if quality is None and run is not None:
        return judging.judged_by_run(found.made, run)
    return judging.judge(found.made, quality or QualitySettings(), device, run)


def _named(progress: Callable[[str, int, int], None], name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)


def _by_task(
    sets: Sequence[AdversarialSet], request: checkpoints.LoadRequest, labels: Sequence[str], said: str
) -> dict[str, list[AdversarialSet]]:
    """Task -> sets that a checkpoint faces; all of one task cut inputs at one length, or each set stands alone."""
    by_task: dict[str, list[AdversarialSet]] = {}
    for one in sets:
        by_task.setdefault(one.header.task, []).append(one)
    for name, its in by_task.items():
        lengths = {one.header.max_length for one in its}
        if len(lengths) > 1:
            raise BadInput(
                f"the sets of task {name!r} were made with inputs cut at {', '.join(map(str, sorted(lengths)))} tokens; "
                "replay them one by one"
            )
    if request.task is not None:
        if request.task not in by_task:
            raise BadInput(
                f"{said}: no set is of task {files.shown(request.task)}; {nearest(request.task, by_task)}"
            )
        return {request.task: by_task[request.task]}
    if len(by_task) == 1:
        return by_task
    normalized = {checkpoints.normalized(label) for label in labels}
    fitting = {
        name: its
        for name, its in by_task.items()
        if {checkpoints.normalized(label) for label in its[0].header.labels} == normalized
    }
    if len(fitting) != 1:
        raise BadInput(
            f"{said}: its labels ({', '.join(labels)}) fit {', '.join(fitting) or 'none'} of the tasks "
            f"{', '.join(by_task)}; say which with --load {request.name}@TASK=..."
        )
    return fitting
