"""Which files of a split the hub's cache has: by what the hub listed, else by the files' own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asa_bench.tasks import TASKS, hub, hub_cache

REPO, COMMIT = "owner/set", "c" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path / "datasets--owner--set"


def put(cache: Path, *names: str) -> None:
    for name in names:
        path = cache / "snapshots" / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"rows")


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([], []),
        (["train-00000-of-00001.parquet"], []),
        (
            ["train-00001-of-00003.parquet"],
            ["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"],
        ),
        (["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"], []),
        (["train/0000.parquet", "train/0002.parquet"], ["train/0001.parquet"]),
        (["train.parquet"], []),
    ],
)
def test_without_a_listing_the_numbers_tell(cache: Path, there: list[str], missing: list[str]) -> None:
    put(cache, *there, "validation-00000-of-00009.parquet")
    found = hub_cache.files(REPO, COMMIT, "train*.parquet")
    assert ([name for name, _ in found.found], found.missing) == (there, missing)
    assert found.whole == bool(there and not missing)


def test_a_listing_tells_of_files_that_nothing_else_does(cache: Path) -> None:
    put(cache, "r1-00000-of-00001.parquet", "0000.parquet")
    hub_cache.note(REPO, COMMIT, ["r1-00000-of-00001.parquet", "r2-00000-of-00001.parquet", "0000.parquet"])
    assert hub_cache.files(REPO, COMMIT, "r?-*.parquet").missing == ["r2-00000-of-00001.parquet"]
    assert hub_cache.files(REPO, COMMIT, "r1-*.parquet").whole
    assert hub_cache.files(REPO, COMMIT, "0*.parquet").whole
    put(cache, "r2-00000-of-00001.parquet")
    assert hub_cache.files(REPO, COMMIT, "r?-*.parquet").whole


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b"[1]", b"\xff"])
def test_a_torn_listing_is_none(cache: Path, content: bytes) -> None:
    put(cache, "train-00000-of-00002.parquet")
    hub_cache.note(REPO, COMMIT, [])
    (note,) = (cache / ".asa-bench").iterdir()
    assert json.loads(note.read_bytes()) == []
    note.write_bytes(content)
    assert hub_cache.files(REPO, COMMIT, "*.parquet").missing == ["train-00001-of-00002.parquet"]


def test_a_link_to_nothing_is_no_file(cache: Path) -> None:
    put(cache, "train-00000-of-00002.parquet")
    link = cache / "snapshots" / COMMIT / "train-00001-of-00002.parquet"
    link.symlink_to(cache / "blobs" / "gone")
    assert not hub_cache.files(REPO, COMMIT, "*.parquet").whole


def test_a_branch_that_was_never_asked_for(cache: Path) -> None:
    task = TASKS.get("hans")
    assert task.hub is not None and task.hub.revision is None
    assert hub.cached(task.hub, "evaluation") == ([], [])
