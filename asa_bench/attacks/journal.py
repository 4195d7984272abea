"""What became of an attack's examples so far, on disk, so that a killed attack goes on instead of starting over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asa_bench.errors import StoreError

FILE = "examples.jsonl"


class Journal:
    """One line of JSON per example that ended, after a first line that says under which circumstances.

    Floats survive JSON to the last bit. A line is given to the operating system before the next example ends, so a
    kill costs only the searches that were running. Lines from a torn one on are dropped. Examples that errored are
    attacked again, since the cause may be gone.

    Args:
        folder: where it lies; made when the first example ends. None for no journal.
        circumstances: JSON; what outcomes may depend on beside the attack itself, such as versions of packages. Lines
            written under others are not used.
        part: which part of the examples this is, where several processes attack one cell's; each writes a file of its
            own, and all are read.
    """

    def __init__(
        self, folder: Path | None, circumstances: Mapping[str, Any] | None = None, part: str = ""
    ) -> None:
        self.path = None if folder is None else folder / (f"examples-{part}.jsonl" if part else FILE)
        self._head = json.dumps(dict(circumstances or {}), sort_keys=True)
        self._length: int | None = None  # bytes that stay when the next line is written

    def read(self) -> dict[str, dict[str, Any]]:
        """Example id -> its record, for those that need no second search.

        Raises:
            StoreError: the file is there and cannot be read.
        """
        self._length = 0
        if self.path is None:
            return {}
        found: dict[str, dict[str, Any]] = {}
        for path in sorted({self.path, *self.path.parent.glob("examples*.jsonl")}):
            length, records = self._read(path)
            if path == self.path:
                self._length = length
            found |= {record["id"]: record for record in records if record["status"] != "errored"}
        return found

    def _read(self, path: Path) -> tuple[int, list[dict[str, Any]]]:
        """Bytes of a file that can be used, and what they say."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return 0, []
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
        records = []
        head, *lines = content.splitlines(keepends=True) or [b""]
        if head != self._head.encode() + b"\n":
            return 0, []
        length = len(head)
        for line in lines:
            record = _record(line)
            if record is None:
                break
            length += len(line)
            records.append(record)
        return length, records

    def write(self, record: Mapping[str, Any]) -> None:
        """Adds one example's record; `read` comes first, since it decides which lines stay.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        if self.path is None:
            return
        try:
            if self._length is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab") as file:
                    file.truncate(self._length)
                    if not self._length:
                        file.write(self._head.encode() + b"\n")
                self._length = None
            with self.path.open("ab") as file:
                file.write(json.dumps(record).encode() + b"\n")
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {error.strerror}") from error


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line, or None where the line is torn."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"id", "status", "text_hash"} <= set(record) else None
