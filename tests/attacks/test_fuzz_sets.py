"""Hostile files of adversarial sets: read as what they say, or told in one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attack_victims import SINGLE, KeywordVictim, single_rows
from fuzzing import Draw, clear, each, enough
from test_replaying import stored

from asa_bench import adversarial_sets
from asa_bench.adversarial_sets import AdversarialSet, Example, SetHeader
from asa_bench.errors import AsaBenchError
from asa_bench.record import canonical_json
from asa_bench.replaying import replay

pytestmark = pytest.mark.slow


@pytest.fixture
def found(tmp_path: Path) -> AdversarialSet:
    rows = single_rows("a wonderful film", "a dull film", "wonderful houses")
    return stored(tmp_path / "record", KeywordVictim(), SINGLE, rows)


def face(path: Path) -> bool:
    """Whether the set could be read; then a model faces it where it is of the task."""
    try:
        made = adversarial_sets.read(path)
    except AsaBenchError as error:
        clear(error)
        return False
    assert made.title.strip()
    try:
        adversarial_sets.check_task(made, SINGLE)
        replay(made, KeywordVictim(), SINGLE)
    except AsaBenchError as error:
        clear(error)
    return True


def test_damaged_lines(found: AdversarialSet, tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    adversarial_sets.write(found, path)
    text, read = path.read_text(), 0

    def check(draw: Draw) -> None:
        nonlocal read
        path.write_bytes(draw.damaged(text))
        if face(path):
            read += 1
            assert adversarial_sets.read(path).address == found.address

    each(700, check)
    assert read < 100


def test_forged_sets(found: AdversarialSet, tmp_path: Path) -> None:
    """Whose address was made to fit."""
    content = [
        found.header.model_dump(mode="json"),
        *(adversarial_sets._as_json(example) for example in found.examples),
    ]
    path, table = tmp_path / "set.jsonl", tmp_path / "set.parquet"
    read = 0

    def check(draw: Draw) -> None:
        nonlocal read
        forged = draw.altered(content)
        if not isinstance(forged, list) or not all(isinstance(part, dict) for part in forged):
            return
        header, *rows = forged or [{}]
        header["address"] = address_of(header, rows)
        path.write_text("\n".join(json.dumps(part) for part in [header, *rows]))
        read += face(path)
        if draw.random() < 0.3:
            columns = {name: [_text(row.get(name)) for row in rows] for name in adversarial_sets._FIELDS}
            made = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
            key = json.dumps(header).encode()
            pq.write_table(made.replace_schema_metadata({adversarial_sets._KEY: key}), table)
            read += face(table)

    each(900, check)
    assert enough(read, 50)


def test_damaged_tables(found: AdversarialSet, tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    adversarial_sets.write(found, path)
    whole = path.read_bytes()

    def check(draw: Draw) -> None:
        content = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[: draw.choice([len(content), draw.randint(0, len(content))])])
        if face(path):
            assert adversarial_sets.read(path).address == found.address

    each(500, check)


def address_of(header: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    """The address that a reader will expect, where the set has one."""
    try:
        made = SetHeader.model_validate(header)
        examples = [adversarial_sets._example(row, made) for row in rows]
        return AdversarialSet(
            made, tuple(example for example in examples if isinstance(example, Example))
        ).address
    except Exception:  # whatever is wrong with it is the reader's to tell
        return canonical_json("none")


def _text(value: Any) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
