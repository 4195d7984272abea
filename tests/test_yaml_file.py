"""Reading YAML: every mistake is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench import yaml_file
from asa_bench.errors import BadInput


def _write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_values_and_lines(tmp_path: Path) -> None:
    path = _write(tmp_path, "name: one\nlist:\n  - 1\n  - 2.5\nnested:\n  key: null\n")
    data, lines = yaml_file.read(path, "s.yaml")
    assert data == {"name": "one", "list": [1, 2.5], "nested": {"key": None}}
    assert lines[("name",)] == "s.yaml:1"
    assert lines[("list", 1)] == "s.yaml:4"
    assert lines[("nested", "key")] == "s.yaml:6"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "s.yaml:3: key 'a' is given twice; the first is at s.yaml:1"),
        ("a: &x 1\n", "s.yaml:1: anchors, aliases and tags"),
        ("a: *x\n", "s.yaml:1: anchors, aliases and tags"),
        ("a: !!python/object:os.system x\n", "s.yaml:1: anchors, aliases and tags"),
        ("a: [1, 2\n", "s.yaml:"),
        ("- 1\n", "s.yaml:1: a mapping is expected"),
        ("", "s.yaml: the file is empty"),
        ("# only a comment\n", "s.yaml: the file is empty"),
        (b"a: \xff\xfe\n", "s.yaml: byte 3 is not UTF-8"),
        ("[a, b]: 1\n", "a key must be a plain word"),
        ("a: " + "[" * 500 + "]" * 500, "s.yaml"),
        ("a: " + "x" * 1_000_001, "too large"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, text: str | bytes, expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        yaml_file.read(_write(tmp_path, text), "s.yaml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent.yaml: cannot be read"):
        yaml_file.read(tmp_path / "absent.yaml", "absent.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("1e-4", "1e-4"),
        ("[a, b]", ["a", "b"]),
        ("null", None),
        ("", None),
        ("{x: 1}", {"x": 1}),
    ],
)
def test_option_values(text: str, value: object) -> None:
    assert yaml_file.parse_value(text, "--set x") == value


def test_option_values_refuse_tags() -> None:
    with pytest.raises(BadInput, match=r"--set x"):
        yaml_file.parse_value("!!python/name:os.system", "--set x")
