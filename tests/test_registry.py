"""Registries: what is built in, what other packages add by entry point, and what goes wrong."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from asa_bench.errors import BadInput, nearest
from asa_bench.registry import Registry


def _registry(monkeypatch: pytest.MonkeyPatch, **points: str) -> Registry[object]:
    found = [metadata.EntryPoint(name, value, "asa_bench.things") for name, value in points.items()]
    monkeypatch.setattr(metadata, "entry_points", lambda group: found if group == "asa_bench.things" else [])
    return Registry("thing", "asa_bench.things", {"pi": "math:pi"})


def test_builtin_and_foreign_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    import math

    registry = _registry(monkeypatch, tau="math:tau")
    assert registry.names() == ["pi", "tau"]
    assert "tau" in registry
    assert "e" not in registry
    assert registry.get("pi") == math.pi
    assert registry.get("tau") == math.tau


def test_an_unknown_name_is_told_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="unknown thing 'taw'; did you mean 'tau'"):
        _registry(monkeypatch, tau="math:tau").get("taw")


def test_a_foreign_entry_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="thing 'bad'"):
        _registry(monkeypatch, bad="no_such_module:x").get("bad")


def test_a_foreign_entry_may_not_take_a_builtin_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="has the name of a built-in thing"):
        _registry(monkeypatch, pi="math:tau").names()


def test_hints() -> None:
    assert nearest("robustnes", ["robustness", "ci"]) == "did you mean 'robustness'?"
    assert nearest("xyz", ["b", "a"]) == "known: a, b"
    assert nearest("xyz", []) == "there are none"


def test_a_method_of_another_package_is_listed_and_trains(tmp_path: Path) -> None:
    """A package with an entry point, as docs/extending.md shows it, run in a process of its own."""
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").write_text("")
    documentation = (Path(__file__).parents[1] / "docs" / "extending.md").read_text("utf-8")
    code = documentation.split("```python\n")[1].split("```")[0]
    (tmp_path / "my_package" / "smoothing.py").write_text(code)
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[asa_bench.methods]\nlabel-smoothing = my_package.smoothing:LabelSmoothing\n"
    )
    program = (
        "import sys\nsys.path.insert(0, sys.argv[1])\n"
        "from asa_bench.methods import METHODS\n"
        "assert 'label-smoothing' in METHODS.names()\n"
        "method = METHODS.get('label-smoothing')({'epsilon': 0.2})\n"
        "assert 'torch' not in sys.modules\n"
        "import torch\nfrom types import SimpleNamespace\n"
        "logits = torch.tensor([[2.0, 0.0]], requires_grad=True)\n"
        "model = lambda **inputs: SimpleNamespace(logits=logits)\n"
        "loss = method.loss(model, {'input_ids': None, 'labels': torch.tensor([0])})\n"
        "p = torch.log_softmax(logits, 1)[0]\n"
        "assert torch.isclose(loss.total, -(0.9 * p[0] + 0.1 * p[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
