"""A message is one line that a terminal shows as it is, whatever value from outside stands in it."""

from __future__ import annotations

import pytest

from asa_bench.errors import LONGEST, BadInput, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("suite.yaml: no such field", "suite.yaml: no such field"),
        ("a\nb\r\n c", "a b  c"),
        ("name\r", "name"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("left\u202eright", "left\\u202eright"),
        ("lone \ud800", "lone \\ud800"),
        ("große Überraschung", "große Überraschung"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown
    assert str(BadInput(text)) == shown


def test_long_messages_are_cut_in_the_middle() -> None:
    text = str(BadInput("begin " + "x" * 10_000 + " end"))
    assert len(text) < LONGEST
    assert text.startswith("begin x")
    assert text.endswith("x end")
