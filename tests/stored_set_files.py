"""Adversarial sets as files, made up: texts that a test decides, of the laboratory's sentiment task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asa_bench import adversarial_sets
from asa_bench.adversarial_sets import AdversarialSet, Example, SetHeader
from asa_bench.tasks.base import row_hash

TASK = "laboratory/sentiment"
LABELS = ("negative", "positive")


def stored(path: Path, pairs: Sequence[tuple[str, str]] = (), **changes: Any) -> Path:
    """Writes a set: (original text, perturbed text or "") each, gold label positive."""
    values: dict[str, Any] = {
        "task": TASK,
        "split": "test",
        "columns": ("sentence",),
        "labels": LABELS,
        "attack_column": "sentence",
        "fingerprint": "f" * 64,
        "attack": "pruthi+stopwords",
        "attack_seed": 0,
        "recipe": "r",
        "query_budget": None,
        "source": {"model": "tiny", "method": "naive", "train_task": TASK, "seed": 1},
        "attack_cell": "a" * 20,
        "max_length": 16,
        "threads": 1,
    }
    examples = tuple(
        Example(
            f"r{number}",
            row_hash((text,))[:16],
            "positive",
            "successful" if after else "failed",
            (text,),
            (after,) if after else (),
        )
        for number, (text, after) in enumerate(pairs or [("a good film", "a godo film")])
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    adversarial_sets.write(AdversarialSet(SetHeader(**values | changes), examples), path)
    return path
