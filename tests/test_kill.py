"""kill -9 at random moments: the run carries on, and ends with the same tables and the same per-example rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_suite import SUITE

# One process imports everything once and forks a child per run, so that a kill costs no new imports.
PROGRAM = """\
import json, os, random, shutil, signal, sys, time
from pathlib import Path
from asa_bench.cli import main
import asa_bench.attacks.engine, asa_bench.attacks.adapter, asa_bench.training, asa_bench.trainer
import asa_bench.models.laboratory, asa_bench.reports.write, asa_bench.runner, asa_bench.checkpoints
import torch
torch.set_num_threads(1)

work, kills = Path(sys.argv[1]), int(sys.argv[2])

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
    begun = time.monotonic()
    _, status = os.waitpid(start(folder), 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    return time.monotonic() - begun

def result(folder):
    paths = [*folder.glob("tables/*"), *folder.glob("cells/*/*/rows.parquet"), *folder.glob("cells/*/*/model/*.safetensors")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

seconds = finish(work / "whole")
whole = result(work / "whole")
moments = random.Random("kill")
landed, different, late = [], [], 0
while len(landed) < kills and late < 10 * kills:
    folder = work / "killed"
    shutil.rmtree(folder, ignore_errors=True)
    child = start(folder)
    time.sleep(moments.uniform(0, seconds))
    if os.waitpid(child, os.WNOHANG) != (0, 0):
        late += 1
        continue
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    landed.append(len(list(folder.glob("cells/*/*/manifest.json"))))
    finish(folder)
    if result(folder) != whole:
        different.append(landed[-1])
print(json.dumps({"files": len(whole), "recorded_when_killed": landed, "different": different}))
"""


KILLS = int(os.environ.get("ASA_BENCH_KILLS", "20"))


@pytest.mark.slow
@pytest.mark.timeout(90 * KILLS)
def test_kills_leave_no_trace(tmp_path: Path) -> None:
    (tmp_path / "killed.yaml").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(KILLS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["files"] > 20
    assert len(found["recorded_when_killed"]) == KILLS
    assert found["different"] == []
    # Kills that all fell before the first record or after the last would prove nothing.
    assert len(set(found["recorded_when_killed"])) > 3
