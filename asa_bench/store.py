"""Records on disk: atomic, checksummed, versioned. The only module that knows how an output folder looks."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench import parquet
from asa_bench.errors import BadInput, StoreError

if TYPE_CHECKING:
    import pandas as pd

# Bumped when a reader of the old layout would misread the new one.
SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
ROWS = "rows.parquet"
TIMINGS = "timings.json"
MODEL = "model"
MASKED = "masked"
EXPLANATIONS = "explanations"
SHEETS = "annotations"


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no optional white space: the same text for the same value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def address(
    kind: str, version: int, spec: Mapping[str, Any], reads: Mapping[str, Any], waits: Mapping[str, str]
) -> str:
    """The content address of a cell: sha256 (20 hex digits) of what it is, the bytes it reads, and its inputs.

    Args:
        kind: what kind of cell.
        version: the semantic version of that kind.
        spec: everything that decides the result, threads included; no clock, path or git commit.
        reads: checksums of the bytes it reads.
        waits: role -> address of the cells whose results it reads.
    """
    content = {"kind": kind, "version": version, "spec": spec, "reads": reads, "waits": waits}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:20]


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def storage_errors(what: Path | str) -> Iterator[None]:
    """Turns the errors of a full disk, missing rights or a vanished folder into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreError(
                f"{what}: no space left on the disk; free some and run the same command again, nothing recorded is lost"
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StoreError(
                f"{what}: cannot be written ({error.strerror}); choose another folder with --output"
            ) from error
        if error.errno in {errno.EEXIST, errno.ENOTDIR}:
            raise StoreError(
                f"{what}: cannot be written, a file stands where its folder should be"
            ) from error
        raise StoreError(f"{what}: cannot be written: {error.strerror or error}") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@dataclass(frozen=True)
class Record:
    """What a finished cell left behind.

    Attributes:
        manifest: everything but the rows; see `docs/records.md` for each field.
        folder: where its files are.
    """

    manifest: Mapping[str, Any]
    folder: Path

    @property
    def address(self) -> str:
        return str(self.manifest["address"])

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.manifest["spec"]
        return spec

    @property
    def has_rows(self) -> bool:
        """Whether the cell left rows."""
        return ROWS in self.manifest["files"]

    def rows(self) -> pd.DataFrame:
        """The per-example rows.

        Raises:
            StoreError: the cell left none, or they cannot be read.
        """
        if not self.has_rows:
            raise StoreError(f"{self.folder}: a {self.kind} cell has no rows")
        try:
            return parquet.read(self.folder / ROWS)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise StoreError(f"{self.folder / ROWS}: cannot be read as Parquet: {reason}") from error

    def model_folder(self) -> Path:
        """The folder of the model that the cell trained."""
        return self.folder / MODEL

    def masked_folder(self) -> Path:
        """The folder of a pre-trained encoder with its head for masked words, where the cell kept that."""
        return self.folder / MASKED

    def timings(self) -> Mapping[str, Any]:
        """Seconds and peak memory of the work, {} where they were lost; never part of a result."""
        with contextlib.suppress(OSError, ValueError):
            value: Mapping[str, Any] = json.loads((self.folder / TIMINGS).read_text("utf-8"))
            return value
        return {}


@dataclass(frozen=True)
class Fault:
    """Something in an output folder that is not as it was recorded.

    Attributes:
        path: relative to the output folder.
        problem: one line.
    """

    path: str
    problem: str


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
        manifest = _read_manifest(self.folder(kind, at))
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
            complete["checksum"] = _checksum(complete)
            (staging / TIMINGS).write_text(
                json.dumps(dict(timings), indent=1, sort_keys=True) + "\n", "utf-8"
            )
            (staging / MANIFEST).write_text(json.dumps(complete, indent=1, sort_keys=True) + "\n", "utf-8")
            for path in staging.rglob("*"):
                if path.is_file():
                    _sync(path)
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
        whole = {**content, "checksum": _checksum(content)}
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
        if not isinstance(value, dict) or value.get("checksum") != _checksum(value):
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
                for name, problem in _faults_of_record(folder, known)
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
            manifest = _read_manifest(path.parent)
            if manifest is not None:
                yield Record(manifest, path.parent)


def _faults_of_record(folder: Path, known: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(file, problem) of one record; `known` are the (kind, address) of all that are there."""
    manifest = _read_manifest(folder)
    if manifest is None:
        yield MANIFEST, "is missing, torn, changed or of another schema version"
        return
    at = address(*(manifest.get(key, {}) for key in ("kind", "version", "spec", "reads", "waits")))
    if (manifest.get("kind"), manifest.get("address"), at) != (folder.parent.name, folder.name, folder.name):
        yield MANIFEST, f"belongs to {manifest.get('kind')} {at}, not to the folder that it is in"
    files: Mapping[str, str] = manifest["files"]
    for name, expected in files.items():
        try:
            found = file_sha256(folder / name)
        except OSError:
            yield name, "is missing or cannot be read"
            continue
        if found != expected:
            yield name, f"was changed: sha256 {found[:12]}, recorded was {expected[:12]}"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in {*files, MANIFEST, TIMINGS}:
            yield name, "is not of the record"
    for role, there in manifest.get("waits", {}).items():
        if not any(other == there for _, other in known):
            yield MANIFEST, f"was made from the record {there} ({role}), which is missing"


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        canonical_json({k: v for k, v in manifest.items() if k != "checksum"}).encode()
    ).hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA_VERSION:
        return None
    # A checksum that fits says nothing of the form: anyone can compute it.
    if not all(isinstance(manifest.get(name), dict) for name in ("spec", "result", "files")):
        return None
    if not all(isinstance(manifest.get(name, {}), dict) for name in ("reads", "waits")):
        return None
    if not all(isinstance(value, str) for value in manifest["files"].values()):
        return None
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in manifest["files"]):
        return None
    return manifest if manifest.get("checksum") == _checksum(manifest) else None


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
