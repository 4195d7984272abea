"""The seams of docs/architecture.md: who may import what, and how cheap the first commands are."""

from __future__ import annotations

import ast
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

import asa_bench
from asa_bench.cli import app, main

PACKAGE = Path(asa_bench.__file__).parent
HEAVY = {"torch", "transformers", "datasets", "pandas", "textattack", "matplotlib"}


def _imports(path: Path) -> set[str]:
    """Every module that a file imports anywhere, functions and type checking included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {
                arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            }
    return found


def _importers(package: str, folder: str = "") -> set[str]:
    """Files below `folder` that import `package`, relative to the package."""
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in (PACKAGE / folder).rglob("*.py")
        if any(name == package or name.startswith(f"{package}.") for name in _imports(path))
    }


def test_only_attacks_import_textattack() -> None:
    importers = _importers("textattack")
    assert importers
    assert all(name.startswith("attacks/") for name in importers)


@pytest.mark.parametrize(("package", "only"), [("ray", "executors/ray.py"), ("fsspec", "mirror.py")])
def test_one_file_knows_the_cluster_and_one_the_object_store(package: str, only: str) -> None:
    assert _importers(package) == {only}


@pytest.mark.parametrize("room", ["measures", "reports"])
@pytest.mark.parametrize("package", ["torch", "transformers", "textattack"])
def test_measures_and_reports_need_no_model(room: str, package: str) -> None:
    assert _importers(package, room) == set()


def test_measures_touch_no_files() -> None:
    assert _importers("pathlib", "measures") | _importers("os", "measures") == set()


def test_only_methods_and_architectures_know_model_families() -> None:
    knowing = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("transformers.models.") for name in _imports(path))
    }
    assert knowing <= {"models/architectures.py"}


@pytest.mark.parametrize("room", ["measures", "reports", "tasks", "attacks", "methods", "models"])
def test_arrows_run_down(room: str) -> None:
    above = {
        "asa_bench.cli",
        "asa_bench.api",
        "asa_bench.runner",
        "asa_bench.work",
        "asa_bench.kinds",
        "asa_bench.gathering",
        "asa_bench.last_run",
        "asa_bench.plan",
        "asa_bench.builder",
        "asa_bench.questions",
        "asa_bench.request",
    }
    for path in (PACKAGE / room).rglob("*.py"):
        assert not above & _imports(path), path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["pretrain", "--help"],
        ["list", "suites"],
        ["list", "attacks"],
        ["list", "methods"],
        ["version"],
    ],
)
def test_the_first_commands_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom asa_bench.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        f"heavy = {HEAVY!r} & set(sys.modules)\nsys.exit(f'imported {{sorted(heavy)}}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_command_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*arguments: str) -> str:
        with contextlib.suppress(SystemExit):
            main([*arguments, "--help"])
        return capsys.readouterr().out

    # Every command there is, so that a new one cannot be forgotten.
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    commands = [
        (name, *inner)
        for name, command in group.commands.items()
        for inner in ([(each,) for each in command.commands] if isinstance(command, TyperGroup) else [()])
    ]
    assert len(commands) > 10
    whole = shown()
    for command in commands:
        assert command[0] in whole
        text = shown(*command)
        assert f"asa-bench {' '.join(command)}" in text.replace("Usage: asa-bench", "", 1)
        assert "xample" in text
