"""From a suite to a plan: what is to be done, in which order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from asa_bench import checkpoints
from asa_bench.builder import Builder, Machine
from asa_bench.cell import Cell
from asa_bench.errors import BadInput, nearest
from asa_bench.settings import Settings
from asa_bench.suite import Suite, source_of
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source


@dataclass(frozen=True)
class Plan:
    """Everything that a run will do, in order; a cell stands behind all that it waits for.

    Attributes:
        left_out: tasks of the suite that this run's source does not provide.
    """

    suite: str
    title: str
    profile: str
    settings: Settings
    source: Source
    cells: tuple[Cell, ...]
    left_out: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the addresses of all cells: equal for equal work, whatever the folder or machine."""
        return hashlib.sha256("\n".join(sorted(cell.address for cell in self.cells)).encode()).hexdigest()


def select_tasks(
    suite_train: Sequence[str], suite_challenges: Sequence[str], wanted: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What ``--tasks`` leaves of a suite's training and challenge tasks.

    A training task brings its challenges unless some of them are named; a challenge task brings the suite's
    training tasks that can face it unless one of them is named.

    Raises:
        BadInput: a name is not known, or no training task of the suite can face a named challenge.
    """
    train: list[str] = []
    challenges: list[str] = []
    for name in wanted:
        if name not in TASKS:
            raise BadInput(
                f"--tasks: unknown task {name!r}; {nearest(name, [*suite_train, *suite_challenges])}"
            )
        (train if TASKS.get(name).role == "train" else challenges).append(name)
    for name in challenges:
        able = TASKS.get(name).train_tasks
        if not set(able) & set(train):
            bring = [task for task in suite_train if task in able]
            if not bring:
                raise BadInput(f"--tasks: {name!r} needs a model trained on one of {', '.join(able)}")
            train.extend(bring)
    named = tuple(challenges)
    for task in train:
        its = [name for name in suite_challenges if task in TASKS.get(name).train_tasks]
        if not set(its) & set(named):
            challenges.extend(its)
    return tuple(dict.fromkeys(train)), tuple(dict.fromkeys(challenges))


def resolve_threads(value: int | str) -> int:
    """The number of threads: as said, or the processors that this process may use."""
    if isinstance(value, int):
        return value
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def resolve_device(value: str) -> str:
    """``cpu`` or ``cuda``.

    Raises:
        BadInput: CUDA is asked for and there is none.
    """
    if value == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if value == "cuda":
        raise BadInput("--device cuda: this machine has no CUDA device that torch can use; use --device cpu")
    return "cpu"


def resolve_precision(value: str, device: str) -> str:
    """``float32`` or ``bf16``, see `asa_bench.training.resolve_precision`."""
    if value == "float32":
        return value
    from asa_bench import training

    return training.resolve_precision(value, device)


def make(
    suite: Suite,
    profile: str,
    settings: Settings,
    *,
    data_dir: Path | None = None,
    loads: Sequence[str] = (),
    label_maps: Sequence[str] = (),
    named: Sequence[str] = (),
) -> Plan:
    """The plan of a run. Reads checksums of data and models, but loads neither.

    A task that is on no hub (PAWS-QQP, which everybody generates from QQP) is left out of a run from the hub, and the
    plan says so, unless it is among the `named` ones.

    Raises:
        BadInput: something in the settings cannot be done.
        Unavailable: a file or model that is needed is not here.
    """
    source = source_of(settings, data_dir)
    requests = [checkpoints.parse_load(text) for text in loads]
    maps = checkpoints.parse_label_maps(label_maps)
    if not settings.train:
        raise BadInput("there is no training task; name some under train: or with --tasks")
    if not settings.methods and not requests:
        raise BadInput("nothing to do: no methods to train with and no --load")
    device = resolve_device(settings.device)
    machine = Machine(
        device, resolve_threads(settings.threads), resolve_precision(settings.precision, device)
    )
    left_out = tuple(
        name
        for name in (*settings.train, *settings.challenges)
        if source.kind == "hub" and TASKS.get(name).hub is None and name not in named
    )
    for key in ("train", "challenges"):
        kept = tuple(name for name in getattr(settings, key) if name not in left_out)
        settings = settings.model_copy(update={key: kept})
    builder = Builder(settings, source, machine)
    if settings.methods:
        for model in settings.models:
            builder.trained(model)
    for request in requests:
        builder.loaded(request, maps)
    if settings.transfer:
        builder.questions.transferred()
    unused = sorted(set(maps) - builder.used_maps)
    if unused:
        raise BadInput(f"--label-map {unused[0]}: there is no --load of that name")
    return Plan(suite.name, suite.file.title, profile, settings, source, tuple(builder.cells), left_out)


def make_pretraining(suite: Suite, profile: str, settings: Settings) -> Plan:
    """The plan of pre-training each of the settings' models, once per method and seed, and nothing else.

    Raises:
        BadInput: something in the settings cannot be done.
        Unavailable: a file or model that is needed is not here.
    """
    device = resolve_device(settings.device)
    machine = Machine(
        device, resolve_threads(settings.threads), resolve_precision(settings.precision, device)
    )
    builder = Builder(settings, Source(kind=settings.source), machine)
    for model in settings.models:
        start = builder.start(model)
        for method, options in settings.pretraining.methods.items() if settings.pretraining else ():
            for seed in settings.seeds:
                builder.pretrained(start, method, options, seed, {})
    return Plan(suite.name, suite.file.title, profile, settings, builder.source, tuple(builder.cells))
