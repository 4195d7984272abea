"""A baseline: the outcomes of one run, small enough to be committed, the same bytes for the same records.

A JSON file, so that a reader sees what it is of and a diff tells what changed; right and wrong are packed eight to a byte
and written as base64, one line a seed. Nothing is compressed: other versions of a compressor write other bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, ValidationError

from asa_bench.disk import write_atomically
from asa_bench.errors import BadInput
from asa_bench.gating.scores import Collected, Score
from asa_bench.record import canonical_json
from asa_bench.tasks.base import Frozen

FORMAT = "asa-bench baseline"
SCHEMA_VERSION = 1
MAX_BYTES = 64 * 2**20
_HEX = r"^[0-9a-f]{64}$"


class Seed(Frozen):
    """What one model answered.

    Attributes:
        weights: digest of its weights.
        right: base64 of one bit an example in the order of ids, 1 for right, the first in the highest bit, the last byte
            filled up with 0; absent for measures that are no mean of right and wrong.
        value: the measure.
    """

    weights: str = Field(pattern=_HEX)
    value: float = Field(allow_inf_nan=False)
    right: str | None = None


class Stored(Frozen):
    """One score; `recipe` and `exposure` are digests of what stands under these names above."""

    title: str
    data: str = Field(min_length=1)
    examples: str = Field(pattern=_HEX)
    count: int = Field(ge=1, le=100_000_000)
    recipe: str
    exposure: str
    schema_of: Mapping[str, Any] = Field(alias="schema")
    seeds: Mapping[str, Seed] = Field(min_length=1)

    @property
    def mean(self) -> float:
        """Over seeds."""
        return sum(seed.value for seed in self.seeds.values()) / len(self.seeds)

    def right(self, seed: str) -> NDArray[np.float64] | None:
        """(examples,) 1 for right and 0 for wrong; None for measures that are no mean of these."""
        packed = self.seeds[seed].right
        return None if packed is None else _unpacked(packed, self.count)


class TableValues(Frozen):
    """The numbers of one table: row -> column -> [mean, standard deviation or null, seeds]."""

    name: str
    rows: Mapping[str, Mapping[str, tuple[FiniteFloat, FiniteFloat | None, int]]]


class Baseline(Frozen):
    """The whole file; `checksum` is over everything else."""

    format: Literal["asa-bench baseline"] = "asa-bench baseline"
    schema_version: Literal[1] = 1
    suite: str
    profile: str
    plan: str
    recipes: Mapping[str, Mapping[str, Any]]
    exposures: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, Stored]
    tables: tuple[TableValues, ...] = ()

    def text(self) -> str:
        """The file's content; the same for the same baseline, whatever machine and version of libraries."""
        content = self.model_dump(mode="json", by_alias=True)
        content["checksum"] = _checksum(content)
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """Write the file, at once or not at all.

        Raises:
            StoreError: it cannot be written.
        """
        write_atomically(path, self.text().encode())


def of(collected: Collected) -> Baseline:
    """The baseline that a run makes.

    Raises:
        BadInput: the run has no scores, or lacks some that it planned: a baseline of holes would gate nothing.
    """
    if collected.missing:
        key, why = collected.missing[0]
        raise BadInput(
            f"{len(collected.missing)} scores of this run are missing, the first is {key!r} ({why}); finish the run first"
        )
    if not collected.scores:
        raise BadInput("this run has no scores; evaluate or attack something first")
    recipes: dict[str, Mapping[str, Any]] = {}
    exposures: dict[str, Mapping[str, Any]] = {}
    return Baseline(
        suite=collected.suite,
        profile=collected.profile,
        plan=collected.plan,
        scores={key: _stored(score, recipes, exposures) for key, score in collected.scores.items()},
        recipes=recipes,
        exposures=exposures,
        tables=tuple(
            TableValues(
                name=table.name,
                rows={
                    row.key: {
                        column.key: (round(cell.mean, 6), _rounded(cell.spread), cell.n_seeds)
                        for column, cell in zip(table.columns, row.cells, strict=True)
                        if cell.state == "value" and cell.mean is not None and math.isfinite(cell.mean)
                    }
                    for row in table.rows
                    if row.kind == "method"
                },
            )
            for table in collected.tables
        ),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)


