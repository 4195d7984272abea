"""How much faster two workers are than one: a Ray cluster against two processes of this machine.

Run it from a checkout, on an otherwise quiet machine with two processors or more::

    python benchmarks/cluster_scaling.py --seeds 12

The same cells (trainings of the laboratory's encoder and their evaluations, one thread each, of an encoder that is
pre-trained before) are done four times: by one process, by two processes that share the seeds, by a Ray cluster of one
worker, and by one of two. Every way begins with processes that have imported nothing. Printed are the seconds, the gain of
two over one both ways, and the quotient of the gains: 1 says that the cluster loses nothing beside what two processes on
one machine lose to each other.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUITE = """\
schema: 1
name: scaling
title: Scaling
description: Trainings that wait for one pre-training alone.
default_profile: tiny
profiles:
  tiny:
    train: [laboratory/sentiment]
    challenges: [laboratory/keyword]
    methods: [naive, asa]
    seeds: 1
    train_examples: {examples}
    eval_examples: 200
    training: {{epochs: 1, batch_size: 32, max_length: 48, learning_rate: 1.0e-3}}
    laboratory: {{pretraining: {{lines: 640, batch_size: 32}}}}
    device: cpu
    precision: float32
    threads: 1
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--examples", type=int, default=4000, help="rows of a training")
    return parser.parse_args()


def run(work: Path, name: str, seeds: range, *options: str) -> subprocess.Popen[bytes]:
    folder = work / name
    shutil.copytree(work / "pretrained", folder)
    command = [
        sys.executable,
        "-m",
        "asa_bench",
        "run",
        "--suite",
        str(work / "scaling.yaml"),
        "-o",
        str(folder),
    ]
    command += ["--seeds", ",".join(map(str, seeds)), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def timed(runs: list[subprocess.Popen[bytes]], begun: float) -> float:
    for each in runs:
        if each.wait():
            raise SystemExit(f"a run failed: {each.args!r}")
    return time.monotonic() - begun


def main() -> None:
    asked = arguments()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    half, every = asked.seeds // 2, range(1, asked.seeds + 1)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        (work / "scaling.yaml").write_text(SUITE.format(examples=asked.examples))
        base = [
            sys.executable,
            "-m",
            "asa_bench",
            "run",
            "--suite",
            str(work / "scaling.yaml"),
            "--seeds",
            "1",
        ]
        subprocess.run([*base, "-o", str(work / "whole")], check=True, capture_output=True)
        (work / "pretrained").mkdir()
        shutil.copytree(work / "whole" / "cells" / "pretrain", work / "pretrained" / "cells" / "pretrain")
        seconds = {}
        begun = time.monotonic()
        seconds["one process"] = timed([run(work, "one", every)], begun)
        begun = time.monotonic()
        both = [run(work, "half-1", every[:half]), run(work, "half-2", every[half:])]
        seconds["two processes"] = timed(both, begun)
        for workers in (1, 2):
            subprocess.run(
                ["ray", "start", "--head", f"--num-cpus={workers}", "--include-dashboard=false"],
                check=True,
                capture_output=True,
            )
            try:
                begun = time.monotonic()
                ray = ["--executor", "ray", "--ray-address", "auto"]
                seconds[f"Ray, {workers} workers"] = timed([run(work, f"ray-{workers}", every, *ray)], begun)
            finally:
                subprocess.run(["ray", "stop", "--force"], check=True, capture_output=True)
    for name, taken in seconds.items():
        print(f"{name:<16}{taken:8.1f} s")
    local = seconds["one process"] / seconds["two processes"]
    cluster = seconds["Ray, 1 workers"] / seconds["Ray, 2 workers"]
    print(f"two over one: processes {local:.2f}, Ray {cluster:.2f}; quotient {cluster / local:.2f}")


if __name__ == "__main__":
    main()
