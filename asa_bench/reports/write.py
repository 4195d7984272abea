"""A report as files: every table as LaTeX, Markdown, CSV and JSON, the same bytes for the same records."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asa_bench.disk import storage_errors, write_atomically
from asa_bench.reports import curves, flags, latex, markdown, page, verdicts
from asa_bench.reports.gather import Gathered
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import LAYOUTS, build_tables, chosen
from asa_bench.reports.look import Look
from asa_bench.reports.tables import Cell, Column, Table
from asa_bench.reports.terminal import render_text, wrapped
from asa_bench.reports.text import guard, provenance_lines

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
PLAIN = Look()
Values = Literal["mean", "sd", "n_seeds", "n_examples", "text"]
CSV_COLUMNS = (
    "table",
    "row_group",
    "row",
    "row_kind",
    "model",
    "method",
    "column_group",
    "column_subgroup",
    "column",
    "unit",
    "state",
    "mean",
    "sd",
    "n_seeds",
    "n_examples",
    "text",
    "reason",
    "conclusive",
    "low",
    "high",
    "p",
    "adjusted_low",
    "adjusted_high",
    "adjusted_p",
    "detectable",
    "test",
)
#: The columns that hold numbers, or nothing.
NUMBERS = (
    *("mean", "sd", "n_seeds", "n_examples", "low", "high", "p"),
    *("adjusted_low", "adjusted_high", "adjusted_p", "detectable"),
)
PAGE = "report.html"
# The tables whose numbers a flag is a warning of.
_FLAGGED = ("main", "attacks", "calibration")
_SUFFIXES = (".tex", ".standalone.tex", ".md", ".csv", ".json")


def write_all(
    source: ReportInput, folder: Path, layouts: tuple[str, ...] = (), look: Look = PLAIN
) -> list[Path]:
    """Write every table of a report into `folder`, which is made if need be.

    Per table NAME: ``NAME.tex`` (to \\input), ``NAME.standalone.tex``, ``NAME.md``, ``NAME.csv``,
    ``NAME.json``; ``budget_curves.csv``, robust accuracy at every budget; ``report.md`` and ``report.txt`` with all of them
    and the flags, which ``flags.json`` holds too; and ``report.html``, the page. Each file is replaced at once or
    not at all. Files of tables that the records no longer make are removed.

    Args:
        layouts: write the tables of these alone, without a page, and leave every other file as it is.
        look: another form of the same numbers.

    Returns:
        The files, in the order of writing.

    Raises:
        BadInput: the records cannot stand in one table; they hold nothing for a layout, or a column that was asked for.
        StoreError: the folder cannot be written.
    """
    files = {folder / name: text for name, text in contents(source, layouts, look).items()}
    known = {folder / f"{name}{suffix}" for name in LAYOUTS for suffix in _SUFFIXES} | {folder / curves.FILE}
    for path, text in files.items():
        write_atomically(path, text.encode())
    with storage_errors(folder):
        for path in sorted(known - set(files)) if not layouts else ():
            path.unlink(missing_ok=True)
    return list(files)


def write_figures(source: ReportInput, folder: Path) -> list[Path]:
    """Write the charts of a report into `folder` as PDF and PNG, with their numbers beside them as CSV.

    Raises:
        BadInput: the records cannot stand in one table.
        StoreError: the folder cannot be written.
    """
    from asa_bench.reports.figures import charts

    files = {folder / name: content for name, content in charts.render(Gathered(source)).items()}
    for path, content in files.items():
        write_atomically(path, content)
    return list(files)


def contents(
    source: ReportInput | Gathered, layouts: tuple[str, ...] = (), look: Look = PLAIN
) -> dict[str, str]:
    """File name -> text of everything that `write_all` writes."""
    data = source if isinstance(source, Gathered) else Gathered(source)
    source = data.source
    tables = look.numbers(chosen(data, layouts))
    files: dict[str, str] = {}
    signs = flags.find(data)
    for table in tables:
        shown = look.page(table)
        # A LaTeX table is read without the report around it, so it carries the flags itself.
        alone = replace(shown, notes=(*shown.notes, *flags.notes(signs))) if table.name in _FLAGGED else shown
        files[f"{table.name}.tex"] = latex.body(alone)
        files[f"{table.name}.standalone.tex"] = latex.standalone(files[f"{table.name}.tex"])
        files[f"{table.name}.md"] = markdown.render(shown)
        files[f"{table.name}.csv"] = to_csv(table)
        files[f"{table.name}.json"] = to_json(table)
    if layouts:
        return files
    tables = [look.page(table) for table in tables]
    found = curves.curves(data)
    if found:
        files[curves.FILE] = curves.to_csv(found, guard)
    files["flags.json"] = flags.to_json(signs)
    who = verdicts.headlines(data)
    files["report.md"] = report_markdown(source, tables, signs, who)
    said = (
        "\n".join(["Flags", *(part for line in flags.lines(signs) for part in wrapped(line, 80, "  "))])
        + "\n"
    )
    first = "".join(f"{part}\n" for line in who for part in wrapped(line, 80, "  "))
    files["report.txt"] = "\n".join(
        [*([first] if first else []), *(render_text(table) for table in tables), said]
    )
    files[PAGE] = page.render(data, signs)
    return files


def report_markdown(
    source: ReportInput, tables: Sequence[Table], signs: Sequence[flags.Sign], who: Sequence[str] = ()
) -> str:
    """Who won, all tables, and flags on one page."""
    parts = [f"# {markdown.escape(source.title)}\n"]
    parts += ["\n".join(f"- {markdown.escape(line)}" for line in who) + "\n"] if who else []
    parts += [markdown.render(table) for table in tables]
    parts.append(flags.section(signs))
    where = provenance_lines({"suite": source.suite, "profile": source.profile, **source.provenance})
    parts.append("\n".join(["## Provenance\n", *(f"- {markdown.escape(line)}" for line in where)]) + "\n")
    return "\n".join(parts)


def to_csv(table: Table) -> str:
    """The table in long format: one line per cell, numbers at full precision, shares in [0, 1]."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.state == "blank":
                continue
            texts = [table.name, row.group, row.label, row.kind, row.model, row.method]
            texts += [column.group, column.subgroup, column.head, column.unit, cell.state]
            numbers = [_number(value) for value in (cell.mean, cell.spread, cell.n_seeds, cell.n_examples)]
            tested = [str(cell.conclusive).lower(), *_tested(cell)]
            writer.writerow([*map(guard, texts), *numbers, guard(cell.text), guard(cell.reason), *tested])
    return buffer.getvalue()


