"""Victims with known answers, a task of one text and one of two, and a recipe without randomness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from asa_bench.attacks.adapter import textattack
from asa_bench.attacks.base import Attack
from asa_bench.tasks.base import Split, Task

GOOD = frozenset({"wonderful", "brilliant", "splendid"})


class KeywordVictim:
    """Gives its first label while any of its columns has a word in `GOOD`, exactly spelt; else its second.

    Attributes:
        asked: (texts, batch size asked for) of every call.
    """

    model = None

    def __init__(
        self, labels: Sequence[str] = ("positive", "negative"), *, bias: float = -0.5, batch_size: int = 32
    ) -> None:
        self.labels = tuple(labels)
        self.bias = bias
        self.batch_size = batch_size
        self.asked: list[tuple[list[tuple[str, ...]], int | None]] = []

    def score(self, text: tuple[str, ...]) -> float:
        words = [word for part in text for word in textattack.shared.utils.words_from_text(part)]
        return sum(word in GOOD for word in words) + self.bias

    def logits(self, texts: Sequence[tuple[str, ...]], batch_size: int | None = None) -> np.ndarray:
        self.asked.append((list(texts), batch_size))
        result = np.full((len(texts), len(self.labels)), -5.0, dtype=np.float32)
        for row, text in enumerate(texts):
            result[row, :2] = self.score(text), -self.score(text)
        return result

    def steady_logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        return self.logits(texts)


def make_task(**changes: Any) -> Task:
    values: dict[str, Any] = {
        "name": "toy",
        "title": "Toy",
        "family": "sentiment",
        "role": "train",
        "columns": ("sentence",),
        "labels": ("negative", "positive"),
        "splits": {"dev": Split()},
        "evaluation_split": "dev",
        "attack_column": "sentence",
        "slices": ("kind",),
        "licence": "none",
        "citation": "none",
        "homepage": "none",
    }
    return Task(**values | changes)


SINGLE = make_task()
PAIR = make_task(
    family="inference",
    columns=("premise", "hypothesis"),
    labels=("entailment", "non-entailment"),
    label_map={"neutral": "non-entailment", "contradiction": "non-entailment"},
    attack_column="hypothesis",
    slices=(),
)
THREE_WAY = ("entailment", "neutral", "contradiction")


def single_rows(*texts: str, label: str = "positive") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"id": f"r{i}", "sentence": text, "label": label, "kind": f"k{i % 2}"}
            for i, text in enumerate(texts)
        ],
        dtype=object,  # a column of type str cannot hold a lone surrogate
    )


def pair_rows(*pairs: tuple[str, str], label: str = "entailment") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"id": f"p{i}", "premise": one, "hypothesis": two, "label": label}
            for i, (one, two) in enumerate(pairs)
        ]
    )


def build_without_randomness(wrapper: Any) -> Any:
    """Every swap of neighbouring letters, greedily: a recipe that draws no random number."""
    return textattack.Attack(
        textattack.goal_functions.UntargetedClassification(wrapper),
        [textattack.constraints.pre_transformation.RepeatModification()],
        textattack.transformations.WordSwapNeighboringCharacterSwap(random_one=False),
        textattack.search_methods.GreedySearch(),
    )


WITHOUT_RANDOMNESS = Attack(
    name="swaps", title="Swaps", recipe="attack_victims:build_without_randomness", paper="none"
)


def build_from_missing_file(wrapper: Any) -> Any:
    """A recipe whose data file is not there, as two of the library's own are."""
    raise FileNotFoundError("no intentional_homoglyphs.txt")
