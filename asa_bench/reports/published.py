"""The numbers that others published for ASA, as far as they could be found, and the table that sets ours beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from asa_bench.reports.assemble import DraftColumn, finish, method_rows, with_average
from asa_bench.reports.gather import Gathered, TaskColumn, metric, score_of
from asa_bench.reports.tables import BLANK, Cell, Column, Row, Table, published_cell

LISTING = "https://paperswithcode.com/paper/adversarial-self-attention-for-language"
OTHER_LISTING = "https://www.wizwand.com/paper/68fa6e7b1e209131cea40278"


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        label: whose it is: the encoder and method as the source names them.
        task: name of the task.
        metric: name of the metric in `asa_bench.measures.METRICS`.
        value: in [0, 1].
        source: URL of the page that tells it.
        attributed: whether the source says for which encoder it is.
    """

    label: str
    task: str
    metric: str
    value: float
    source: str
    attributed: bool = True


def _listed(label: str, *percents: float) -> tuple[Published, ...]:
    tasks = (
        ("sst2", "accuracy"),
        ("mnli", "accuracy"),
        ("qnli", "accuracy"),
        ("qqp", "f1"),
        ("stsb", "spearman"),
        ("wnut17", "entity_f1"),
        ("dream", "accuracy"),
    )
    return tuple(
        Published(label, task, name, round(percent / 100, 4), LISTING)
        for (task, name), percent in zip(tasks, percents, strict=True)
    )


_UNKNOWN = "ASA, encoder not told"
PUBLISHED: tuple[Published, ...] = (
    *_listed("ASA + BERT-base", 94.1, 85.0, 91.4, 72.3, 86.5, 49.8, 64.3),
    *_listed("ASA + RoBERTa", 96.3, 88.0, 93.6, 73.7, 89.2, 57.3, 69.2),
    Published(_UNKNOWN, "anli", "accuracy", 0.582, OTHER_LISTING, attributed=False),
    Published(_UNKNOWN, "paws_qqp+qqp", "accuracy", 0.96, OTHER_LISTING, attributed=False),
    Published(_UNKNOWN, "hellaswag", "accuracy", 0.954, OTHER_LISTING, attributed=False),
)

#: The ten data sets of the paper in the order of its columns, each with the metric that it reports.
PAPER: tuple[tuple[str, str], ...] = (
    ("sst2", "accuracy"),
    ("mnli", "accuracy"),
    ("qnli", "accuracy"),
    ("stsb", "spearman"),
    ("qqp", "f1"),
    ("wnut17", "entity_f1"),
    ("dream", "accuracy"),
    ("anli", "accuracy"),
    ("paws_qqp+qqp", "accuracy"),
    ("hellaswag", "accuracy"),
)

NOTES = (
    "Published rows are reference values that nobody measured here: those of ASA + BERT-base and ASA + RoBERTa as "
    f"listed on {LISTING}; GLUE columns look like scores of the test server, ours are on the dev set.",
    f"ASA, encoder not told: as listed on {OTHER_LISTING} without a model; 95.4 on HellaSWAG is implausible for a "
    "base-size encoder. Published entity scores may be token-level, as the released code computes them.",
)


def paper_table(data: Gathered) -> Table | None:
    """The data sets of the paper's generalization table, with its metrics and the published numbers.

    None where no task of it was faced by models that were trained on it.
    """
    drafts: list[DraftColumn] = []
    faced: list[TaskColumn] = []
    places: list[tuple[str, str]] = []
    for name, score in PAPER:
        for column in data.columns:
            if column.task.name != name or column.train_task != name:
                continue
            title = metric(score).title
            head = f"{data.head(column, data.columns)} ({title})"
            drafts.append(
                DraftColumn(
                    Column(f"{column.key}/{score}", head, "Generalization"),
                    partial(data.cell, column=column, measure=partial(score_of, name=score)),
                )
            )
            faced.append(column)
            places.append((name, score))
    if not drafts:
        return None
    drafts = with_average(data, drafts, "Generalization")
    columns = [draft.column for draft in drafts]
    rows = method_rows(data, drafts, group="Measured here" if len(data.models) == 1 else None)
    what = "The metric that the paper reports for each data set, in percent or hundredths."
    made = finish(data, "paper", "The paper's generalization table", what, columns, rows, faced)
    published = _published_rows(places, len(columns))
    if not published:
        return made
    return replace(made, rows=(*made.rows, *published), notes=(*made.notes, *NOTES))


def _published_rows(places: list[tuple[str, str]], width: int) -> list[Row]:
    """One row per label that has a number in one of the columns."""
    rows = []
    for label in dict.fromkeys(number.label for number in PUBLISHED):
        known = {(n.task, n.metric): n.value for n in PUBLISHED if n.label == label}
        cells: list[Cell] = [published_cell(known[at]) if at in known else BLANK for at in places]
        if all(cell is BLANK for cell in cells):
            continue
        cells += [BLANK] * (width - len(cells))
        rows.append(Row(f"published/{label}", label, tuple(cells), "Published", "published"))
    return rows
