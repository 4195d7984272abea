"""What an evaluation records of the training data of the model that it asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from asa_bench.cell import Cell
from asa_bench.errors import Unavailable
from asa_bench.kinds import common, overlapping
from asa_bench.record import Record
from asa_bench.tasks.base import Source, TaskData, row_hash

TASK = "laboratory/sentiment"
FACED = {"task": TASK, "split": "dev", "examples": 8}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of eight test rows, the first stands in the training data, the second with other case, the third nearly."""
    honest = common.rows_of

    def rows_of(task: str, split: str, source: Source, count: int | None) -> TaskData:
        data = honest(task, split, source, count)
        if split != "train":
            return data
        texts = honest(task, "dev", source, 8).frame["sentence"].tolist()
        frame = data.frame.copy()
        frame.loc[[0, 1, 2], "sentence"] = [texts[0], texts[1].upper(), f"{texts[2][:-1]} so."]
        return replace(data, frame=frame)

    monkeypatch.setattr(common, "rows_of", rows_of)
    overlapping._learned.cache_clear()
    overlapping._overlap.cache_clear()
    yield
    overlapping._learned.cache_clear()
    overlapping._overlap.cache_clear()


def training(more: tuple[str, ...] = ()) -> Record:
    """The record of a training on 40 rows."""
    texts = overlapping._learned((TASK, 40, 0), Source())[0]
    hashes = [row_hash(text)[:16] for text in texts] + list(more)
    found = SimpleNamespace(
        has_rows=True,
        rows=lambda: pd.DataFrame({"text_hash": hashes}),
        spec={"task": TASK, "examples": 40},
    )
    return cast(Record, found)


def counted(trained: Record) -> dict[str, Any]:
    cell = Cell("evaluate", FACED, {}, {}, None, {"source": Source()})
    return overlapping.counted(cell, {"model": trained})


def test_rows_that_stand_in_the_training_data_are_counted() -> None:
    assert counted(training()) == {"overlap": {"trained": 40, "exact": 2, "near": 1, "shared_text": 2}}


def test_near_duplicates_of_large_sets_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlapping, "MOST_ROWS", 47)
    assert counted(training())["overlap"] == {"trained": 40, "exact": 2, "near": None, "shared_text": 2}


def test_other_data_than_were_trained_on_are_not_counted() -> None:
    assert counted(training(more=("0" * 16,))) == {}


def test_a_model_is_asked_where_its_training_data_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = training()
    overlapping._learned.cache_clear()
    honest = common.rows_of

    def rows_of(task: str, split: str, source: Source, count: int | None) -> TaskData:
        if split == "train":
            raise Unavailable("gone")
        return honest(task, split, source, count)

    monkeypatch.setattr(common, "rows_of", rows_of)
    assert counted(trained) == {}
