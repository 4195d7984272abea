"""What is the same when a command is given twice, and what another number of threads, precision or instruction set changes.

Run it from a checkout::

    python benchmarks/determinism.py                                         # the laboratory's encoder, minutes
    python benchmarks/determinism.py --model FOLDER                          # another encoder on the laboratory's tasks
    python benchmarks/determinism.py --model FOLDER --data-dir DATA          # or on SST-2
    python benchmarks/determinism.py --conditions "the same again"           # some conditions alone

Each condition, in a process of its own, fine-tunes the same encoder and tests it, and asks the checkpoint that was trained
as it is. Printed is a Markdown table, against the run as it is: how many logits of the same weights differ and by how
much, and what became of models that were trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import asa_bench
from asa_bench.store import Store

FIRST = "as it is"
#: What differs from the first: variables of the environment, and settings.
CONDITIONS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    FIRST: ({}, {}),
    "the same again": ({}, {}),
    "two threads": ({}, {"threads": 2}),
    "no AVX-512 in torch": ({"ATEN_CPU_CAPABILITY": "avx2"}, {}),
    "no vector instructions in torch": ({"ATEN_CPU_CAPABILITY": "default"}, {}),
    "AVX2 in oneDNN and MKL": ({"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}, {}),
    "bf16": ({}, {"precision": "bf16"}),
}
LABORATORY = {
    "train": ["laboratory/sentiment"],
    "challenges": ["laboratory/keyword"],
    "train_examples": 960,
    "eval_examples": 400,
    "training.epochs": 2,
}
REAL = {"train": ["sst2"], "challenges": [], "train_examples": 512, "eval_examples": 872}
ALWAYS = {
    "attacks": {},
    "reliance_examples": None,
    "seeds": 1,
    "precision": "float32",
    "threads": 1,
    "device": "cpu",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="folder; without it the laboratory's encoder is made first")
    parser.add_argument("--data-dir")
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=list(CONDITIONS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def run(condition: str, folder: Path, options: argparse.Namespace, checkpoint: str) -> tuple[Store, Store]:
    """Training, and asking the checkpoint, in a process of its own: libraries read these variables when they are loaded."""
    environment, changes = CONDITIONS[condition]
    settings = (REAL if options.data_dir else LABORATORY) | ALWAYS | changes
    common = {"settings": settings}
    if options.data_dir:
        common |= {"profile": "laptop", "data_dir": options.data_dir}
    stores = Store(folder / "trained"), Store(folder / "asked")
    load = f"naive@{settings['train'][0]}#1={checkpoint or stores[0].root / 'checkpoint'}"
    requests = [
        {**common, "model": options.model, "methods": ["naive"], "output": str(stores[0].root)},
        {**common, "methods": [], "load": [load], "output": str(stores[1].root)},
    ]
    command = [sys.executable, __file__, "--child", json.dumps(requests)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{condition}: {done.stderr[-2000:]}")
    return stores


def child(requests: list[dict[str, Any]]) -> None:
    """The runs of one condition; the first publishes what it trained."""
    for request in requests:
        asa_bench.run("robustness", **request)
        store = Store(Path(request["output"]))
        for record in store.records():
            if record.kind == "train":
                store.publish(record, "checkpoint")


def evaluations(store: Store) -> dict[str, pd.DataFrame]:
    """Who was asked, and what -> rows in the order of ids."""
    found = {}
    for record in store.records():
        if record.kind == "evaluate":
            who = record.manifest["spec"]["subject"]["method"]
            found[f"{who} {record.spec['task']}"] = record.rows().sort_values("id", ignore_index=True)
    return found


def compared(first: Store, second: Store) -> dict[str, float]:
    """Shares of logits and predictions that differ, the largest difference of logits, and of accuracies in points."""
    one, other = evaluations(first), evaluations(second)
    logits = [np.stack([np.stack(each[key]["logits"].tolist()) for each in (one, other)]) for key in one]
    apart = np.concatenate([np.abs(pair[0] - pair[1]).ravel() for pair in logits])
    flips = np.concatenate([(one[key]["prediction"] != other[key]["prediction"]).to_numpy() for key in one])
    right = {
        key: [float((each[key]["prediction"] == each[key]["label"]).mean()) for each in (one, other)]
        for key in one
    }
    return {
        "logits": float((apart > 0).mean()),
        "largest": float(apart.max()),
        "flips": float(flips.mean()),
        "points": 100 * max(abs(before - now) for before, now in right.values()),
    }


def results(store: Store) -> dict[str, bytes]:
    """Everything of an output folder that a clock has no part in, but for manifests."""
    paths = [
        *store.root.glob("tables/*"),
        *store.root.glob("cells/*/*/rows.parquet"),
        *store.root.rglob("*.safetensors"),
    ]
    return {str(path.relative_to(store.root)): path.read_bytes() for path in paths}


def main() -> None:
    """Prints the table."""
    options = arguments()
    if options.child:
        child(json.loads(options.child))
        return
    print(f"{platform.machine()}, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}\n")
    head = "| Condition | Logits that differ | by at most | Answers that flip "
    print(f"{head}| Trained again: weights | Answers that flip | Accuracy |\n|{' --- |' * 7}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if not options.model:
            settings = LABORATORY | ALWAYS
            asa_bench.run("robustness", methods=["naive"], output=root / "encoder", settings=settings)
            made = next(record for record in Store(root / "encoder").records() if record.kind == "pretrain")
            options.model = str(made.model_folder())
        whole, asked = run(FIRST, root / "first", options, "")
        checkpoint = whole.root / "checkpoint"
        for number, condition in enumerate(name for name in options.conditions if name != FIRST):
            again, same = run(condition, root / str(number), options, str(checkpoint))
            evaluated, learned = compared(asked, same), compared(whole, again)
            name = "checkpoint/model.safetensors"
            equal = (whole.root / name).read_bytes() == (again.root / name).read_bytes()
            everything = results(whole) == results(again) and results(asked) == results(same)
            print(
                f"| {condition} | {100 * evaluated['logits']:.0f} % | {evaluated['largest']:.1e} | "
                f"{100 * evaluated['flips']:.1f} % | {'same bytes' if equal else 'differ'}"
                f"{', as every file' if everything else ''} | {100 * learned['flips']:.1f} % | "
                f"{learned['points']:.1f} points at most |",
                flush=True,
            )


if __name__ == "__main__":
    main()
