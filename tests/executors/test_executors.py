"""What a cell raises becomes a failure that can be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.errors import BadInput, StoreError
from asa_bench.executors import attempt, one_line


def test_errors_become_one_line() -> None:
    assert one_line(ValueError("a\n  b")) == "ValueError: a b"
    assert one_line(BadInput("plain")) == "plain"
    assert one_line(KeyError()) == "KeyError"
    assert len(one_line(ValueError("x" * 10_000))) < 400


@pytest.mark.parametrize(
    ("error", "line", "stops"),
    [
        (ValueError("bad"), "ValueError: bad", False),
        (BadInput("field: bad"), "field: bad", False),
        (StoreError("out: cannot be written"), "out: cannot be written", True),
        (RuntimeError("No space left on device"), "no space left on the disk", True),
    ],
)
def test_failures(error: Exception, line: str, stops: bool) -> None:
    def work() -> None:
        raise error

    failure = attempt(work, Path("out"))
    assert failure is not None
    assert line in failure.error
    assert failure.stops is stops
    assert type(error).__name__ in failure.traceback


def test_done_is_no_failure() -> None:
    assert attempt(lambda: None, Path("out")) is None


def test_interrupts_pass() -> None:
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(work, Path("out"))
