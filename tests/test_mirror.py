"""A store behind a URL: whole or absent, the same for every machine, one writer at a time."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from small_suite import SUITE

from asa_bench.errors import BadInput, StoreError, Unavailable
from asa_bench.mirror import Lease, MirroredStore
from asa_bench.record import Record, address
from asa_bench.store import Store
from asa_bench.stores import open_store, url_of

ROWS = pd.DataFrame({"id": ["a", "b"], "logits": [[0.25, 0.75], [1.0, 0.0]]})
SPEC = {"task": "t", "threads": 1}
AT = address("evaluate", 1, SPEC, {}, {})
_PLACES = itertools.count()


@pytest.fixture
def url() -> Iterator[str]:
    """A place of its own in fsspec's store in memory, which all stores of this process share."""
    import fsspec

    name = f"memory://place-{next(_PLACES)}"
    yield name
    remote, base = fsspec.core.url_to_fs(name)
    if remote.exists(base):
        remote.rm(base, recursive=True)


def _write(store: Store, said: int = 0) -> Record:
    work = store.scratch(AT)
    (work / "model").mkdir()
    (work / "model" / "weights").write_bytes(b"weights %d" % said)
    manifest = {"spec": SPEC, "reads": {}, "waits": {}, "version": 1, "result": {"said": said}}
    return store.write("evaluate", AT, manifest, ROWS, {"seconds": 1.5}, work)


@pytest.mark.parametrize(
    ("where", "url"),
    [
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("S3://bucket", "s3://bucket"),
        (Path("s3://bucket/a"), "s3://bucket/a"),
        ("memory://x", "memory://x"),
        ("out/run", None),
        ("/abs/run", None),
        ("C:/runs", None),
        ("file:///abs/run", None),
    ],
)
def test_urls(where: str | Path, url: str | None) -> None:
    assert url_of(where) == url


def test_paths_open_folders(tmp_path: Path) -> None:
    assert type(open_store(tmp_path)) is Store
    assert open_store(f"file://{tmp_path}").root == tmp_path


