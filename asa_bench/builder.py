"""Builds the cells of a plan from settings: which there are, what each waits for, what each reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from typing import Any

from asa_bench import checkpoints, corpus, judging, stored_sets
from asa_bench.attacks import described, library, variants
from asa_bench.cell import Cell
from asa_bench.errors import BadInput, nearest
from asa_bench.methods import METHODS
from asa_bench.models import laboratory
from asa_bench.reports.outcomes import Subject
from asa_bench.settings import LABORATORY_MODEL, Settings
from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import Source, Task
from asa_bench.tasks.laboratory.shortcuts import WITH_A_WORD


@dataclass(frozen=True)
class Machine:
    """What of the machine decides a result."""

    device: str
    threads: int
    precision: str

    @property
    def asked(self) -> dict[str, Any]:
        """The part that matters when a model is only asked: that is always done in float32."""
        return {"device": self.device, "threads": self.threads}


@dataclass(frozen=True)
class Encoder:
    """What fine-tuning begins with: its name in tables, and where it comes from (see `Cell`)."""

    title: str
    waits: Mapping[str, str]
    reads: Mapping[str, Any]
    context: Mapping[str, Any]


class Builder:
    """Collects cells in the order in which they are done."""

    def __init__(self, settings: Settings, source: Source, machine: Machine) -> None:
        self.settings = settings
        self.source = source
        self.machine = machine
        self.cells: list[Cell] = []
        self.used_maps: set[str] = set()
        self._judges: dict[str, judging.Judge] | None = None
        self._stored = stored_sets.find(settings.replay, settings.train)

    def data(self, task: Task, split: str) -> Mapping[str, Any]:
        return loading.identify(task, split, self.source)

    def trained(self, model: str) -> None:
        """Train every method on every task with every seed, and face the challenges and attacks."""
        start = self.start(model)
        settings = self.settings
        pretraining = settings.pretraining
        if pretraining is None:
            self.fine_tuned(dict.fromkeys(settings.seeds, start))
            return
        scratch = pretraining.from_scratch
        if pretraining.start and scratch is None:
            self.fine_tuned(dict.fromkeys(settings.seeds, start))
        done: dict[int, dict[str, str]] = {seed: {} for seed in settings.seeds}
        for method, options in self.in_order(pretraining.methods):
            made: dict[int, Encoder] = {}
            for seed in settings.seeds:
                own = seed if pretraining.seed is None else pretraining.seed
                made[seed] = self.pretrained(start, method, options, own, done[seed])
                done[seed][method] = made[seed].waits["encoder"]
            self.fine_tuned(made)

    def start(self, model: str) -> Encoder:
        """The encoder that everything begins with."""
        settings = self.settings
        context: dict[str, Any] = {"source": self.source}
        if model != LABORATORY_MODEL:
            identity = checkpoints.identify(model, "--model")
            context |= {"model": identity.where, "revision": identity.revision}
            return Encoder(identity.title, {}, {"model": dict(identity.reads)}, context)
        if settings.pretraining is not None and settings.pretraining.from_scratch is not None:
            # Only its vocabulary and size are used.
            return Encoder(laboratory.TITLE, {}, {"vocabulary": laboratory.identify()}, context)
        cell = self.pretraining()
        self.cells.append(cell)
        return Encoder(str(cell.spec["model"]), {"encoder": cell.address}, {}, context)

    def pretrained(
        self,
        start: Encoder,
        method: str,
        options: Mapping[str, Any],
        seed: int,
        done: Mapping[str, str],
    ) -> Encoder:
        """`start` after further pre-training, or a model of its kind that begins with random weights.

        Args:
            done: method -> address of the pre-trainings with this seed that come before.
        """
        settings, text = self.settings, self.text
        pretraining = settings.pretraining
        if pretraining is None:
            raise BadInput("there are no settings of pre-training")
        made = METHODS.get(method)(options)
        before = made.reads_record_of
        if before is not None and before not in done:
            raise BadInput(
                f"method {method!r} reads what {before!r} logs in the same run; give it a number instead, such as "
                f"--set methods.{method}.kept_fraction=0.95"
            )
        waits = {**start.waits, **({"measured": done[before]} if before is not None else {})}
        scratch = pretraining.from_scratch
        origin = start.title if scratch is None else f"{start.title} from scratch ({scratch})"
        title = f"{origin}, pre-trained with {METHODS.get(method).title}"
        spec = {
            "model": start.title,
            "title": title,
            "from_scratch": scratch,
            "method": method,
            "method_options": made.options.model_dump(mode="json"),
            "seed": seed,
            "pretraining": pretraining.options().model_dump(mode="json"),
            "corpus": pretraining.corpus.model_dump(mode="json", exclude={"source", "folder"}),
            "precision": self.machine.precision,
            **self.machine.asked,
        }
        if start.title == laboratory.TITLE and scratch is not None:
            spec["laboratory"] = settings.laboratory.pretraining.model_dump(mode="json")
        reads = {**start.reads, "corpus": dict(text.reads)}
        cell = Cell("pretrain", spec, reads, waits, None, {**start.context, "corpus": text})
        if all(other.address != cell.address for other in self.cells):  # one seed may serve several trainings
            self.cells.append(cell)
        context = {key: value for key, value in start.context.items() if key == "source"}
        context["base"] = start.context.get("model")
        return Encoder(title, {"encoder": cell.address}, {}, context)

    @cached_property
    def text(self) -> corpus.CorpusIdentity:
        """The text of further pre-training; its files are read once for all cells."""
        settings = self.settings.pretraining
        if settings is None:
            raise BadInput("there are no settings of pre-training")
        return corpus.identify(settings.corpus, "--corpus", self.source.root)

    def fine_tuned(self, encoders: Mapping[int, Encoder]) -> None:
        """Train with every method on every task, each seed from its own encoder, and ask what comes out."""
        settings, machine = self.settings, self.machine
        for seed, encoder in encoders.items():
            for name in settings.train:
                task = TASKS.get(name)
                trained: dict[str, str] = {}
                for method, options in self.in_order(settings.methods):
                    kind = METHODS.get(method)
                    made = kind(options)
                    before = made.reads_record_of
                    waits = {**encoder.waits, **({"measured": trained[before]} if before else {})}
                    subject = Subject(encoder.title, method, kind.title, False, name, seed)
                    spec = {
                        "task": name,
                        "kind": task.kind,
                        "columns": list(task.columns),
                        "labels": list(task.labels),
                        "examples": settings.examples_of(name),
                        "model": encoder.title,
                        "method": method,
                        "method_options": made.options.model_dump(mode="json"),
                        "seed": seed,
                        "training": settings.training.model_dump(mode="json"),
                        "precision": machine.precision,
                        **machine.asked,
                        # Where there is one, as nearly always, a record keeps the address that it had before.
                        **({"processes": settings.processes} if settings.processes > 1 else {}),
                    }
                    fitted = settings.calibration_examples if task.kind == "classification" else None
                    if (
                        fitted and spec["examples"] is None
                    ):  # where some are chosen, others are left to fit on
                        spec["held_out"] = fitted
                    reads = {**encoder.reads, "data": self.data(task, "train")}
                    train = Cell("train", spec, reads, waits, subject, encoder.context)
                    self.cells.append(train)
                    trained[method] = train.address
                    self.asked(subject, task, {"model": train.address}, {}, encoder.context)

    @staticmethod
    def in_order(methods: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
        """Methods with their options; one that reads another's record comes behind it.

        Raises:
            BadInput: the other is not among them.
        """
        before = {name: METHODS.get(name)(options).reads_record_of for name, options in methods.items()}
        for name, other in before.items():
            if other is not None and other not in methods:
                raise BadInput(
                    f"method {name!r} reads what {other!r} logs in the same run; add {other!r} to the methods, or "
                    f"give {name!r} its options (see asa-bench list methods)"
                )
        return sorted(methods.items(), key=lambda item: before[item[0]] is not None)

    def pretraining(self) -> Cell:
        """The laboratory's shared encoder."""
        options = self.settings.laboratory
        spec = {
            "model": laboratory.TITLE,
            "seed": options.pretraining_seed,
            "pretraining": options.pretraining.model_dump(mode="json"),
            "precision": self.machine.precision,
            **self.machine.asked,
        }
        return Cell("pretrain", spec, {"data": laboratory.identify()})

    def loaded(self, request: checkpoints.LoadRequest, maps: Mapping[str, tuple[str, ...]]) -> None:
        """Ask an existing checkpoint everything that a trained one of its task is asked."""
        said = f"--load {request.name}"
        identity = checkpoints.identify(request.where, said)
        key = next((k for k in (f"{request.name}@{request.task}", request.name) if k in maps), None)
        if key is not None:
            self.used_maps.add(key)
        names = maps[key] if key else checkpoints.model_labels(identity)
        if request.task is not None and request.task not in self.settings.train:
            raise BadInput(
                f"{said}: task {request.task!r} is not a training task of this run; {nearest(request.task, self.settings.train)}"
            )
        if request.task is not None:
            task = TASKS.get(request.task)
        else:
            fitting = [t for t in map(TASKS.get, self.settings.train) if _fits(names, t)]
            if len(self.settings.train) == 1:
                fitting = [TASKS.get(self.settings.train[0])]
            if len(fitting) != 1:
                found = ", ".join(t.name for t in fitting) or "none"
                raise BadInput(
                    f"{said}: its labels ({', '.join(names)}) fit {found} of the training tasks "
                    f"{', '.join(self.settings.train)}; say which with --load {request.name}@TASK=..."
                )
            task = fitting[0]
        labels = checkpoints.match_labels(names, task, said, explicit=key is not None)
        subject = Subject(identity.title, request.name, request.name, True, task.name, request.seed)
        if any(cell.subject == subject for cell in self.cells):
            raise BadInput(
                f"{said}: given twice for task {task.name!r} and seed {request.seed}; add #SEED or another name"
            )
        if request.name in self.settings.methods:
            raise BadInput(f"{said}: is also the name of a method of this run; choose another name")
        context = {"model": identity.where, "revision": identity.revision}
        self.asked(subject, task, {}, {"model": dict(identity.reads)}, context, labels)

    def transferred(self) -> None:
        """Face every attacked model with what the same attack made against the others; call it after all else."""
        attacked = [
            (cell, cell.subject)
            for cell in self.cells
            if cell.kind == "attack" and cell.subject and not described(cell.spec["attack"]).control_of
        ]
        same = ("task", "split", "attack", "attack_options", "attack_seed", "examples")
        for target, subject in attacked:
            for source, other in attacked:
                if not _pairs(subject, other) or any(target.spec[k] != source.spec[k] for k in same):
                    continue
                kept = ("subject", "kind", "model_labels", "max_length", *self.machine.asked, *same)
                self.cells.append(
                    Cell(
                        "replay",
                        {**{key: target.spec[key] for key in kept}, "source": asdict(other)},
                        {name: read for name, read in target.reads.items() if name == "model"},
                        {
                            **{r: at for r, at in target.waits.items() if r != "calibration"},
                            "set": source.address,
                        },
                        subject,
                        target.context,
                    )
                )

    def asked(
        self,
        subject: Subject,
        trained_on: Task,
        waits: Mapping[str, str],
        reads: Mapping[str, Any],
        context: Mapping[str, Any],
        labels: Sequence[str] | None = None,
    ) -> None:
        """The evaluations, probes of reliance, replays of stored sets and attacks of one model."""
        settings = self.settings
        shared = {
            "subject": asdict(subject),
            "kind": trained_on.kind,
            "model_labels": list(labels or trained_on.labels),
            "max_length": settings.training.max_length,
            **self.machine.asked,
        }
        context = {**context, "source": self.source}
        faced = [
            trained_on,
            *(t for t in map(TASKS.get, settings.challenges) if trained_on.name in t.train_tasks),
        ]
        for task in faced:
            split = task.evaluation_split
            spec = {
                **shared,
                "task": task.name,
                "split": split,
                "columns": list(task.columns),
                "labels": list(task.labels),
                "label_map": dict(task.label_map),
                "slices": list(task.extra_columns),
                "examples": settings.eval_examples,
            }
            self.cells.append(
                Cell("evaluate", spec, {**reads, "data": self.data(task, split)}, waits, subject, context)
            )
        for task in faced if settings.reliance_examples else ():
            # Words are left out of the training task's own data, and where a challenge set plants a shortcut word.
            if task.kind != "classification" or not (task is trained_on or task.name in WITH_A_WORD):
                continue
            split = task.evaluation_split
            spec = {
                **shared,
                "task": task.name,
                "split": split,
                "columns": list(task.columns),
                "labels": list(task.labels),
                "label_map": dict(task.label_map),
                "slices": list(task.slices),
                "examples": settings.reliance_examples,
                "removed": sorted(settings.reliance_removed),
                "max_words": settings.reliance_words,
            }
            self.cells.append(
                Cell("reliance", spec, {**reads, "data": self.data(task, split)}, waits, subject, context)
            )
        for stored in self._stored:
            header = stored.found.header
            if header.task != trained_on.name:
                continue
            by, judged, waited, at = self.judges()
            spec = {
                **shared,
                **by,
                "max_length": header.max_length,  # so that whom it was made against meets what the attack met
                "task": header.task,
                "split": header.split,
                "attack": header.attack,
                "examples": len(stored.found.examples),
                "source": asdict(stored.source),
            }
            told = {**context, **at, "set": str(stored.path), "stored": stored.name}
            read = {**reads, **judged, "set": stored.found.address}
            self.cells.append(Cell("replay", spec, read, {**waits, **waited}, subject, told))
        temperature = self.calibrated(subject, trained_on, shared, waits, reads, context)
        if settings.attack_tasks is not None and trained_on.name not in settings.attack_tasks:
            return
        if trained_on.kind != "classification":  # the attacks' goal is another label
            return
        wanted = [(name, o) for base, o in settings.attacks.items() for name in variants(base, o)]
        for name, options in wanted:
            attack = described(name)
            if len(trained_on.columns) not in attack.inputs:
                continue
            split = trained_on.evaluation_split
            resources = library.identify(attack, self.source.root) if attack.needs else {}
            spec = {
                **shared,
                "task": trained_on.name,
                "split": split,
                "columns": list(trained_on.columns),
                "labels": list(trained_on.labels),
                "slices": list(trained_on.slices),
                "attack_column": trained_on.attack_column,
                "attack": name,
                "attack_options": options.model_dump(
                    mode="json", exclude={"lanes", "victim", "search_precision"}
                ),
                "attack_seed": settings.attack_seed,
                "examples": settings.attack_examples,
                "library": f"textattack {metadata.version('textattack')}",
            }
            cell = Cell(
                "attack",
                spec,
                {
                    **reads,
                    "data": self.data(trained_on, split),
                    **({"resources": resources} if resources else {}),
                },
                {**waits, **(temperature if attack.raw else {})},
                subject,
                {**context, "lanes": options.lanes},  # how many searches run at once decides no result
            )
            self.cells.append(cell)
            if not attack.control_of:
                self.judged(cell)

    def calibrated(
        self,
        subject: Subject,
        task: Task,
        shared: Mapping[str, Any],
        waits: Mapping[str, str],
        reads: Mapping[str, Any],
        context: Mapping[str, Any],
    ) -> dict[str, str]:
        """The temperature of one classifier: what an attack on the calibrated victim waits for; {} where none is asked for."""
        settings = self.settings
        if settings.calibration_examples is None or task.kind != "classification":
            return {}
        asked = (settings.eval_examples, settings.attack_examples, settings.reliance_examples or 1)
        spec = {
            **shared,
            "task": task.name,
            "split": "train",
            "columns": list(task.columns),
            "labels": list(task.labels),
            "label_map": dict(task.label_map),
            "examples": settings.calibration_examples,
            "trained_on": settings.examples_of(task.name),
            "reported": None if asked[0] is None else max(number or 1 for number in asked),
        }
        data = {"data": self.data(task, "train"), "reported": self.data(task, task.evaluation_split)}
        cell = Cell("calibrate", spec, {**reads, **data}, waits, subject, context)
        self.cells.append(cell)
        return {"calibration": cell.address}

    def judged(self, attack: Cell) -> None:
        """The quality of what an attack made."""
        kept = ("subject", "task", "split", "attack", "attack_options", "attack_seed", "examples")
        spec, reads, waits, context = self.judges()
        spec |= {name: attack.spec[name] for name in (*kept, *self.machine.asked)}
        self.cells.append(
            Cell("quality", spec, reads, {**waits, "set": attack.address}, attack.subject, context)
        )

    def judges(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, str], dict[str, Any]]:
        """What measures quality: a part of a cell's spec, of what it reads, of what it waits for, and of its context."""
        asked = self.settings.quality
        if self._judges is None:
            named = {"similarity": asked.similarity, "fluency": asked.fluency}
            self._judges = {
                role: judging.identify(name, self.settings.models[0], f"quality.{role}")
                for role, name in named.items()
                if name is not None
            }
        judges, waits = self._judges, {}
        if any(judge.place is None for judge in judges.values()):
            own = self.pretraining()
            if all(cell.address != own.address for cell in self.cells):  # all models are loaded ones
                self.cells.insert(0, own)
            waits["encoder"] = own.address
        return (
            {role: judges[role].title if role in judges else None for role in judging.ROLES},
            {role: dict(judge.reads) for role, judge in judges.items() if judge.place is not None},
            waits,
            {role: judge.place for role, judge in judges.items() if judge.place is not None},
        )


def _pairs(one: Subject, other: Subject) -> bool:
    """Whether texts made against `other` are faced by `one`: same task and encoder (or a loaded one), same seed if both have
    one."""
    return (
        one != other
        and one.train_task == other.train_task
        and (one.model == other.model or one.loaded or other.loaded)
        and (one.seed == other.seed or None in (one.seed, other.seed))
    )


def _fits(names: Sequence[str], task: Task) -> bool:
    """Whether label names tell that a model is one for `task`; those of a regression or a choice tell nothing."""
    return (
        bool(task.labels)
        and task.kind != "multiple_choice"
        and {checkpoints.normalized(n) for n in names}
        == {checkpoints.normalized(label) for label in task.labels}
    )
