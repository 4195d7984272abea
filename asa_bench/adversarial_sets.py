"""Adversarial sets: what one attack made of a list of examples, as a thing that can be stored, sent and faced again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from asa_bench.disk import write_atomically
from asa_bench.errors import BadInput, StoreError, Unavailable
from asa_bench.record import Record, canonical_json
from asa_bench.tasks import files
from asa_bench.tasks.base import Frozen, row_hash

if TYPE_CHECKING:
    from asa_bench.tasks.base import Task

FORMAT = 1
STATUSES = ("successful", "failed", "skipped", "errored", "timed_out")
LIMIT = 256 * 1024 * 1024  # bytes of a file
_KEY = b"asa_bench.adversarial_set"
_FIELDS = ("id", "text_hash", "label", "status", "original", "perturbed")
SUFFIXES = (".jsonl", ".parquet")


class SetHeader(Frozen):
    """What an adversarial set is of, and how it was made.

    Attributes:
        source: who was attacked: model, method, training task and seed.
        attack_cell: address of the attack's record.
        fingerprint: of the data that the examples are from.
        recipe: fingerprint of the attack's recipe; two sets of one fingerprint were made by the same attack.
        query_budget: queries allowed per example; None for no limit.
        max_length: tokens after which the source's inputs were cut.
        threads: with how many threads the source computed; another number may change last digits.
    """

    format: int = FORMAT
    task: str
    split: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    attack_column: str
    fingerprint: str
    attack: str
    attack_seed: int
    recipe: str
    query_budget: int | None
    source: Mapping[str, Any]
    attack_cell: str
    max_length: int
    threads: int


@dataclass(frozen=True)
class Example:
    """One example of an adversarial set.

    Attributes:
        text_hash: first 16 hex digits of `row_hash` of the original texts.
        label: the gold label.
        status: what became of it in the attack, see `asa_bench.attacks.engine.attack_rows`.
        original: its texts, one per column.
        perturbed: the same after the attack; empty unless `status` is "successful".
    """

    id: str
    text_hash: str
    label: str
    status: str
    original: tuple[str, ...]
    perturbed: tuple[str, ...]


@dataclass(frozen=True)
class AdversarialSet:
    """The examples of one attack on one model, with what the attack made of each."""

    header: SetHeader
    examples: tuple[Example, ...]

    @property
    def address(self) -> str:
        """The content address: sha256 (20 hex digits) of header and examples, whatever the file."""
        digest = hashlib.sha256(canonical_json(self.header.model_dump(mode="json")).encode())
        for example in self.examples:
            digest.update(b"\n" + canonical_json(_as_json(example)).encode())
        return digest.hexdigest()[:20]

    @property
    def title(self) -> str:
        """What the set is, for people, on one line."""
        source = self.header.source
        seed = "" if source.get("seed") is None else f" seed {source['seed']}"
        return (
            f"{self.header.attack} on {self.header.task} against {source['model']} {source['method']}{seed}"
        )


def of_record(record: Record) -> AdversarialSet:
    """The adversarial set that the record of an attack holds.

    Raises:
        StoreError: it is the record of something else, or not of the form that this asa-bench writes.
    """
    if record.kind != "attack":
        raise StoreError(f"{record.folder}: is the record of a {record.kind} cell, not of an attack")
    try:
        spec, result, rows = record.spec, record.manifest["result"], record.rows()
        header = SetHeader(
            task=spec["task"],
            split=spec["split"],
            columns=spec["columns"],
            labels=spec["labels"],
            attack_column=spec["attack_column"],
            fingerprint=result["fingerprint"],
            attack=spec["attack"],
            attack_seed=spec["attack_seed"],
            recipe=result["recipe"]["fingerprint"],
            query_budget=spec["attack_options"]["query_budget"],
            source=spec["subject"],
            attack_cell=record.address,
            max_length=spec["max_length"],
            threads=spec["threads"],
        )
        examples = [
            _example(dict(zip(_FIELDS, values, strict=True)), header)
            for values in zip(*(rows[name].tolist() for name in _FIELDS), strict=True)
        ]
        return _checked(AdversarialSet(header, tuple(examples)))
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise StoreError(f"{record.folder}: is not an attack record of this form ({reason})") from error


def write(found: AdversarialSet, path: Path) -> None:
    """Writes a set as one file: Parquet, or JSON lines whose first line is the header.

    Raises:
        BadInput: the file's name ends in something else.
        StoreError: it cannot be written.
    """
    _suffix(path)
    header = canonical_json({"address": found.address, **found.header.model_dump(mode="json")})
    if path.suffix == ".jsonl":
        lines = [header, *(canonical_json(_as_json(example)) for example in found.examples)]
        write_atomically(path, ("\n".join(lines) + "\n").encode())
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [_as_json(example)[name] for example in found.examples] for name in _FIELDS}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    buffer = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({_KEY: header.encode()}), buffer, compression="zstd")
    write_atomically(path, buffer.getvalue().to_pybytes())


def read(path: Path) -> AdversarialSet:
    """Reads what `write` wrote; nothing in it is executed, and its checksum must fit.

    Raises:
        BadInput: the file is damaged, changed, too large, or no adversarial set.
        Unavailable: there is no such file.
    """
    shown = files.shown(str(path), 300)
    _suffix(path)
    if not path.is_file():
        raise Unavailable(f"{shown}: there is no such adversarial set")
    if path.stat().st_size > LIMIT:
        raise BadInput(f"{shown}: larger than {LIMIT // 1024**2} MiB, no adversarial set is")
    try:
        header, rows = _read_jsonl(path) if path.suffix == ".jsonl" else _read_parquet(path)
        if header.get("format") != FORMAT:
            raise ValueError(f"has format {header.get('format')!r}, this asa-bench reads {FORMAT}")
        address = header.pop("address", None)
        made = SetHeader.model_validate(header)
        found = _checked(AdversarialSet(made, tuple(_example(row, made) for row in rows)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{shown}: header, {files.shown(field)}: {first['msg'].lower()}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        reason = files.shown(str(error), 200)[1:-1] if isinstance(error, ValueError) else repr(error)[:200]
        raise BadInput(f"{shown}: no adversarial set: {reason}") from error
    if address != found.address:
        raise BadInput(f"{shown}: was changed: its content does not have the address {files.shown(address)}")
    return found


def check_task(found: AdversarialSet, task: Task) -> None:
    """Refuses a task that is not the one the set was made of, and a set of rows that its models are trained on.

    Raises:
        BadInput: name, text columns, labels or attacked column differ, or the split is the one that is trained on.
    """
    header = found.header
    for what, one, other in (
        ("task", header.task, task.name),
        ("text columns", header.columns, task.columns),
        ("labels", header.labels, task.labels),
        ("attacked column", header.attack_column, task.attack_column),
    ):
        if one != other:
            raise BadInput(
                f"adversarial set {found.address}: its {what} {files.shown(one)} is not that of task {task.name!r}, "
                f"{files.shown(other)}"
            )
    if task.role == "train" and header.split == "train":
        raise BadInput(
            f"adversarial set {found.address}: its rows are of split 'train', which models of task {task.name!r} are "
            f"trained on; what is reported is made from another split, such as {task.evaluation_split!r}"
        )


def _suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        shown = files.shown(str(path), 300)
        raise BadInput(f"{shown}: an adversarial set is a file that ends in {' or '.join(SUFFIXES)}")


def _as_json(example: Example) -> dict[str, str]:
    """An example as text only; texts are JSON lists, since no UTF-8 holds a lone surrogate."""
    return {
        "id": example.id,
        "text_hash": example.text_hash,
        "label": example.label,
        "status": example.status,
        "original": json.dumps(example.original),
        "perturbed": json.dumps(example.perturbed) if example.perturbed else "",
    }


def _example(row: Mapping[str, Any], header: SetHeader) -> Example:
    """An example, checked on its own.

    Raises:
        ValueError: it contradicts itself or the header.
    """
    where = f"example {row.get('id')!r}: "
    if set(row) != set(_FIELDS) or not all(isinstance(value, str) for value in row.values()):
        raise ValueError(f"{where}expected the texts {', '.join(_FIELDS)}")
    original, perturbed = _texts(row["original"], header), _texts(row["perturbed"], header)
    if not original:
        raise ValueError(f"{where}no original text")
    if row["status"] not in STATUSES:
        raise ValueError(f"{where}unknown status {row['status']!r}; known: {', '.join(STATUSES)}")
    if row["label"] not in header.labels:
        raise ValueError(f"{where}label {row['label']!r} is none of {', '.join(header.labels)}")
    if bool(perturbed) != (row["status"] == "successful"):
        raise ValueError(f"{where}a perturbed text belongs to a successful attack and to no other")
    if row["text_hash"] != row_hash(original)[:16]:
        raise ValueError(f"{where}its text_hash is not that of its texts")
    for column, before, after in zip(header.columns, original, perturbed or original, strict=True):
        if before != after and column != header.attack_column:
            raise ValueError(f"{where}column {column!r} was changed, only {header.attack_column!r} may be")
    return Example(row["id"], row["text_hash"], row["label"], row["status"], original, perturbed)


def _texts(value: str, header: SetHeader) -> tuple[str, ...]:
    if not value:
        return ()
    texts = json.loads(value)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("texts must be a JSON list of texts")
    if len(texts) != len(header.columns):
        raise ValueError(f"{len(texts)} texts for the columns {', '.join(header.columns)}")
    return tuple(texts)


def _checked(found: AdversarialSet) -> AdversarialSet:
    if not found.examples:
        raise ValueError("there are no examples")
    if found.header.attack_column not in found.header.columns:
        raise ValueError(f"attacked column {found.header.attack_column!r} is no text column")
    for name in ("model", "method", "train_task"):
        if not isinstance(found.header.source.get(name), str):
            raise ValueError(f"source: {name} is missing")
    seen: set[str] = set()
    for example in found.examples:
        if example.id in seen:
            raise ValueError(f"id {example.id!r} occurs twice")
        seen.add(example.id)
    return found


def _read_jsonl(path: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    lines = files.lines(files.read_text(path))
    header: Any = _object(*next(lines))
    return header, (_object(*line) for line in lines)


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError(f"line {number} is no JSON object")
    return value


def _read_parquet(path: Path) -> tuple[dict[str, Any], Sequence[dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot be read as Parquet: {error}") from error
    metadata = table.schema.metadata or {}
    if _KEY not in metadata:
        raise ValueError("the Parquet file has no header of an adversarial set")
    if table.num_rows > LIMIT:
        raise ValueError(f"{table.num_rows:,} rows are too many")
    return _object(1, metadata[_KEY].decode("utf-8", "replace")), table.to_pylist()
