"""`asa-bench list methods`: every method, with what it comes from and what it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from asa_bench.cli import main
from asa_bench.methods import METHODS


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    with pytest.raises(SystemExit) as end:
        main(["list", "methods", *options])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_each_method_has_a_line_with_its_citation(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {line.split()[0]: line for line in listed(capsys).splitlines()}
    assert list(lines) == METHODS.names()
    for name, line in lines.items():
        assert METHODS.get(name).summary in line
        assert METHODS.get(name).citation in line
    assert "https://arxiv.org/abs/2106.14448" in lines["rdrop"]


def test_json_tells_the_options_their_defaults_and_what_they_mean(capsys: pytest.CaptureFixture[str]) -> None:
    methods = {method["name"]: method for method in json.loads(listed(capsys, "--json"))}
    assert methods["freelb"]["options"]["norm"]["default"] == 0.1
    assert methods["naive"]["citation"] == ""
    for method in methods.values():
        for option in method["options"].values():
            assert option["description"]
            assert "default" in option
