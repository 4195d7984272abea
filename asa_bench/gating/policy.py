"""The policy of a gate as a typed YAML file: what a score may lose, and what to do when nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from asa_bench import yaml_file
from asa_bench.errors import BadInput, nearest
from asa_bench.suite import explain
from asa_bench.tasks.base import Frozen
from asa_bench.yaml_file import KeyPath

Action = Literal["fail", "warn", "pass"]
Seeds = Literal["own", "shared", "fixed"]


class Rule(Frozen):
    """What holds for a score; a key that is absent is taken from what stands above it."""

    margin: float | None = Field(
        default=None, ge=0, lt=100, description="points that a score may lose (non-inferiority margin)"
    )
    alpha: float | None = Field(
        default=None,
        gt=0,
        le=0.5,
        description="of the family of scores that share it: 0.05 means 95 % intervals",
    )
    cannot_tell: Action | None = Field(
        default=None, description="what to do when the interval holds the margin"
    )
    seeds: Seeds | None = Field(
        default=None,
        description="'own': a model trained again shares no seeds with the baseline's; 'shared': the same seed is the same "
        "experiment; 'fixed': these trained models and no others are asked about. The same weights are always 'fixed'",
    )
    floor: float | None = Field(
        default=None, ge=0, le=100, description="percent that the score must reach whatever the baseline was"
    )
    ignored_slices: tuple[str, ...] | None = Field(
        default=None, description="patterns COLUMN=VALUE of examples that do not count"
    )

    @field_validator("ignored_slices", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("ignored_slices")
    @classmethod
    def _named(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for pattern in value or ():
            if not pattern.partition("=")[1]:
                raise ValueError(f"{pattern!r} is no pattern COLUMN=VALUE, such as heuristic=constituent")
        return value


class Scoped(Rule):
    """A rule for the scores whose key fits a pattern."""

    match: str = Field(
        min_length=1, max_length=500, description="pattern of keys, with * and ?, such as */asa/*:accuracy"
    )
    ignore: bool = Field(default=False, description="leave these scores out of the gate")


class Policy(Frozen):
    """The whole file."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    defaults: Rule = Rule()
    slices: tuple[str, ...] = Field(
        default=(), description="slice columns of which every value is a score of its own"
    )
    scores: tuple[Scoped, ...] = Field(
        default=(), description="rules by pattern; where several fit, a later one lies over an earlier one"
    )

    @field_validator("slices", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


#: What holds where a policy says nothing: a loss of two points is worth a red light, doubt is not.
DEFAULTS = Rule(margin=2.0, alpha=0.05, cannot_tell="warn", seeds="own", ignored_slices=())


@dataclass(frozen=True)
class Resolved:
    """The rule of one score, complete."""

    margin: float
    alpha: float
    cannot_tell: Action
    seeds: Seeds
    floor: float | None
    ignored_slices: tuple[str, ...]
    ignore: bool


@dataclass(frozen=True)
class PolicyFile:
    """A policy that has been read.

    Attributes:
        shown: what messages call it.
    """

    policy: Policy = field(default_factory=Policy)
    shown: str = "the default policy"
    lines: Mapping[KeyPath, str] = field(default_factory=dict, repr=False)

    def rule(self, key: str) -> Resolved:
        """What holds for a score."""
        found: dict[str, Any] = {}
        ignore = False
        for rule in (DEFAULTS, self.policy.defaults, *(r for r in self.policy.scores if fits(r.match, key))):
            given = rule.model_dump(exclude_none=True, exclude={"match", "ignore"})
            found.update(given)
            if isinstance(rule, Scoped):
                ignore = rule.ignore
        return Resolved(**{"floor": None, **found}, ignore=ignore)

    def check_used(self, keys: list[str], slices: set[str]) -> None:
        """Refuses a rule that fits no score, and slices that no score has, since they are misspelled.

        Args:
            keys: of all scores and of their slices.
            slices: the kinds of slices that the scores have.

        Raises:
            BadInput: names its line.
        """
        for number, name in enumerate(self.policy.slices):
            if name not in slices:
                where = self.lines.get(("slices", number), self.lines.get(("slices",), self.shown))
                raise BadInput(f"{where}: no score has slices by {name!r}; {nearest(name, sorted(slices))}")
        for number, rule in enumerate(self.policy.scores):
            if not any(fits(rule.match, key) for key in keys):
                where = self.lines.get(("scores", number, "match"), self.shown)
                some = ", ".join(keys[:4]) + (", ..." if len(keys) > 4 else "")
                raise BadInput(f"{where}: match {rule.match!r} fits none of the scores ({some})")


def fits(pattern: str, key: str) -> bool:
    """Whether a key fits a pattern; [ and ] stand for themselves, since keys of slices have them."""
    return fnmatchcase(key, pattern.replace("[", "[[]"))


def load(path: Path | None) -> PolicyFile:
    """The policy in a file; the default one for None.

    Raises:
        BadInput: with the line of the mistake.
    """
    if path is None:
        return PolicyFile()
    data, lines = yaml_file.read(path, what="a policy is a mapping with defaults and scores")
    try:
        return PolicyFile(Policy.model_validate(data), str(path), lines)
    except ValidationError as error:
        raise BadInput(explain(error, Policy, lines, str(path))) from None
