"""The project's own gate (`.ci/gate`): it holds whatever the processor, and it falls where something is damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

import asa_bench
from asa_bench.gating import Baseline, Collected, Decision, decide
from asa_bench.gating import baseline as baselines
from asa_bench.gating import policy as policies
from asa_bench.gating.scores import Identity, Score
from asa_bench.reports.answers import Answers
from asa_bench.store import Store

GATE = Path(__file__).resolve().parents[2] / ".ci" / "gate"
TASK = "laboratory/inference"


def ask(model: Path, output: Path) -> Decision:
    """What `.ci/gate/ask` and the gate say of a checkpoint."""
    load = [f"stored@{TASK}={model}"]
    asa_bench.run("ci", methods=[], tasks=[TASK], load=load, replay=GATE / "sets", output=output)
    return asa_bench.gate(output, GATE / "stored.json", GATE / "stored.yaml")


def test_the_stored_checkpoint_passes_and_no_answer_is_near_another(tmp_path: Path) -> None:
    """Rounding of another processor moves logits by about as much as float32 differs from float64: a thousand times less
    than the nearest answers are apart."""
    import torch

    from asa_bench import checkpoints

    decision = ask(GATE / "model", tmp_path / "out")
    assert [one.verdict for one in decision.judged] == ["pass"] * 3
    assert all(one.reason.startswith("Unchanged") for one in decision.judged)
    labels = ("entailment", "neutral", "contradiction")
    victim = checkpoints.load_victim(
        str(GATE / "model"), None, labels, kind="classification", max_length=48, device="cpu", said="stored"
    )
    from asa_bench import adversarial_sets

    (file,) = (GATE / "sets").iterdir()
    examples = adversarial_sets.read(file).examples
    texts = [*(e.original for e in examples), *(e.perturbed for e in examples if e.perturbed)]
    single = victim.steady_logits(texts).astype(np.float64)
    victim.model.to(torch.float64)
    double = victim.steady_logits(texts).astype(np.float64)
    gaps = [_gaps(single)]
    for record in Store(tmp_path / "out").records():
        if record.kind == "evaluate":
            gaps.append(_gaps(np.array(record.rows()["logits"].tolist())))
    nearest = float(np.concatenate(gaps).min())
    assert nearest > 1000 * float(np.abs(single - double).max()) > 0


def _gaps(logits: np.ndarray) -> np.ndarray:
    ordered = np.sort(logits, axis=1)
    return ordered[:, -1] - ordered[:, -2]


@pytest.mark.parametrize(
    "part",
    [
        "embeddings.token_type_embeddings.weight",
        pytest.param("encoder.layer.1.attention.self.value.weight", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_checkpoint_fails(tmp_path: Path, part: str) -> None:
    model = shutil.copytree(GATE / "model", tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    (name,) = [name for name in weights if name.endswith(part)]
    weights[name] = weights[name].flip(0).contiguous()  # rows in the wrong order
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    assert ask(model, tmp_path / "out").failed


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernels",
    [
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
        {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "THREADS": "2"},
    ],
)
def test_narrower_processors_and_more_threads_give_the_same_answers(
    tmp_path: Path, kernels: dict[str, str]
) -> None:
    asked = [
        *(sys.executable, "-m", "asa_bench", "run", "--suite", "ci", "--methods", "none", "--tasks", TASK),
        *("--load", f"stored@{TASK}={GATE / 'model'}", "--replay", str(GATE / "sets")),
        *("-o", str(tmp_path), "--threads", kernels.get("THREADS", "1")),
    ]
    subprocess.run(asked, env={**os.environ, **kernels}, check=True, capture_output=True)
    decision = asa_bench.gate(tmp_path, GATE / "stored.json", GATE / "stored.yaml")
    assert all(one.reason.startswith("Unchanged") for one in decision.judged)


def retrained(stored: Baseline, seeds: Sequence[str], loss: float = 0.0) -> Collected:
    """A run of other trainings: what some seeds of a baseline answered, with other weights.

    Args:
        loss: share of all examples that own test sets lose, the same in every seed.
    """
    scores = {}
    for key, score in stored.scores.items():
        right = {seed: score.right(seed) for seed in seeds}
        kept = np.ones(score.count)
        if ">" not in key and key.endswith(":accuracy"):
            kept[: round(loss * score.count)] = 0.0
        ids = np.array([f"e{number:05}" for number in range(score.count)], dtype=object)
        values = {seed: bits * kept for seed, bits in right.items() if bits is not None}
        rows = pd.DataFrame({"id": ids, "label": "yes", "prediction": "no"})
        identity = Identity(
            score.data,
            score.examples,
            stored.recipes[score.recipe],
            stored.exposures[score.exposure],
            score.schema_of,
        )
        scores[key] = Score(
            *(key, score.title, identity, {seed: float(each.mean()) for seed, each in values.items()}),
            Answers(ids, values),
            dict.fromkeys(seeds, "0" * 64),
            rows=dict.fromkeys(seeds, rows),
        )
    return Collected("robustness", "embedded", stored.plan, scores, (), ())


def without(stored: Baseline, left_out: Sequence[str]) -> Baseline:
    """The baseline of the other seeds."""
    scores = {
        key: score.model_copy(update={"seeds": {s: v for s, v in score.seeds.items() if s not in left_out}})
        for key, score in stored.scores.items()
    }
    return stored.model_copy(update={"scores": scores})


def test_other_seeds_of_the_main_job_pass_and_a_worse_training_fails() -> None:
    stored = baselines.read(GATE / "main.json")
    rules = policies.load(GATE / "main.yaml")
    seeds = sorted(next(iter(stored.scores.values())).seeds)
    assert len(seeds) >= 3
    for seed in seeds:
        assert not decide(retrained(stored, [seed]), without(stored, [seed]), rules).failed
    worse = decide(retrained(stored, seeds, loss=0.15), stored, rules)
    failed = {one.key for one in worse.judged if one.verdict == "fail"}
    assert failed == {key for key in stored.scores if ">" not in key and key.endswith(":accuracy")}
    # By the interval, and not by the floor alone.
    assert all(one.against and one.against.finding == "worse" for one in worse.judged if one.key in failed)
