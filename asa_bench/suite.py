"""Suite files as typed objects: which tasks, test sets, attacks and methods, at which scale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError

from asa_bench import yaml_file
from asa_bench.attacks import ATTACKS
from asa_bench.errors import BadInput, nearest
from asa_bench.methods import METHODS
from asa_bench.settings import LABORATORY_MODEL, Settings
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Frozen, LaboratoryOptions, Source
from asa_bench.yaml_file import KeyPath

NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,63}$")


#: Keys by which other trainers choose a checkpoint, or when to stop, by scores on a split.
SELECTING = frozenset(
    {
        *(
            "early_stopping",
            "early_stopping_patience",
            "early_stopping_threshold",
            "patience",
            "load_best_model_at_end",
            "metric_for_best_model",
            "greater_is_better",
            "monitor",
        ),
        *("eval_strategy", "evaluation_strategy", "eval_steps", "validation_split"),
        *(
            "select",
            "select_on",
            "selection",
            "selection_split",
            "best_checkpoint",
            "best_model",
            "best_seed",
        ),
        *("checkpoint", "search", "grid", "sweep", "trials", "n_trials"),
    }
)


class SuiteFile(Frozen):
    """The top level of a suite file; `defaults` and `profiles` hold parts of `Settings`."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    title: str
    description: str
    defaults: Mapping[str, Any] = Field(default_factory=dict)
    default_profile: str
    profiles: Mapping[str, Mapping[str, Any] | None] = Field(min_length=1)


@dataclass(frozen=True)
class Suite:
    """A suite file that has been read; `settings` resolves one of its profiles."""

    file: SuiteFile
    shown: str
    lines: Mapping[KeyPath, str] = field(repr=False)

    @property
    def name(self) -> str:
        return self.file.name

    def profile_names(self) -> list[str]:
        """The profiles of this suite, in the order of the file."""
        return list(self.file.profiles)

    def listed(self, profile: str) -> dict[str, tuple[str, ...]]:
        """The task lists of a profile as written, before anything overrides them."""
        settings = self.settings(profile)
        return {
            "train": settings.train,
            "challenges": settings.challenges,
            "attack_tasks": settings.attack_tasks or (),
        }

    def settings(
        self,
        profile: str | None = None,
        overrides: Mapping[str, tuple[Any, str]] | None = None,
    ) -> Settings:
        """The settings of `profile` with `overrides` on top.

        Args:
            profile: a name, or None for the suite's default profile.
            overrides: dotted key -> (value, where it was said, e.g. ``"--seeds"``).

        Raises:
            BadInput: with the line of the file, or the option, that is wrong, and what would be right.
        """
        chosen = profile or self.file.default_profile
        if chosen not in self.file.profiles:
            raise BadInput(
                f"suite {self.name!r} has no profile {chosen!r}; {nearest(chosen, self.file.profiles)}"
            )
        merged: dict[str, Any] = {}
        origins: dict[KeyPath, str] = {}
        for prefix, part in (
            (("defaults",), self.file.defaults),
            (("profiles", chosen), self.file.profiles[chosen] or {}),
        ):
            lines = {
                path[len(prefix) :]: at for path, at in self.lines.items() if path[: len(prefix)] == prefix
            }
            _merge(merged, part, origins, lines, ())
        for key, (value, where) in (overrides or {}).items():
            _override(merged, origins, tuple(key.split(".")), value, where)
        where_profile = self.lines.get(("profiles", chosen), self.shown)
        settings = _validated(merged, origins, where_profile)
        _check_names(settings, origins, where_profile)
        return settings


def _merge(
    into: dict[str, Any],
    part: Mapping[str, Any],
    origins: dict[KeyPath, str],
    lines: Mapping[KeyPath, str],
    at: KeyPath,
) -> None:
    """Lay `part` over `into`. Mappings of settings merge; names of methods and attacks replace, like lists."""
    for key, value in part.items():
        path = (*at, key)
        merges = at == () and key in {
            "training",
            "laboratory",
            "pretraining",
            "exposures",
            "trained_on",
            "quality",
        }
        if merges and isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value, origins, lines, path)
            continue
        into[key] = dict(value) if isinstance(value, Mapping) else value
        for old in [known for known in origins if known[: len(path)] == path]:
            del origins[old]
        origins.update({known: where for known, where in lines.items() if known[: len(path)] == path})


