"""The action for GitHub and the template for GitLab: valid by their schemas, and their scripts run as a runner would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
ACTION = REPOSITORY / "action.yml"
GITLAB = REPOSITORY / "templates" / "asa-bench-gate.gitlab-ci.yml"
#: Stands for asa-bench and for pip: one line a call, arguments apart by |, and the exit codes that a test wants.
STUB = """#!/bin/sh
line=$(basename "$0"); for one in "$@"; do line="$line|$one"; done; echo "$line" >> "$LOG"
[ "$1" = run ] && exit "${RUN_CODE:-0}"; [ "$1" = gate ] && exit "${GATE_CODE:-0}"; exit 0
"""
HOSTILE = "out/a model; touch owned $(touch owned) `touch owned` ' \" ${HOME}"


@pytest.mark.parametrize(
    ("schema", "path"), [("vendor.github-actions", ACTION), ("vendor.gitlab-ci", GITLAB)]
)
def test_files_are_what_their_schemas_say(schema: str, path: Path, tmp_path: Path) -> None:
    def check(text: str) -> int:
        file = tmp_path / path.name
        file.write_text(text.replace("\n.asa-bench-gate", "\nasa-bench-gate"))  # a hidden job may be anything
        asked = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
        return subprocess.run(asked, capture_output=True, check=False).returncode

    text = path.read_text("utf-8")
    assert check(text) == 0
    assert check(text.replace("composite", "composed").replace("when: always", "when: ever")) == 1


@pytest.fixture
def stubs(tmp_path: Path) -> dict[str, str]:
    """The environment of a runner with stubs first on its path; LOG is where calls are kept."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("asa-bench", "python"):
        (folder / name).write_text(STUB)
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(tmp_path / "log"), "HOME": str(tmp_path)}


def bash(script: str, where: Path, environment: Mapping[str, str], shell: str = "bash") -> int:
    options = ["-eo", "pipefail"] if shell == "bash" else ["-e"]
    return subprocess.run([shell, *options, "-c", script], cwd=where, env=environment, check=False).returncode


def calls(stubs: Mapping[str, str]) -> list[list[str]]:
    log = Path(stubs["LOG"])
    return [line.split("|") for line in log.read_text().splitlines()] if log.exists() else []


def act(where: Path, stubs: Mapping[str, str], inputs: Mapping[str, str], **more: str) -> list[int]:
    """Exit codes of the steps of the action that are scripts."""
    action = yaml.safe_load(ACTION.read_text("utf-8"))
    values = {name: str(told.get("default", "")) for name, told in action["inputs"].items()} | dict(inputs)
    assert values.keys() == action["inputs"].keys()
    codes = []
    for step in action["runs"]["steps"]:
        if "run" not in step:
            continue
        # A script with an expression in it runs what the expression says.
        assert "${{" not in step["run"] and step["shell"] == "bash"
        told: dict[str, Any] = {}
        for name, value in step["env"].items():
            (expression,) = re.fullmatch(r"\$\{\{ (.+) \}\}", value).groups()  # type: ignore[union-attr]
            known = {f"inputs.{key}": each for key, each in values.items()} | {
                "github.action_path": "/action"
            }
            told[name] = known[expression]
        codes.append(
            bash(step["run"], where, {**stubs, "GITHUB_OUTPUT": str(where / "outputs"), **told, **more})
        )
        if codes[-1]:
            break
    return codes


def test_the_action_asks_and_decides(tmp_path: Path, stubs: dict[str, str]) -> None:
    inputs = {"model": HOSTILE, "task": "sst2", "replay": "my sets", "arguments": "--eval-examples\n500\n"}
    assert act(tmp_path, stubs, {**inputs, "policy": "gate.yaml", "label-map": "no,yes"}) == [0, 0]
    assert not (tmp_path / "owned").exists()
    pip, run, gate = calls(stubs)
    assert pip[-1] == "/action" and "https://download.pytorch.org/whl/cpu" in pip
    assert f"model@sst2={HOSTILE}" in run and run[run.index("--replay") + 1] == "my sets"
    assert run[run.index("--tasks") + 1] == "sst2" and run[-2:] == ["--eval-examples", "500"]
    assert run[run.index("--label-map") + 1] == "model=no,yes" and "--data-dir" not in run
    assert gate[:5] == ["asa-bench", "gate", "asa-bench-out", "--baseline", "baseline.json"]
    assert gate[-2:] == ["--policy", "gate.yaml"]
    told = dict(line.split("=") for line in (tmp_path / "outputs").read_text().splitlines())
    outputs = yaml.safe_load(ACTION.read_text("utf-8"))["outputs"]
    assert told.keys() == outputs.keys() and told["junit"] in gate


@pytest.mark.parametrize(
    ("run", "gate", "code", "gated"), [(0, 1, 1, True), (1, 1, 1, True), (2, 0, 2, False), (0, 2, 2, True)]
)
def test_exit_codes_are_those_of_the_gate_unless_the_run_was_wrong(
    tmp_path: Path, stubs: dict[str, str], run: int, gate: int, code: int, gated: bool
) -> None:
    given = {"RUN_CODE": str(run), "GATE_CODE": str(gate)}
    assert act(tmp_path, stubs, {"model": "m"}, **given) == [0, code]
    assert (calls(stubs)[-1][1] == "gate") is gated
    Path(stubs["LOG"]).unlink()
    assert lab(tmp_path, {**stubs, **given, "ASA_BENCH_MODEL": "m", "ASA_BENCH_PACKAGE": "p"}) == code
    assert (calls(stubs)[-1][1] == "gate") is gated


def lab(where: Path, environment: Mapping[str, str]) -> int:
    """Exit code of the template's script; images of Debian have dash as sh."""
    job = yaml.safe_load(GITLAB.read_text("utf-8"))[".asa-bench-gate"]
    told = {name: str(value) for name, value in job["variables"].items()} | dict(environment)
    return bash("\n".join([*job["before_script"], *job["script"]]), where, told, "sh")


def test_the_template_asks_and_decides(tmp_path: Path, stubs: dict[str, str]) -> None:
    assert lab(tmp_path, {**stubs, "ASA_BENCH_PACKAGE": ""}) != 0
    assert calls(stubs) == []
    told = {"ASA_BENCH_PACKAGE": "asa-bench==1", "ASA_BENCH_MODEL": HOSTILE, "ASA_BENCH_TASK": "sst2"}
    assert lab(tmp_path, {**stubs, **told, "ASA_BENCH_POLICY": "gate.yaml"}) == 0
    assert not (tmp_path / "owned").exists()
    pip, run, gate = calls(stubs)
    assert pip[-1] == "asa-bench==1"
    assert f"model@sst2={HOSTILE}" in run and run[-2:] == ["--tasks", "sst2"]
    assert gate[gate.index("--junit") + 1] == "gate.xml" and gate[-2:] == ["--policy", "gate.yaml"]
