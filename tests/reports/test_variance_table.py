"""The table of variance: what it shows is the split of the values behind every cell, and what one level leaves unknown."""

from __future__ import annotations

from collections.abc import Sequence

import made_up
import numpy as np
import pytest
from made_up import PRUTHI, SST2, attack_rows

from asa_bench.measures import variance_split
from asa_bench.reports import latex, markdown, write
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import AttackOutcome, Subject
from asa_bench.reports.tables import Row, Table

HEADS = ("Training seed", "Attack seed", "Example", "Training seed, example", "Attack seed, example")


def outcomes(method: str, robust: np.ndarray) -> list[AttackOutcome]:
    """Of (training seeds, attack seeds, examples) truths; rows come in another order for every second attack seed."""
    made = []
    for seed, searches in enumerate(robust):
        subject = Subject("m", method, method.title(), False, "sst2", seed)
        for number, truths in enumerate(searches):
            frame = attack_rows(SST2, Subject("m", "any", "any", False, "sst2", 1), len(truths), 1.0, 1.0)
            frame["status"] = ["failed" if each else "successful" for each in truths]
            frame["id"] = [f"{at:03d}" for at in range(len(truths))]
            frame = frame.iloc[:: -1 if number % 2 else 1].reset_index(drop=True)
            made.append(AttackOutcome(subject, SST2, "validation", "f", PRUTHI, number, frame))
    return made


def table(found: Sequence[AttackOutcome]) -> Table:
    source = ReportInput("s", "S", "p", attacks=tuple(found), methods=("naive", "asa"))
    return build_tables(source, ("variance",))[0]


def numbers(shown: Table, label: str, group: str = "Of one answer") -> list[str]:
    row: Row = next(each for each in shown.rows if each.label == label)
    return [cell.text for column, cell in zip(shown.columns, row.cells, strict=True) if column.group == group]


def test_training_seeds_attack_seeds_and_examples_are_told_apart() -> None:
    generator = np.random.default_rng(8)
    sides = {}
    for method in ("naive", "asa"):
        latent = (
            generator.normal(0, 1, 80)
            + generator.normal(0, 0.7, (4, 1, 1))
            + generator.normal(0, 0.4, (4, 3, 1))
        )
        sides[method] = latent + generator.normal(0, 0.5, (4, 3, 80)) > 0
    shown = table([*outcomes("naive", sides["naive"]), *outcomes("asa", sides["asa"])])
    assert [row.label for row in shown.rows] == ["Naive", "Asa", "Asa − Naive"]
    tables = {
        "Naive": sides["naive"].astype(float),
        "Asa − Naive": sides["asa"].astype(float) - sides["naive"],
    }
    for label, values in tables.items():
        split = variance_split(values, nested=("attack seed", "training seed"))
        wanted = {each.source: each for each in split.components}
        ordered = [
            wanted[name]
            for name in (
                "training seed",
                "attack seed in training seed",
                "example",
                "training seed x example",
                "attack seed in training seed x example",
            )
        ]
        assert numbers(shown, label) == [f"{100 * (each.share or 0):.1f}" for each in ordered]
        of_mean = [f"{100 * (each.mean_share or 0):.1f}" for each in ordered]
        assert numbers(shown, label, "Of the mean") == [*of_mean, f"{100 * split.mean_variance**0.5:.1f}"]
        assert numbers(shown, label, "Levels") == ["4", "3", "80"]
    assert [column.head for column in shown.columns[:5]] == list(HEADS)
    assert "3 seeds of their own" in " ".join(shown.notes)
    for text in (markdown.render(shown), latex.body(shown), write.to_csv(shown), write.to_json(shown)):
        assert "Attack seed" in text


def test_what_one_level_leaves_unknown_is_said_and_not_0() -> None:
    robust = np.random.default_rng(9).random((1, 2, 60)) < 0.6
    assert numbers(table(outcomes("naive", robust)), "Naive")[0] == "unknown"
    alone = table(outcomes("naive", robust[:, :1]))
    assert [at for at, text in enumerate(numbers(alone, "Naive")) if text == "unknown"] == [0, 1, 3, 4]
    assert "one seed of their own" in " ".join(alone.notes)
    same = numbers(table(outcomes("naive", np.ones((2, 2, 60), bool))), "Naive")
    assert same == ["0.0"] * 5


def test_evaluations_have_no_attack_seed_and_every_column_of_the_main_table_is_there() -> None:
    (shown,) = build_tables(made_up.report(scale=5), ("variance",))
    sst2 = next(row for row in shown.rows if row.label == "ASA − Naive" and row.group == "SST-2")
    assert [cell.state for cell in sst2.cells[:5]] == ["value", "blank", "value", "value", "blank"]
    known = [cell.mean or 0 for cell in sst2.cells[:5]]
    assert sum(known) == pytest.approx(1)
    attacked = {row.group for row in shown.rows if " under " in row.group}
    assert len(attacked) == 2 and not any("not tested" in note for note in shown.notes)