def test_what_is_no_store_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="nosuch://x: Protocol not known"):
        open_store("nosuch://x")
    with pytest.raises(BadInput, match="names no place"):
        open_store("memory://")
    import fsspec

    def missing(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(Unavailable, match="Install s3fs"):
        open_store("s3://bucket/run")


def test_a_record_is_the_same_on_every_machine(url: str, tmp_path: Path) -> None:
    here, there = MirroredStore(url, tmp_path / "here"), MirroredStore(url, tmp_path / "there")
    assert not there.has("evaluate", AT)
    written = _write(here)
    assert there.has("evaluate", AT)
    found = there.find("evaluate", AT)
    assert found is not None
    assert found.manifest == written.manifest
    assert found.timings() == {"seconds": 1.5}
    pd.testing.assert_frame_equal(found.rows(), written.rows())
    assert (found.model_folder() / "weights").read_bytes() == b"weights 0"
    assert [record.address for record in there.records()] == [AT]


def test_a_manifest_needs_no_weights(url: str, tmp_path: Path) -> None:
    _write(MirroredStore(url, tmp_path / "here"))
    there = MirroredStore(url, tmp_path / "there")
    assert there.told("evaluate", AT) is not None
    assert not (there.folder("evaluate", AT) / "model").exists()


def test_no_manifest_no_record(url: str, tmp_path: Path) -> None:
    """As if the writer had been killed before the last object."""
    here = MirroredStore(url, tmp_path / "here")
    _write(here)
    here.remote.rm(f"{here.base}/cells/evaluate/{AT}/manifest.json")
    there = MirroredStore(url, tmp_path / "there")
    assert there.find("evaluate", AT) is None
    here.prepare()
    assert here.find("evaluate", AT) is None, "the mirror follows the store"


@pytest.mark.parametrize("name", ["rows.parquet", "model/weights"])
def test_a_changed_object_is_never_read(url: str, tmp_path: Path, name: str) -> None:
    here = MirroredStore(url, tmp_path / "here")
    _write(here)
    (path,) = [each for each in here.remote.find(here.base) if each.endswith(name)]
    content = here.remote.cat_file(path)
    here.remote.pipe_file(path, content[:-1] + bytes([content[-1] ^ 1]))
    there = MirroredStore(url, tmp_path / "there")
    assert any("was changed" in fault.problem for _, found in there.faults() for fault in found)
    assert MirroredStore(url, tmp_path / "third").find("evaluate", AT) is None
    assert not MirroredStore(url, tmp_path / "third").has("evaluate", AT), "it is done again"
    _write(there)
    assert MirroredStore(url, tmp_path / "third").find("evaluate", AT) is not None


def test_two_writers_of_one_cell_never_mix_their_files(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins before the first is done, and has other bytes, as from another processor."""
    first, second = MirroredStore(url, tmp_path / "first"), MirroredStore(url, tmp_path / "second")
    put, order = MirroredStore._put, []

    def slowly(self: MirroredStore, path: Path, name: str) -> None:
        if self is first and name.endswith("manifest.json"):
            monkeypatch.setattr(MirroredStore, "_put", put)
            _write(second, said=2)
        order.append(name)
        put(self, path, name)

    monkeypatch.setattr(MirroredStore, "_put", slowly)
    _write(first, said=1)
    assert order[-1].endswith("manifest.json")
    found = MirroredStore(url, tmp_path / "reader").find("evaluate", AT)
    assert found is not None
    said = found.manifest["result"]["said"]
    assert (found.model_folder() / "weights").read_bytes() == b"weights %d" % said


def test_failures_plans_and_tables_are_shared(url: str, tmp_path: Path) -> None:
    here, there = MirroredStore(url, tmp_path / "here"), MirroredStore(url, tmp_path / "there")
    with pytest.raises(BadInput, match="not an output folder"):
        there.read_plan()
    here.write_plan({"schema_version": 1, "cells": []})
    assert there.read_plan() == {"schema_version": 1, "cells": []}
    here.write_failure("evaluate", AT, {"label": "it", "error": "broke"})
    assert there.read_failure("evaluate", AT) == {"label": "it", "error": "broke"}
    _write(there)
    assert here.read_failure("evaluate", AT) is None, "what was mended elsewhere has not failed"
    (here.root / "tables").mkdir(parents=True)
    (here.root / "tables" / "main.md").write_text("table")
    here.share([here.root / "tables" / "main.md"])
    assert there._fetch("tables/main.md")
    here.partial(AT).mkdir(parents=True)
    (here.partial(AT) / "examples-0-of-2.jsonl").write_text("{}\n")
    here.share_partial(AT)
    there.fetch_partial(AT)
    assert (there.partial(AT) / "examples-0-of-2.jsonl").read_text() == "{}\n"


def test_a_store_out_of_reach_is_told(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MirroredStore(url, tmp_path)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("Access\nDenied")

    monkeypatch.setattr(type(store.remote), "cat_file", refused)
    with pytest.raises(StoreError, match=rf"{url}/plan.json: cannot be read or written \(.*Access Denied\)"):
        store.read_plan()


def test_a_folder_that_is_listed_as_an_object_is_none(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As s3fs does where the first object appears between its two questions."""
    store = MirroredStore(url, tmp_path)
    monkeypatch.setattr(type(store.remote), "find", lambda self, path: [path])
    assert store._list("lease") == []
    assert Lease(store)._latest() == 0


def test_one_run_at_a_time(url: str, tmp_path: Path) -> None:
    first, second = MirroredStore(url, tmp_path / "first"), MirroredStore(url, tmp_path / "second")
    order: list[str] = []
    waiting = threading.Event()

    def follow() -> None:
        with second.lock(waiting.set):
            order.append("second")

    with first.lock():
        thread = threading.Thread(target=follow)
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def test_a_dead_holder_is_followed_and_stops_when_it_wakes_up(url: str, tmp_path: Path) -> None:
    dead, heir = MirroredStore(url, tmp_path / "dead"), MirroredStore(url, tmp_path / "heir")
    sleeping = Lease(dead, beat=3600)
    with sleeping:
        sleeping.check()
        with Lease(heir, patience=0.2) as lease:
            lease.check()
            with pytest.raises(StoreError, match="another run has taken this store over"):
                sleeping.check()
    with Lease(heir, patience=3600) as third:  # the sleeper did not release what was no longer its own
        assert third.number == 3


def test_of_many_only_one_takes_a_number(url: str, tmp_path: Path) -> None:
    stores = [MirroredStore(url, tmp_path / str(at)) for at in range(8)]
    leases = [Lease(store) for store in stores]
    taken: list[bool] = []
    threads = [threading.Thread(target=lambda lease=lease: taken.append(lease._take(1))) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_runs_at_once_on_an_s3_server(tmp_path: Path) -> None:
    """A real server on the loopback; each run has a mirror of its own, as on a machine of its own."""
    moto = pytest.importorskip("moto.server", reason="no S3 server is installed")
    s3fs = pytest.importorskip("s3fs", reason="no S3 library is installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
        remote = s3fs.S3FileSystem(key="x", secret="x", endpoint_url=address)
        remote.mkdir("bench")
        (tmp_path / "killed.yaml").write_text(SUITE)
        runs = []
        for name in ("one", "two"):
            runs.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "asa_bench",
                        "run",
                        "--suite",
                        "killed.yaml",
                        "-o",
                        "s3://bench/run",
                    ],
                    cwd=tmp_path,
                    env={
                        **os.environ,
                        **keys,
                        "AWS_ENDPOINT_URL": address,
                        "ASA_BENCH_STORE_CACHE": str(tmp_path / name),
                    },
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        said = [run.communicate() for run in runs]
        assert [run.returncode for run in runs] == [0, 0], said
        done = [errors.count("] ") for _, errors in said]
        (cells,) = {int(count) for _, errors in said for count in re.findall(r"(\d+) cells", errors)}
        assert sorted(done) == [0, cells], "each cell is done once, by one of the two"
        assert sum("another run holds" in errors for _, errors in said) == 1
        subprocess.run(
            [sys.executable, "-m", "asa_bench", "run", "--suite", "killed.yaml", "-o", "local"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        tables = {path.name: path.read_bytes() for path in (tmp_path / "local" / "tables").iterdir()}
        remote.invalidate_cache()
        assert {Path(name).name: remote.cat_file(name) for name in remote.find("bench/run/tables")} == tables
    finally:
        server.stop()
