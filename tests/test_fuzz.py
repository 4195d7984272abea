"""Hostile input of every kind that comes from outside is used or told in one clear line; nothing else happens.

Thousands of damaged and malicious files a test, see `fuzzing.py` for how to make others. Checkpoints are in
`test_fuzz_models.py`, policies and baselines in `gating/test_fuzz_gate.py`, stored adversarial sets in
`attacks/test_fuzz_sets.py`, data sets in `tasks/test_mutations.py`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fuzzing import ODD_TEXTS, Draw, clear, each, enough

from asa_bench import gathering, scoring, suite, yaml_file
from asa_bench.errors import AsaBenchError
from asa_bench.record import SCHEMA_VERSION, canonical_json
from asa_bench.reports.outcomes import Subject
from asa_bench.store import Store
from asa_bench.tasks import TASKS

pytestmark = pytest.mark.slow

SUITE = """\
schema: 1
name: fuzz
title: Fuzz
description: A suite that is damaged.
default_profile: tiny
profiles:
  tiny:
    source: laboratory
    train: [laboratory/sentiment, laboratory/inference]
    challenges: [laboratory/keyword]
    methods: {naive: {}, asa: {tau: 0.3}, rdrop: {alpha: 2.0}}
    attacks: {deepwordbug+stopwords: {query_budget: 50}}
    seeds: [1, 2]
    train_examples: {laboratory/sentiment: 96}
    eval_examples: 40
    training: {epochs: 1, batch_size: 32, learning_rate: 1.0e-3}
    laboratory: {strength: 0.5, pretraining: {lines: 640}}
    device: cpu
    threads: 1
"""


def test_suite_files(tmp_path: Path) -> None:
    path = tmp_path / "fuzz.yaml"
    told = used = 0

    def check(draw: Draw) -> None:
        nonlocal told, used
        path.write_bytes(draw.damaged(SUITE))
        try:
            read = suite.load(path)
            for profile in read.profile_names():
                read.settings(profile)
            used += 1
        except AsaBenchError as error:
            clear(error)
            assert "fuzz.yaml" in str(error)
            told += 1

    each(3_500, check)
    assert enough(told, 500) and enough(used, 50)
    assert [found.name for found in tmp_path.iterdir()] == ["fuzz.yaml"]


def test_a_small_suite_file_does_not_become_enormous(tmp_path: Path) -> None:
    laughs = "a: &a [lol, lol]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)
    )
    path = tmp_path / "laughs.yaml"
    for text in (laughs, "[" * 100_000, "{a: " * 50_000, "- " * 200_000, "x: " + "9" * 900_000):
        path.write_text(text)
        with pytest.raises(AsaBenchError) as told:
            suite.load(path)
        clear(told.value)


def test_values_of_options() -> None:
    def check(draw: Draw) -> None:
        text = draw.choice([draw.odd(), draw.text(30), json.dumps(draw.value())])
        try:
            yaml_file.parse_value(text, "--set x")
        except AsaBenchError as error:
            clear(error)

    each(2_500, check)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", 'id,prediction\n1,positive\n2,negative\n"3, a",positive\n4,"neg""ative"\n'),
        ("p.jsonl", "".join(json.dumps({"id": f"é{n}", "prediction": "positive"}) + "\n" for n in range(4))),
        ("h.txt", "pairID,gold_label\nex0,entailment\nex1,non-entailment\nex29999,neutral\n"),
    ],
)
def test_predictions(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    told = 0

    def check(draw: Draw) -> None:
        nonlocal told
        path.write_bytes(draw.damaged(text))
        try:
            read = scoring.read_predictions(path)
            assert all(read.labels) and all(read.labels.values())
            scoring.score_hans_order(read)
        except AsaBenchError as error:
            clear(error)
            told += 1

    each(800, check)
    assert enough(told, 300)


def _recorded(root: Path) -> Path:
    """An output folder with one evaluation of each of two methods, of a real task."""
    store = Store(root)
    store.prepare()
    task = TASKS.get("sst2")
    cells = []
    for number, method in enumerate(("naive", "asa")):
        subject = Subject("tiny", method, method, False, "sst2", 1)
        rows = pd.DataFrame(
            {
                "id": ["1", "2"],
                "text_hash": ["x", "y"],
                "label": ["positive", "negative"],
                "prediction": ["positive", "negative" if number else "positive"],
                "logits": [[0.0, 1.0], [1.0, 0.0]],
            }
        )
        at = f"{number:020x}"
        spec = {"task": "sst2", "split": "dev", "method": method, "seed": 1}
        result = {"task": task.model_dump(mode="json"), "fingerprint": "f" * 64, "examples": 2}
        manifest = {"label": method, "version": 1, "spec": spec, "reads": {}, "waits": {}, "result": result}
        store.write("evaluate", at, manifest, rows, {})
        cells.append(
            {
                "kind": "evaluate",
                "address": at,
                "label": method,
                "subject": vars(subject),
                "task": "sst2",
                "attack": None,
                "title": "",
            }
        )
    store.write_plan(
        {
            "schema_version": SCHEMA_VERSION,
            "suite": "fuzz",
            "title": "Fuzz",
            "profile": "tiny",
            "fingerprint": "0" * 64,
            "tasks": ["sst2"],
            "methods": ["naive", "asa"],
            "attacks": [],
            "exposures": {},
            "settings": {},
            "cells": cells,
        }
    )
    return root


def _report(folder: Path) -> bool:
    """Whether the folder's report could be made; what cannot must be told."""
    try:
        store = Store(folder)
        report = gathering.gather(store)
        gathering.write_tables(store, report)
        return True
    except AsaBenchError as error:
        clear(error)
        return False


def test_plans_of_output_folders(tmp_path: Path) -> None:
    folder = _recorded(tmp_path / "in" / "out")
    plan = json.loads((folder / "plan.json").read_text())
    assert _report(folder)
    made = 0

    def check(draw: Draw) -> None:
        nonlocal made
        (folder / "plan.json").write_text(json.dumps(draw.altered(plan)))
        made += _report(folder)

    each(900, check)
    assert enough(made, 20) and made < 900
    assert [found.name for found in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]


def test_manifests_of_records(tmp_path: Path) -> None:
    """Damaged ones are not read; forged ones, whose checksums fit, are read as what they say or refused."""
    folder = _recorded(tmp_path / "in" / "out")
    path = folder / "cells" / "evaluate" / f"{0:020x}" / "manifest.json"
    good = json.loads(path.read_text())
    made = 0

    def check(draw: Draw) -> None:
        nonlocal made
        content = draw.altered({key: value for key, value in good.items() if key != "checksum"})
        try:
            if isinstance(content, dict):
                content["checksum"] = hashlib.sha256(canonical_json(content).encode()).hexdigest()
        except ValueError:  # infinite: such a manifest has no checksum
            return
        path.write_text(json.dumps(content))
        made += _report(folder)
        list(Store(folder).faults())

    each(500, check)
    assert enough(made, 20)
    assert [found.name for found in tmp_path.iterdir()] == ["in"]


def test_rows_of_records(tmp_path: Path) -> None:
    """Rows of any content behind fitting checksums."""
    folder = _recorded(tmp_path / "in" / "out")
    path = folder / "cells" / "evaluate" / f"{0:020x}" / "rows.parquet"
    manifest = json.loads(path.with_name("manifest.json").read_text())
    good = pd.read_parquet(path)
    texts = [text for text in ODD_TEXTS if text != "\ud800"]

    def content_of_two(draw: Draw) -> list[Any] | None:
        kind = draw.randrange(4)
        if kind == 0:
            return [draw.choice([draw.text(8), draw.choice(texts)]) for _ in range(2)]
        if kind == 1:
            return [draw.number() for _ in range(2)]
        if kind == 2:
            return [[draw.number() for _ in range(draw.randint(0, 3))] for _ in range(2)]
        return None

    def check(draw: Draw) -> None:
        name, content = draw.choice([*good.columns, "odd"]), content_of_two(draw)
        rows = good.drop(columns=name, errors="ignore") if content is None else good.assign(**{name: content})
        rows.to_parquet(path)
        if draw.random() < 0.2:
            path.write_bytes(path.read_bytes()[:200])
        told = {key: value for key, value in manifest.items() if key != "checksum"}
        told["files"] = {"rows.parquet": hashlib.sha256(path.read_bytes()).hexdigest()}
        told["checksum"] = hashlib.sha256(canonical_json(told).encode()).hexdigest()
        path.with_name("manifest.json").write_text(json.dumps(told))
        _report(folder)

    each(400, check)
    assert [found.name for found in tmp_path.iterdir()] == ["in"]
