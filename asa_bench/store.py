"""Records on disk: atomic, checksummed, versioned. The only module that knows how an output folder looks."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench import parquet
from asa_bench.disk import file_sha256, storage_errors, sync, write_atomically
from asa_bench.errors import BadInput, StoreError
from asa_bench.record import (
    MANIFEST,
    ROWS,
    SCHEMA_VERSION,
    TIMINGS,
    Fault,
    Record,
    checksum_of,
    faults_of,
    read_manifest,
)

if TYPE_CHECKING:
    import pandas as pd

EXPLANATIONS = "explanations"
SHEETS = "annotations"


class Store:
    """An output folder: ``cells/<kind>/<address>/`` with a manifest, rows and files each.

    A cell appears by one rename of a complete folder, so a kill at any moment leaves it whole or absent.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[str, Record] = {}

    @property
    def where(self) -> str:
        """What opens this store again, here or on another machine: a whole path or a URL."""
        return str(self.root.resolve())

    @property
    def shown(self) -> str:
        """The store's name, for people."""
        return str(self.root)

    def prepare(self) -> None:
        """Make the folder, and sweep what a killed run left half-written. Call it with the lock held.

        Raises:
            StoreError: the folder cannot be made or written.
        """
        with storage_errors(self.root):
            if self.root.exists() and not self.root.is_dir():
                raise BadInput(f"--output {self.root}: is a file, a folder is needed")
            (self.root / "cells").mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self.root / "scratch", ignore_errors=True)
            (self.root / "scratch").mkdir(exist_ok=True)
            for half in (
                ".plan.json.*",
                "tables/.*.????????",
                "failures/.*.????????",
            ):  # of `write_atomically`
                for path in self.root.glob(half):
                    path.unlink(missing_ok=True)
            for path in (self.root / "partial").glob("*"):  # of a run that was killed just after it recorded
                if any((self.root / "cells").glob(f"*/{path.name}/{MANIFEST}")):
                    shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def lock(self, on_wait: Any = None) -> Iterator[None]:
        """Hold the folder for this process; a second one waits until the first is done.

        The lock is the operating system's, so it goes with a killed process.

        Args:
            on_wait: called once, without arguments, if another process holds the folder.
        """
        import filelock

        with storage_errors(self.root):
            if self.root.exists() and not self.root.is_dir():
                raise BadInput(f"--output {self.root}: is a file, a folder is needed")
            self.root.mkdir(parents=True, exist_ok=True)
            held = filelock.FileLock(self.root / ".lock")
            try:
                held.acquire(timeout=0)
            except filelock.Timeout:
                if on_wait is not None:
                    on_wait()
                held.acquire(poll_interval=0.2)
        try:
            yield
        finally:
            held.release()

    def folder(self, kind: str, at: str) -> Path:
        """Where the cell with this address is or would be."""
        return self.root / "cells" / kind / at

    def scratch(self, at: str) -> Path:
        """An empty folder on the same file system, for one attempt at a cell's work; no other attempt gets it."""
        with storage_errors(self.root):
            (self.root / "scratch").mkdir(parents=True, exist_ok=True)
            path = Path(tempfile.mkdtemp(prefix=f"{at}-", dir=self.root / "scratch"))
            path.chmod(0o755)
            return path

    def partial(self, at: str) -> Path:
        """Where a long cell writes how far it has come; it outlives a kill, and ends when the cell is recorded."""
        return self.root / "partial" / at

    def has(self, kind: str, at: str) -> bool:
        """Whether the cell is recorded and whole."""
        return self.find(kind, at) is not None

    def share(self, files: Sequence[Path]) -> None:
        """Files below `root` that are no part of a record go where everybody sees them: they are there already."""

    def share_partial(self, at: str) -> None:
        """The same of how far a cell has come."""

    def fetch_partial(self, at: str) -> None:
        """How far others have come with a cell is there already."""

    def find(self, kind: str, at: str) -> Record | None:
        """The record of a cell, or None where it is absent or damaged; every file's checksum is verified."""
        if at in self._verified:
            return self._verified[at]
        folder = self.folder(kind, at)
        manifest = self.told(kind, at)
        if manifest is None:
            return None
        for name, expected in manifest["files"].items():
            try:
                if file_sha256(folder / name) != expected:
                    return None
            except OSError:
                return None
        record = Record(dict(manifest), folder)
        self._verified[at] = record
        return record

    def told(self, kind: str, at: str) -> Mapping[str, Any] | None:
        """The manifest of a cell's record whatever became of its other files (models are large, and get deleted).

        None where it is absent or damaged itself.
        """
        manifest = read_manifest(self.folder(kind, at))
        if manifest is None or manifest.get("address") != at or manifest.get("kind") != kind:
            return None
        return manifest

    def write(
        self,
        kind: str,
        at: str,
        manifest: Mapping[str, Any],
        rows: pd.DataFrame | None,
        timings: Mapping[str, Any],
        work: Path | None = None,
    ) -> Record:
        """Record a finished cell.

        Args:
            manifest: what is to be kept beside the rows; schema version, address and checksums are added.
            rows: per-example rows, if the cell has any.
            timings: kept in a file of their own, without checksum: they differ from run to run.
            work: the scratch folder whose files become part of the record; it is moved.

        Raises:
            StoreError: the disk is full or the folder cannot be written; nothing half-written stays.
        """
        folder = self.folder(kind, at)
        with storage_errors(folder):
            staging = work if work is not None else self.scratch(at)
            if rows is not None:
                parquet.write(rows, staging / ROWS)
            files = {
                path.relative_to(staging).as_posix(): file_sha256(path)
                for path in sorted(staging.rglob("*"))
                if path.is_file() and path.name not in {MANIFEST, TIMINGS}
            }
            complete = {
                **manifest,
                "schema_version": SCHEMA_VERSION,
                "kind": kind,
                "address": at,
                "files": files,
            }
            complete["checksum"] = checksum_of(complete)
            (staging / TIMINGS).write_text(
                json.dumps(dict(timings), indent=1, sort_keys=True) + "\n", "utf-8"
            )
            (staging / MANIFEST).write_text(json.dumps(complete, indent=1, sort_keys=True) + "\n", "utf-8")
            for path in staging.rglob("*"):
                if path.is_file():
                    sync(path)
            record = self._place(Record(complete, folder), staging)
            self.failure_file(kind, at).unlink(missing_ok=True)
            shutil.rmtree(self.partial(at), ignore_errors=True)
        self._verified[at] = record
        return record

    def _place(self, record: Record, staging: Path) -> Record:
        """Move a complete record to its place by one rename, unless another attempt at the cell was done first."""
        record.folder.parent.mkdir(parents=True, exist_ok=True)
        first = self.find(record.kind, record.address)
        if first is None:
            if record.folder.exists():  # damaged
                shutil.rmtree(record.folder)
            try:
                staging.replace(record.folder)
                return record
            except OSError:  # the other attempt was done just now
                first = self.find(record.kind, record.address)
                if first is None:
                    raise
        shutil.rmtree(staging)
        return first

    def publish(self, record: Record, name: str) -> Path:
        """Put a copy of a record's model at ``<root>/<name>``, where a person finds it; a copy from before goes.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        final, staging = self.root / name, self.scratch(f"publish-{record.address}")
        with storage_errors(final):
            shutil.copytree(record.model_folder(), staging, dirs_exist_ok=True)
            shutil.rmtree(final, ignore_errors=True)
            staging.replace(final)
        return final

    def failure_file(self, kind: str, at: str) -> Path:
        """Where the error of a failed cell is kept."""
        return self.root / "failures" / f"{kind}-{at}.json"

    def write_failure(self, kind: str, at: str, content: Mapping[str, Any]) -> None:
        """Keep why a cell failed; the next run tries it again."""
        text = json.dumps(dict(content), indent=1, sort_keys=True) + "\n"
        write_atomically(self.failure_file(kind, at), text.encode())

    def read_failure(self, kind: str, at: str) -> Mapping[str, str] | None:
        """The label and error of a failed cell; None where none is kept."""
        try:
            content = json.loads(self.failure_file(kind, at).read_text("utf-8"))
            return {"label": str(content["label"]), "error": str(content["error"])}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_sheet(self, sheet: str, name: str, content: Mapping[str, Any]) -> Path:
        """Keep what belongs to a sheet for people: its key, or what they judged.

        Raises:
            StoreError: the folder cannot be written.
        """
        path = self.root / SHEETS / sheet / f"{name}.json"
        whole = {**content, "checksum": checksum_of(content)}
        write_atomically(path, (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode())
        return path

    def read_sheet(self, sheet: str, name: str) -> Mapping[str, Any] | None:
        """What `write_sheet` kept; None where there is none.

        Raises:
            StoreError: it is damaged.
        """
        path = self.root / SHEETS / sheet / f"{name}.json"
        if not path.is_file():
            return None
        try:
            value = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{path}: cannot be read; export and import the sheet again") from error
        if not isinstance(value, dict) or value.get("checksum") != checksum_of(value):
            raise StoreError(f"{path}: was changed; export and import the sheet again")
        return value

    def sheets(self) -> list[str]:
        """The sheets of this folder, sorted."""
        return sorted(path.name for path in (self.root / SHEETS).glob("*") if path.is_dir())

    def write_explanation(self, name: str, text: str) -> Path:
        """Keep an explanation of an example beside the records, under a name of its own."""
        path = self.root / EXPLANATIONS / f"{name}.json"
        write_atomically(path, text.encode())
        return path

    def explanations(self) -> list[tuple[Path, str]]:
        """Path and text of all that were kept, in the order of their names.

        Raises:
            StoreError: one cannot be read.
        """
        found = []
        for path in sorted((self.root / EXPLANATIONS).glob("*.json")):
            try:
                found.append((path, path.read_text("utf-8")))
            except (OSError, ValueError) as error:
                raise StoreError(f"{path}: cannot be read ({error}); delete it") from error
        return found

    def write_plan(self, content: Mapping[str, Any]) -> None:
        """Keep which cells make up the folder's last run, so that a report can be made from records alone."""
        text = json.dumps(dict(content), indent=1, sort_keys=True) + "\n"
        write_atomically(self.root / "plan.json", text.encode())

    def read_plan(self) -> Mapping[str, Any]:
        """What `write_plan` kept.

        Raises:
            BadInput: this is not an output folder.
            StoreError: the file is damaged.
        """
        path = self.root / "plan.json"
        try:
            value = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise BadInput(
                f"{self.root}: not an output folder of asa-bench (no readable plan.json)"
            ) from error
        except ValueError as error:
            raise StoreError(
                f"{path}: damaged; run the same suite again with --output {self.root}"
            ) from error
        if not isinstance(value, dict) or value.get("schema_version") != SCHEMA_VERSION:
            found = value.get("schema_version") if isinstance(value, dict) else None
            raise StoreError(f"{path}: has schema version {found!r}, this asa-bench reads {SCHEMA_VERSION}")
        return value

    def faults(self) -> Iterator[tuple[int, list[Fault]]]:
        """Verifies every record byte by byte: yields (files read, what is wrong with it) record by record.

        A record is as it was when its manifest is whole, every file has the checksum that the manifest names, no
        other file lies beside, the address is that of its spec, and the records it was made from are there.

        Raises:
            BadInput: this is not an output folder.
        """
        if not (self.root / "cells").is_dir():
            raise BadInput(f"{self.root}: not an output folder of asa-bench (no folder 'cells')")
        folders = sorted(path for path in (self.root / "cells").glob("*/*") if path.is_dir())
        known = {(path.parent.name, path.name) for path in folders if (path / MANIFEST).is_file()}
        for folder in folders:
            found = [
                Fault((folder / name).relative_to(self.root).as_posix(), problem)
                for name, problem in faults_of(folder, known)
            ]
            yield sum(path.is_file() for path in folder.rglob("*")), found

    @classmethod
    def of_record(cls, folder: Path) -> tuple[Store, str, str] | None:
        """The store, kind and address of a record's own folder; None where `folder` is no such one."""
        where = folder.resolve()
        if not (where / MANIFEST).is_file() or where.parent.parent.name != "cells":
            return None
        return cls(where.parents[2]), where.parent.name, where.name

    def records(self) -> Iterator[Record]:
        """Every readable record in the folder, by kind and address; checksums are not verified."""
        for path in sorted((self.root / "cells").glob(f"*/*/{MANIFEST}")):
            manifest = read_manifest(path.parent)
            if manifest is not None:
                yield Record(manifest, path.parent)
