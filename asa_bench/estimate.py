"""How long cells may take: from what cells like them took in this output folder, else from arithmetic."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

from asa_bench.cell import Cell
from asa_bench.methods import METHODS
from asa_bench.models import laboratory
from asa_bench.record import Record
from asa_bench.store import Store
from asa_bench.tasks import TASKS

# What arithmetic needs and only the work itself could tell; rough on purpose, and replaced by recorded times.
_TOKENS = {1: 25, 2: 45}  # per example, by number of text columns
_LABORATORY_TOKENS = {1: 16, 2: 24}
_QUERIES = 60  # per attacked example
# Forward and backward passes of one step at the methods' defaults, as multiples of naive's.
_PASSES = {"asa": 2.1, "random_mask": 2.0, "rdrop": 2.0, "freelb": 2.0, "smart": 3.3, "r3f": 2.0}
_WORDS = 0.7  # per token
_EFFICIENCY = 0.3  # of the rate of large matrix products that a small encoder reaches
_OVERHEAD = 0.004  # seconds per batch beside arithmetic
_START = 0.2  # seconds per cell


@dataclass(frozen=True)
class Estimate:
    """What is known of the time that cells will take.

    Attributes:
        seconds: for the cells that something is known of.
        known: how many those are.
        unknown: how many cells nothing is known of.
        recorded: how many of the known ones are judged by recorded times; the others by arithmetic.
    """

    seconds: float
    known: int
    unknown: int
    recorded: int


def _keys(kind: str, spec: Mapping[str, Any], method: str | None) -> list[tuple[Any, ...]]:
    """From the most to the least alike: cells with an equal key are expected to take about as long."""
    task, attack, examples = spec.get("task"), spec.get("attack"), spec.get("examples")
    return [
        (kind, task, method, attack, examples),
        (kind, task, method, attack),
        (kind, method, attack),
        (kind, attack),
        (kind,),
    ]


@dataclass
class Clock:
    """Learns from finished cells how long others will take."""

    seen: dict[tuple[Any, ...], list[float]] = field(default_factory=dict)

    def learn(self, kind: str, spec: Mapping[str, Any], method: str | None, seconds: float) -> None:
        """A cell took so many seconds."""
        for key in _keys(kind, spec, method):
            self.seen.setdefault(key, []).append(seconds)

    def guess(self, cell: Cell) -> float | None:
        """The mean time of the most alike cells in seconds; None where there are none."""
        method = cell.subject.method if cell.subject else None
        for key in _keys(cell.kind, cell.spec, method):
            if key in self.seen:
                return mean(self.seen[key])
        return None

    def knows(self, cell: Cell) -> bool:
        """Whether `guess` comes from cells of the same task, method, attack and number of examples."""
        method = cell.subject.method if cell.subject else None
        return _keys(cell.kind, cell.spec, method)[0] in self.seen

    def estimate(self, cells: Sequence[Cell]) -> Estimate:
        """The time that `cells` will take together, one after the other."""
        guesses = [self.guess(cell) for cell in cells]
        known = [guess for guess in guesses if guess is not None]
        return Estimate(sum(known), len(known), len(guesses) - len(known), len(known))


def clock_of(records: Iterable[Record]) -> Clock:
    """A clock that has learned from records."""
    clock = Clock()
    for record in records:
        seconds = record.timings().get("seconds")
        if isinstance(seconds, int | float):
            subject = record.spec.get("subject") or {}
            method = record.spec.get("method") or subject.get("method")
            clock.learn(record.kind, record.spec, method, float(seconds))
    return clock


def estimate(todo: Sequence[Cell], store: Store) -> Estimate:
    """What is known of the time that `todo` will take, from the records in `store`, else from arithmetic."""
    clock = clock_of(store.records())
    seconds, known, recorded = 0.0, 0, 0
    for cell in todo:
        guess = clock.guess(cell)
        recorded += guess is not None
        guess = rough(cell) if guess is None else guess
        known += guess is not None
        seconds += guess or 0.0
    return Estimate(seconds, known, len(todo) - known, recorded)


def rough(cell: Cell) -> float | None:
    """Seconds by arithmetic: 2 floating-point operations per weight and token forward, 4 backward.

    None where the size of the model or of the data is not known here (a hub id), or the device is no processor.
    """
    spec = cell.spec
    if cell.kind == "quality" and not (spec["similarity"] or spec["fluency"]):
        return _START
    weights = _weights(cell)
    if weights is None or spec["device"] != "cpu":
        return None
    if cell.kind == "pretrain" and "method" in spec:
        options = spec["pretraining"]
        if options["steps"] is None:  # how many passes of how long a text, nobody knows before it is read
            return None
        factor = METHODS.get(spec["method"])(spec["method_options"]).epochs_factor
        examples = factor * options["steps"] * options["batch_size"]
        passes = 6 * _PASSES.get(spec["method"], 1.0)
        return _seconds(passes * weights, options["block_length"], examples, options["batch_size"])
    if cell.kind == "pretrain":
        options = spec["pretraining"]
        return _seconds(6 * weights, _LABORATORY_TOKENS[2], options["lines"], options["batch_size"])
    task = TASKS.get(spec["task"])
    laboratory = task.name.startswith("laboratory/")
    tokens = (_LABORATORY_TOKENS if laboratory else _TOKENS)[len(task.columns)]
    examples = spec["examples"] or task.splits["train" if cell.kind == "train" else spec["split"]].rows
    if examples is None:
        return None
    if cell.kind == "train":
        method = METHODS.get(spec["method"])(spec["method_options"])
        epochs = spec["training"]["epochs"] * method.epochs_factor
        passes = 6 * epochs * _PASSES.get(method.name, 1.0)
        return _seconds(passes * weights, tokens, examples, spec["training"]["batch_size"])
    passes = 1
    if cell.kind == "attack":
        passes = _QUERIES
    elif cell.kind == "replay":
        passes = 2
    elif cell.kind == "quality":
        # Both texts of the examples that are flipped, a good half; a pass per token where fluency is told.
        passes = bool(spec["similarity"]) + bool(spec["fluency"]) * tokens
    elif cell.kind == "reliance":
        # The text, the text without each word, without several words, and once more for attention.
        passes = 1 + min(int(tokens * _WORDS), spec["max_words"]) + len(spec["removed"])
    return _seconds(2 * weights, tokens, examples * passes, 64)


def _seconds(operations: float, tokens: float, examples: float, batch_size: int) -> float:
    return (
        _START + operations * tokens * examples / (_EFFICIENCY * _rate()) + _OVERHEAD * examples / batch_size
    )


def _weights(cell: Cell) -> float | None:
    """Weights of the encoder's layers, without embeddings, from its config; None where that is not on this disk."""
    where = cell.context.get("model") or cell.context.get("base")
    if cell.kind == "quality":
        where, _ = cell.context.get("fluency") or cell.context.get("similarity") or (None, None)
    if cell.spec.get("from_scratch") not in (None, "own"):
        return None
    if (
        cell.kind == "pretrain"
        or "encoder" in cell.waits
        or cell.spec.get("task", "").startswith("laboratory/")
    ) and where is None:
        own = cell.spec.get("pretraining", {})
        pretraining = own if "layers" in own else laboratory.PRETRAINING.model_dump()
        layers, width, inner = pretraining["layers"], pretraining["hidden_size"], pretraining["feed_forward"]
    else:
        try:
            config = json.loads((Path(str(where)) / "config.json").read_text("utf-8"))
            layers, width, inner = (
                config[k] for k in ("num_hidden_layers", "hidden_size", "intermediate_size")
            )
        except (OSError, ValueError, KeyError):
            return None
    return float(layers * (4 * width * width + 2 * width * inner))


@cache
def _rate() -> float:
    """Floating-point operations per second of this machine's matrix products in float32, measured once."""
    import numpy as np

    size = 768
    matrix = np.ones((size, size), dtype=np.float32)
    best = min(_timed(lambda: matrix @ matrix) for _ in range(5))
    return 2 * size**3 / best


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
