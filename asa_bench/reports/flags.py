"""Signs that robustness is an illusion, looked for in the records of a report, and shown with what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.measures import Proportion, flags, robust_by_budget
from asa_bench.measures.flags import Flag
from asa_bench.reports import markdown
from asa_bench.reports.inputs import AttackOutcome, Evaluation, ReportInput, Subject
from asa_bench.reports.text import shorten, visible

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
_WIDTH = 300
# Fewer searches than this, none of which succeeds, do not yet tell that a search is broken.
_SEARCHES = 10
# Kinds whose logits are one number per label of an example.
_CLASSED = ("classification", "multiple_choice")


@dataclass(frozen=True)
class Sign:
    """One flag and whom it is about.

    Attributes:
        subject: the model that was asked.
        task: name of the data set.
        attack: name of the attack; "" for an evaluation.
        flag: what was measured, whether it is raised, and the sentence with what to do.
    """

    subject: Subject
    task: str
    attack: str
    flag: Flag


def find(source: ReportInput) -> list[Sign]:
    """Every flag that the records allow to compute, raised or not, in a canonical order.

    Evaluations: saturated scores, a slice (or class) at exactly 0 or 1. Attacks: saturated scores, crash rate, budget
    that never helps. An attack beside the evaluation of the same examples: stochastic outputs (the same texts in
    batches of another size), robust accuracy above clean accuracy.
    """
    found: list[Sign] = []
    for evaluation in source.evaluations:
        if evaluation.task.kind in _CLASSED:
            for flag in _of_evaluation(evaluation):
                found.append(Sign(evaluation.subject, evaluation.task.name, "", flag))
    evaluations = {(item.subject, item.task.name, item.split): item for item in source.evaluations}
    for outcome in source.attacks:
        clean = evaluations.get((outcome.subject, outcome.task.name, outcome.split))
        for flag in _of_attack(outcome, clean):
            found.append(Sign(outcome.subject, outcome.task.name, outcome.attack.name, flag))
    return sorted(found, key=lambda sign: (sign.flag.name, sign.task, sign.attack, repr(sign.subject)))


def _of_evaluation(item: Evaluation) -> Iterator[Flag]:
    yield from _saturated(item.rows["logits"])
    rows = item.rows[item.rows["label"] != ""]
    if len(rows) == 0:
        return
    right = (rows["label"] == rows["prediction"]).to_numpy()
    slices: dict[str, Proportion] = {}
    for column in (*item.task.slices, "label"):
        values = np.array([str(value) for value in rows[column].tolist()], dtype=object)
        for value in sorted(set(values.tolist()) - {""}):
            chosen = values == value
            slices[f"{column} {value}"] = Proportion(int(right[chosen].sum()), int(chosen.sum()))
    overall = Proportion(int(right.sum()), len(right))
    yield flags.slice_at_extreme(slices, overall, 1 / max(2, len(item.task.labels)))


def _of_attack(outcome: AttackOutcome, clean: Evaluation | None) -> Iterator[Flag]:
    rows = outcome.rows
    yield from _saturated(rows["original_logits"])
    crashed = rows["status"].isin(("errored", "timed_out"))
    yield flags.crash_rate(int(crashed.sum()), len(rows))
    yield from _budgets(rows)
    if clean is None:
        return
    both = rows.merge(clean.rows, on=["id", "text_hash"], suffixes=("", "_clean"))
    if len(both) == 0:
        return
    asked = both[[len(logits) > 0 for logits in both["original_logits"]]]
    if len(asked):
        first = np.array([list(row) for row in asked["logits"]], dtype=np.float64)
        second = np.array([list(row) for row in asked["original_logits"]], dtype=np.float64)
        yield flags.stochastic_outputs(first, second)
    right = int((both["label_clean"] == both["prediction"]).sum())
    survived = int((both["status"] == "failed").sum())
    yield flags.robust_above_clean(Proportion(right, len(both)), Proportion(survived, len(both)))


def _saturated(logits: pd.Series) -> Iterator[Flag]:
    """Of the softmax in float32, which is what a search sees."""
    from scipy.special import softmax

    with np.errstate(over="ignore"):  # too large for float32 is infinite, which is what the search saw
        known = [np.asarray(row, dtype=np.float32) for row in logits if len(row) > 1]
    if known:
        confidence = [float(np.max(softmax(row))) for row in known]
        yield flags.saturated_scores(confidence)


def _budgets(rows: pd.DataFrame) -> Iterator[Flag]:
    """From a single query to the longest search; nothing where the search does not tell its budgets."""
    ended = rows["status"].isin(("successful", "failed"))
    if "success_budgets" not in rows.columns or int(ended.sum()) < _SEARCHES:
        return
    intervals: list[Any] = []
    for status, text in zip(rows["status"], rows["success_budgets"], strict=True):
        known = json.loads(text) if isinstance(text, str) and text else None
        if known is None and status in ("successful", "failed"):
            return
        intervals.append(known or [])
    largest = int(rows["queries"].max())
    if largest < 2:
        return
    robust = robust_by_budget(rows["status"].to_numpy(object), intervals, (1, largest))
    yield flags.budget_never_helps({1: robust[0].value, largest: robust[1].value})


def to_json(signs: Sequence[Sign]) -> str:
    """All flags, raised or not; names as they are, escaped as JSON does."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "checked": len(signs),
        "raised": sum(sign.flag.raised for sign in signs),
        "flags": [asdict(sign) for sign in signs],
    }
    # A value may be infinite (logits that are not finite), which is no JSON.
    for sign in content["flags"]:  # type: ignore[attr-defined]
        if not np.isfinite(sign["flag"]["value"]):
            sign["flag"]["value"] = None
    return json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def lines(signs: Sequence[Sign]) -> list[str]:
    """One visible line per raised flag, behind one that tells how many were looked for."""
    names = ", ".join(dict.fromkeys(sign.flag.name for sign in signs))
    raised = [sign for sign in signs if sign.flag.raised]
    said = [f"{len(raised):,} of {len(signs):,} checks raised a flag ({names})." if signs else ""]
    for sign in raised:
        subject = sign.subject
        seed = "" if subject.seed is None else f" seed {subject.seed}"
        who = f"{subject.model} {subject.method_title}{seed} on {sign.task}"
        where = f"{who} under {sign.attack}" if sign.attack else who
        said.append(f"{sign.flag.name}, {shorten(where, _WIDTH)}: {visible(sign.flag.sentence)}")
    return [line for line in said if line]


def section(signs: Sequence[Sign]) -> str:
    """The flags as a part of a page in Markdown."""
    said = lines(signs)
    if not said:
        return "## Flags\n\nThe records hold nothing that flags could be computed from.\n"
    first, *rest = (markdown.escape(line) for line in said)
    return "\n".join(["## Flags\n", first, *([""] if rest else []), *(f"- {line}" for line in rest)]) + "\n"
