"""A record: the files that a finished cell left behind, with a manifest that tells their checksums."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench import parquet
from asa_bench.disk import file_sha256
from asa_bench.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

# Bumped when a reader of the old layout would misread the new one.
SCHEMA_VERSION = 1


MANIFEST = "manifest.json"


ROWS = "rows.parquet"


TIMINGS = "timings.json"


MODEL = "model"


MASKED = "masked"


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


def faults_of(folder: Path, known: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(file, problem) of one record; `known` are the (kind, address) of all that are there."""
    manifest = read_manifest(folder)
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


def checksum_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        canonical_json({k: v for k, v in manifest.items() if k != "checksum"}).encode()
    ).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any] | None:
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
    return manifest if manifest.get("checksum") == checksum_of(manifest) else None
