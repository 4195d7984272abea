"""The table of test rows that stand in training data."""

from __future__ import annotations

from asa_bench.reports.assemble import finish
from asa_bench.reports.exposure import most_overlapping
from asa_bench.reports.gather import Gathered
from asa_bench.reports.tables import BLANK, Cell, Column, Row, Table, fact_cell, format_number

_COLUMNS = (
    Column("rows", "n", unit="count"),
    Column("trained", "Trained on", unit="count"),
    Column("exact", "Equal", unit="count"),
    Column("near", "Nearly", unit="count"),
    Column("share", "Either, %", unit="percent"),
    Column("shared_text", "Share a text", unit="count"),
)


def overlap(data: Gathered) -> Table | None:
    """Per training task and test set: how many test rows equal, or nearly equal, a row that was trained on."""
    rows = []
    faced = []
    for column in data.columns:
        item = most_overlapping(item for row in data.rows for item in data.evaluations(row, column).values())
        if item is None or item.overlap is None:
            continue
        faced.append(column)
        found, size = item.overlap, len(item.rows)
        share = (found.exact + (found.near or 0)) / size
        cells = (
            fact_cell(size),
            fact_cell(found.trained),
            fact_cell(found.exact),
            BLANK if found.near is None else fact_cell(found.near),
            Cell("value", mean=share, number=format_number(share, "percent")),
            fact_cell(found.shared_text),
        )
        heading = f"Trained on {data.task_title(column.train_task)}"
        rows.append(Row(column.key, data.head(column, data.columns), cells, heading))
    if not rows:
        return None
    rows.sort(key=lambda row: row.group)
    what = (
        "Test rows that stand in the data that models were trained on here. n: test rows; trained on: training rows. Equal: in "
        "letters and digits, whatever case, punctuation and spacing. Nearly: not equal, but with a Jaccard similarity of "
        "character 5-grams of 0.8 or more (blank: not counted, the sets are too large; asa-bench overlap counts them). Share a "
        "text: one text of the row, such as the premise, stands in some training row. Where methods were trained on unlike "
        "rows, those with most."
    )
    return finish(
        data, "overlap", "Test rows in training data", what, _COLUMNS, rows, faced, "Test set", False
    )
