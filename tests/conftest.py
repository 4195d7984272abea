"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before torch is imported: tiny models gain nothing from threads, and on busy processors threads that wait for each
# other by spinning make them many times slower. A test that needs more threads asks for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True, scope="session")
def no_hub() -> None:
    """No test reaches for a hub; a test that serves one on the loopback sets the variables itself."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(autouse=True, scope="session")
def no_fetched_resources(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the person who runs the tests has fetched for attacks is not looked at."""
    os.environ["ASA_BENCH_RESOURCES"] = str(tmp_path_factory.mktemp("resources"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout, where there is one."""
    folder = Path(os.environ.get("ASA_BENCH_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the real data sets: no folder {folder.name!r} beside the checkout")
    return folder
