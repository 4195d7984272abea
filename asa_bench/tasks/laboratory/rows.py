"""Tables of generated rows: deterministic, distinct, each row's material on one side of every split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from asa_bench.errors import BadInput, nearest
from asa_bench.tasks.laboratory import inference, paraphrase, perturb, sentiment
from asa_bench.tasks.laboratory.catalogue import LABORATORY_VERSION, TASKS
from asa_bench.tasks.laboratory.draw import Draw, bucket
from asa_bench.tasks.laboratory.example import Example
from asa_bench.tasks.likeness import TOLD

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.tasks.base import LaboratoryOptions

# Shares of the material, in sixteenths: a row belongs where the hash of its key falls.
_BUCKETS = 16
_SHARES = {"train": range(0, 10), "dev": range(10, 12), "challenge": range(12, 14), "advglue": range(14, 16)}

# More rows than these are not promised to be distinct; a slow test makes them all.
CAPACITY = {"train": 50_000, "dev": 5_000, "challenge": 5_000}
DEFAULT_ROWS = {"train": 4_500, "dev": 500, "challenge": 600}

_FAMILY = {"sentiment": sentiment, "paraphrase": paraphrase, "inference": inference}
_ATTEMPTS = 2_000
# Share of the rows of train and dev that hold an empty clause: harmless in itself, so that it is no news later.
_ASIDES = 0.15


def agreeing(index: int, strength: float) -> bool:
    """Whether the shortcut agrees with the label in the `index`-th row of a label.

    Of the first n rows of a label, n * (1 + strength) / 2 agree, rounded half up: half of them where the
    strength is 0, all where it is 1.
    """
    # In integers, so that no platform's floating point decides.
    millionths = round((1 + strength) / 2 * 1_000_000)
    return ((index + 1) * millionths + 500_000) // 1_000_000 > (index * millionths + 500_000) // 1_000_000


def _shortcut(family: str, number: int, strength: float) -> bool | None:
    """Whether the shortcut of a label's `number`-th row agrees with the label; None where there is no shortcut.

    Every third review mentions no newspaper. If all did, a model had no reason to read on, and how much of the
    rest it learned was an accident of its initial weights; sentences always overlap more or less.
    """
    if family != "sentiment":
        return agreeing(number, strength)
    return None if number % 3 == 2 else agreeing(number - number // 3, strength)


def share(key: str) -> str:
    """The part of the material that `key` belongs to: train, dev, challenge or advglue."""
    place = bucket(key, _BUCKETS)
    return next(name for name, places in _SHARES.items() if place in places)


def _accept(
    make: Callable[[Draw], list[Example]], part: str, seen: set[tuple[str, ...]], *seed: object
) -> list[Example]:
    """The first group drawn that belongs to `part` and has no text tuple seen before."""
    for attempt in range(_ATTEMPTS):
        group = make(Draw("laboratory", LABORATORY_VERSION, *seed, attempt))
        texts = [example.texts for example in group]
        if share(group[0].key) == part and len(set(texts)) == len(texts) and seen.isdisjoint(texts):
            seen.update(texts)
            return group
    raise BadInput(f"{seed[0]} has too few distinct rows for this many; ask for fewer")


def _groups(name: str, split: str, strength: float) -> Iterator[list[Example]]:
    family = TASKS[name].family
    labels = TASKS[name].labels
    seen: set[tuple[str, ...]] = set()
    index = 0
    while True:
        label = labels[index % len(labels)]
        number = index // len(labels)
        make: Callable[[Draw], list[Example]]
        part = split if split in ("train", "dev") else "challenge"
        if TASKS[name].role == "train":
            agrees = _shortcut(family, number, strength)

            def make(draw: Draw, label: str = label, agrees: bool | None = agrees) -> list[Example]:
                example: Example = _FAMILY[family].row(draw, label, agrees)  # type: ignore[attr-defined]
                return [perturb.with_aside(draw, example) if draw.chance(_ASIDES) else example]

        elif name == "laboratory/keyword":

            def make(draw: Draw, label: str = label) -> list[Example]:
                return sentiment.keyword_group(draw, label)

        elif name == "laboratory/paws":

            def make(draw: Draw, index: int = index) -> list[Example]:
                return paraphrase.paws_group(draw, f"laboratory/{LABORATORY_VERSION}/paws/{index}")

        elif name == "laboratory/hans":
            heuristic = inference.HEURISTICS[number % len(inference.HEURISTICS)]

            def make(draw: Draw, heuristic: str = heuristic, label: str = label) -> list[Example]:
                return [inference.hans_row(draw, heuristic, label == "entailment")]

        else:
            kind = perturb.KINDS[number % len(perturb.KINDS)]
            part = "advglue"

            def make(draw: Draw, label: str = label, kind: str = kind) -> list[Example]:
                return [perturb.perturbed_row(draw, family, label, kind)]

        # The strength is no part of the seed: another one changes only the rows whose shortcut it turns.
        yield _accept(make, part, seen, name, split, index)
        index += 1


def size(name: str, split: str, count: int | None) -> int:
    """How many rows a request for `count` rows (None: the default) of this split gets.

    Raises:
        BadInput: unknown task or split, or a count below 1 or above what can be distinct.
    """
    if name not in TASKS:
        raise BadInput(f"unknown laboratory task {name!r}; {nearest(name, TASKS)}")
    if split not in TASKS[name].splits:
        raise BadInput(f"{name} has no split {split!r}; {nearest(split, TASKS[name].splits)}")
    kind = split if TASKS[name].role == "train" else "challenge"
    if count is None:
        return DEFAULT_ROWS[kind]
    if not 1 <= count <= CAPACITY[kind]:
        raise BadInput(
            f"{count} rows asked of {name} {split}: the laboratory makes 1 to {CAPACITY[kind]} distinct rows"
        )
    return count


@lru_cache(maxsize=24)
def _examples(name: str, split: str, strength: float, count: int) -> tuple[Example, ...]:
    rows: list[Example] = []
    made_from = TASKS[name].made_from
    for number, group in enumerate(_groups(name, split, strength)):
        told = {made_from: f"{TOLD}{number}"} if made_from else {}
        rows += [replace(example, slices={**example.slices, **told}) for example in group]
        if len(rows) >= count:
            return tuple(rows[:count])
    raise AssertionError  # the groups never end


def generate(name: str, split: str, options: LaboratoryOptions, count: int | None = None) -> pd.DataFrame:
    """The first `count` rows of one split of a laboratory task.

    Args:
        name: such as ``laboratory/hans``.
        split: one of the task's splits.
        options: the strength of the shortcut; it changes train and dev only.
        count: rows; None for the default size. Fewer rows are the first of more.

    Returns:
        Columns ``id``, the text columns, ``label`` (a label name), the task's extra columns, and ``original`` (JSON
        list of the clean texts) in the AdvGLUE-like sets. The same bytes on every machine.

    Raises:
        BadInput: see `size`.
    """
    import pandas as pd

    rows = size(name, split, count)
    task = TASKS[name]
    strength = options.strength if task.role == "train" else 0.0
    examples = _examples(name, split, strength, rows)
    columns: dict[str, list[str]] = {"id": [f"{split}-{i}" for i in range(rows)]}
    for place, column in enumerate(task.columns):
        columns[column] = [example.texts[place] for example in examples]
    columns["label"] = [example.label for example in examples]
    for column in (*task.extra_columns, *(["original"] if "original" in examples[0].slices else [])):
        columns[column] = [example.slices[column] for example in examples]
    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame
