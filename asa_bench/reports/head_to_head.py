"""Two methods, checkpoints or output folders against each other: every cell tested as one family, with its flips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from asa_bench.errors import BadInput
from asa_bench.measures import METRICS, Comparison, Pair, compare_all
from asa_bench.reports.answers import Answers, judged, paired
from asa_bench.reports.gather import Gathered
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.outcomes import AttackOutcome, Evaluation
from asa_bench.reports.text import shorten

Verdict = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class Side:
    """One of the two: where its records lie, and the method to take from there ("" for all that both have)."""

    name: str
    source: ReportInput
    method: str = ""


@dataclass(frozen=True)
class Flip:
    """One example that the two answer differently in at least one seed.

    Attributes:
        gained, lost: seeds in which only the second, or only the first was right; sums of shares where attack seeds
            were averaged.
        said: (first's, second's) prediction or outcome in the first seed in which they differ.
        text_hash: of the texts, as records keep it.
        texts: the example's texts where they could be read; None otherwise.
    """

    id: str
    text_hash: str
    gold: str
    said: tuple[str, str]
    gained: float
    lost: float
    texts: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ComparedCell:
    """One cell of two rows.

    Attributes:
        first, second: who was compared, e.g. 'naive' and 'asa'.
        model: encoder of the second.
        task, split, train_task, attack: which cell; attack is "" for an evaluation.
        metric: what is compared: the task's first metric; under an attack robust accuracy.
        means: the metric of both over the shared seeds and examples, in [0, 1], of coefficients in [-1, 1].
        comparison: the second minus the first.
        seeds: the seeds that both have, as text; those of single runs without a common seed stand as 'A/B'.
        flips: all of them, those of most seeds first.
        gated: of an attack, both robust accuracies where a success counts only if its text passes the quality gate; None
            where the quality is not known on both sides, or was not measured alike.
        gated_comparison: of these two, in the same family.
    """

    first: str
    second: str
    model: str
    task: str
    title: str
    split: str
    train_task: str
    attack: str
    means: tuple[float, float]
    comparison: Comparison
    seeds: tuple[str, ...]
    flips: tuple[Flip, ...]
    gated: tuple[float, float] | None = None
    metric: str = "accuracy"
    gated_comparison: Comparison | None = None

    @property
    def verdict(self) -> Verdict:
        """What may be said of the second: by Holm's procedure, and not below the minimum detectable effect."""
        if not self.comparison.conclusive:
            return "cannot tell"
        higher = self.comparison.difference > 0
        return "better" if higher == METRICS[self.metric].higher_is_better else "worse"


