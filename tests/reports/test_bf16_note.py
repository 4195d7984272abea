"""The caption of attacks that search in bf16 tells how far float32 disagreed."""

from __future__ import annotations

from dataclasses import replace

from made_up import report

from asa_bench.attacks.base import BF16_STATUS, FLOAT32_STATUS
from asa_bench.reports.gather import Gathered
from asa_bench.reports.parts import bf16_note


def test_disagreement_is_told_where_bf16_searched() -> None:
    source = report(seeds=(1,), laboratory=False, scale=10)
    assert bf16_note(Gathered(source)) == ""
    first, *others = source.attacks
    tried = first.rows["status"].tolist()
    won = tried.index("successful")
    lost = tried.index("failed")
    tried[won] = tried[lost] = "denied"
    quick = replace(first, rows=first.rows.assign(**{BF16_STATUS: tried}))
    said = bf16_note(Gathered(replace(source, attacks=(quick, *others))))
    ended = sum(status in ("successful", "failed") for status in first.rows["status"])
    repeated = tried.count("failed") + 2
    assert f"Of {ended} searches {repeated} were repeated; 2 had" in said
    assert "0 had one in float32 alone" in said


def test_how_often_float32_overturns_failures_is_told_where_bf16_searched_alone() -> None:
    source = report(seeds=(1,), laboratory=False, scale=10)
    first, *others = source.attacks
    statuses = first.rows["status"].tolist()
    failures = [at for at, status in enumerate(statuses) if status == "failed"]
    again = [""] * len(statuses)
    again[failures[0]], again[failures[1]] = "successful", "failed"
    rows = first.rows.assign(**{BF16_STATUS: statuses, FLOAT32_STATUS: again})
    said = bf16_note(Gathered(replace(source, attacks=(replace(first, rows=rows), *others))))
    assert said.startswith("\nbf16 alone: ")
    # Clopper and Pearson of 1 in 2.
    assert (
        f"Of {len(failures)} failures 2, drawn by id" in said
        and "a success in 1 (the rate is at most 98.7 %" in said
    )
    rows = first.rows.assign(**{BF16_STATUS: statuses, FLOAT32_STATUS: ""})
    said = bf16_note(Gathered(replace(source, attacks=(replace(first, rows=rows), *others))))
    assert said.endswith("which found a success in 0.")
