"""kill -9 at random moments of every kind of cell: the run carries on, and ends with the same bytes.

``ASA_BENCH_KILLS=50`` kills more often, ``ASA_BENCH_KILL_SEED=1`` at other moments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_suite import SUITE

EVERY_KIND = (
    SUITE.replace("[laboratory/sentiment, laboratory/inference]", "[laboratory/sentiment]")
    .replace("[laboratory/keyword, laboratory/hans]", "[laboratory/keyword]")
    .replace("    seeds: 1\n", "    seeds: 1\n    transfer: true\n    pretraining: {FURTHER}\n")
    .replace("FURTHER", "start: false, methods: [asa], corpus: {source: laboratory, lines: 400}, FOR")
    .replace("FOR", "steps: 6, block_length: 32, batch_size: 8")
)

# One process imports everything once and forks a child per run, so that a kill costs no new imports.
PROGRAM = """\
import json, os, random, shutil, signal, sys, time
from pathlib import Path
from asa_bench.cli import main
import asa_bench.attacks.engine, asa_bench.attacks.adapter, asa_bench.training, asa_bench.trainer
import asa_bench.models.laboratory, asa_bench.reports.write, asa_bench.runner, asa_bench.checkpoints
import asa_bench.pretraining_trainer, asa_bench.replaying
import torch
torch.set_num_threads(1)

work, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def start(folder):
    child = os.fork()
    if child == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        code = 70
        try:
            main(["run", "--suite", str(work / "killed.yaml"), "-o", str(folder)])
        except SystemExit as end:
            code = end.code or 0
        finally:
            os._exit(code)
    return child

def finish(folder):
    _, status = os.waitpid(start(folder), 0)
    assert os.waitstatus_to_exitcode(status) == 0, status

def recorded(folder):
    return list(folder.glob("cells/*/*/manifest.json"))

def result(folder):
    # Of the whole folder, but for what tells the time: timings, and the lock.
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("timings.json", ".lock")]
    return {str(path.relative_to(folder)): content(path) for path in paths}

def content(path):
    if path.name != "manifest.json":
        return path.read_bytes()
    # The checkout may change while this test runs.
    return {name: value for name, value in json.loads(path.read_bytes()).items() if name not in ("git", "checksum")}

begun = time.time()
finish(work / "whole")
ended = time.time()
whole = result(work / "whole")
order = sorted(recorded(work / "whole"), key=lambda path: path.stat().st_mtime)
times = [begun, *(path.stat().st_mtime for path in order), ended]
kinds = [path.parent.parent.name for path in order] + ["report"]
moments = random.Random(seed)
landed, different, late, turn = {}, [], 0, 0
folder = work / "killed"
while sum(landed.values()) < kills and late < 10 * kills:
    # Each kind in turn; a cell of that kind, and a moment while it is worked on.
    kind = sorted(set(kinds))[turn % len(set(kinds))]
    at = moments.choice([place for place, name in enumerate(kinds) if name == kind])
    turn += 1
    if len(recorded(folder)) > at:
        shutil.rmtree(folder, ignore_errors=True)
    child = start(folder)
    gone = False
    while len(recorded(folder)) < at and not gone:
        time.sleep(0.002)
        gone = os.waitpid(child, os.WNOHANG) != (0, 0)
    time.sleep(0 if gone else moments.uniform(0, times[at + 1] - times[at]))
    if gone or os.waitpid(child, os.WNOHANG) != (0, 0):
        late += 1
        shutil.rmtree(folder, ignore_errors=True)
        continue
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    now = kinds[len(recorded(folder))]
    landed[now] = landed.get(now, 0) + 1
    # Every second time it is killed again on the way, in a later cell.
    if moments.random() < 0.5 and at + 1 < len(kinds):
        continue
    finish(folder)
    found = result(folder)
    different += [name for name in {*found, *whole} if found.get(name) != whole.get(name)]
    shutil.rmtree(folder)
if folder.exists():
    finish(folder)
    found = result(folder)
    different += [name for name in {*found, *whole} if found.get(name) != whole.get(name)]
print(json.dumps({"files": len(whole), "kinds": sorted(set(kinds)), "landed": landed, "different": different}))
"""


KILLS = int(os.environ.get("ASA_BENCH_KILLS", "12"))


@pytest.mark.slow
@pytest.mark.timeout(90 * KILLS)
def test_kills_leave_no_trace(tmp_path: Path) -> None:
    (tmp_path / "killed.yaml").write_text(EVERY_KIND)
    seed = os.environ.get("ASA_BENCH_KILL_SEED", "0")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(KILLS), seed], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(found["landed"])
    assert found["files"] > 20
    assert found["different"] == []
    assert sum(found["landed"].values()) == KILLS
    assert {"pretrain", "train", "evaluate", "attack", "replay", "report"} <= set(found["kinds"])
    # Kills that all fell into one kind of cell would prove little.
    assert len(found["landed"]) >= min(KILLS, len(found["kinds"])) // 2