@dataclass(frozen=True)
class Compared:
    """The cells of a comparison; what could not be compared and why; and why texts of flips are missing."""

    first: str
    second: str
    cells: tuple[ComparedCell, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


def compare_sides(first: Side, second: Side) -> Compared:
    """Every cell that both have, the second minus the first; all cells are one family of Holm's procedure.

    Raises:
        BadInput: a method is not there, the two have nothing in common, or their data or recipes differ.
    """
    sides = (first, second)
    data = (Gathered(first.source), Gathered(second.source))
    pairs: dict[tuple[int, bool], Pair] = {}  # (cell, whether by the quality gate)
    places: list[dict[str, Any]] = []
    left_out: list[str] = []
    for one, other in _rows(sides, data):
        rows = (one, other)
        for column, attack in _columns(data, rows):
            title = column.task.title + (f" under {attack}" if attack else "")
            records = [_records(d, row, column, attack) for d, row in zip(data, rows, strict=True)]
            if not all(records):
                missing = sides[0 if not records[0] else 1].name
                left_out.append(
                    f"{title}, models trained on {column.train_task}: nothing recorded in {missing}"
                )
                continue
            unlike = [d.exposure(row, column) for d, row in zip(data, rows, strict=True)]
            if unlike[0] != unlike[1]:
                left_out.append(
                    f"{title}: never one ranking, because {one.method} and {other.method} were not exposed alike "
                    f"({unlike[0]}; {unlike[1]})"
                )
                continue
            _check(sides, records, title)
            answers = [
                d.robustness.answers(row, column, attack, True) if attack else d.answers(row, column)
                for d, row in zip(data, rows, strict=True)
            ]
            if answers[0] is None or answers[1] is None:
                left_out.append(f"{title}: {column.task.metrics[0]} cannot be tested, or is not defined")
                continue
            on_seeds, records, seeds = _seeds((answers[0], answers[1]), records)
            pair = paired(*on_seeds)
            if pair is None:
                few = "a single example" if seeds else "no training seed in common"
                left_out.append(f"{title}, models trained on {column.train_task}: {few}")
                continue
            pairs[len(places), False] = pair
            by_gate = _gated(data, rows, column, attack, records) if attack else None
            if by_gate is not None:
                pairs[len(places), True] = by_gate
            places.append(
                {
                    "first": one.method,
                    "second": other.method,
                    "model": other.model,
                    "task": column.task.name,
                    "title": column.task.title,
                    "split": column.split,
                    "train_task": column.train_task,
                    "attack": attack,
                    "means": _means(pair),
                    "seeds": seeds,
                    "metric": "accuracy" if attack else column.task.metrics[0],
                    "flips": _flips(judged(*on_seeds), records, on_seeds[0], bool(attack)),
                    "gated": None if by_gate is None else _means(by_gate),
                }
            )
    if not places:
        told = left_out[0] if left_out else "no cell is recorded in both"
        raise BadInput(f"nothing to compare: {told}")
    found = compare_all(pairs)
    cells = tuple(
        ComparedCell(comparison=found[at, False], gated_comparison=found.get((at, True)), **place)
        for at, place in enumerate(places)
    )
    return Compared(first.name, second.name, cells, tuple(dict.fromkeys(left_out)))


def _rows(sides: tuple[Side, Side], data: tuple[Gathered, Gathered]) -> list[tuple[MethodRow, MethodRow]]:
    """The rows that are compared: of the same encoder, and of the methods that were asked for or the same one."""
    known: list[list[MethodRow]] = []
    for side, gathered in zip(sides, data, strict=True):
        mine = [row for row in gathered.rows if side.method in ("", row.method, f"{row.method}/loaded")]
        if side.method.endswith("/loaded"):
            mine = [row for row in mine if row.loaded]
        if not mine:
            names = ", ".join(dict.fromkeys(row.method for row in gathered.rows)) or "nothing"
            raise BadInput(
                f"{side.name}: no method {shorten(side.method, 60)!r}; recorded are {shorten(names, 300)}"
            )
        known.append(mine)
    named = sides[0].method != "" or sides[1].method != ""
    for where, mine in zip(sides, known, strict=True):
        places = [(row.model, row.method if not where.method else "") for row in mine]
        twice = next((row for row, at in zip(mine, places, strict=True) if places.count(at) > 1), None)
        if where.method and twice is not None:
            raise BadInput(
                f"{where.name}: {twice.method!r} is a trained and a loaded model; name the latter {twice.method}/loaded"
            )
    found = [
        (one, other)
        for one in known[0]
        for other in known[1]
        if one.model == other.model and (named or (one.method, one.loaded) == (other.method, other.loaded))
    ]
    if not found and all(len(mine) == 1 for mine in known):
        found = [(known[0][0], known[1][0])]
    if not found:
        lists = [", ".join(f"{row.model} {row.method}" for row in mine) for mine in known]
        raise BadInput(
            f"no method of one encoder is in both: {sides[0].name} has {shorten(lists[0], 200)}; "
            f"{sides[1].name} has {shorten(lists[1], 200)}; name two with --methods"
        )
    return found


def _columns(
    data: tuple[Gathered, Gathered], rows: tuple[MethodRow, MethodRow]
) -> list[tuple[TaskColumn, str]]:
    """Every cell that one of the two rows has, evaluations first, in the order of tables."""
    found: dict[tuple[Any, ...], tuple[TaskColumn, str]] = {}
    for gathered, row in zip(data, rows, strict=True):
        for column in gathered.columns:
            if gathered.evaluations(row, column):
                found.setdefault((*column.identity, ""), (column, ""))
    for gathered, row in zip(data, rows, strict=True):
        for column in gathered.attack_columns:
            for attack in gathered.real_attacks:
                if gathered.outcomes(row, column, attack.name):
                    found.setdefault((*column.identity, attack.name), (column, attack.name))
    return list(found.values())


def _records(
    data: Gathered, row: MethodRow, column: TaskColumn, attack: str
) -> Mapping[str, list[Evaluation] | list[AttackOutcome]]:
    if attack:
        return dict(data.outcomes(row, column, attack))
    return {seed: [item] for seed, item in data.evaluations(row, column).items()}


def _check(sides: tuple[Side, Side], records: Sequence[Mapping[str, Any]], title: str) -> None:
    """Refuses what was measured on other data, other examples, or by another attack."""
    items = [next(iter(found.values()))[0] for found in records]
    who = [shorten(side.name, 120) for side in sides]
    if items[0].fingerprint != items[1].fingerprint:
        prints = [item.fingerprint[:12] for item in items]
        raise BadInput(
            f"{title}: {who[0]} was measured on other data than {who[1]} (fingerprints {prints[0]}, {prints[1]})"
        )
    pairs = [
        sorted(zip(i.rows["id"].astype(str), i.rows["text_hash"].astype(str), strict=True)) for i in items
    ]
    if pairs[0] != pairs[1]:
        raise BadInput(
            f"{title}: {who[0]} has other examples than {who[1]} ({len(pairs[0]):,} and {len(pairs[1]):,} of the same data)"
        )
    for name, what in (("recipe", "recipe"), ("query_budget", "query budget")):
        values = [getattr(item, name, "") for item in items]
        if values[0] != values[1]:
            shown = [str(value)[:12] or "unknown" for value in values]
            raise BadInput(f"{title}: {who[0]} has another {what} than {who[1]} ({shown[0]}, {shown[1]})")


def _gated(
    data: tuple[Gathered, Gathered],
    rows: tuple[MethodRow, MethodRow],
    column: TaskColumn,
    attack: str,
    records: Sequence[Mapping[str, Any]],
) -> Pair | None:
    """Both gated answers over the seeds that are compared."""
    answers = [d.robustness.gated_answers(row, column, attack) for d, row in zip(data, rows, strict=True)]
    if answers[0] is None or answers[1] is None:
        return None
    sources = [gathered.source for gathered in data]
    judges = [source.qualities[0].judges for source in sources]
    if sources[0].gate != sources[1].gate or judges[0] != judges[1]:
        return None
    on_seeds, _, _ = _seeds((answers[0], answers[1]), records)
    return paired(*on_seeds)


def _means(pair: Pair) -> tuple[float, float]:
    return float(np.asarray(pair.first).mean()), float(np.asarray(pair.second).mean())


def _seeds(
    answers: tuple[Answers, Answers], records: Sequence[Mapping[str, Any]]
) -> tuple[tuple[Answers, Answers], list[Mapping[str, Any]], tuple[str, ...]]:
    """The two and the seeds that they share; two single runs are one pair whatever their seeds are called."""
    keys = [list(each.values) for each in answers]
    if len(keys[0]) == len(keys[1]) == 1 and keys[0] != keys[1]:
        name = f"{keys[0][0] or 'none'}/{keys[1][0] or 'none'}"
        first, second = (
            replace(
                each,
                values={name: next(iter(each.values.values()))},
                said=None if each.said is None else {name: next(iter(each.said.values()))},
            )
            for each in answers
        )
        return (first, second), [{name: next(iter(found.values()))} for found in records], (name,)
    shared = sorted(set(keys[0]) & set(keys[1]), key=lambda seed: (len(seed), seed))
    return answers, list(records), tuple(shared)


def _flips(
    pair: Pair | None, records: Sequence[Mapping[str, Any]], answers: Answers, attacked: bool
) -> tuple[Flip, ...]:
    if pair is None:
        return ()
    differences = np.asarray(pair.second) - np.asarray(pair.first)
    places = np.flatnonzero(differences.any(axis=0))
    if len(places) == 0:
        return ()
    seeds = sorted(records[0].keys() & records[1].keys(), key=lambda seed: (len(seed), seed))
    said = "status" if attacked else "prediction"
    frames = {
        seed: [found[seed][0].rows.set_index(found[seed][0].rows["id"].astype(str)) for found in records]
        for seed in seeds
    }
    flips = []
    for at in places.tolist():
        own = differences[:, at]
        first_seed = seeds[int(np.flatnonzero(own)[0])]
        name = str(answers.ids[at])
        lines = [frame.loc[name] for frame in frames[first_seed]]
        flips.append(
            Flip(
                id=name,
                text_hash=str(lines[0]["text_hash"]),
                gold=str(lines[0]["label"]),
                said=(str(lines[0][said]), str(lines[1][said])),
                gained=float(own[own > 0].sum()),
                lost=float(-own[own < 0].sum()),
            )
        )
    return tuple(sorted(flips, key=lambda flip: (-max(flip.gained, flip.lost), flip.id)))
