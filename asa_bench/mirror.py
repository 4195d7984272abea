"""An output folder in an object store, mirrored in a folder of this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.disk import write_atomically
from asa_bench.errors import BadInput, StoreError, Unavailable
from asa_bench.record import MANIFEST, TIMINGS, Fault, Record
from asa_bench.store import EXPLANATIONS, Store

if TYPE_CHECKING:
    import pandas as pd

# Where mirrors lie; one folder per URL.
CACHE = "ASA_BENCH_STORE_CACHE"
_BEAT = 10.0  # seconds between two signs of life of the process that holds a store
_PATIENCE = 60.0  # seconds without one, after which it is taken for dead


class MirroredStore(Store):
    """A store whose truth is a URL that fsspec knows (``s3://``, ``gs://``, ``memory://`` ...).

    `root` is a mirror on this machine. A record is written there first, and then as objects: its files under
    ``cells/<kind>/<address>/<checksum of the manifest>/``, and the manifest beside them at the end. Object stores
    have no rename; they write one object whole or not at all, so a record is there when its manifest is, and two
    writers of one cell never mix their files. What is read comes over once, and is checked as in a folder.

    Args:
        url: ``scheme://place``; credentials and endpoints as the scheme's library reads them from the environment.
        cache: the folder for mirrors; else the environment's ``ASA_BENCH_STORE_CACHE``, else ``~/.cache/asa-bench``.

    Raises:
        BadInput: no such scheme.
        Unavailable: its library is not installed.
    """

    def __init__(self, url: str, cache: Path | None = None) -> None:
        import fsspec

        try:
            self.remote, self.base = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise Unavailable(f"--output {url}: {error}") from error
        except ValueError as error:
            raise BadInput(
                f"--output {url}: {error}; known kinds of URL: s3://, gs://, az://, ..."
            ) from error
        if not self.base.strip("/"):
            raise BadInput(f"--output {url}: names no place in the store; add a bucket or folder")
        self.url = url
        place = cache or Path(os.environ.get(CACHE, "~/.cache/asa-bench")).expanduser()
        name = re.sub(r"[^a-zA-Z0-9]+", "-", url)[-40:].strip("-")
        self._lease: Lease | None = None
        self._known: set[str] | None = None
        super().__init__(place / "stores" / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:12]}")

    @property
    def where(self) -> str:
        return self.url

    @property
    def shown(self) -> str:
        return self.url

    # -- what a run does -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, on_wait: Any = None) -> Iterator[None]:
        """Hold the store for this process; a second one waits until the first is done or shows no life for a minute."""
        with super().lock(on_wait), Lease(self, on_wait) as self._lease:
            yield
            self._lease = None

    def prepare(self) -> None:
        """As of a folder; and what is no longer behind the URL goes from the mirror."""
        super().prepare()
        self._known = {name for name in self._list("cells") if name.endswith(f"/{MANIFEST}")}
        for path in (self.root / "cells").glob("*/*"):
            if self._name(path / MANIFEST) not in self._known:
                shutil.rmtree(path, ignore_errors=True)

    def has(self, kind: str, at: str) -> bool:
        """Whether the cell is recorded; its files are checked when they are read, not before."""
        if self._known is not None:
            return f"cells/{kind}/{at}/{MANIFEST}" in self._known
        return self.told(kind, at) is not None

    def told(self, kind: str, at: str) -> Mapping[str, Any] | None:
        found = super().told(kind, at)
        if found is None and self._fetch(f"cells/{kind}/{at}/{MANIFEST}"):
            self._fetch(f"cells/{kind}/{at}/{TIMINGS}")
            found = super().told(kind, at)
        return found

    def find(self, kind: str, at: str) -> Record | None:
        manifest = self.told(kind, at)
        if manifest is None:
            return None
        folder = self.folder(kind, at)
        part = str(manifest["checksum"])[:16]
        for name in manifest["files"]:
            if not (folder / name).is_file():
                self._fetch(f"cells/{kind}/{at}/{part}/{name}", folder / name)
        record = super().find(kind, at)
        if record is None:
            # Something was changed here or there: what is left goes, so that the cell is done again.
            shutil.rmtree(folder, ignore_errors=True)
            self._remove(f"cells/{kind}/{at}/{MANIFEST}")
        return record

    def write(
        self,
        kind: str,
        at: str,
        manifest: Mapping[str, Any],
        rows: pd.DataFrame | None,
        timings: Mapping[str, Any],
        work: Path | None = None,
    ) -> Record:
        record = super().write(kind, at, manifest, rows, timings, work)
        part = str(record.manifest["checksum"])[:16]
        for name in record.manifest["files"]:
            self._put(record.folder / name, f"cells/{kind}/{at}/{part}/{name}")
        self._put(record.folder / TIMINGS, f"cells/{kind}/{at}/{TIMINGS}")
        self._put(record.folder / MANIFEST, f"cells/{kind}/{at}/{MANIFEST}")
        self._remove(self._name(self.failure_file(kind, at)))
        self._remove(f"partial/{at}", recursive=True)
        return record

    def publish(self, record: Record, name: str) -> Path:
        final = super().publish(record, name)
        self.share([path for path in sorted(final.rglob("*")) if path.is_file()])
        return final

    def write_failure(self, kind: str, at: str, content: Mapping[str, Any]) -> None:
        super().write_failure(kind, at, content)
        self.share([self.failure_file(kind, at)])

    def read_failure(self, kind: str, at: str) -> Mapping[str, str] | None:
        path = self.failure_file(kind, at)
        path.unlink(missing_ok=True)  # another run may have mended it
        self._fetch(self._name(path))
        return super().read_failure(kind, at)

    def explanations(self) -> list[tuple[Path, str]]:
        for name in self._list(EXPLANATIONS):
            self._fetch(name)
        return super().explanations()

    def write_plan(self, content: Mapping[str, Any]) -> None:
        super().write_plan(content)
        self.share([self.root / "plan.json"])

    def read_plan(self) -> Mapping[str, Any]:
        with contextlib.suppress(OSError):
            (self.root / "plan.json").unlink()
        self._fetch("plan.json")
        return super().read_plan()

    def share(self, files: Sequence[Path]) -> None:
        if self._lease is not None:
            self._lease.check()
        for path in files:
            self._put(path, self._name(path))

    def share_partial(self, at: str) -> None:
        self.share([path for path in sorted(self.partial(at).rglob("*")) if path.is_file()])

    def fetch_partial(self, at: str) -> None:
        for name in self._list(f"partial/{at}"):
            self._fetch(name)

    # -- what looks at everything ------------------------------------------------------------------------------

    def records(self) -> Iterator[Record]:
        self._fetch_manifests()
        yield from super().records()

    def faults(self) -> Iterator[tuple[int, list[Fault]]]:
        """As of a folder, over what lies behind the URL: all of it comes over anew."""
        shutil.rmtree(self.root / "cells", ignore_errors=True)
        self._fetch_manifests()
        for record in list(super().records()):
            part = str(record.manifest["checksum"])[:16]
            for name in record.manifest["files"]:
                self._fetch(f"cells/{record.kind}/{record.address}/{part}/{name}", record.folder / name)
        yield from super().faults()

    def _fetch_manifests(self) -> None:
        for name in self._list("cells"):
            if name.count("/") == 3 and name.endswith((f"/{MANIFEST}", f"/{TIMINGS}")):
                self._fetch(name)

    # -- objects -----------------------------------------------------------------------------------------------

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _list(self, name: str) -> list[str]:
        """Names of all objects under a name, relative to the store."""
        with self._told(name):
            self.remote.invalidate_cache()
            base = self.base.rstrip("/") + "/"
            try:
                found = self.remote.find(f"{base}{name}")
            except FileNotFoundError:
                return []
            names = sorted(each.lstrip("/").removeprefix(base.lstrip("/")) for each in found)
            # Where something appears while s3fs looks, it may name what it was asked for as if that were an object.
            return [each for each in names if each.startswith(f"{name}/")]

    def _fetch(self, name: str, to: Path | None = None) -> bool:
        """Bring an object here, whole or not at all; False where there is none."""
        with self._told(name):
            try:
                content = self.remote.cat_file(f"{self.base}/{name}")
            except FileNotFoundError:
                return False
            write_atomically(to or self.root / name, content)
            return True

    def _put(self, path: Path, name: str) -> None:
        with self._told(name):
            self.remote.makedirs(f"{self.base}/{name}".rsplit("/", 1)[0], exist_ok=True)
            self.remote.put_file(str(path), f"{self.base}/{name}")

    def _remove(self, name: str, recursive: bool = False) -> None:
        with self._told(name), contextlib.suppress(FileNotFoundError):
            self.remote.rm(f"{self.base}/{name}", recursive=recursive)

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """What an object store's library raises, in one line."""
        try:
            yield
        except (StoreError, FileNotFoundError):
            raise
        except Exception as error:  # every scheme has errors of its own
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise StoreError(
                f"{self.url}/{name}: cannot be read or written ({reason}); what is recorded stays, run again"
            ) from error


class Lease:
    """Who may write into a store: one process, told by an object that nobody can write twice.

    Each holder makes the object of the next number, which fails where that is there already, and rewrites it every
    few seconds. Who waits takes the next number when the object says that it was released, or when it has not
    changed for a minute of the waiting one's own clock; clocks of different machines are never compared. Who was
    taken for dead and wakes up sees a higher number than its own, and stops.

    Raises:
        StoreError: the store cannot be reached.
    """

    def __init__(
        self,
        store: MirroredStore,
        on_wait: Callable[[], None] | None = None,
        beat: float = _BEAT,
        patience: float = _PATIENCE,
    ) -> None:
        self.store, self.on_wait, self.beat, self.patience = store, on_wait, beat, patience
        self.holder = uuid.uuid4().hex
        self.number = 0
        self.beats = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> Lease:
        while True:
            latest = self._latest()
            if latest:
                self._wait_for(latest)
            if self._take(latest + 1):
                break
        for number in range(max(1, latest - 2), latest):  # the last one stays, for who still looks at it
            self.store._remove(self._name(number))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        with contextlib.suppress(StoreError):
            if self._latest() == self.number:
                self._say(released=True)

    def check(self) -> None:
        """Raise StoreError where another process has taken the store over."""
        if self._latest() > self.number:
            raise StoreError(
                f"{self.store.url}: another run has taken this store over, because this one gave no sign of life for "
                f"{self.patience:.0f} s; what is recorded stays"
            )

    def _name(self, number: int) -> str:
        return f"lease/{number:08d}.json"

    def _latest(self) -> int:
        return max((int(name.split("/")[-1][:8]) for name in self.store._list("lease")), default=0)

    def _content(self, number: int) -> Mapping[str, Any]:
        with self.store._told("lease"):
            try:
                content: Mapping[str, Any] = json.loads(
                    self.store.remote.cat_file(f"{self.store.base}/{self._name(number)}")
                )
                return content
            except (FileNotFoundError, ValueError):  # removed, since a newer one is there
                return {"released": True}

    def _wait_for(self, number: int) -> None:
        """Until the holder of this number is done, or shows no life."""
        told, seen, since = False, None, time.monotonic()
        while True:
            content = self._content(number)
            if content.get("released"):
                return
            if content != seen:
                seen, since = content, time.monotonic()
            elif time.monotonic() - since > self.patience:
                return
            if not told and self.on_wait is not None:
                self.on_wait()
                told = True
            time.sleep(min(1.0, self.patience / 10))

    def _take(self, number: int) -> bool:
        """Make the object of this number; False where another was quicker."""
        path = f"{self.store.base}/{self._name(number)}"
        content = json.dumps({"holder": self.holder, "beat": 0}).encode()
        with self.store._told("lease"):
            self.store.remote.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            try:
                self.store.remote.pipe_file(path, content, mode="create")
            except FileExistsError:
                return False
            except Exception as error:
                if "PreconditionFailed" in repr(error) or "412" in str(error):
                    return False
                raise
        self.number = number
        return bool(self._content(number).get("holder") == self.holder)

    def _say(self, released: bool = False) -> None:
        self.beats += 1
        content = {"holder": self.holder, "beat": self.beats, "released": released}
        with self.store._told("lease"):
            self.store.remote.pipe_file(
                f"{self.store.base}/{self._name(self.number)}", json.dumps(content).encode()
            )

    def _live(self) -> None:
        while not self._done.wait(self.beat):
            with contextlib.suppress(StoreError):  # the next beat tries again
                self._say()
