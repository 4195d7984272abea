"""What a run tells while it goes on."""

from __future__ import annotations

import pytest

from asa_bench.cell import Cell
from asa_bench.cli import progress
from asa_bench.cli.progress import Lines, duration
from asa_bench.estimate import Clock

CELLS = [
    Cell("train", {"task": "sst2", "method": "naive", "seed": at, "model": "m"}, {}, {}) for at in range(9)
]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("elapsed", "left"),
    [
        (100.0, "1 min 10 s"),  # two cells of 10 s took 100 s to start: what is left is still 7 cells of 10 s
        (20.0, "1 min 10 s"),  # one after the other
        (10.0, "35 s"),  # two at once
    ],
)
def test_what_is_left_follows_from_how_many_go_on_at_once(
    monkeypatch: pytest.MonkeyPatch, elapsed: float, left: str
) -> None:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines(Clock())
    lines.todo, lines.total = list(CELLS), len(CELLS)
    assert lines.left() == "", "nothing is known of any"
    now[0] += elapsed
    for cell in CELLS[:2]:
        lines._count(cell, 10.0)
    assert lines.left() == f", about {left} left"
