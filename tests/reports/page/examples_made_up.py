"""A made-up report whose attacked examples have texts, hostile ones among them."""

from __future__ import annotations

import json
from dataclasses import replace

import made_up

from asa_bench.reports.inputs import ReportInput

#: Texts that try to run, to break out, to hide, or to be lost.
HOSTILE = (
    "<script>window.broken = 1</script>",
    "</script><script>window.broken = 1</script>",
    "</style><img src=x onerror='window.broken=1'>",
    '"><svg onload=window.broken=1>',
    "<!-- --><!--<script>",
    "]]>&lt;script&gt;",
    "{{ 7 * 7 }} {% raw %}",
    "${window.broken = 1}",
    "=cmd|' /C calc'!A0",
    "javascript:window.broken=1",
    "right \u202eto left\u202c",
    "zero\u200bwidth\ufeff",
    "\x1b[31mred\x1b[0m",
    "nul\x00 and bell\x07",
    "lone \ud800 surrogate \udfff",
    "two\nlines\r\nand\u2028three",
    "word" * 25_000,
    "\U000e0041 tag",
    "שלום עולם",
    "e\u0301" * 30,
)


def report(texts: tuple[str, ...] = HOSTILE, methods: tuple[str, ...] = ("naive", "asa")) -> ReportInput:
    """`made_up.report` at a tenth of its size; the attacked examples take `texts` in turn."""
    source = made_up.report(scale=10, methods=methods)
    attacks = []
    for item in source.attacks:
        rows = item.rows.copy()
        before = [f"{texts[at % len(texts)]} film number {at}" for at in range(len(rows))]
        rows["original"] = [json.dumps([text]) for text in before]
        rows["perturbed"] = [
            json.dumps([text.replace("film", "fi1m")]) if status == "successful" else ""
            for text, status in zip(before, rows["status"], strict=True)
        ]
        rows["perturbed_logits"] = [[1.5, -0.5] if s == "successful" else [] for s in rows["status"]]
        rows["success_budgets"] = [
            json.dumps([[queries, None]] if status == "successful" else [])
            for queries, status in zip(rows["queries"].tolist(), rows["status"], strict=True)
        ]
        attacks.append(replace(item, rows=rows))
    return replace(source, attacks=tuple(attacks))
