"""Output folders made up for the gate: records as asa-bench writes them, with answers that a test decides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asa_bench import last_run
from asa_bench.attacks import ATTACKS
from asa_bench.cell import VERSIONS, Cell
from asa_bench.plan import Plan
from asa_bench.reports.outcomes import Subject
from asa_bench.settings import Settings
from asa_bench.store import Store
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source

TASK = TASKS.get("sst2")
ATTACK = "deepwordbug+stopwords"


def answers(total: int, wrong: Sequence[int] = ()) -> np.ndarray:
    """Right everywhere but at these places."""
    right = np.ones(total, dtype=bool)
    right[list(wrong)] = False
    return right


def make_run(
    folder: Path,
    seeds: Mapping[int, np.ndarray],
    *,
    weights: str = "",
    fingerprint: str = "f" * 64,
    training: Mapping[str, Any] | None = None,
    exposures: Mapping[str, str] | None = None,
    trained_on: Mapping[str, tuple[str, ...]] | None = None,
    identities: Sequence[str] | None = None,
    fails: Sequence[int] = (),
    robust: Mapping[int, np.ndarray] | None = None,
) -> Path:
    """A run of one method on SST-2: seed -> (examples,) which are right.

    Args:
        weights: what the weights' checksums are made from, beside the seed.
        fails: seeds whose evaluation has no record.
        robust: seed -> (examples,) which survive an attack, of those that are right.
    """
    store, cells = Store(folder), []
    for seed in seeds:
        subject = Subject("tiny", "asa", "ASA", False, "sst2", seed)
        spec = {
            "task": "sst2",
            "method": "asa",
            "seed": seed,
            "threads": 1,
            "training": dict(training or {"epochs": 1}),
        }
        train = Cell("train", spec, {}, {}, subject)
        asked = {"task": "sst2", "split": "dev", "max_length": 128, "examples": None, "threads": 1}
        cells += [train, Cell("evaluate", asked, {}, {"model": train.address}, subject)]
        if robust is not None:
            attacked = {**asked, "attack": ATTACK, "attack_seed": 0, "library": "none"}
            attacked["attack_options"] = {"query_budget": 100}
            cells.append(Cell("attack", attacked, {}, {"model": train.address}, subject))
    settings = Settings(
        source="hub",
        models=("tiny",),
        train=("sst2",),
        methods={"asa": {}},
        seeds=tuple(seeds),
        exposures=exposures or {},
        trained_on=trained_on or {},
    )
    plan = Plan("test", "A test", "small", settings, Source(kind="hub"), tuple(cells))
    store.prepare()
    for cell in cells:
        assert cell.subject is not None and cell.subject.seed is not None
        seed = cell.subject.seed
        manifest: dict[str, Any] = {
            "label": cell.label,
            "version": VERSIONS[cell.kind],
            "spec": dict(cell.spec),
            "reads": {},
            "waits": dict(cell.waits),
        }
        if cell.kind == "train":
            work = store.scratch(cell.address)
            (work / "model").mkdir()
            (work / "model" / "model.safetensors").write_text(f"{weights} {seed}")
            manifest["result"] = {
                "fingerprint": "a" * 64,
                "training": {"steps": 1, "losses": {}, "gradient_norms": {}},
            }
            store.write("train", cell.address, manifest, None, {}, work)
            continue
        if seed in fails and cell.kind == "evaluate":
            store.write_failure("evaluate", cell.address, {"label": cell.label, "error": "MemoryError"})
            continue
        manifest["result"] = {"task": TASK.model_dump(mode="json"), "fingerprint": fingerprint}
        rows = _rows(seeds[seed], identities)
        if cell.kind == "attack" and robust is not None:
            manifest["result"] |= {
                "attack": ATTACKS.get(ATTACK).model_dump(mode="json"),
                "recipe": {"fingerprint": "r" * 64},
            }
            rows = rows.drop(columns=["prediction", "logits", "word_count"]).assign(
                status=[
                    ("failed" if stands else "successful") if right else "skipped"
                    for right, stands in zip(seeds[seed], robust[seed], strict=True)
                ],
                queries=5,
                original_logits=[[0.0, 1.0]] * len(rows),
            )
        store.write(cell.kind, cell.address, manifest, rows, {})
    store.write_plan(last_run.describe(plan).model_dump(mode="json"))
    return folder


def _rows(right: np.ndarray, identities: Sequence[str] | None) -> pd.DataFrame:
    total = len(right)
    names = list(identities or [f"dev-{number}" for number in range(total)])
    gold = ["positive" if number % 2 else "negative" for number in range(total)]
    other = {"positive": "negative", "negative": "positive"}
    return pd.DataFrame(
        {
            "id": names,
            "text_hash": [hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16] for name in names],
            "label": gold,
            "prediction": [label if hit else other[label] for label, hit in zip(gold, right, strict=True)],
            "logits": [[0.0, 1.0]] * total,
            "word_count": [5 if number < total // 2 else 25 for number in range(total)],
        }
    )
