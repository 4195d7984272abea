"""The tables of a report: one function each; adding a layout is adding a function under `layout(...)`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asa_bench.errors import BadInput, nearest
from asa_bench.measures import HANS_CELLS, AttackMeasures, Proportion
from asa_bench.reports.assemble import (
    DraftColumn,
    attack_head,
    baseline_of,
    difference,
    difference_label,
    finish,
    method_rows,
    with_average,
)
from asa_bench.reports.gather import Gathered, MethodRow, TaskColumn, metric, score_of
from asa_bench.reports.inputs import Evaluation, ReportInput
from asa_bench.reports.parts import (
    HANS_LABELS,
    attack_fact,
    clean,
    hans_cell,
    hans_cells_of,
    measures_of,
    pooled_reliance,
    pooled_slice,
    robust,
)
from asa_bench.reports.published import paper_table
from asa_bench.reports.tables import Cell, Column, Row, Table, Unit, fact_cell

Layout = Callable[[Gathered], Table | None]
LAYOUTS: dict[str, Layout] = {}


def layout(name: str) -> Callable[[Layout], Layout]:
    """Register a function that makes one table, or None where the records hold nothing for it."""

    def register(function: Layout) -> Layout:
        LAYOUTS[name] = function
        return function

    return register


def build_tables(source: ReportInput, names: tuple[str, ...] | None = None) -> list[Table]:
    """The tables of a report, in the order of `LAYOUTS`; those without content are left out.

    Raises:
        BadInput: no such layout, or records that cannot stand in one table.
    """
    for name in names or ():
        if name not in LAYOUTS:
            raise BadInput(f"unknown table layout {name!r}; {nearest(name, LAYOUTS)}")
    data = Gathered(source)
    made = [function(data) for name, function in LAYOUTS.items() if names is None or name in names]
    return [table for table in made if table is not None]


def score_columns(data: Gathered, faced: list[TaskColumn], group: str) -> list[DraftColumn]:
    """One column per task, its first metric; and their average, but for rates of failures."""
    drafts = [
        DraftColumn(
            Column(column.key, data.head(column, faced, metric_shown=True), group),
            partial(data.cell, column=column, measure=score_of),
            averaged=metric(column.task.metrics[0]).higher_is_better,
        )
        for column in faced
    ]
    return with_average(data, drafts, group)


def attack_columns(data: Gathered, group: str) -> list[DraftColumn]:
    """Per attacked task: accuracy without attack and robust accuracy under each attack; and their average."""
    drafts: list[DraftColumn] = []
    for column in data.attack_columns:
        subgroup = data.head(column, data.attack_columns)
        used = [a for a in data.attacks if any(data.outcomes(row, column, a.name) for row in data.rows)]
        wanted = [
            ("clean", "No attack", used[0].name, clean),
            *((a.name, attack_head(a), a.name, robust) for a in used),
        ]
        drafts += [
            DraftColumn(
                Column(f"{column.key}/{key}", head, group, subgroup=subgroup),
                partial(data.attack_cell, column=column, attack=attack, measure=measure),
                averaged=measure is robust,
            )
            for key, head, attack, measure in wanted
        ]
    return with_average(data, drafts, group, head="Average, attacked")


@layout("main")
def main(data: Gathered) -> Table | None:
    """Methods as rows; generalization, challenge sets and attacks as columns."""
    by_role = {role: [c for c in data.columns if c.task.role == role] for role in ("train", "challenge")}
    attacked = attack_columns(data, "Robustness: attacks")
    drafts = [
        *score_columns(data, by_role["train"], "Generalization"),
        *score_columns(data, by_role["challenge"], "Robustness: challenge sets"),
        *attacked,
    ]
    if not drafts:
        return None
    heads = {metric(column.task.metrics[0]).title for column in data.columns}
    others = sorted(heads - {metric("accuracy").title})
    what = "Accuracy in percent."
    if others:
        what = f"Accuracy, or what a column names ({', '.join(others)}), in percent or hundredths."
    if attacked:
        what += (
            " Under attack: robust accuracy over all attacked examples, beside the accuracy on the same "
            "examples without attack."
        )
    faced = [*data.columns, *(c for c in data.attack_columns if c not in data.columns)]
    columns = [draft.column for draft in drafts]
    rows = method_rows(data, drafts)
    return finish(
        data, "main", f"{data.source.title}: generalization and robustness", what, columns, rows, faced
    )


layout("paper")(paper_table)


@layout("pretraining")
def pretraining(data: Gathered) -> Table | None:
    """See `asa_bench.reports.layouts_pretraining`, which builds on the columns of this module."""
    from asa_bench.reports import layouts_pretraining

    return layouts_pretraining.pretraining(data)


@layout("reliance")
def reliance(data: Gathered) -> Table | None:
    """How much each method relies on the planted shortcuts, per task family."""
    families: dict[str, list[TaskColumn]] = {}
    for column in data.columns:
        if "shortcut" in column.task.slices:
            families.setdefault(column.task.family, []).append(column)
    for family, members in families.items():
        # A challenge set is balanced: the same sentences with and against the shortcut. Where there is none,
        # the evaluation split of the training task still has some of both.
        families[family] = [c for c in members if c.task.role == "challenge"] or members
    drafts: list[DraftColumn] = []
    for family, members in families.items():
        evaluations = [e for row in data.rows for c in members for e in data.evaluations(row, c).values()]
        present = {str(value) for item in evaluations for value in item.rows["shortcut"].unique()}
        for value in ("agrees", "reversed", "absent"):
            if value in present:
                head = Column(f"{family}/{value}", value.capitalize(), family.capitalize())
                compute = partial(pooled_slice, data=data, members=members, name="shortcut", value=value)
                drafts.append(DraftColumn(head, compute))
        if {"agrees", "reversed"} <= present:
            head = Column(f"{family}/reliance", "Reliance", family.capitalize(), "points")
            drafts.append(DraftColumn(head, partial(pooled_reliance, data=data, members=members)))
    if not drafts:
        return None
    faced = [column for members in families.values() for column in members]
    names = ", ".join(dict.fromkeys(column.task.title for column in faced))
    what = (
        "Accuracy in percent where the planted shortcut agrees with the gold label, where it is reversed and "
        "where it is absent. Reliance: agrees minus reversed, in percentage points; a model that ignores the "
        f"shortcut has 0, lower is better. Examples pooled per family over {names}."
    )
    columns, rows = [draft.column for draft in drafts], method_rows(data, drafts)
    return finish(data, "reliance", "Reliance on the planted shortcuts", what, columns, rows, faced)


@layout("hans")
def hans(data: Gathered) -> Table | None:
    """The six cells of HANS: heuristic by entailed and not entailed."""
    faced = [
        c for c in data.columns if "heuristic" in c.task.slices and HANS_LABELS.issuperset(c.task.labels)
    ]
    drafts: list[DraftColumn] = []
    for column in faced:
        evaluations = [item for row in data.rows for item in data.evaluations(row, column).values()]
        found = {cell for item in evaluations for cell in hans_cells_of(item)}
        ordered = [cell for cell in HANS_CELLS if cell in found] + sorted(found - set(HANS_CELLS))
        # Spanning heads need their columns side by side: all that is entailed, then all that is not.
        for heuristic, label in sorted(ordered, key=lambda cell: cell[1] != "entailment"):
            head = heuristic.replace("_", " ").capitalize()
            subgroup = "Entailed" if label == "entailment" else "Not entailed"
            drafts.append(
                DraftColumn(
                    Column(
                        f"{column.key}/{heuristic}/{label}", head, data.head(column, faced), subgroup=subgroup
                    ),
                    partial(data.cell, column=column, measure=partial(hans_cell, cell=(heuristic, label))),
                )
            )
    if not drafts:
        return None
    what = (
        "Accuracy in percent per heuristic and gold label. A model that follows a heuristic is right where "
        "the hypothesis is entailed, wrong where it is not. Neutral and contradiction count as not entailed."
    )
    columns, rows = [draft.column for draft in drafts], method_rows(data, drafts)
    return finish(data, "hans", "HANS by heuristic and gold label", what, columns, rows, faced)


@layout("advglue")
def advglue(data: Gathered) -> Table | None:
    """AdvGLUE per task, with its number of examples."""
    faced = [column for column in data.columns if "advglue" in column.task.name]
    drafts: list[DraftColumn] = []
    for prefix in sorted({column.task.name.split("advglue")[0] for column in faced}):
        members = [column for column in faced if column.task.name.split("advglue")[0] == prefix]
        group = f"AdvGLUE-like ({prefix.strip('/')})" if prefix else "AdvGLUE"
        drafts += score_columns(data, members, group)
    if not drafts:
        return None
    columns, rows = [draft.column for draft in drafts], method_rows(data, drafts)
    what = "Accuracy in percent on adversarial examples; n: examples of each task."
    return finish(data, "advglue", "AdvGLUE by task", what, columns, rows, faced)


@layout("metrics")
def metrics(data: Gathered) -> Table | None:
    """All metrics of the tasks that have several, such as accuracy, F1 and AUC of paraphrase tasks."""
    faced = [column for column in data.columns if len(measures_of(column.task)) > 1]
    drafts = [
        DraftColumn(
            Column(f"{column.key}/{name}", name, data.head(column, faced)),
            partial(data.cell, column=column, measure=measure),
        )
        for column in faced
        for name, measure in measures_of(column.task).items()
    ]
    if not drafts:
        return None
    what = (
        "In percent or hundredths. F1 of paraphrase tasks: of the class of paraphrases; AUC: area under the "
        "precision-recall curve; consistency: groups of related examples all of which are right; entity F1: whole "
        "entities; token F1: single tags without O."
    )
    columns, rows = [draft.column for draft in drafts], method_rows(data, drafts)
    return finish(data, "metrics", "Tasks with several metrics", what, columns, rows, faced)


_ATTACK_MEASURES: tuple[
    tuple[str, str, str, Unit, Callable[[AttackMeasures], float | Proportion | None]], ...
] = (
    ("clean", "No attack", "Accuracy", "percent", clean),
    ("robust", "Attacked", "Accuracy", "percent", robust),
    ("success", "Success rate", "Attack", "percent", lambda found: found.success),
    ("queries", "Queries", "Attack", "number", lambda found: found.mean_queries),
    ("budget", "Budget", "Attack", "count", lambda found: None),
    ("skipped", "Skipped", "Examples", "count", lambda found: float(found.skipped)),
    ("errored", "Errored", "Examples", "count", lambda found: float(found.errored)),
    ("n", "All", "Examples", "count", lambda found: None),
)


@layout("attacks")
def attacks(data: Gathered) -> Table | None:
    """Each attack on each task: every measure with its denominator."""
    rows: list[Row] = []
    for column in data.attack_columns:
        for attack in data.attacks:
            if not any(data.outcomes(row, column, attack.name) for row in data.rows):
                continue
            drafts = []
            for key, head, group, unit, measure in _ATTACK_MEASURES:
                compute: Callable[[MethodRow], Cell] = partial(
                    data.attack_cell, column=column, attack=attack.name, measure=measure, unit=unit
                )
                if key in ("n", "budget"):
                    compute = partial(attack_fact, data=data, column=column, attack=attack.name, key=key)
                drafts.append(DraftColumn(Column(key, head, group, unit), compute))
            heading = f"{attack_head(attack)} on {data.head(column, data.attack_columns)}"
            rows += method_rows(data, drafts, group=heading, prefix=f"{attack.name}/{column.key}/")
    if not rows:
        return None
    columns = [Column(key, head, group, unit) for key, head, group, unit, _ in _ATTACK_MEASURES]
    what = (
        "Accuracy without and under attack in percent of all examples: an example that was wrong before "
        "(skipped) or whose search crashed (errored) never counts as robust. Success rate in percent of the "
        "examples that were right before. Queries: mean per completed search; budget: the most allowed."
    )
    return finish(data, "attacks", "Attacks in detail", what, columns, rows, data.attack_columns, sized=False)


def _slice(item: Evaluation, data: Gathered, name: str, value: str) -> float | Proportion | None:
    return data.slice_scores(item, name)[value][0]


@layout("slices")
def slices(data: Gathered) -> Table | None:
    """The first metric of each task per slice value: slice values as rows, methods as columns."""
    columns: list[Column] = [Column("n", "n", unit="count")]
    for member in data.rows:
        group = member.model if len(data.models) > 1 else ""
        columns.append(Column(member.key, member.title, group))
        base = baseline_of(data, member)
        if base is not None:
            columns.append(Column(f"{member.key}-", difference_label(member, base), group, "points"))
    faced = [column for column in data.columns if column.task.slices]
    rows: list[Row] = []
    for column in faced:
        evaluations = [item for row in data.rows for item in data.evaluations(row, column).values()]
        for name in column.task.slices:
            for value, (_, size) in data.slice_scores(evaluations[0], name).items():
                measure = partial(_slice, data=data, name=name, value=value)
                cells = [fact_cell(size)]
                for member in data.rows:
                    cell = data.cell(member, column, measure)
                    cells.append(cell)
                    base = baseline_of(data, member)
                    if base is not None:
                        cells.append(
                            difference(cell, data.cell(base, column, measure), "percent", data.seeds)
                        )
                heading = f"{data.head(column, data.columns, metric_shown=True)} by {name.replace('_', ' ')}"
                rows.append(Row(f"{column.key}/{name}/{value}", value, tuple(cells), heading, "slice"))
    if not rows:
        return None
    what = "Accuracy, or what a heading names, in percent within each slice of a test set; n: examples of the slice."
    return finish(data, "slices", "Scores by slice", what, columns, rows, faced, stub="Slice", sized=False)


# Layouts in files of their own register themselves.
from asa_bench.reports import layouts_keywords  # noqa: E402, F401
