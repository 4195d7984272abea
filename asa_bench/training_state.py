"""Where a training stands, on disk: written whole or not at all, checked when read, safetensors and JSON only.

A state is a folder ``step-00000120/`` with ``tensors.safetensors`` and ``state.json``; the latter holds the checksum of
the former and of itself. It appears by one rename. Two are kept, so that a torn one (a disk that lies about what it has
written) costs the steps between them and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.disk import file_sha256, storage_errors
from asa_bench.record import canonical_json

if TYPE_CHECKING:
    import torch

TENSORS, STATE = "tensors.safetensors", "state.json"
KEPT = 2


@dataclass(frozen=True)
class TrainingState:
    """Everything that the next step depends on.

    Attributes:
        step: optimizer steps that were done.
        tensors: by name.
        values: JSON.
    """

    step: int
    tensors: Mapping[str, torch.Tensor]
    values: Mapping[str, Any]


def write_state(folder: Path, state: TrainingState, identity: str) -> None:
    """Add a state to `folder` and remove all but the newest.

    Args:
        identity: of the training; another one's states are not read.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save

    final = folder / f"step-{state.step:08d}"
    staging = folder / f".{final.name}.{os.getpid()}"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for torn in folder.glob(".step-*"):  # of a process that was killed while it wrote
            shutil.rmtree(torn, ignore_errors=True)
        staging.mkdir()
        data = save({name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()})
        _write(staging / TENSORS, data)
        content = {
            "identity": identity,
            "step": state.step,
            "values": dict(state.values),
            "tensors": hashlib.sha256(data).hexdigest(),
        }
        content["checksum"] = _checksum(content)
        _write(staging / STATE, json.dumps(content, sort_keys=True).encode())
        shutil.rmtree(final, ignore_errors=True)
        staging.replace(final)
        for old in _states(folder)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)


def read_state(folder: Path, identity: str) -> TrainingState | None:
    """The newest whole state of this training in `folder`; None where there is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    for path in _states(folder):
        try:
            content = json.loads((path / STATE).read_text("utf-8"))
            if content["checksum"] != _checksum(content) or content["identity"] != identity:
                continue
            if file_sha256(path / TENSORS) != content["tensors"]:
                continue
            return TrainingState(int(content["step"]), load_file(path / TENSORS), content["values"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            continue
    return None


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True)


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        canonical_json({key: value for key, value in content.items() if key != "checksum"}).encode()
    ).hexdigest()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
