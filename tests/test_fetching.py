"""A file is at its place whole and with its checksum, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from file_server import serve

from asa_bench import fetching
from asa_bench.errors import Unavailable

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_a_file_comes_whole_with_progress(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    goal = tmp_path / "new" / "file"
    with serve({"a/file": CONTENT}) as url:
        got = fetching.download(f"{url}/a/file", goal, SHA256, lambda have, total: told.append((have, total)))
    assert (got, goal.read_bytes()) == (SHA256, CONTENT)
    assert told[-1] == (len(CONTENT), len(CONTENT)) and len(told) > 1
    assert [path.name for path in goal.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("other", "404"),
        ("cut/file", "cut off after|IncompleteRead"),
        ("silent", "timed out"),
        ("wrong", "was expected; it is not used"),
        ("moved", "cannot be fetched"),
    ],
)
def test_anything_else_leaves_nothing_behind(tmp_path: Path, path: str, message: str) -> None:
    with serve({"file": CONTENT, "wrong": CONTENT[1:]}) as url:
        with pytest.raises(Unavailable, match=message) as told:
            fetching.download(f"{url}/{path}", tmp_path / "file", SHA256, timeout_s=0.3)
        assert f"{url}/{path}" in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_where_fetching_fails(tmp_path: Path) -> None:
    goal = tmp_path / "file"
    goal.write_bytes(b"before")
    with serve({"file": CONTENT}) as url, pytest.raises(Unavailable):
        fetching.download(f"{url}/file", goal, "0" * 64)
    assert goal.read_bytes() == b"before"


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "nonsense", "http://[", ""])
def test_only_http_is_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(Unavailable, match="cannot be fetched"):
        fetching.download(url, tmp_path / "file")


def test_too_long_a_file_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LARGEST", 1000)
    with serve({"file": CONTENT}) as url, pytest.raises(Unavailable, match="longer than 1000 bytes"):
        fetching.download(f"{url}/file", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_hub_are_held_against_their_names(tmp_path: Path) -> None:
    large, small = tmp_path / SHA256, tmp_path / hashlib.sha1(b"blob 3\0abc").hexdigest()
    large.write_bytes(CONTENT)
    small.write_bytes(b"abc")
    (tmp_path / "other").write_bytes(b"abc")
    assert [fetching.blob_is_whole(path) for path in (large, small, tmp_path / "other")] == [True, True, None]
    (tmp_path / "link").symlink_to(large)
    assert fetching.blob_is_whole(tmp_path / "link")
    large.write_bytes(CONTENT[1:])
    small.write_bytes(b"abd")
    assert [fetching.blob_is_whole(path) for path in (large, small)] == [False, False]
