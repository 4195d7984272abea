"""A Ray cluster of two machines on this one, runs on it, and faults: what `test_ray.py` starts as a process of its own.

    python cluster_program.py WORK_FOLDER SUITE_FILE FAULT:TIMES ...

Prints JSON: for each run its fault, exit code, and whether its tables, rows and weights are those of a local run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

HERE = {"num_cpus": 1}
RUN = [sys.executable, "-m", "asa_bench", "run"]


def result(folder: Path) -> dict[str, bytes]:
    """The bytes that must not depend on where cells ran."""
    found = [
        *folder.glob("tables/*"),
        *folder.glob("cells/*/*/rows.parquet"),
        *folder.glob("cells/*/*/model/*.safetensors"),
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def recorded(folder: Path) -> int:
    return len(list(folder.glob("cells/*/*/manifest.json")))


def busy_workers() -> list[tuple[psutil.Process, str]]:
    """Processes that do a cell now, with their titles: Ray takes their task's name, which is the cell's label."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        title = " ".join(process.info["cmdline"] or []).strip()
        if title.startswith("ray::") and any(
            kind in title for kind in ("train", "evaluate", "attack", "relia")
        ):
            found.append((process, title))
    return found


class Machines:
    """A cluster of a driver's machine and one that may be lost."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={**HERE, "include_dashboard": False})
        self.other = self.cluster.add_node(**HERE)
        self.log: list[str] = []

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def kill_worker(self, _: subprocess.Popen[Any]) -> None:
        victims = busy_workers()
        if victims:
            victim, title = random.choice(victims)
            self.log.append(title)
            victim.kill()

    def pause_worker(self, _: subprocess.Popen[Any]) -> None:
        victims = busy_workers()
        if victims:
            victim, title = victims[0]
            self.log.append(title)
            victim.suspend()

    def kill_node(self, _: subprocess.Popen[Any]) -> None:
        self.cluster.remove_node(self.other, allow_graceful=False)
        self.log.append("node")
        time.sleep(3)
        self.other = self.cluster.add_node(**HERE)

    def kill_driver(self, driver: subprocess.Popen[Any]) -> None:
        self.log.append("driver")
        driver.send_signal(signal.SIGKILL)

    def kill_whoever_trains(self, driver: subprocess.Popen[Any]) -> None:
        """One cell kills each worker that takes it, until the run is over."""
        while driver.poll() is None:
            for process, title in busy_workers():
                if "train laboratory-bert asa seed 1 on laboratory/inference" in title:
                    self.log.append(title)
                    process.kill()
                    process.wait()
            time.sleep(0.02)

    def fill_store(self, _: subprocess.Popen[Any]) -> None:
        """More than Ray's object store holds, from a driver of its own; Ray moves it to disk."""
        fill = (
            "import ray, numpy as np, time\n"
            f"ray.init(address={self.address!r}, log_to_driver=False)\n"
            "size = int(ray.cluster_resources()['object_store_memory'])\n"
            "held = [ray.put(np.ones(64 << 20, dtype=np.uint8)) for _ in range(min(size // (64 << 20) + 4, 40))]\n"
            "print(len(held), flush=True)\n"
            "time.sleep(5)\n"
        )
        done = subprocess.run([sys.executable, "-c", fill], capture_output=True, text=True, check=True)
        self.log.append(f"held {done.stdout.strip()}")


def main() -> None:
    work, suite = Path(sys.argv[1]), sys.argv[2]
    random.seed("cluster")
    whole = work / "whole"
    if not (whole / "plan.json").exists():
        subprocess.run([*RUN, "--suite", suite, "-o", str(whole)], check=True, stdout=subprocess.DEVNULL)
    expected = result(whole)
    machines = Machines()
    faults: dict[str, Callable[[subprocess.Popen[Any]], None]] = {
        "none": lambda _: None,
        "worker": machines.kill_worker,
        "pause": machines.pause_worker,
        "node": machines.kill_node,
        "driver": machines.kill_driver,
        "store": machines.fill_store,
        "deadly": machines.kill_whoever_trains,
    }
    found = []
    for asked in sys.argv[3:]:
        name, _, times = asked.partition(":")
        for at in range(int(times or 1)):
            folder = work / f"{name}-{at}"
            shutil.rmtree(folder, ignore_errors=True)
            command = [*RUN, "--suite", suite, "-o", str(folder), "--executor", "ray"]
            command += ["--ray-address", machines.address, "--attack-shards", "2", "--ray-silence", "15"]
            errors = (work / f"{name}-{at}.log").open("w")
            driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
            # A fault falls while something is going on: after so many records, and a moment.
            least = 0 if name == "deadly" else random.randrange(0, recorded(whole) // 2)
            moment = random.uniform(0, 2)
            before = len(machines.log)
            while driver.poll() is None and len(machines.log) == before:
                if recorded(folder) >= least:
                    time.sleep(moment)
                    moment = 0.0  # where no worker was busy, try again soon
                    if name == "none":
                        break
                    faults[name](driver)
                time.sleep(0.05)
            code, failures = driver.wait(), []
            if name == "deadly":
                failures = [json.loads(path.read_text())["error"] for path in folder.glob("failures/*")]
                code = 0 if code == 1 else 99
            if name in ("driver", "deadly"):
                code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=errors).returncode
            got = result(folder)
            different = sorted(
                key for key in expected.keys() | got.keys() if got.get(key) != expected.get(key)
            )
            found.append(
                {
                    "fault": name,
                    "after": least,
                    "hit": machines.log[before:],
                    "code": code,
                    "files": len(got),
                    "different": different[:5],
                    "failures": failures,
                }
            )
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    print(json.dumps(found))
    machines.cluster.shutdown()


if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    main()