def _tested(cell: Cell) -> list[str]:
    found = cell.comparison
    if found is None:
        return [""] * 8
    numbers = (*found.interval, found.p, *found.adjusted_interval, found.adjusted_p, found.detectable)
    return [*map(_number, numbers), guard(found.method)]


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def to_json(table: Table) -> str:
    """The table with every cell at full precision and seed by seed; names as they are, escaped as JSON does."""
    content = {"schema_version": SCHEMA_VERSION, **asdict(table)}
    for row in content["rows"]:
        for cell in row["cells"]:
            cell["values"] = dict(cell["values"])
    for row, original in zip(content["rows"], table.rows, strict=True):
        for cell, made in zip(row["cells"], original.cells, strict=True):
            cell["text"] = made.text
    return json.dumps(_finite(content), indent=1, ensure_ascii=True, allow_nan=False, default=str) + "\n"


def _finite(value: Any) -> Any:
    """The value with null for what JSON cannot say: an odds ratio of flips in one direction alone is infinite."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def frames(source: ReportInput | Gathered, values: Values = "mean") -> dict[str, pd.DataFrame]:
    """Every table as a data frame, rows and columns named as in the table.

    Args:
        values: "mean" or "sd" (shares in [0, 1], at full precision), "n_seeds", "n_examples", or "text" (the
            formatted cells).
    """
    import pandas as pd

    found = {}
    for table in build_tables(source):
        index = pd.MultiIndex.from_tuples(
            [(row.group, row.label) for row in table.rows], names=["", table.stub]
        )
        columns = pd.MultiIndex.from_tuples([_column(column) for column in table.columns])
        cells = [[_pick(cell, values) for cell in row.cells] for row in table.rows]
        frame = pd.DataFrame(cells, index=index, columns=columns)
        if not any(row.group for row in table.rows):
            frame = frame.droplevel(0)
        found[table.name] = frame
    return found


def _column(column: Column) -> tuple[str, str]:
    return column.group, ": ".join(part for part in (column.subgroup, column.head) if part)


def _pick(cell: Cell, values: Values) -> Any:
    known = {
        "mean": cell.mean,
        "sd": cell.spread,
        "n_seeds": cell.n_seeds or None,
        "n_examples": cell.n_examples,
        "text": cell.text,
    }
    return known[values]
