"""How long a pull request waits for the gate: suite ci on a real encoder with stored adversarial sets, then the verdict.

Run it from a checkout, on an otherwise quiet machine, with QQP, AdvGLUE and PAWS-QQP in a folder::

    python benchmarks/gate.py --model FOLDER_OR_HUB_ID --data-dir DATA --work FOLDER --threads 2

What comes first is done once and kept in FOLDER, so that a second call only measures: a fine-tuning on QQP, and an attack
on it, whose set is exported. Then, round by round and each time into a new folder, the two commands that CI
runs: `asa-bench run --suite ci --replay SETS` and `asa-bench gate`, as processes of their own. Printed are elapsed
seconds, seconds of all processors (where others use these, too, the elapsed ones say little), the number of examples
behind the scores, and of texts that were asked.
"""

from __future__ import annotations

import argparse
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from asa_bench import adversarial_sets
from asa_bench.gating import baseline as baselines
from asa_bench.provenance import machine

TASK, ATTACK = "qqp", "deepwordbug+stopwords"


def command(*arguments: object) -> tuple[float, float]:
    """Elapsed and processor seconds of one command of asa-bench.

    Raises:
        SystemExit: it failed.
    """
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "asa_bench", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(
            f"{' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr[-2000:]}"
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, used


def prepared(options: argparse.Namespace) -> tuple[Path, Path]:
    """The checkpoint and the folder of sets; made where they are not there yet."""
    attacked, sets = options.work / "attacked", options.work / "sets"
    # On one thread, where an attack that is killed goes on where it was.
    command(
        *("run", "--suite", "robustness", "--profile", "laptop", "--methods", "naive"),
        *("--tasks", f"{TASK},paws_qqp", "--threads", 1, "--set", "training.epochs=1"),
        *("--model", options.model, "--data-dir", options.data_dir, "--seeds", 1, "-o", attacked),
        *("--train-examples", options.train_examples, "--eval-examples", 100, "--attacks", ATTACK),
        *("--attack-examples", options.attack_examples),
        *("--set", "transfer=false", "--set", "reliance_examples=0", "--set", "quality.similarity=null"),
    )
    sets.mkdir(exist_ok=True)
    command("replay", "export", attacked, "-o", sets / "deepwordbug.jsonl")
    (checkpoint,) = attacked.glob("cells/train/*/model")
    return checkpoint, sets


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="encoder to fine-tune: a folder or hub id")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint and the sets are kept")
    parser.add_argument("--train-examples", type=int, default=3000)
    parser.add_argument("--attack-examples", type=int, default=450)
    parser.add_argument("--eval-examples", type=int, default=800)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    checkpoint, sets = prepared(options)
    size = (checkpoint / "model.safetensors").stat().st_size / 4e6
    baseline = options.work / "baseline.json"
    baseline.unlink(missing_ok=True)
    seconds: dict[str, list[tuple[float, float]]] = {"run": [], "gate": []}
    for _ in range(options.rounds):
        out = options.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        asked = (
            *("run", "--suite", "ci", "--profile", "laptop", "--tasks", TASK, "--methods", "none"),
            *("--data-dir", options.data_dir, "--load", f"mine@{TASK}={checkpoint}", "--replay", sets),
            *("--eval-examples", options.eval_examples, "--threads", options.threads, "-o", out),
        )
        seconds["run"].append(command(*asked))
        if not baseline.exists():
            command("baseline", "save", out, "-o", baseline)
        seconds["gate"].append(command("gate", out, "--baseline", baseline))
    scores = baselines.read(baseline).scores
    stored = [adversarial_sets.read(path) for path in sorted(sets.iterdir())]
    faced = [
        {*(e.original for e in s.examples), *(e.perturbed for e in s.examples if e.perturbed)} for s in stored
    ]
    others = sum(score.count for key, score in scores.items() if ":replay/" not in key)
    told = machine()
    print(
        f"{told.get('processor', platform.processor())}, {options.threads} threads, {options.rounds} rounds"
    )
    print(f"encoder of {size:.1f} M parameters, baseline of {baseline.stat().st_size:,} bytes")
    for key, score in scores.items():
        print(f"  {score.count:>5,} examples  {100 * score.mean:5.1f} %  {key}")
    print(
        f"{sum(score.count for score in scores.values()):,} examples, {others + sum(map(len, faced)):,} texts asked"
    )
    seconds["together"] = [
        (run[0] + gate[0], run[1] + gate[1])
        for run, gate in zip(seconds["run"], seconds["gate"], strict=True)
    ]
    for name, values in seconds.items():
        elapsed, used = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{name:<9} median {elapsed:6.1f} s elapsed, {used:6.1f} s of processors")


if __name__ == "__main__":
    main()
