"""What a record says about where it was made: package versions, git state, machine. Never part of an address."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import asa_bench

PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "textattack",
    "datasets",
    "numpy",
    "pandas",
    "pyarrow",
)


@cache
def versions() -> Mapping[str, str]:
    """Versions of asa-bench, Python and the packages that decide results."""
    found = {"asa-bench": asa_bench.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


@cache
def git_state() -> Mapping[str, Any]:
    """The commit of the checkout that this package runs from, and whether its files were changed.

    Both are None for an installed wheel.
    """
    root = Path(asa_bench.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}
    try:
        commit = _git(root, "rev-parse", "HEAD")
        dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": dirty}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


@cache
def machine() -> Mapping[str, Any]:
    """Processor model, processors and memory (GiB) of this machine, and the operating system."""
    import psutil

    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_memory_mib() -> float | None:
    """The largest resident size of this process so far, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if platform.system() == "Darwin" else 2**10), 1)
