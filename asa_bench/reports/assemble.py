"""From columns that compute themselves to a finished table: rows, differences, averages, caption, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from asa_bench.measures import Combination, Pair, Part, macro_average, paired_differences
from asa_bench.reports.answers import Answers, paired
from asa_bench.reports.exposure import apart, most_overlapping
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.tables import (
    BLANK,
    MINUS,
    SPREAD,
    SPREAD_OF_DIFFERENCES,
    Cell,
    Column,
    Row,
    Table,
    Unit,
    make_cell,
)
from asa_bench.reports.tested import DifferenceRow, test_notes, tested
from asa_bench.reports.text import count_range, shorten, visible
from asa_bench.tasks.likeness import FOUND, TOLD

if TYPE_CHECKING:
    from asa_bench.attacks.base import Attack

_NAME, _NOTE, _CAPTION = 60, 650, 1450  # characters, so that no name from outside fills a page
_NAMED = 6  # how many missing cells a note names before it counts the rest


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


def attack_head(data: Gathered, attack: Attack) -> str:
    """The attack's title with its substitutes as they stand in its name, but for those that all attacks have.

    'DeepWordBug +stopwords' beside 'Pruthi'; 'DeepWordBug' beside another attack with the same list of stop words, which a
    note tells then.
    """
    base, *substitutes = attack.name.split("+")
    title = visible(attack.title.split(" (")[0] if substitutes else attack.title)
    shared = _in_common(data, _substitutes)
    return " +".join([title or visible(base), *(visible(name) for name in substitutes if name not in shared)])


def _substitutes(attack: Attack) -> list[str]:
    """Names of what differs from the published recipe; which victim the search sees is always told by its column."""
    names = attack.name.split("+")[1:]
    return names[:-1] if attack.raw else names


def _in_common(data: Gathered, of: Callable[[Attack], Iterable[str]]) -> list[str]:
    """What every attack of the report has, in the order of the first."""
    first, *others = [list(of(attack)) for attack in data.attacks] or [[]]
    return [one for one in first if all(one in other for other in others)]


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
    legend = [
        shorten(note, _NOTE)
        for note in [*_legend(faced), *_recipes(data, what + " ".join(how), columns, rows)]
    ]
    notes = [*how, *_notes(data, rows, columns, faced, title), *source.notes, *_failures(data, faced)]
    return Table(
        name=name,
        title=shorten(title, 2 * _NAME),
        caption=shorten(
            " ".join(filter(None, [what, _whose(data), _spread(rows), _comparable(faced)])), _CAPTION
        ),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(dict.fromkeys(shorten(note, _NOTE) for note in notes)),
        legend=tuple(dict.fromkeys(legend)),
        stub=stub,
        provenance={"suite": source.suite, "profile": source.profile, **source.provenance},
    )


def _shared_size(rows: Sequence[Row], at: int) -> int | None:
    sizes = {row.cells[at].n_examples for row in rows if row.cells[at].state == "value"}
    return sizes.pop() if len(sizes) == 1 else None


def _whose(data: Gathered) -> str:
    models = data.models
    encoders = f", encoder {shorten(models[0], _NAME)}" if len(models) == 1 else f", {len(models)} encoders"
    if not models:
        encoders = ""
    return f"Suite {data.source.suite}, profile {data.source.profile}{encoders}."


def _spread(rows: Sequence[Row]) -> str:
    counts = [cell.n_seeds for row in rows for cell in row.cells if cell.state == "value" and cell.n_seeds]
    if not counts:
        return ""
    if max(counts) == 1:
        return "One seed: the spread is unknown."
    return f"{SPREAD} {count_range(counts, 'seed')}."


def _comparable(faced: Sequence[TaskColumn]) -> str:
    generated = list(dict.fromkeys(c.task.title for c in faced if not c.task.comparable))
    if not generated:
        return ""
    if all(not column.task.comparable for column in faced):
        return (
            "All sets are generated by the embedded laboratory: no number is comparable with published ones."
        )
    names = ", ".join(generated)
    return f"Generated by the embedded laboratory, not comparable with published numbers: {names}."


def _notes(
    data: Gathered,
    rows: Sequence[Row],
    columns: Sequence[Column],
    faced: Sequence[TaskColumn],
    title: str,
) -> list[str]:
    notes = [*test_notes(rows, columns, _baseline_title(data), title), *_designs(data, rows, faced)]
    cells = [cell for row in rows for cell in row.cells]
    if any(cell.few for cell in cells):
        most = max(cell.n_seeds for cell in cells)
        fewer = f"where it is fewer than {most}" if most > 1 else "behind it"
        notes.append(
            f"Raised in parentheses: the number of seeds of a cell, {fewer}; one seed has no spread."
        )
    if any(row.kind == "difference" for row in rows) or any(column.key.endswith("-") for column in columns):
        notes.append(
            f"A {MINUS} B: mean difference in percentage points, paired by seed, over the seeds that both have"
            f"{SPREAD_OF_DIFFERENCES}"
        )
    averages = [column for column in columns if column.key.startswith("average/")]
    if averages:
        notes.append("Averages count every column of their group once and are blank where one is missing.")
    return notes + _exposures(data, faced) + _training_notes(data, faced)


def _exposures(data: Gathered, faced: Sequence[TaskColumn]) -> list[str]:
    """Which rows stand beside each other without being ranked, and why."""
    told: dict[str, list[str]] = {}
    for column in {column.identity: column for column in faced}.values():
        there = [row for row in data.rows if data.records_of(row, column)]
        names = {row: shorten(f"{row.model} {row.title}", _NAME) for row in there}
        sentence = apart({names[row]: data.exposure(row, column) for row in there})
        if sentence:
            told.setdefault(sentence, []).append(shorten(column.task.title, _NAME))
    return [
        f"Never one ranking, because the models were not exposed alike: {', '.join(dict.fromkeys(titles))} ({sentence}). "
        "No difference between unlike ones is taken, and none stands in bold for being above an unlike one."
        for sentence, titles in told.items()
    ]


def _designs(data: Gathered, rows: Sequence[Row], faced: Sequence[TaskColumn]) -> list[str]:
    """Which examples the tests took as belonging together."""
    if not any(cell.comparison for row in rows for cell in row.cells):
        return []
    told: dict[str, list[str]] = {}
    for column in {column.task.name: column for column in faced}.values():
        task, how = column.task, ""
        if task.group:
            how = f"rows of one {task.group.replace('_', ' ')} as one cluster"
        elif task.made_from:
            how = _made_from(data, column)
        elif "template" in task.slices:
            how = "rows of one template as one cluster"
        elif "subcase" in task.slices:
            how = "differences within subcases, since the rows name no template"
        elif task.name.startswith("advglue/"):
            how = "rows as independent, since they do not name their source sentences"
        if how:
            told.setdefault(how, []).append(task.title)
    return [f"Tested with {how}: {', '.join(titles)}." for how, titles in told.items()]


def _made_from(data: Gathered, column: TaskColumn) -> str:
    """Which rows were made from one original, and how that is known."""
    items = (item for row in data.rows for item in data.evaluations(row, column).values())
    values = next(([str(v) for v in item.rows[column.task.made_from].tolist()] for item in items), [])
    parts = []
    for beginning, how in ((TOLD, "told by the data"), (FOUND, "found by likeness of texts")):
        some = [value for value in values if value.startswith(beginning)]
        if some:
            parts.append(f"{len(some):,} rows of {len(set(some)):,} {how}")
    alone = len([value for value in values if not value])
    if not parts:
        return "rows as independent, since nothing tells what they were made from"
    rest = f", {count_range([alone], 'row')} alone" if alone else ""
    return f"rows made from one original as one cluster ({'; '.join(parts)}{rest})"


def _baseline_title(data: Gathered) -> str:
    titles = [row.title for row in data.rows if row.method == data.source.baseline]
    return titles[0] if titles else data.source.baseline


def _legend(faced: Sequence[TaskColumn]) -> list[str]:
    """What a reader must know of each data set."""
    said: dict[str, list[str]] = {}
    for column in faced:
        if column.task.note:
            said.setdefault(column.task.note, []).append(column.task.title)
    notes = [f"{', '.join(dict.fromkeys(titles))}: {_sentence(note)}" for note, titles in said.items()]
    return notes


def _recipes(data: Gathered, said: str, columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """In what the attacks of a table differ from the published recipes: once what several of them share."""
    heads = {attack.name: attack_head(data, attack) for attack in data.attacks}
    told = " ".join([said, *(column.head for column in columns), *dict.fromkeys(row.group for row in rows)])
    shown = [attack for attack in data.attacks if heads[attack.name] in told]
    notes = {}
    for substitute in dict.fromkeys(one for attack in shown for one in attack.substitutes):
        who = [attack for attack in shown if substitute in attack.substitutes]
        everywhere = substitute in _in_common(data, lambda attack: attack.substitutes)
        notes[substitute] = "Every attack" if everywhere else ", ".join(heads[attack.name] for attack in who)
    return [f"{who}: {_sentence(substitute)}" for substitute, who in notes.items()]


def _failures(data: Gathered, faced: Sequence[TaskColumn]) -> list[str]:
    """One note per reason why numbers are missing, naming whose."""
    titles = {(row.model, row.method): row.title for row in data.rows}
    reasons: dict[str, list[str]] = {}
    for gap in sorted(data.source.holes, key=lambda g: (g.task, g.attack, str(g.subject), g.error)):
        if not _concerns(gap.task, gap.subject.train_task, faced):
            continue
        who = titles.get((gap.subject.model, gap.subject.method), gap.subject.method)
        seed = "" if gap.subject.seed is None else f" seed {gap.subject.seed}"
        where = " under ".join(part for part in (data.task_title(gap.task), gap.attack) if part)
        reasons.setdefault(gap.error, []).append(f"{who}{seed}{' on ' if where else ''}{where}")
    notes = []
    for reason, places in reasons.items():
        more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
        named = "; ".join(places[:_NAMED])
        notes.append(f"Missing (-- where no seed is left): {named}{more}. Reason: {_sentence(reason)}")
    return notes


def _concerns(task: str, train_task: str, faced: Sequence[TaskColumn]) -> bool:
    return any(column.train_task == train_task and task in ("", column.task.name) for column in faced)


def _training_notes(data: Gathered, faced: Sequence[TaskColumn]) -> list[str]:
    notes = []
    by_training: dict[str, list[str]] = {}
    for column in faced:
        if column.task.role == "challenge":
            titles = by_training.setdefault(column.train_task, [])
            if column.task.title not in titles:
                titles.append(column.task.title)
        if f"{column.train_task}:train" in column.task.exposure:
            trained = data.task_title(column.train_task)
            notes.append(f"{column.task.title} is not zero-shot for models trained on {trained}.")
    if by_training:
        pairs = [f"{data.task_title(name)}: {', '.join(titles)}" for name, titles in by_training.items()]
        notes.insert(
            0, "Challenge sets by the training task of the models that face them. " + "; ".join(pairs) + "."
        )
    met = _overlaps(data, faced)
    if met:
        notes.append(f"Test rows that stand in the training data, equal or nearly (table overlap): {met}.")
    if any(row.loaded for row in data.rows):
        silent = [row for row in data.rows if row.loaded and row.method not in data.source.trained_on]
        names = ", ".join(dict.fromkeys(shorten(row.method, _NAME) for row in silent[:_NAMED]))
        notes.append("Loaded checkpoints: what they were trained on is taken from the user and not checked.")
        if silent:
            notes[-1] += f" Nobody said (--trained-on) what these were trained on: {names}."
    return notes


def _overlaps(data: Gathered, faced: Sequence[TaskColumn]) -> str:
    """Which test sets share rows with what their models were trained on; "" where none does."""
    told = []
    for column in {column.identity: column for column in faced}.values():
        item = most_overlapping(item for row in data.rows for item in data.evaluations(row, column).values())
        if item is None or item.overlap is None:
            continue
        count = item.overlap.exact + (item.overlap.near or 0)
        if count:
            told.append(f"{shorten(data.head(column, [*faced]), _NAME)} {count:,} of {len(item.rows):,}")
    more = f" and {len(told) - _NAMED} more sets" if len(told) > _NAMED else ""
    return ", ".join(told[:_NAMED]) + more


def _sentence(text: str) -> str:
    shown = " ".join(text.split())
    return shown if shown.endswith((".", "!", "?")) else shown + "."
