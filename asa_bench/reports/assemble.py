"""From columns that compute themselves to a finished table: rows, differences, averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from asa_bench.measures import Combination, Pair, Part, macro_average, paired_differences
from asa_bench.reports import notes
from asa_bench.reports.answers import Answers, paired
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.tables import BLANK, MINUS, Cell, Column, Row, Table, Unit, make_cell
from asa_bench.reports.tested import DifferenceRow, tested
from asa_bench.reports.text import shorten

_TITLE = 120  # characters, so that no name from outside fills a page


@dataclass(frozen=True)
class DraftColumn:
    """A column and how to compute its cell for a row.

    Attributes:
        compute: made to answer once for every row, since a baseline stands in every difference, and again in an average.
        averaged: whether the group's average counts it.
        answers: what stands behind the cell, example by example, so that differences can be tested; None where the
            number is not made of values of examples.
        faced: whose examples these are; needed of what is averaged.
        parts: of an average: the columns that it counts.
    """

    column: Column
    compute: Callable[[MethodRow], Cell]
    averaged: bool = True
    answers: Callable[[MethodRow], Answers | None] | None = None
    faced: TaskColumn | None = None
    parts: tuple[DraftColumn, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "compute", cache(self.compute))


def difference_label(row: MethodRow, baseline: MethodRow) -> str:
    """What a line or column of differences is called."""
    return f"{row.title} {MINUS} {baseline.title}"


def difference(cell: Cell, baseline: Cell, unit: Unit, seeds: int) -> Cell:
    """The difference of two cells, over the seeds that both have: mean and spread of the paired differences.

    Blank for anything but shares, where no seed is shared, and where one saw of the test set's kin what the other did not.
    """
    if cell.exposure != baseline.exposure:
        return BLANK
    if unit not in ("percent", "points") or "value" not in (cell.state, baseline.state):
        return BLANK
    values = paired_differences(dict(cell.values), dict(baseline.values))
    same = cell.n_examples if cell.n_examples == baseline.n_examples else None
    return make_cell(values, "points", n_examples=same, seeds=seeds)


def baseline_of(data: Gathered, row: MethodRow) -> MethodRow | None:
    """The row that `row` is measured against: the baseline method of the same model and origin."""
    for other in data.rows:
        same = (other.model, other.loaded) == (row.model, row.loaded)
        if same and other.method == data.source.baseline and other.method != row.method:
            return other
    return None


def average(drafts: Sequence[DraftColumn], row: MethodRow, seeds: int) -> Cell:
    """Every column counted once, seed by seed; blank unless the row has every column for the same seeds."""
    cells = [draft.compute(row) for draft in drafts]
    by_seed = [dict(cell.values) for cell in cells]
    if any(
        cell.state != "value" or values.keys() != by_seed[0].keys()
        for cell, values in zip(cells, by_seed, strict=True)
    ):
        return BLANK
    made = make_cell({s: macro_average([values[s] for values in by_seed]) for s in by_seed[0]}, seeds=seeds)
    return replace(made, exposure="; ".join(cell.exposure for cell in cells))


def with_average(
    data: Gathered, drafts: list[DraftColumn], group: str, head: str = "Average", under: str | None = None
) -> list[DraftColumn]:
    """`drafts`, and their average where there are at least two to average.

    Args:
        under: the spanning head of the average, if it is not the group whose name its key has.
    """
    counted = [draft for draft in drafts if draft.averaged]
    if len(counted) < 2:
        return drafts
    column = Column(f"average/{group}", head, group if under is None else under)
    parts = tuple(counted)
    return [*drafts, DraftColumn(column, lambda row: average(counted, row, data.seeds), parts=parts)]


def method_rows(
    data: Gathered,
    drafts: Sequence[DraftColumn],
    members: Iterable[MethodRow] | None = None,
    group: str | None = None,
    prefix: str = "",
) -> list[Row]:
    """One row per method, grouped by model, each followed by its difference to the baseline.

    Args:
        members: the methods to show; all of them by default.
        group: a heading instead of the model's name, which then stands in the label.
        prefix: makes the keys of several such blocks unique.
    """
    rows: list[Row] = []
    several = len(data.models) > 1
    titles = [(row.model, row.title) for row in data.rows]
    for member in data.rows if members is None else members:
        label = member.title
        if titles.count((member.model, member.title)) > 1:
            label += f" ({'loaded ' if member.loaded else ''}{member.method})"
        if several and group is not None:
            label = f"{member.model}: {label}"
        heading = group if group is not None else (member.model if several else "")
        cells = tuple(draft.compute(member) for draft in drafts)
        if all(cell.state == "blank" for cell in cells):
            continue
        row = Row(prefix + member.key, label, cells, heading, "method", member.model, member.method)
        rows.append(row)
        base = baseline_of(data, member)
        if base is None:
            continue
        differences = tuple(
            difference(cell, draft.compute(base), draft.column.unit, data.seeds)
            for cell, draft in zip(cells, drafts, strict=True)
        )
        if any(cell.state == "value" for cell in differences):
            rows.append(
                DifferenceRow(
                    f"{prefix}{member.key}-{base.method}",
                    difference_label(member, base),
                    differences,
                    heading,
                    "difference",
                    member.model,
                    member.method,
                    tuple(
                        _asked(data, draft, base, member) if cell.state == "value" else None
                        for draft, cell in zip(drafts, differences, strict=True)
                    ),
                    of=row.key,
                    baseline=prefix + base.key,
                )
            )
    return rows


def _asked(
    data: Gathered, draft: DraftColumn, base: MethodRow, member: MethodRow
) -> Pair | Combination | None:
    """What is tested of a difference; None where nothing can be."""
    if draft.answers is not None:
        return paired(draft.answers(base), draft.answers(member))
    parts = []
    for part in draft.parts:
        answers = None if part.answers is None else (part.answers(base), part.answers(member))
        pair = None if answers is None else paired(*answers)
        if answers is None or answers[0] is None or pair is None or part.faced is None:
            return None
        # Where encoders were pre-trained for each seed, all that was fine-tuned from one shares its seed.
        model = "" if data.source.pretraining else part.faced.train_task
        sample = f"{part.faced.task.name}/{part.faced.split}/{hash(tuple(answers[0].ids.tolist()))}"
        parts.append(Part(pair, 1 / len(draft.parts), model, sample))
    return Combination(tuple(parts)) if parts else None


def finish(
    data: Gathered,
    name: str,
    title: str,
    what: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    faced: Sequence[TaskColumn],
    stub: str = "Method",
    sized: bool = True,
) -> Table:
    """The table with its caption and notes: whose numbers, how many, how sure, and what they cannot tell.

    Args:
        what: the caption's own sentences and, each on a line of its own, the notes that say how to read the columns.
        faced: the task columns that the table speaks of.
        sized: False where the table tells the number of examples in a column of its own.
    """
    if sized:
        columns = [replace(column, n_examples=_shared_size(rows, at)) for at, column in enumerate(columns)]
    rows = tested(rows, columns)
    source = data.source
    what, *how = filter(None, map(str.strip, what.split("\n")))
    return Table(
        name=name,
        title=shorten(title, _TITLE),
        caption=notes.caption(data, what, rows, faced),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=notes.below(data, how, rows, columns, faced, title),
        legend=notes.legend(data, [what, *how], rows, columns, faced),
        stub=stub,
        provenance={"suite": source.suite, "profile": source.profile, **source.provenance},
    )


def _shared_size(rows: Sequence[Row], at: int) -> int | None:
    sizes = {row.cells[at].n_examples for row in rows if row.cells[at].state == "value"}
    return sizes.pop() if len(sizes) == 1 else None
