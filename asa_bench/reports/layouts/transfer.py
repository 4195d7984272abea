"""The transfer matrix: each method before what an attack made against each other one."""

from __future__ import annotations

from collections.abc import Mapping

from asa_bench.measures import macro_average
from asa_bench.reports.assemble import finish
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn, row_key, seed_text
from asa_bench.reports.layouts.columns import GATED
from asa_bench.reports.parts import clean, gate_note
from asa_bench.reports.recipes import attack_head
from asa_bench.reports.tables import BLANK, Cell, Column, Row, Table, hole, make_cell
from asa_bench.reports.transfer import Transfer, transfers

_WORST = "worst"
_GROUP = "Texts made against"
_GATED_GROUP = "Gated: texts made against"

# Column key -> seed -> values, one per attack seed.
_Values = Mapping[str, Mapping[str, list[float]]]


def transfer(data: Gathered) -> Table | None:
    """Per task and attack: targets as rows, sources as columns, robust accuracy in the cells."""
    if not data.source.replays:
        return None
    # Whoever faces a set was attacked as well.
    sources = {row_key(who) for replay in data.source.replays for who in (replay.source, replay.subject)}
    members = [row for row in data.rows if (row.model, row.method, row.loaded) in sources]
    several = len({row.model for row in members}) > 1
    heads = [
        *((row.key, f"{row.model}: {row.title}" if several else row.title) for row in members),
        (_WORST, "Worst"),
    ]
    raw = [Column(key, head, _GROUP) for key, head in heads]
    by_gate = [Column(f"{key}{GATED}", head, _GATED_GROUP) for key, head in heads] if data.judged else []
    columns = [Column("clean", "No attack"), *raw, *by_gate]
    found = transfers(data.source)
    gated = transfers(data.source, data.passes) if data.judged else []
    rows = []
    for column in data.attack_columns:
        for attack in data.attacks:
            its = [one for one in found if _same(one, column, attack.name)]
            if not any(one.transferred for one in its):
                continue
            heading = f"{attack_head(data, attack)} on {data.head(column, data.attack_columns)}"
            for row in data.rows:
                values = _values([one for one in its if _same(one, column, attack.name, row)])
                if not values:
                    continue
                kept = _values([one for one in gated if _same(one, column, attack.name, row)])
                cells = [
                    data.robustness.cell(row, column, attack.name, clean),
                    *(_cell(data, row, column, attack.name, key, values) for key, _ in heads),
                    *(_cell(data, row, column, attack.name, key, kept) for key, _ in heads if by_gate),
                ]
                label = f"{row.model}: {row.title}" if len(data.models) > 1 else row.title
                key = f"{attack.name}/{column.key}/{row.key}"
                rows.append(Row(key, label, tuple(cells), heading, "method", row.model, row.method))
    what = (
        "Robust accuracy in percent of all examples, of the model of a line before the texts that the attack made against "
        "the model of a column. Where both are the same it is the attack itself.\nWorst: right before all of these texts. "
        "An example that was wrong without attack, or whose search errored or timed out, never counts as robust.\nBoth "
        "models of a cell share their training seed (thus data, order and initial weights); a loaded checkpoint "
        "without a seed meets every seed.\n" + gate_note(data)
    )
    return finish(
        data, "transfer", "Transfer of attacks", what, columns, rows, data.attack_columns, stub="Faced by"
    )


def _same(one: Transfer, column: TaskColumn, attack: str, row: MethodRow | None = None) -> bool:
    """Whether it belongs to an attack on a task, and to a row if one is given."""
    its = (one.task, one.split, one.attack, one.subject.train_task)
    wanted = (column.task.name, column.split, attack, column.train_task)
    return its == wanted and (row is None or row_key(one.subject) == _key(row))


def _key(row: MethodRow) -> tuple[str, str, bool]:
    return row.model, row.method, row.loaded


def _values(its: list[Transfer]) -> _Values:
    """Of one row: column -> seed -> robust accuracies."""
    found: dict[str, dict[str, list[float]]] = {}
    most = max((len(one.transferred) for one in its), default=0)
    for one in its:
        target = MethodRow(*_named(row_key(one.subject))).key
        own = seed_text(one.subject)
        found.setdefault(target, {}).setdefault(own, []).append(one.direct.value)
        if len(one.transferred) == most:  # else a worst case of fewer sets would stand beside one of all
            found.setdefault(_WORST, {}).setdefault(own, []).append(one.worst.value)
        for source, robust in one.transferred:
            column = MethodRow(*_named(row_key(source))).key
            found.setdefault(column, {}).setdefault(own or seed_text(source), []).append(robust.value)
    return found


def _named(key: tuple[str, str, bool]) -> tuple[str, str, str, bool]:
    model, method, loaded = key
    return model, method, method, loaded


def _cell(data: Gathered, row: MethodRow, column: TaskColumn, attack: str, key: str, values: _Values) -> Cell:
    each = {seed: macro_average(many) for seed, many in values.get(key, {}).items()}
    if each:
        sizes = {len(o.rows) for many in data.outcomes(row, column, attack).values() for o in many}
        return make_cell(each, n_examples=sizes.pop() if len(sizes) == 1 else None, seeds=data.seeds)
    title = next((other.title for other in data.rows if other.key == key), None)
    for gap in data.source.holes:
        own = row_key(gap.subject) == _key(row) and gap.task == column.task.name
        if own and title is not None and gap.attack.startswith(f"{attack} made against {title}"):
            return hole(gap.error)
    return BLANK
