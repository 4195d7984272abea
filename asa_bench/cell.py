"""A cell: one unit of work with a content address, a pure function of its spec and the bytes it reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from asa_bench import record
from asa_bench.reports.outcomes import Subject

# The meaning of each kind of cell. A number is bumped when the same spec would give another result
# because the work itself changed; records of the older meaning are then done again.
VERSIONS = {
    "pretrain": 1,
    "train": 1,
    "evaluate": 2,
    "attack": 6,
    "reliance": 1,
    "replay": 4,
    "quality": 1,
    "calibrate": 1,
}


@dataclass(frozen=True)
class Cell:
    """One unit of work: a pure function of its spec, the bytes it reads and the cells it waits for.

    Attributes:
        kind: pretrain, train, evaluate, reliance, calibrate, attack, quality or replay.
        spec: JSON; everything that decides the result.
        reads: JSON; checksums of the bytes it reads.
        waits: role -> address of a cell whose record it reads.
        subject: who is trained or asked, for reports; None for pre-training.
        context: where the bytes are on this machine; not part of the address.
    """

    kind: str
    spec: Mapping[str, Any]
    reads: Mapping[str, Any]
    waits: Mapping[str, str] = field(default_factory=dict)
    subject: Subject | None = None
    context: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def address(self) -> str:
        return record.address(self.kind, VERSIONS[self.kind], self.spec, self.reads, self.waits)

    @property
    def label(self) -> str:
        """What this cell is, for people: one line without a path."""
        if self.subject is None:
            how = f" with {self.spec['method']} seed {self.spec['seed']}" if "method" in self.spec else ""
            return f"{self.kind} {self.spec['model']}{how}"
        who = _name(asdict(self.subject))
        asked = f"on {self.spec['task']}" + (
            "" if self.spec["task"] == self.subject.train_task else f" (trained on {self.subject.train_task})"
        )
        what = {
            "train": f"on {self.spec['task']}",
            "evaluate": asked,
            "reliance": asked,
            "calibrate": asked,
            "attack": f"{self.spec['task']} with {self.spec.get('attack')}",
            "quality": f"of {self.spec['task']} with {self.spec.get('attack')}",
            "replay": f"of {self.context['stored']} on {self.spec['task']}"
            if "stored" in self.context
            else f"{self.spec['task']} with {self.spec.get('attack')} made against {_name(self.spec.get('source'))}",
        }[self.kind]
        return f"{self.kind} {who} {what}"


def _name(subject: Mapping[str, Any] | None) -> str:
    if subject is None:
        return ""
    seed = "" if subject["seed"] is None else f" seed {subject['seed']}"
    return f"{subject['model']} {subject['method']}{seed}"


def derived_seed(*parts: object) -> int:
    """A seed in 0 .. 2**31 - 1 from ids: sha256 of their text."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:4], "big") >> 1
