"""One fine-tuning over several processes, each with its part of every batch: one GPU each, where there are GPUs.

The processes are started by torchrun, PyTorch's own launcher. Each builds the same model and the same batches in the same
order, takes the loss of its examples, and all add up their gradients, weighted by how many examples each had; from there
on every process does the same. A method's loss is a mean over the examples of a batch, so this is the gradient of the whole
batch; what is drawn at random (dropout, masks) is drawn by each process on its own. The model is not wrapped, since methods
call it in ways of their own, and the Trainer sees one process: what it would do itself, wrapping it in
`DistributedDataParallel`, expects each pass through the wrapper.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput

if TYPE_CHECKING:
    import torch

# What torchrun tells its processes; the Trainer is not to see it.
_TOLD = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
_DONE = "asa-bench-progress"


@dataclass(frozen=True)
class Crew:
    """The processes of a training, as one of them sees it.

    Attributes:
        rank: 0 to size - 1; the process of rank 0 saves the model and tells how far it is.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def part(self, indices: list[int]) -> tuple[list[int], float]:
        """This process's examples of a batch, and their share of it; where there are too few, one without weight."""
        mine = indices[self.rank :: self.size]
        return mine or indices[:1], len(mine) / len(indices)

    def add_up(self, parameters: Iterable[torch.Tensor], share: float) -> None:
        """Put the gradient of the whole batch in place of this process's own, which is of a `share` of it."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.size == 1 or not gradients:
            return
        import torch

        flat = torch.cat([gradient.reshape(-1).float() for gradient in gradients]) * share
        torch.distributed.all_reduce(flat)
        for gradient, whole in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(whole.view_as(gradient))

    def told(self, values: Mapping[str, Any], counts: Iterable[str], share: float) -> dict[str, Any]:
        """Logged scalars of the whole batch: means weighted by shares, and sums of what is counted."""
        if self.size == 1:
            return dict(values)
        import torch

        summed = set(counts)
        weighted = torch.stack(
            [
                torch.as_tensor(value).detach().double().cpu() * (1.0 if name in summed else share)
                for name, value in values.items()
            ]
        )
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        weighted = weighted.to(device)
        torch.distributed.all_reduce(weighted)
        return dict(zip(values, weighted.cpu().unbind(), strict=True))


ALONE = Crew()


def join(device: str) -> Crew:
    """Meet the other processes that torchrun started.

    Raises:
        BadInput: fewer GPUs than processes.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if device.startswith("cuda"):
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        known = visible.split(",") if visible else [str(at) for at in range(size)]
        if len(known) < size:
            raise BadInput(f"--processes {size}: only {len(known)} GPUs are visible ({visible})")
        # Before CUDA starts: each process sees its own GPU alone, so that 'cuda' means that one.
        os.environ["CUDA_VISIBLE_DEVICES"] = known[rank]
    import torch

    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    for name in _TOLD:
        os.environ.pop(name, None)
    return Crew(rank, size)


def launch(
    request: Mapping[str, Any], processes: int, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Train with `processes` processes of this machine; see `asa_bench.kinds.fitting.train_together` for the request.

    Returns:
        The summary of the process of rank 0.

    Raises:
        BadInput: what a process raises as wrong input.
        RuntimeError: a process died; the end of what they wrote on stderr.
    """
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        (work / "request.json").write_text(json.dumps(dict(request)), "utf-8")
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            str(processes),
        ]
        command += ["--log_dir", str(work / "logs"), "-m", "asa_bench.parallel", str(work)]
        with (work / "errors").open("wb") as errors:
            crew = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment()
            )
            try:
                for line in crew.stdout or ():
                    word, _, rest = line.partition(" ")
                    if word == _DONE:
                        done, total = map(int, rest.split())
                        progress(done, total)
                code = crew.wait()
            finally:
                crew.terminate()
                crew.wait()
        wrong = work / "wrong"
        if wrong.exists():
            raise BadInput(wrong.read_text("utf-8"))
        if code:
            said = (work / "errors").read_text("utf-8", "replace").strip().splitlines()
            told = next((line for line in reversed(said) if "Error" in line), said[-1] if said else "")
            raise RuntimeError(f"a process of {processes} died with exit code {code}: {told.strip()[:300]}")
        summary: dict[str, Any] = json.loads((work / "summary.json").read_text("utf-8"))
        return summary


def _environment() -> dict[str, str]:
    """This process's, without what a launcher above it may have told it."""
    return {name: value for name, value in os.environ.items() if name not in _TOLD}


def main(place: str) -> None:
    """What each process does."""
    from asa_bench.kinds import fitting

    folder = Path(place)
    request = json.loads((folder / "request.json").read_text("utf-8"))
    crew = join(request["spec"]["device"])

    def progress(done: int, total: int) -> None:
        if crew.rank == 0:
            print(_DONE, done, total, flush=True)

    try:
        summary = fitting.train_together(request, crew, progress)
    except BadInput as error:
        (folder / "wrong").write_text(str(error), "utf-8")
        raise SystemExit(2) from None
    if crew.rank == 0:
        (folder / "summary.json").write_text(json.dumps(summary), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
