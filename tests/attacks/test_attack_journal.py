"""A killed attack goes on where it was, and ends with the same records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attack_victims import SINGLE, WITHOUT_RANDOMNESS, KeywordVictim, single_rows

from asa_bench.attacks import ATTACKS
from asa_bench.attacks.base import AttackOptions
from asa_bench.attacks.engine import attack_rows
from asa_bench.attacks.journal import FILE, Journal
from asa_bench.errors import StoreError

TEXTS = [f"{'really ' * i}a wonderful {'brilliant ' * (i % 2)}film" for i in range(8)] + ["dull"]
HERE = {"packages": {"torch": "1"}}


def attacked(
    victim: Any, folder: Path | None, attack: Any = WITHOUT_RANDOMNESS, circumstances: Any = HERE
) -> pd.DataFrame:
    return attack_rows(
        attack,
        victim,
        SINGLE,
        single_rows(*TEXTS),
        seed=3,
        options=AttackOptions(lanes=2),
        journal=Journal(folder, circumstances),
    )


class Stopping(KeywordVictim):
    """Kills its own process, or raises Ctrl-C, when it has been asked so many times."""

    def __init__(self, times: int, kill: bool) -> None:
        super().__init__()
        self.times = times
        self.kill = kill

    def steady_logits(self, texts: Any) -> np.ndarray:
        if len(self.asked) >= self.times:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
        return super().steady_logits(texts)


def questions(victim: KeywordVictim) -> int:
    return sum(len(texts) for texts, _ in victim.asked)


@pytest.mark.parametrize("name", [None, "deepwordbug+stopwords", "pruthi+stopwords"])
def test_an_interrupted_attack_goes_on_to_the_same_records(name: str | None, tmp_path: Path) -> None:
    attack = WITHOUT_RANDOMNESS if name is None else ATTACKS.get(name)
    victim = KeywordVictim()
    whole = attacked(victim, None, attack)
    with pytest.raises(KeyboardInterrupt):
        attacked(Stopping(len(victim.asked) * 2 // 3, kill=False), tmp_path, attack)
    assert 0 < len(Journal(tmp_path, HERE).read()) < len(TEXTS)
    resumed = KeywordVictim()
    pd.testing.assert_frame_equal(attacked(resumed, tmp_path, attack), whole)
    assert questions(resumed) < questions(victim)
    again = KeywordVictim()
    pd.testing.assert_frame_equal(attacked(again, tmp_path, attack), whole)
    assert questions(again) == 0


@pytest.mark.slow
def test_a_killed_attack_goes_on(tmp_path: Path) -> None:
    victim = KeywordVictim()
    whole = attacked(victim, None)
    times = len(victim.asked) * 2 // 3
    code = (
        "import test_attack_journal as t, pathlib; "
        f"t.attacked(t.Stopping({times}, True), pathlib.Path({str(tmp_path)!r}))"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert 0 < len(Journal(tmp_path, HERE).read()) < len(TEXTS)
    pd.testing.assert_frame_equal(attacked(KeywordVictim(), tmp_path), whole)


def test_torn_lines_and_other_circumstances_are_not_used(tmp_path: Path) -> None:
    whole = attacked(KeywordVictim(), tmp_path)
    path = tmp_path / FILE
    content = path.read_bytes()
    for damage in (content[:-30], content[: len(content) // 2] + b"\0" * 50, content[:5], b""):
        path.write_bytes(damage)
        known = Journal(tmp_path, HERE).read()
        assert len(known) < len(TEXTS)
        pd.testing.assert_frame_equal(attacked(KeywordVictim(), tmp_path), whole)
        assert len(Journal(tmp_path, HERE).read()) == len(TEXTS)
    other = {"packages": {"torch": "2"}}
    assert Journal(tmp_path, other).read() == {}
    victim = KeywordVictim()
    attacked(victim, tmp_path, circumstances=other)
    assert questions(victim) > 0
    assert Journal(tmp_path, HERE).read() == {}


def test_errors_and_other_texts_are_attacked_again(tmp_path: Path) -> None:
    whole = attacked(KeywordVictim(), tmp_path)
    head, *lines = (tmp_path / FILE).read_text().splitlines()
    records = [json.loads(line) for line in lines]
    records[0] |= {"status": "errored", "error": "planted"}
    records[1] |= {"text_hash": "0" * 16, "queries": 1}
    (tmp_path / FILE).write_text("\n".join([head, *map(json.dumps, records)]) + "\n")
    pd.testing.assert_frame_equal(attacked(KeywordVictim(), tmp_path), whole)


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StoreError, match=f"{FILE}: cannot be read"):
        Journal(tmp_path).read()
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "below")
    with pytest.raises(StoreError, match=f"{FILE}: cannot be"):
        journal.read()
        journal.write({"id": "a"})
