"""Comparisons of attacks: mean over attack seeds, what crashed was not robust, and recipes must be the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import PRUTHI, SST2, attack_rows

from asa_bench.errors import BadInput
from asa_bench.reports.head_to_head import Side, compare_sides
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.outcomes import AttackOutcome, Subject

KINDS = ["failed", "skipped", "errored", "timed_out", "successful"] * 20


def outcome(method: str, attack_seed: int, kinds: list[str], recipe: str = "r" * 12) -> AttackOutcome:
    subject = Subject("m", method, method, False, "sst2", 1)
    rows = attack_rows(SST2, Subject("m", "any", "any", False, "sst2", 1), len(kinds), 1.0, 1.0)
    return AttackOutcome(
        subject, SST2, "dev", "f", PRUTHI, attack_seed, rows.assign(status=kinds), 500, recipe
    )


def source(*outcomes: AttackOutcome) -> ReportInput:
    return ReportInput("s", "S", "p", attacks=outcomes, methods=("naive", "asa"))


def test_robust_is_what_failed_to_be_fooled_averaged_over_attack_seeds() -> None:
    fooled = [kind.replace("failed", "successful") for kind in KINDS]
    made = source(
        *(outcome("naive", at, fooled) for at in (0, 1)), outcome("asa", 0, KINDS), outcome("asa", 1, fooled)
    )
    (cell,) = compare_sides(Side("a", made, "naive"), Side("a", made, "asa")).cells
    assert cell.attack == "pruthi" and cell.means == pytest.approx((0, 0.1))
    assert cell.comparison.flipped == 20 and {flip.gained for flip in cell.flips} == {0.5}
    assert cell.flips[0].said == ("successful", "failed")


def test_another_recipe_or_budget_is_refused() -> None:
    one = source(outcome("naive", 0, KINDS))
    for other, told in (
        (outcome("naive", 0, KINDS, "q" * 12), "another recipe than B"),
        (replace(outcome("naive", 0, KINDS), query_budget=9), "another query budget than B"),
    ):
        with pytest.raises(BadInput, match=told):
            compare_sides(Side("A", one), Side("B", source(other)))


def test_what_only_one_has_is_left_out_and_named() -> None:
    both, half = outcome("naive", 0, KINDS), outcome("asa", 0, KINDS)
    other = replace(half, attack=PRUTHI.model_copy(update={"name": "other"}))
    made = source(both, half, other)
    found = compare_sides(Side("A", made, "naive"), Side("B", made, "asa"))
    assert len(found.cells) == 1 and found.left_out == (
        "SST-2 under other, models trained on sst2: nothing recorded in A",
    )
