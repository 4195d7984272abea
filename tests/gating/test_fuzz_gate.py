"""Hostile policies and baselines, those with fitting checksums among them: a decision, or one clear line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from fuzzing import Draw, clear, each, enough
from gate_runs import answers, make_run

from asa_bench.errors import AsaBenchError
from asa_bench.gating import Baseline, Collected, collect, decide, outputs
from asa_bench.gating import baseline as baselines
from asa_bench.gating import policy as policies
from asa_bench.gating.policy import PolicyFile
from asa_bench.store import Store

pytestmark = pytest.mark.slow

POLICY = """\
schema: 1
defaults: {margin: 2, alpha: 0.05, cannot_tell: warn, seeds: own}
slices: [length]
scores:
  - match: "*:accuracy"
    margin: 5.5
    cannot_tell: pass
  - match: "tiny/*"
    floor: 50
    ignored_slices: [length=21-40 words]
  - match: "*/asa/*"
    ignore: false
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    folder = tmp_path_factory.mktemp("gate")
    return collect(
        Store(make_run(folder / "new", {1: answers(40, [1]), 2: answers(40, [2, 3])}, weights="b"))
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    folder = tmp_path_factory.mktemp("gate")
    return baselines.of(collect(Store(make_run(folder / "old", {1: answers(40), 2: answers(40, [5])}))))


def shown(run: Collected, baseline: Baseline, policy: PolicyFile) -> None:
    """Decides, and writes everything that a gate writes; what is hostile in it stays text."""
    decision = decide(run, baseline, policy)
    for line in (*outputs.text(decision).splitlines(), *outputs.workflow_commands(decision)):
        assert line.isprintable()
    assert "<script" not in outputs.markdown(decision)
    ET.fromstring(outputs.junit(decision))
    json.loads(outputs.as_json(decision))


def test_policies(run: Collected, stored: Baseline, tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    told = used = 0

    def check(draw: Draw) -> None:
        nonlocal told, used
        path.write_bytes(draw.damaged(POLICY))
        try:
            shown(run, stored, policies.load(path))
            used += 1
        except AsaBenchError as error:
            clear(error)
            told += 1

    each(1_500, check)
    assert enough(told, 300) and enough(used, 25)
    assert [found.name for found in tmp_path.iterdir()] == ["gate.yaml"]


def test_a_small_policy_does_not_become_enormous(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    laughs = "a: &a [lol, lol]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)
    )
    stars = "schema: 1\nscores:\n  - match: '" + "*a" * 20_000 + "'\n"
    for text in (laughs, "[" * 100_000, "- " * 200_000, stars):
        path.write_text(text)
        with pytest.raises(AsaBenchError) as told:
            policies.load(path).check_used(["a" * 200], {"heuristic"})
        clear(told.value)


def test_baselines(run: Collected, stored: Baseline, tmp_path: Path) -> None:
    """Damaged ones are never read; those whose checksum was made to fit are what they say, or refused."""
    path = tmp_path / "baseline.json"
    text = stored.text()
    content: dict[str, Any] = json.loads(text)
    del content["checksum"]
    read = used = 0

    def check(draw: Draw) -> None:
        nonlocal read, used
        if draw.random() < 0.3:
            damaged = draw.damaged(text)
        else:
            forged = draw.altered(content)
            try:
                if isinstance(forged, dict):
                    forged["checksum"] = baselines._checksum(forged)
            except ValueError:  # infinite: such a baseline has no checksum
                return
            damaged = json.dumps(forged).encode()
        path.write_bytes(damaged)
        try:
            found = baselines.read(path)
            read += 1
            found.text()
            shown(run, found, policies.load(None))
            used += 1
        except AsaBenchError as error:
            clear(error)

    each(2_000, check)
    assert enough(read, 100) and enough(used, 30)
    assert [found.name for found in tmp_path.iterdir()] == ["baseline.json"]
