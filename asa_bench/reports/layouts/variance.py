"""The table of variance: how much of it training seeds, attack seeds and examples make, cell by cell of the main table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asa_bench.measures import VarianceSplit, variance_split
from asa_bench.reports.assemble import baseline_of, difference_label, finish
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.tables import BLANK, Cell, Column, Row, Table, fact_cell, format_number

_SEED, _ATTACK, _EXAMPLE = "training seed", "attack seed", "example"
#: The sources of variance: their heads, by the factors that vary together.
_SOURCES: Mapping[frozenset[str], str] = {
    frozenset({_SEED}): "Training seed",
    frozenset({_ATTACK}): "Attack seed",
    frozenset({_EXAMPLE}): "Example",
    frozenset({_SEED, _EXAMPLE}): "Training seed, example",
    frozenset({_ATTACK, _EXAMPLE}): "Attack seed, example",
}
_UNKNOWN = Cell(state="undefined", number="unknown")
_COLUMNS = (
    *(
        Column(f"{key}/{'-'.join(sorted(source))}", head, group, "percent")
        for key, group in (("one", "Of one answer"), ("mean", "Of the mean"))
        for source, head in _SOURCES.items()
    ),
    Column("error", "Standard error", "Of the mean", "percent"),
    *(Column(f"n/{name}", f"{name.capitalize()}s", "Levels", "count") for name in (_SEED, _ATTACK, _EXAMPLE)),
)


@dataclass(frozen=True)
class _Values:
    """(training seeds, attack seeds, examples) values, and whether there is an attack at all."""

    table: NDArray[np.float64]
    attacked: bool


def variance(data: Gathered) -> Table | None:
    """Components of variance of every method's values and of every difference's, where the design can tell them."""
    rows: list[Row] = []
    for column in data.columns:
        rows += _block(data, column, "", data.head(column, data.columns, metric_shown=True))
    for column in data.attack_columns:
        for attack in data.real_attacks:
            heading = f"{data.head(column, data.attack_columns)} under {attack_head(data, attack)}"
            rows += _block(data, column, attack.name, heading)
    if not rows:
        return None
    what = (
        "Where the variance of the main table's numbers and differences comes from, in percent: of one answer of one seed, and "
        "of the mean of all (after division by how often each source was drawn).\nAttack seeds are nested in training seeds. A "
        "comma: what both do together beyond what each does alone; the last of them that is known holds the rest.\n"
        "Standard error: of the mean, in points, all sources being samples; examples count one by one, also where they "
        "belong together. Estimates below 0 are 0. Unknown: one level.\n"
        f"{_attack_seeds(data)}"
    )
    faced = [*data.columns, *(column for column in data.attack_columns if column not in data.columns)]
    return finish(data, "variance", "Sources of variance", what, _COLUMNS, rows, faced, "Where", False)


def _attack_seeds(data: Gathered) -> str:
    seeds = {outcome.attack_seed for outcome in data.source.attacks}
    if not seeds:
        return ""
    if len(seeds) == 1:
        return "Attacks ran with one seed of their own: what another one would change is unknown."
    return f"Attacks ran with {len(seeds)} seeds of their own."


def _block(data: Gathered, column: TaskColumn, attack: str, heading: str) -> Iterator[Row]:
    """The lines of one column of the main table: each method, and its difference to the baseline."""
    for row in data.rows:
        own = _values(data, row, column, attack)
        key = f"{attack}/{column.key}/{row.key}"
        label = f"{row.model}: {row.title}" if len(data.models) > 1 else row.title
        if own is not None:
            yield Row(key, label, _cells(own), heading, "method", row.model, row.method)
        base = baseline_of(data, row)
        if base is None or data.exposure(base, column) != data.exposure(row, column):
            continue
        both = _difference(data, base, row, column, attack)
        if both is not None:
            name = difference_label(row, base)
            yield Row(f"{key}-{base.method}", name, _cells(both), heading, "method", row.model, row.method)


def _tables(
    data: Gathered, row: MethodRow, column: TaskColumn, attack: str
) -> Mapping[str, NDArray[np.float64]]:
    """Training seed -> (attack seeds, examples)."""
    if attack:
        return data.robustness.seed_values(row, column, attack)
    answers = data.answers(row, column)
    return {} if answers is None else {seed: values[None] for seed, values in answers.values.items()}


def _values(data: Gathered, row: MethodRow, column: TaskColumn, attack: str) -> _Values | None:
    tables = _tables(data, row, column, attack)
    return _stacked([tables[seed] for seed in _ordered(tables)], bool(attack))


def _difference(
    data: Gathered, base: MethodRow, row: MethodRow, column: TaskColumn, attack: str
) -> _Values | None:
    """Over the training seeds that both have, and as many attack seeds as both have."""
    first, second = (_tables(data, each, column, attack) for each in (base, row))
    tables = []
    for seed in _ordered(first.keys() & second.keys()):
        if first[seed].shape[1] != second[seed].shape[1]:
            return None
        number = min(len(first[seed]), len(second[seed]))
        tables.append(second[seed][:number] - first[seed][:number])
    return _stacked(tables, bool(attack))


def _ordered(seeds: Iterable[str]) -> list[str]:
    return sorted(seeds, key=lambda seed: (len(seed), seed))


def _stacked(tables: list[NDArray[np.float64]], attacked: bool) -> _Values | None:
    """As many attack seeds as every training seed has: the design must be balanced."""
    if not tables or len({table.shape[1] for table in tables}) > 1 or tables[0].shape[1] < 2:
        return None
    number = min(len(table) for table in tables)
    return _Values(np.stack([table[:number] for table in tables]), attacked)


def _cells(values: _Values) -> tuple[Cell, ...]:
    found = variance_split(values.table, nested=(_ATTACK, _SEED))
    seeds, attacks, examples = values.table.shape
    return (
        *_shares(found, values.attacked, of_mean=False),
        *_shares(found, values.attacked, of_mean=True),
        _number(found.mean_variance**0.5),
        fact_cell(seeds),
        fact_cell(attacks) if values.attacked else BLANK,
        fact_cell(examples),
    )


def _shares(found: VarianceSplit, attacked: bool, of_mean: bool) -> list[Cell]:
    known = {}
    for component in found.components:
        names = set(component.source.replace(" in training seed", "").split(" x "))
        known[frozenset(names)] = component.mean_share if of_mean else component.share
    cells = []
    for source in _SOURCES:
        if _ATTACK in source and not attacked:
            cells.append(BLANK)
        elif source & set(found.unknown):
            cells.append(_UNKNOWN)
        else:  # where nothing varies, no part of it does
            cells.append(_number(known.get(source) or 0.0))
    return cells


def _number(value: float) -> Cell:
    return Cell("value", mean=value, number=format_number(value, "percent"))
