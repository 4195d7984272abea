"""Temperatures: fitted on rows that nothing else uses, and found again where one was planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from asa_bench import calibrating
from asa_bench.calibrating import calibrate, held_out, text_hashes
from asa_bench.cell import Cell
from asa_bench.errors import BadInput
from asa_bench.kinds import common
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source

TASK = TASKS.get("laboratory/sentiment")


def rows(start: int, end: int) -> pd.DataFrame:
    labels = [TASK.labels[i % 2] for i in range(start, end)]
    return pd.DataFrame(
        {"id": range(start, end), "sentence": [f"row {i}" for i in range(start, end)]}
    ).assign(label=labels)


def test_rows_that_are_trained_on_or_reported_are_left_out() -> None:
    # Row 60 is also reported, under another label and in another case of white space.
    reported = text_hashes(pd.DataFrame({"sentence": ["row  60"]}), TASK)
    found = held_out(TASK, rows(0, 200), rows(0, 50), reported, 100)
    assert found["id"].tolist() == [*range(50, 60), *range(61, 151)]


def test_rows_of_a_group_that_is_trained_on_are_left_out() -> None:
    task = TASK.model_copy(update={"group": "pair"})
    pairs = [str(i // 2) for i in range(100)]
    loaded = rows(0, 100).assign(pair=pairs)
    found = held_out(task, loaded, loaded.iloc[:31], (), 100)
    assert found["id"].tolist() == list(range(32, 100))


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(
        BadInput, match=r"laboratory/sentiment.*: 19 rows are left.*20 are needed.*train_examples"
    ):
        held_out(TASK, rows(0, 69), rows(0, 50), (), 100)
    with pytest.raises(BadInput, match="are left"):
        held_out(TASK, rows(0, 50), rows(0, 0), (), 50)  # nothing would be left to train on


class Planted:
    """Logits under which labels are drawn, times a factor."""

    labels = ("positive", "negative")  # the other way round than the task's

    def __init__(self, factor: float, wrong: bool = True) -> None:
        self.factor = factor
        self.wrong = wrong

    def logits(self, texts: list[tuple[str, ...]], progress: Any = None) -> np.ndarray:
        dice = np.random.default_rng(0)
        found = []
        for (text,) in texts:
            positive = int(text.split()[1]) % 2 == 1  # as `rows` labels them
            sure = 2.0 * dice.random()
            if self.wrong and dice.random() > 1 / (1 + np.exp(-sure)):
                positive = not positive
            found.append([sure / 2, -sure / 2] if positive else [-sure / 2, sure / 2])
        return self.factor * np.array(found, dtype=np.float32)


def test_a_planted_temperature_is_found_whatever_the_order_of_labels() -> None:
    logits, found = calibrate(Planted(1), TASK, rows(0, 4000))  # type: ignore[arg-type]
    assert logits.shape == (4000, 2)
    assert found["temperature"] == pytest.approx(1, abs=0.1)
    scaled = calibrate(Planted(100), TASK, rows(0, 4000))[1]  # type: ignore[arg-type]
    assert scaled["temperature"] == pytest.approx(100 * found["temperature"], rel=1e-3)
    assert scaled["fit"]["nll_after"] < scaled["fit"]["nll_before"] / 10


def test_a_victim_without_errors_is_not_sharpened() -> None:
    found = calibrate(Planted(1, wrong=False), TASK, rows(0, 100))[1]  # type: ignore[arg-type]
    assert found["fit"]["bounded"] and found["fit"]["value"] < 1
    assert found["temperature"] == 1


@pytest.mark.parametrize("trained", [80, None])
def test_cells_never_share_rows(trained: int | None) -> None:
    """What a training, a fit and an evaluation of the same suite look at, read from their cells."""
    source = Source(kind="laboratory")
    context = {"source": source}
    spec: dict[str, Any] = {"task": TASK.name, "split": "train", "examples": 40}
    fit = Cell("calibrate", spec | {"trained_on": trained, "reported": 60}, {}, context=context)
    training = {"task": TASK.name, "examples": trained, **({} if trained else {"held_out": 40})}
    learned = common.chosen(Cell("train", training, {}, context=context), "train", "train")[2]
    shown = common.chosen(
        Cell("evaluate", {"task": TASK.name, "examples": 60}, {}, context=context), "dev", "evaluate"
    )[2]
    fitted = common.held_out(fit)[2]
    assert len(fitted) == 40
    assert len(learned) == (trained or 4500 - 40)
    mine = set(text_hashes(fitted, TASK))
    assert mine.isdisjoint(text_hashes(learned, TASK)) and mine.isdisjoint(text_hashes(shown, TASK))
    assert calibrating.LEAST <= 40
