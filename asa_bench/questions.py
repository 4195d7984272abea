"""Builds the cells of what models are asked: evaluations, probes of reliance, replays, calibration, attacks and their quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from asa_bench import judging, stored_sets
from asa_bench.attacks import described, library, variants
from asa_bench.cell import Cell
from asa_bench.reports.outcomes import Subject
from asa_bench.settings import Settings
from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import Source, Task
from asa_bench.tasks.laboratory.shortcuts import WITH_A_WORD


@dataclass(frozen=True)
class _Asked:
    """A model that is asked.

    Attributes:
        task: what it was trained on.
        shared: the part of a spec that every cell has.
        waits, reads, context: see `Cell`.
    """

    subject: Subject
    task: Task
    shared: Mapping[str, Any]
    waits: Mapping[str, str]
    reads: Mapping[str, Any]
    context: Mapping[str, Any]


class Questions:
    """Appends to `cells` what each model is asked, in the order in which it is done.

    Args:
        machine: the part of the machine that matters when a model is only asked.
        encoder: makes the cell of the laboratory's encoder, which may judge texts.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        machine: Mapping[str, Any],
        cells: list[Cell],
        encoder: Callable[[], Cell],
    ) -> None:
        self.settings = settings
        self.source = source
        self.cells = cells
        self._machine = machine
        self._encoder = encoder
        self._judges: dict[str, judging.Judge] | None = None
        self._stored = stored_sets.find(settings.replay, settings.train)

    def ask(
        self,
        subject: Subject,
        trained_on: Task,
        waits: Mapping[str, str],
        reads: Mapping[str, Any],
        context: Mapping[str, Any],
        labels: Sequence[str] | None = None,
    ) -> None:
        """The evaluations, probes of reliance, replays of stored sets, calibration and attacks of one model."""
        shared = {
            "subject": asdict(subject),
            "kind": trained_on.kind,
            "model_labels": list(labels or trained_on.labels),
            "max_length": self.settings.training.max_length,
            **self._machine,
        }
        asked = _Asked(subject, trained_on, shared, waits, reads, {**context, "source": self.source})
        faced = [
            trained_on,
            *(t for t in map(TASKS.get, self.settings.challenges) if trained_on.name in t.train_tasks),
        ]
        for task in faced:
            self._evaluated(asked, task)
        for task in faced if self.settings.reliance_examples else ():
            # Words are left out of the training task's own data, and where a challenge set plants a shortcut word.
            if task.kind == "classification" and (task is trained_on or task.name in WITH_A_WORD):
                self._probed(asked, task)
        for stored in self._stored:
            if stored.found.header.task == trained_on.name:
                self._replayed(asked, stored)
        temperature = self._calibrated(asked)
        if self.settings.attack_tasks is not None and trained_on.name not in self.settings.attack_tasks:
            return
        if trained_on.kind == "classification":  # the attacks' goal is another label
            self._attacked(asked, temperature)

    def _data(self, task: Task, split: str) -> Mapping[str, Any]:
        return loading.identify(task, split, self.source)

    def _add(self, kind: str, asked: _Asked, spec: Mapping[str, Any], data: Mapping[str, Any]) -> Cell:
        cell = Cell(kind, spec, {**asked.reads, **data}, asked.waits, asked.subject, asked.context)
        self.cells.append(cell)
        return cell

    def _evaluated(self, asked: _Asked, task: Task) -> None:
        spec = {
            **self._faced(asked, task),
            "slices": list(task.extra_columns),
            "examples": self.settings.eval_examples,
        }
        self._add("evaluate", asked, spec, {"data": self._data(task, task.evaluation_split)})

    def _probed(self, asked: _Asked, task: Task) -> None:
        spec = {
            **self._faced(asked, task),
            "slices": list(task.slices),
            "examples": self.settings.reliance_examples,
            "removed": sorted(self.settings.reliance_removed),
            "max_words": self.settings.reliance_words,
        }
        self._add("reliance", asked, spec, {"data": self._data(task, task.evaluation_split)})

    def _faced(self, asked: _Asked, task: Task) -> dict[str, Any]:
        """What a spec tells of the task that a model is asked on."""
        return {
            **asked.shared,
            "task": task.name,
            "split": task.evaluation_split,
            "columns": list(task.columns),
            "labels": list(task.labels),
            "label_map": dict(task.label_map),
        }

    def _replayed(self, asked: _Asked, stored: stored_sets.StoredSet) -> None:
        header = stored.found.header
        by, judged, waited, at = self._judged_by()
        spec = {
            **asked.shared,
            **by,
            "max_length": header.max_length,  # so that whom it was made against meets what the attack met
            "task": header.task,
            "split": header.split,
            "attack": header.attack,
            "examples": len(stored.found.examples),
            "source": asdict(stored.source),
        }
        context = {**asked.context, **at, "set": str(stored.path), "stored": stored.name}
        reads = {**asked.reads, **judged, "set": stored.found.address}
        self.cells.append(Cell("replay", spec, reads, {**asked.waits, **waited}, asked.subject, context))

    def _calibrated(self, asked: _Asked) -> dict[str, str]:
        """The temperature of one classifier: what an attack on the calibrated victim waits for; {} where none is asked for."""
        settings, task = self.settings, asked.task
        if settings.calibration_examples is None or task.kind != "classification":
            return {}
        reported = (settings.eval_examples, settings.attack_examples, settings.reliance_examples or 1)
        spec = {
            **asked.shared,
            "task": task.name,
            "split": "train",
            "columns": list(task.columns),
            "labels": list(task.labels),
            "label_map": dict(task.label_map),
            "examples": settings.calibration_examples,
            "trained_on": settings.examples_of(task.name),
            "reported": None if reported[0] is None else max(number or 1 for number in reported),
        }
        data = {"data": self._data(task, "train"), "reported": self._data(task, task.evaluation_split)}
        return {"calibration": self._add("calibrate", asked, spec, data).address}

    def _attacked(self, asked: _Asked, temperature: Mapping[str, str]) -> None:
        settings, task = self.settings, asked.task
        wanted = [(name, o) for base, o in settings.attacks.items() for name in variants(base, o)]
        for name, options in wanted:
            attack = described(name)
            if len(task.columns) not in attack.inputs:
                continue
            split = task.evaluation_split
            resources = library.identify(attack, self.source.attack_files)
            spec = {
                **asked.shared,
                "task": task.name,
                "split": split,
                "columns": list(task.columns),
                "labels": list(task.labels),
                "slices": list(task.slices),
                "attack_column": task.attack_column,
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
                    **asked.reads,
                    "data": self._data(task, split),
                    **({"resources": resources} if resources else {}),
                },
                {**asked.waits, **(temperature if attack.raw else {})},
                asked.subject,
                {**asked.context, "lanes": options.lanes},  # how many searches run at once decides no result
            )
            self.cells.append(cell)
            if not attack.control_of:
                self._judged(cell)

    def _judged(self, attack: Cell) -> None:
        """The quality of what an attack made."""
        kept = ("subject", "task", "split", "attack", "attack_options", "attack_seed", "examples")
        spec, reads, waits, context = self._judged_by()
        spec |= {name: attack.spec[name] for name in (*kept, *self._machine)}
        self.cells.append(
            Cell("quality", spec, reads, {**waits, "set": attack.address}, attack.subject, context)
        )

    def _judged_by(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, str], dict[str, Any]]:
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
            own = self._encoder()
            if all(cell.address != own.address for cell in self.cells):  # all models are loaded ones
                self.cells.insert(0, own)
            waits["encoder"] = own.address
        return (
            {role: judges[role].title if role in judges else None for role in judging.ROLES},
            {role: dict(judge.reads) for role, judge in judges.items() if judge.place is not None},
            waits,
            {role: judge.place for role, judge in judges.items() if judge.place is not None},
        )

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
                kept = ("subject", "kind", "model_labels", "max_length", *self._machine, *same)
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


def _pairs(one: Subject, other: Subject) -> bool:
    """Whether texts made against `other` are faced by `one`: same task and encoder (or a loaded one), same seed if both have
    one."""
    return (
        one != other
        and one.train_task == other.train_task
        and (one.model == other.model or one.loaded or other.loaded)
        and (one.seed == other.seed or None in (one.seed, other.seed))
    )
