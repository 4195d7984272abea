"""Hostile input of every kind that comes from outside is used or told in one clear line; nothing else happens.

Thousands of damaged and malicious files a test, from a fixed seed; ``ASA_BENCH_FUZZ_SEED=7`` tries others. Data sets are
in `tests/tasks/test_mutations.py`.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from models_for_tests import tiny_bert

from asa_bench import checkpoints, runner, scoring, suite, yaml_file
from asa_bench.errors import AsaBenchError
from asa_bench.reports.inputs import Subject
from asa_bench.store import SCHEMA_VERSION, Store, canonical_json
from asa_bench.tasks import TASKS

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("ASA_BENCH_FUZZ_SEED", "0"))

ODD_TEXTS = (
    *(
        "",
        " ",
        "\x00",
        "\ufeff",
        "\r",
        "\x1b[2J",
        "\u202e",
        "\u2028",
        "\ud800",
        "\U0010ffff",
        "é",
        "a" * 5000,
    ),
    *("null", "~", "true", "-1", "1e999", "-.inf", ".nan", "0x10", "1_000", "08", "2020-01-01", "9" * 400),
    *(
        "../../../../tmp/escaped",
        "/etc/passwd",
        "C:\\x",
        "%s%n",
        "{}",
        "[]",
        "[[",
        "{a: [",
        "- - -",
        "? :",
        "<<: *a",
    ),
    *(
        "&a [*a, *a]",
        "!!python/object/apply:os.system [touch escaped]",
        "!!binary aGk=",
        "---\n---",
        "%YAML 9.9",
    ),
    *(
        "$(touch escaped)",
        "`touch escaped`",
        "__import__('os')",
        "=cmd|' /C calc'!A0",
        '"',
        "'",
        ",",
        "\t",
        "\n\n",
    ),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(ODD_TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def fuzzed(cases: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many cases, from the seed of this run, without files of hypothesis' own."""

    def wrap(test: Callable[..., None]) -> Callable[..., None]:
        configured = settings(
            max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        return seed(SEED)(configured(test))

    return wrap


def clear(error: AsaBenchError) -> None:
    """One line that a terminal shows as it is, of a length that one reads."""
    text = str(error)
    assert text.strip()
    assert "\n" not in text and "\r" not in text, text
    assert len(text) < 3000, text[:3000]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """The text's bytes with one to three injuries."""
    data = text.encode()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["flip", "cut", "drop", "insert", "repeat", "value"]))
        if kind == "flip" and data:
            data = data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + draw(st.integers(1, 40)) :]
        elif kind == "repeat":
            end = at + draw(st.integers(1, 60))
            data = data[:end] + data[at:end] + data[end:]
        else:
            odd = draw(st.sampled_from(ODD_TEXTS)).encode("utf-8", "surrogatepass")
            # In place of what stands behind the next colon or comma, so that a value changes and not only syntax.
            after = max(data.find(b":", at), data.find(b",", at)) + 1 if kind == "value" else at
            end = data.find(b"\n", after) if kind == "value" else after
            data = data[:after] + b" " + odd + data[max(after, end) :]
    return data


@st.composite
def altered(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value in which one or two places hold something else."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        holder, key, inside = None, None, value
        while isinstance(inside, dict | list) and inside and (holder is None or draw(st.integers(0, 3))):
            holder = inside
            key = draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
            inside = inside[key]
        if holder is None or key is None:
            return draw(VALUES)
        if draw(st.booleans()):
            holder[key] = draw(VALUES)
        else:
            del holder[key]
        if not isinstance(value, dict | list):
            break
    return value


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

    @fuzzed(2_500)
    @given(damaged(SUITE))
    def run(content: bytes) -> None:
        nonlocal told, used
        path.write_bytes(content)
        try:
            read = suite.load(path)
            for profile in read.profile_names():
                read.settings(profile)
            used += 1
        except AsaBenchError as error:
            clear(error)
            assert "fuzz.yaml" in str(error)
            told += 1

    run()
    assert told > 500 and used > 50
    assert [each.name for each in tmp_path.iterdir()] == ["fuzz.yaml"]


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


@fuzzed(1_500)
@given(st.sampled_from(ODD_TEXTS) | st.text(max_size=30) | st.builds(json.dumps, VALUES))
def test_values_of_options(text: str) -> None:
    try:
        yaml_file.parse_value(text, "--set x")
    except AsaBenchError as error:
        clear(error)


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

    @fuzzed(800)
    @given(damaged(text))
    def run(content: bytes) -> None:
        nonlocal told
        path.write_bytes(content)
        try:
            read = scoring.read_predictions(path)
            assert all(read.labels) and all(read.labels.values())
            scoring.score_hans_order(read)
        except AsaBenchError as error:
            clear(error)
            told += 1

    run()
    assert told > 400


class _Malicious:
    """Unpickling this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_checkpoints(tmp_path: Path) -> None:
    good = tiny_bert(tmp_path / "good", ["negative", "positive"])
    config = json.loads((good / "config.json").read_text())
    canary = tmp_path / "executed"
    folder = tmp_path / "model"
    told = used = 0

    def load(where: Path) -> None:
        nonlocal told, used
        try:
            identity = checkpoints.identify(str(where), "--load x")
            labels = checkpoints.match_labels(
                checkpoints.model_labels(identity), TASKS.get("sst2"), "--load x", False
            )
            victim = checkpoints.load_victim(
                str(where), None, labels, max_length=32, device="cpu", said="--load x"
            )
            victim.predict([("a good film",)])
            used += 1
        except AsaBenchError as error:
            clear(error)
            told += 1

    @fuzzed(250)
    @given(altered(config))
    def configs(content: Any) -> None:
        shutil.copytree(good, folder, dirs_exist_ok=True)
        try:
            text = json.dumps(content)
        except ValueError:
            return
        # No model of another size: that is to be refused, and not to fill this machine.
        if max((abs(n) for n in _numbers(content)), default=0) > 1_000_000:
            return
        (folder / "config.json").write_text(text, "utf-8", "surrogatepass")
        load(folder)

    @fuzzed(100)
    @given(st.data())
    def weights(data: st.DataObject) -> None:
        shutil.copytree(good, folder, dirs_exist_ok=True)
        content = bytearray((good / "model.safetensors").read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):  # the first bytes are the header, which can lie
            content[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))
        (folder / "model.safetensors").write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
        load(folder)

    configs()
    weights()
    assert told > 100 and used > 5
    for name in (
        "pytorch_model.bin",
        "model.pt",
        "model.ckpt",
        "adapter_model.bin",
        "training_args.bin",
        "tokenizer.pkl",
    ):
        for beside in (False, True):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(good, folder)
            (folder / name).write_bytes(pickle.dumps(_Malicious(canary)))
            if not beside:
                (folder / "model.safetensors").unlink()
            load(folder)
    assert not canary.exists()
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Malicious(canary)))
    with pytest.raises(AsaBenchError, match=r"pytorch_model\.bin is a pickle"):
        checkpoints.identify(str(folder), "--load x")


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [number for each in inner for number in _numbers(each)]
    return (
        [float(value)]
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**300
        else []
    )


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
        report = runner.gather(store)
        runner.write_tables(store, report)
        return True
    except AsaBenchError as error:
        clear(error)
        return False


def test_plans_of_output_folders(tmp_path: Path) -> None:
    folder = _recorded(tmp_path / "in" / "out")
    plan = json.loads((folder / "plan.json").read_text())
    assert _report(folder)
    made = 0

    @fuzzed(900)
    @given(altered(plan))
    def run(content: Any) -> None:
        nonlocal made
        try:
            text = json.dumps(content)
        except ValueError:
            return
        (folder / "plan.json").write_text(text)
        made += _report(folder)

    run()
    assert 20 < made < 900
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]


def test_manifests_of_records(tmp_path: Path) -> None:
    """Damaged ones are not read; forged ones, whose checksums fit, are read as what they say or refused."""
    folder = _recorded(tmp_path / "in" / "out")
    path = folder / "cells" / "evaluate" / f"{0:020x}" / "manifest.json"
    good = json.loads(path.read_text())
    made = 0

    @fuzzed(900)
    @given(altered({key: value for key, value in good.items() if key != "checksum"}))
    def run(content: Any) -> None:
        nonlocal made
        try:
            if isinstance(content, dict):
                content["checksum"] = hashlib.sha256(canonical_json(content).encode()).hexdigest()
            text = json.dumps(content)
        except (ValueError, TypeError):
            return
        path.write_text(text)
        made += _report(folder)
        list(Store(folder).faults())

    run()
    assert made > 20
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def test_rows_of_records(tmp_path: Path) -> None:
    """Rows of any content behind fitting checksums."""
    folder = _recorded(tmp_path / "in" / "out")
    path = folder / "cells" / "evaluate" / f"{0:020x}" / "rows.parquet"
    manifest = json.loads(path.with_name("manifest.json").read_text())
    good = pd.read_parquet(path)
    column = st.sampled_from([*good.columns, "odd"])
    cells = st.lists(
        st.text(max_size=8) | st.sampled_from([t for t in ODD_TEXTS if t != "\ud800"]), min_size=2, max_size=2
    )

    numbers = st.lists(st.floats(), min_size=2, max_size=2)
    lists = st.lists(st.lists(st.floats(), max_size=3), min_size=2, max_size=2)

    @fuzzed(700)
    @given(column, cells | numbers | lists | st.none(), st.booleans())
    def run(name: str, content: list[Any] | None, bare: bool) -> None:
        rows = good.drop(columns=name, errors="ignore") if content is None else good.assign(**{name: content})
        rows.to_parquet(path)
        if bare:
            path.write_bytes(path.read_bytes()[:200])
        told = {key: value for key, value in manifest.items() if key != "checksum"}
        told["files"] = {"rows.parquet": hashlib.sha256(path.read_bytes()).hexdigest()}
        told["checksum"] = hashlib.sha256(canonical_json(told).encode()).hexdigest()
        path.with_name("manifest.json").write_text(json.dumps(told))
        _report(folder)

    run()
    assert [each.name for each in tmp_path.iterdir()] == ["in"]