def _override(
    merged: dict[str, Any], origins: dict[KeyPath, str], path: tuple[str, ...], value: Any, where: str
) -> None:
    target: Any = merged
    for depth, key in enumerate(path[:-1]):
        if key in {"methods", "attacks"} and depth <= 1 and isinstance(target.get(key), list):
            target[key] = {name: {} for name in target[key]}
        following = target.get(key)
        if following is None:
            following = target[key] = {}
        elif not isinstance(following, Mapping):
            raise BadInput(
                f"{where}: {'.'.join(path[: depth + 1])} is a single value, it has no {path[depth + 1]!r}"
            )
        elif not isinstance(following, dict):
            following = target[key] = dict(following)
        target = following
    target[path[-1]] = value
    for old in [known for known in origins if known[: len(path)] == path]:
        del origins[old]
    origins[path] = where


def _where(path: KeyPath, origins: Mapping[KeyPath, str], fallback: str) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    return fallback


def _validated(merged: Mapping[str, Any], origins: Mapping[KeyPath, str], fallback: str) -> Settings:
    try:
        return Settings.model_validate(dict(merged))
    except ValidationError as error:
        raise BadInput(explain(error, Settings, origins, fallback)) from None


def explain(
    error: ValidationError, model: type[BaseModel], origins: Mapping[KeyPath, str], fallback: str
) -> str:
    """One line for the first mistake that pydantic found: place, key, and what would be right."""
    # An unknown key says more than the missing key that it was meant to be.
    first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    # pydantic puts the name of a union's branch into the path; what was written has no such part.
    # A key that was really written is one that `origins` knows.
    path: KeyPath = ()
    for part in first["loc"]:
        if not (isinstance(part, str) and "[" in part) or (*path, part) in origins:
            path = (*path, part)
    where = _where(path, origins, fallback)
    key = ".".join(str(part) for part in path) or "the file"
    if first["type"] == "extra_forbidden":
        owner: Any = model
        for part in path[:-1]:
            annotation = (
                owner.model_fields[part].annotation
                if isinstance(part, str) and part in owner.model_fields
                else None
            )
            candidates = [annotation, *get_args(annotation)]
            owner = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), owner)
        if path[-1] in SELECTING:
            return (
                f"{where}: {key!r} would select a model by its score; a training takes the steps that it is given and keeps "
                "its last weights, so that nothing is chosen on a split that is reported; set training.epochs"
            )
        names = [info.alias or name for name, info in owner.model_fields.items()]
        return f"{where}: unknown key {key!r}; {nearest(str(first['loc'][-1]), names)}"
    if first["type"] == "missing":
        return f"{where}: key {key!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    value = first.get("input")
    shown = "" if first["type"] == "value_error" else f", not {str(value)[:60]!r}"
    return f"{where}: {key}: {message[0].lower()}{message[1:]}{shown}"


