"""Signs that robustness is an illusion, looked for in the records of a report, and shown with what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.measures import UNDECIDED, Proportion, flags, robust_by_budget
from asa_bench.measures.flags import Flag
from asa_bench.measures.label_flags import answers_contradict, slice_at_extreme
from asa_bench.reports import markdown
from asa_bench.reports.gather import Gathered
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.outcomes import AttackOutcome, Evaluation, replay_of
from asa_bench.reports.paired_flags import Sign as Sign
from asa_bench.reports.paired_flags import comparisons
from asa_bench.reports.text import shorten, visible
from asa_bench.tasks.slicing import slices_of, values_of

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
_WIDTH = 300
# Fewer searches than this, none of which succeeds, do not yet tell that a search is broken.
_SEARCHES = 10
# Kinds whose logits are one number per label of an example.
_CLASSED = ("classification", "multiple_choice")
# Slice columns by a shortcut that the task planted: all wrong where it is reversed is what such a set is there to measure.
_PLANTED = ("shortcut",)


def find(source: ReportInput | Gathered) -> list[Sign]:
    """Every flag that the records allow to compute, raised or not, in a canonical order.

    Evaluations: saturated scores, a slice at exactly 0 or 1, answers that contradict the labels that were trained on, test
    rows that stood in the training data (as originals of stored sets may). Attacks: saturated scores, gradients of 0, crash
    rate, budget that never helps. An attack beside the evaluation of the same examples: stochastic outputs (the same texts in
    batches of another size), robust accuracy above clean accuracy. Two attacks on the same examples: random search beside
    guided search, the calibrated victim beside the raw one, texts made against another model beside the attack itself.
    Methods beside each other: rankings that the quality gate changes.
    """
    data = source if isinstance(source, Gathered) else Gathered(source)
    source = data.source
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
    for item in source.stored:
        if item.seen_in_training is not None:
            flag = flags.training_overlap(item.seen_in_training, len(item.rows))
            found.append(Sign(item.subject, item.task.name, replay_of(item.name), flag))
    found += comparisons(data)
    return sorted(found, key=lambda sign: (sign.flag.name, sign.task, sign.attack, repr(sign.subject)))


def _of_evaluation(item: Evaluation) -> Iterator[Flag]:
    yield from _saturated(item.rows["logits"])
    if item.seen_in_training is not None:
        yield flags.training_overlap(item.seen_in_training, len(item.rows))
    rows = item.rows[item.rows["label"] != ""]
    if len(rows) == 0:
        return
    gold, said = (rows[name].to_numpy(object) for name in ("label", "prediction"))
    slices: dict[str, Any] = {}
    for column in slices_of(item.task):
        known = None if column in _PLANTED else values_of(item.task, column, rows)
        if known is None:
            continue
        values = np.array([str(value) for value in known.tolist()], dtype=object)
        for value in sorted(set(values.tolist()) - {""}):
            slices[f"{column} {value}"] = np.asarray(values == value, dtype=np.bool_)
    yield slice_at_extreme(gold, said, slices, item.task.adversarially_filtered)
    if item.task.name == item.subject.train_task:
        yield answers_contradict(gold, said)


def _of_attack(outcome: AttackOutcome, clean: Evaluation | None) -> Iterator[Flag]:
    rows = outcome.rows
    yield from _saturated(rows["original_logits"], outcome)
    crashed = rows["status"].isin(UNDECIDED)
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


def _saturated(logits: pd.Series, outcome: AttackOutcome | None = None) -> Iterator[Flag]:
    """Of the softmax in float32: as near to 1 as that is, a search in float64 still has next to nothing to follow.

    Of an attack as it saw the victim: by the temperature, and with the gradients that it took.
    """
    from scipy.special import softmax

    temperature = 1.0 if outcome is None or outcome.temperature is None else outcome.temperature
    with np.errstate(over="ignore"):  # too large for float32 is infinite, which is what the search saw
        known = [np.asarray(row, dtype=np.float32) for row in logits if len(row) > 1]
    if not known:
        return
    confidence = [float(np.max(softmax(row / np.float32(temperature)))) for row in known]
    norms = None
    if outcome is not None and "gradient_norm" in outcome.rows.columns:
        norms = outcome.rows["gradient_norm"].dropna().to_numpy(np.float64)
    yield flags.saturated_scores(confidence, norms if norms is not None and len(norms) else None)


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
        said.append(f"{sign.flag.name}, {_where(sign)}: {visible(sign.flag.sentence)}")
    return [line for line in said if line]


def notes(signs: Sequence[Sign]) -> tuple[str, ...]:
    """One note per kind of flag that is raised, for a table that is read alone: how often, and its first sentence."""
    found: dict[str, list[Sign]] = {}
    for sign in signs:
        if sign.flag.raised:
            found.setdefault(sign.flag.name, []).append(sign)
    return tuple(
        shorten(
            f"Flag {name}, raised {len(its):,} times, first for {_where(its[0])}: {its[0].flag.sentence}", 650
        )
        if len(its) > 1
        else shorten(f"Flag {name}, raised for {_where(its[0])}: {its[0].flag.sentence}", 650)
        for name, its in found.items()
    )


def _where(sign: Sign) -> str:
    subject = sign.subject
    seed = "" if subject.seed is None else f" seed {subject.seed}"
    who = f"{subject.model} {subject.method_title}{seed} on {sign.task}"
    return shorten(f"{who} under {sign.attack}" if sign.attack else who, _WIDTH)


def section(signs: Sequence[Sign]) -> str:
    """The flags as a part of a page in Markdown."""
    said = lines(signs)
    if not said:
        return "## Flags\n\nThe records hold nothing that flags could be computed from.\n"
    first, *rest = (markdown.escape(line) for line in said)
    return "\n".join(["## Flags\n", first, *([""] if rest else []), *(f"- {line}" for line in rest)]) + "\n"