def digest(value: Mapping[str, Any]) -> str:
    """sha256 of a recipe or an exposure."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _stored(
    score: Score, recipes: dict[str, Mapping[str, Any]], exposures: dict[str, Mapping[str, Any]]
) -> Stored:
    identity = score.identity
    recipe, exposure = digest(identity.recipe), digest(identity.exposure)
    recipes[recipe], exposures[exposure] = identity.recipe, identity.exposure
    seeds = {}
    for seed, value in score.values.items():
        right = None if score.answers is None else score.answers.values[seed]
        if right is not None and not np.isin(right, (0.0, 1.0)).all():
            raise BadInput(
                f"{score.key}: its values are means over attack seeds; a baseline keeps right and wrong, so take one attack seed"
            )
        packed = None if right is None else base64.b64encode(np.packbits(right == 1).tobytes()).decode()
        seeds[seed] = Seed(weights=score.weights[seed], value=value, right=packed)
    return Stored(
        title=score.title,
        data=identity.data,
        examples=identity.examples,
        count=len(next(iter(score.rows.values()))),
        recipe=recipe,
        exposure=exposure,
        schema=identity.schema,
        seeds=seeds,
    )


def _unpacked(packed: str, count: int) -> NDArray[np.float64]:
    """Raises ValueError where it is not what `Seed.right` says."""
    try:
        data = np.frombuffer(base64.b64decode(packed, validate=True), dtype=np.uint8)
    except binascii.Error as error:
        raise ValueError("is no base64") from error
    if len(data) != (count + 7) // 8:
        raise ValueError(f"has {len(data)} bytes for {count} examples")
    bits = np.unpackbits(data)
    if bits[count:].any():
        raise ValueError("has bits behind the last example")
    return bits[:count].astype(np.float64)


def read(path: Path) -> Baseline:
    """A baseline file, checked to the last bit.

    Raises:
        BadInput: there is none, it was damaged or changed by hand, or another version wrote it.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise BadInput(
            f"--baseline {path}: there is none yet; make it once with asa-bench baseline save DIR -o {path}, and commit it"
        ) from error
    except OSError as error:
        raise BadInput(f"--baseline {path}: cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise BadInput(f"--baseline {path}: larger than {MAX_BYTES // 2**20} MiB, no baseline is")
    try:
        content = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"--baseline {path}: is not JSON, so no baseline of asa-bench") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadInput(
            f"--baseline {path}: is no baseline; make one with asa-bench baseline save DIR -o FILE"
        )
    if content.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(
            f"--baseline {path}: has schema version {str(content.get('schema_version'))[:20]!r}, this asa-bench reads "
            f"{SCHEMA_VERSION}; make it again with asa-bench baseline update"
        )
    told = content.pop("checksum", None)
    try:
        found = _checksum(content)
    except (ValueError, RecursionError):
        found = ""
    if told != found:
        raise BadInput(
            f"--baseline {path}: damaged or changed by hand (its checksum does not fit); take it from version control "
            "again, or make it anew with asa-bench baseline update"
        )
    try:
        baseline = Baseline.model_validate(content)
        for stored in baseline.scores.values():
            if stored.recipe not in baseline.recipes or stored.exposure not in baseline.exposures:
                raise ValueError("a score names a recipe or an exposure that is not there")
            for seed in stored.seeds:
                stored.right(seed)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:200]
        raise BadInput(f"--baseline {path}: {field}: {first['msg'].lower()}") from None
    except ValueError as error:
        raise BadInput(f"--baseline {path}: {error}") from error
    return baseline


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        canonical_json({name: value for name, value in content.items() if name != "checksum"}).encode()
    ).hexdigest()