def _check_names(settings: Settings, origins: Mapping[KeyPath, str], fallback: str) -> None:
    """Every name must exist, and every challenge must have a model to face it."""

    def fail(path: KeyPath, message: str) -> None:
        raise BadInput(f"{_where(path, origins, fallback)}: {message}")

    for key in ("train", "challenges"):
        for index, name in enumerate(getattr(settings, key)):
            if name not in TASKS:
                fail((key, index), f"unknown task {name!r}; {nearest(name, TASKS.names())}")
            task = TASKS.get(name)
            if (key == "train") != (task.role == "train"):
                fail(
                    (key, index),
                    f"{name!r} is a {task.role} task; it belongs under {'train' if task.role == 'train' else 'challenges'!r}",
                )
            if name.startswith("laboratory/") != (settings.source == "laboratory"):
                fail(
                    (key, index),
                    f"{name!r} cannot come from source {settings.source!r}; "
                    "laboratory tasks need source 'laboratory', data sets need 'hub' or --data-dir",
                )
            if task.role == "challenge" and not set(task.train_tasks) & set(settings.train):
                fail(
                    (key, index),
                    f"no training task of this run can face {name!r}; it needs one of {', '.join(task.train_tasks)}",
                )
    named: list[tuple[KeyPath, str, Mapping[str, Any]]] = [
        (("methods", name), name, options) for name, options in settings.methods.items()
    ]
    if settings.pretraining is not None:
        named += [
            (("pretraining", "methods", name), name, options)
            for name, options in settings.pretraining.methods.items()
        ]
    for where, name, options in named:
        if name not in METHODS:
            fail(where, f"unknown method {name!r}; {nearest(name, METHODS.names())}")
        model = METHODS.get(name).Options
        try:
            model.model_validate(dict(options))
        except ValidationError as error:
            size = len(where)
            inner = {path[size:]: at for path, at in origins.items() if path[:size] == where}
            place = _where(where, origins, fallback)
            raise BadInput(f"{explain(error, model, inner, place)} (options of method {name!r})") from None
    for name in settings.attacks:
        if name not in ATTACKS:
            fail(("attacks", name), f"unknown attack {name!r}; {nearest(name, ATTACKS.names())}")
    if isinstance(settings.train_examples, Mapping):
        for name in settings.train_examples:
            if name not in TASKS:
                fail(("train_examples", name), f"unknown task {name!r}; {nearest(name, TASKS.names())}")
    for index, model_name in enumerate(settings.models):
        if model_name == LABORATORY_MODEL and settings.source != "laboratory":
            fail(
                ("models", index),
                "the model 'laboratory' knows only laboratory text; give --model a folder or a hub id",
            )


def suites_folder() -> Path:
    """Where the built-in suites are: beside the package in a checkout, inside it in an installed wheel."""
    inside = Path(__file__).parent / "_suites"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "suites"


def suite_files() -> Iterator[Path]:
    """The built-in suite files, by name."""
    yield from sorted(suites_folder().glob("*.yaml"))


def load(name_or_file: str | Path) -> Suite:
    """The suite called so, or in that file.

    Raises:
        BadInput: no such suite, or a mistake in its file, with its line.
    """
    text = str(name_or_file)
    builtin = {path.stem: path for path in suite_files()}
    if text in builtin:
        path, shown = builtin[text], f"suites/{text}.yaml"
    elif text.endswith((".yaml", ".yml")) or "/" in text or isinstance(name_or_file, Path):
        path, shown = Path(text), text
        if not path.is_file():
            raise BadInput(f"{text}: there is no such suite file")
    else:
        raise BadInput(
            f"unknown suite {text!r} (a name, or a file ending in .yaml); {nearest(text, builtin)}"
        )
    data, lines = yaml_file.read(path, shown)
    try:
        file = SuiteFile.model_validate(data)
    except ValidationError as error:
        raise BadInput(explain(error, SuiteFile, lines, shown)) from None
    if not NAME.match(file.name):
        raise BadInput(
            f"{lines[('name',)]}: name {file.name!r} must be lower-case letters, digits, '-', '_' or '.', at most 64"
        )
    for profile in file.profiles:
        if not NAME.match(profile):
            raise BadInput(
                f"{lines[('profiles', profile)]}: profile {profile!r} must be lower-case letters, digits or '-'"
            )
    suite = Suite(file, shown, lines)
    if file.default_profile not in file.profiles:
        raise BadInput(
            f"{lines[('default_profile',)]}: no profile {file.default_profile!r}; {nearest(file.default_profile, file.profiles)}"
        )
    return suite


def source_of(settings: Settings, data_dir: Path | None) -> Source:
    """Where this run's rows come from. With the laboratory's rows, attacks alone read of `data_dir`.

    Raises:
        BadInput: `data_dir` is not a folder, the source is a folder and none was given, or the source is the hub and one was.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise BadInput(f"--data-dir {data_dir}: there is no such folder")
    if settings.source == "folder":
        if data_dir is None:
            raise BadInput("source 'folder' needs --data-dir FOLDER")
        return Source(kind="folder", root=data_dir)
    if settings.source == "hub" and data_dir is not None:
        raise BadInput(
            f"--data-dir {data_dir}: nothing of it would be read with source 'hub'; leave one of them out"
        )
    options = LaboratoryOptions(strength=settings.laboratory.strength)
    return Source(kind=settings.source, resources=data_dir, laboratory=options)
