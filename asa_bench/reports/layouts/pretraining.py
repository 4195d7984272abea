"""The table of further pre-training: what each objective cost, how well it learned, and what fine-tuning makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from asa_bench.reports.assemble import DraftColumn, difference, finish
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow
from asa_bench.reports.layouts.columns import attack_columns, score_columns
from asa_bench.reports.outcomes import PretrainingOutcome
from asa_bench.reports.tables import BLANK, MINUS, Cell, Column, Row, Table, make_cell
from asa_bench.reports.text import visible

LONGER = "naive_longer"
_GROUP = "Pre-training"


@dataclass(frozen=True)
class _Line:
    """One row: an encoder, and the fine-tuned models that begin with it. `method` is "" for the encoder as it is."""

    label: str
    method: str
    model: str
    found: Mapping[str, PretrainingOutcome]


def pretraining(data: Gathered) -> Table | None:
    """Pre-training objectives as rows; steps, compute, perplexity and what fine-tuned models reach as columns."""
    outcomes = data.source.pretraining
    if not outcomes:
        return None
    by_role = {role: [c for c in data.columns if c.task.role == role] for role in ("train", "challenge")}
    drafts = [
        *score_columns(data, by_role["train"], "Fine-tuned: generalization"),
        *score_columns(data, by_role["challenge"], "Fine-tuned: challenge sets"),
        *attack_columns(data, "Fine-tuned: attacks"),
    ]
    own: dict[Column, Callable[[_Line, int], Cell]] = {
        Column("steps", "Steps", _GROUP, "count"): _steps,
        Column("compute", "Compute", _GROUP, "number"): _compute,
        Column("kept", "Attention kept", _GROUP): _kept,
        Column("perplexity_before", "Perplexity before", _GROUP, "number"): partial(_perplexity, before=True),
        Column("perplexity", "Perplexity after", _GROUP, "number"): partial(_perplexity, before=False),
    }
    rows: list[Row] = []
    tuned_with = list(dict.fromkeys((row.method, row.title, row.loaded) for row in data.rows)) or [
        ("", "", False)
    ]
    bases = list(dict.fromkeys(item.base for item in outcomes))
    for base in bases:
        lines = _lines(base, outcomes)
        for method, title, loaded in tuned_with:
            tuned = {line.model: MethodRow(line.model, method, title, loaded) for line in lines}
            heading = ", ".join(
                part
                for part in (
                    base if len(bases) > 1 else "",
                    f"fine-tuned with {title}" if len(tuned_with) > 1 else "",
                )
                if part
            )
            rows += _block(data, lines, tuned, drafts, own, heading, f"{base}/{method}/")
    columns = [*own, *(draft.column for draft in drafts)]
    faced = [*data.columns, *(c for c in data.attack_columns if c not in data.columns)]
    corpora = ", ".join(dict.fromkeys(visible(item.corpus) for item in outcomes))
    title = f"{data.source.title}: what pre-training with each objective gives"
    return finish(
        data, "pretraining", title, _what(outcomes, corpora), columns, rows, faced, stub="Pre-training"
    )


def _what(outcomes: Sequence[PretrainingOutcome], corpora: str) -> str:
    what = (
        f"Masked-language-model pre-training on {corpora}, then fine-tuning on each task. Rows with the same number of "
        "steps saw the same blocks with the same masks in the same order, from the same weights. Compute: matrix "
        "products, forward and backward, as a multiple of naive pre-training's. Attention kept: the share of attention that "
        "an adversary left unmasked, in percent, mean over steps. Perplexity of masked tokens of held-out "
        "text, masks the same in every row. "
    )
    if any(item.method == LONGER for item in outcomes):
        longer = next(visible(item.method_title) for item in outcomes if item.method == LONGER)
        what += (
            f"A difference to naive compares equal steps, a difference to '{longer}' equal compute, as far as the column "
            "says so. "
        )
    return what + "Accuracy in percent."


def _lines(base: str, outcomes: Sequence[PretrainingOutcome]) -> list[_Line]:
    mine = [item for item in outcomes if item.base == base]
    lines = [] if any(item.from_scratch for item in mine) else [_Line("None", "", base, {})]
    for model in dict.fromkeys(item.model for item in mine):
        found = {str(item.seed): item for item in mine if item.model == model}
        first = next(iter(found.values()))
        lines.append(_Line(first.method_title, first.method, model, found))
    return lines


def _block(
    data: Gathered,
    lines: Sequence[_Line],
    tuned: Mapping[str, MethodRow],
    drafts: Sequence[DraftColumn],
    own: Mapping[Column, Callable[[_Line, int], Cell]],
    heading: str,
    prefix: str,
) -> list[Row]:
    """The rows of one encoder and fine-tuning method, each followed by its differences."""
    cells = {
        line.model: (
            *(compute(line, data.seeds) for compute in own.values()),
            *(draft.compute(tuned[line.model]) for draft in drafts),
        )
        for line in lines
    }
    units = [column.unit for column in (*own, *(draft.column for draft in drafts))]
    rows: list[Row] = []
    for line in lines:
        if all(cell.state == "blank" for cell in cells[line.model]):
            continue  # the encoder as it is, where the suite does not fine-tune it
        key = f"{prefix}{line.method or 'none'}"
        rows.append(Row(key, line.label, cells[line.model], heading, "method", line.model, line.method))
        for other in lines:
            if not _compared(line.method, other.method):
                continue
            pairs = zip(cells[line.model], cells[other.model], units, strict=True)
            # What pre-training itself tells (steps, perplexity) stands in the rows; differences are of accuracies.
            values = tuple(
                BLANK if at < len(own) else difference(mine, theirs, unit, data.seeds)
                for at, (mine, theirs, unit) in enumerate(pairs)
            )
            if any(cell.state == "value" for cell in values):
                label = f"{line.label} {MINUS} {other.label}"
                name = f"{key}-{other.method or 'none'}"
                rows.append(Row(name, label, values, heading, "difference", line.model, line.method))
    return rows


def _compared(method: str, other: str) -> bool:
    """Naive with no pre-training, everything with naive (equal steps), and what is not naive with naive for longer."""
    if method == "naive":
        return other == ""
    return method != "" and (other == "naive" or (other == LONGER and method != LONGER))


def _steps(line: _Line, seeds: int) -> Cell:
    return _fact({item.steps for item in line.found.values()}, "{:,.0f}")


def _compute(line: _Line, seeds: int) -> Cell:
    return _fact({round(item.relative_compute, 2) for item in line.found.values()}, "{:.2f}")


def _kept(line: _Line, seeds: int) -> Cell:
    values = {seed: item.kept_fraction for seed, item in line.found.items() if item.kept_fraction is not None}
    return make_cell(values, seeds=seeds)


def _fact(values: set[int] | set[float], form: str) -> Cell:
    """A number that all seeds share; blank where there is none or they differ."""
    if len(values) != 1:
        return BLANK
    value = float(values.pop())
    return Cell(state="value", mean=value, number=form.format(value))


def _perplexity(line: _Line, seeds: int, before: bool) -> Cell:
    values = {
        seed: item.perplexity_before if before else item.perplexity for seed, item in line.found.items()
    }
    return make_cell(values, "number", seeds=seeds)
