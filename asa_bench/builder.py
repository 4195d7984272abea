"""Builds the cells of a plan from settings: which there are, what each waits for, what each reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from asa_bench import checkpoints, corpus
from asa_bench.cell import Cell
from asa_bench.errors import BadInput, nearest
from asa_bench.methods import METHODS
from asa_bench.models import laboratory
from asa_bench.questions import Questions
from asa_bench.reports.outcomes import Subject
from asa_bench.settings import LABORATORY_MODEL, Settings
from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import Source, Task


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
        self.questions = Questions(settings, source, machine.asked, self.cells, self.pretraining)

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
                    reads = {**encoder.reads, "data": loading.identify(task, "train", self.source)}
                    train = Cell("train", spec, reads, waits, subject, encoder.context)
                    self.cells.append(train)
                    trained[method] = train.address
                    self.questions.ask(subject, task, {"model": train.address}, {}, encoder.context)

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
        self.questions.ask(subject, task, {}, {"model": dict(identity.reads)}, context, labels)


def _fits(names: Sequence[str], task: Task) -> bool:
    """Whether label names tell that a model is one for `task`; those of a regression or a choice tell nothing."""
    return (
        bool(task.labels)
        and task.kind != "multiple_choice"
        and {checkpoints.normalized(n) for n in names}
        == {checkpoints.normalized(label) for label in task.labels}
    )
