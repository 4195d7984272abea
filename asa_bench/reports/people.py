"""What people judged of adversarial texts, in words and as robust accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from asa_bench.measures import Agreement
from asa_bench.quality import QualityGate
from asa_bench.reports.outcomes import AttackOutcome, PeopleOutcome, SheetAgreement


def agreement_text(found: Agreement | None) -> str:
    """One agreement in words."""
    if found is None:
        return "one person alone: no agreement"
    if found.alpha is None:
        return "all judgements are alike: agreement beyond chance cannot be told"
    interval = "" if found.low is None or found.high is None else f" [{found.low:.2f}, {found.high:.2f}]"
    kind = "Cohen" if found.people == 2 else "Fleiss"
    kappa = "" if found.kappa is None else f", {kind}'s kappa {found.kappa:.2f}"
    return f"Krippendorff's alpha {found.alpha:.2f}{interval}{kappa}, {100 * found.share:.1f} % alike"


def notes(sheets: Sequence[SheetAgreement]) -> list[str]:
    """One note per sheet: who judged how much, and how far they agree."""
    said = []
    for one in sheets:
        people = f"{one.people} people" if one.people > 1 else "1 person"
        told = f"Sheet {one.name}: {one.items:,} pairs of texts, judged by {people}."
        if one.labels is not None:
            parts = (("labels", one.labels), ("label kept", one.kept), ("grammar", one.grammar))
            told += " Agreement, " + "; ".join(f"{what}: {agreement_text(found)}" for what, found in parts)
            told += " (95 % intervals by a bootstrap over texts or pairs)."
        said.append(told)
    return said


def accepted_robust(outcome: AttackOutcome, judged: PeopleOutcome, gate: QualityGate) -> float | None:
    """Robust accuracy where a success counts only if people accept its text, over all attacked ids.

    Not every success need be judged: the share that people accept among the judged ones stands for all. None where none of
    the successes was judged, though there are some.
    """
    statuses = outcome.rows["status"]
    robust, successes = int((statuses == "failed").sum()), int((statuses == "successful").sum())
    if successes and not len(judged.rows):
        return None
    refused = 1 - float(gate.accepts(judged.rows).mean()) if successes else 0.0
    return (robust + successes * refused) / len(statuses)
