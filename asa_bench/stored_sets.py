"""The adversarial sets that a suite replays: files and folders that a user names, each set under the name of its file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asa_bench import adversarial_sets
from asa_bench.adversarial_sets import AdversarialSet
from asa_bench.errors import BadInput, Unavailable, nearest
from asa_bench.reports.outcomes import Subject
from asa_bench.tasks import TASKS, files

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}$")


@dataclass(frozen=True)
class StoredSet:
    """One set as a suite replays it.

    Attributes:
        name: of its file, without the ending; scores are called by it.
        path: where the file is on this machine.
    """

    name: str
    path: Path
    found: AdversarialSet

    @property
    def source(self) -> Subject:
        """Whom the set was made against."""
        told = self.found.header.source
        seed = told.get("seed")
        return Subject(
            model=str(told["model"]),
            method=str(told["method"]),
            method_title=str(told.get("method_title") or told["method"]),
            loaded=told.get("loaded") is True,
            train_task=str(told["train_task"]),
            seed=seed if isinstance(seed, int) else None,
        )


def find(places: Sequence[str], tasks: Sequence[str]) -> list[StoredSet]:
    """The sets of `tasks` that `places` name: files, and folders with such files, in the order of their names.

    Raises:
        BadInput: a file is damaged, of no task of this run, or called as another one; a folder holds no set of these tasks.
        Unavailable: there is nothing of that name.
    """
    found: dict[str, StoredSet] = {}
    addresses: dict[str, str] = {}
    for place in places:
        path, shown = Path(place).expanduser(), files.shown(place, 300)
        inside = path.is_dir()
        if not inside and not path.exists():
            raise Unavailable(f"replay: {shown}: there is no such adversarial set")
        these = [path]
        if inside:
            these = sorted(one for one in path.iterdir() if one.suffix in adversarial_sets.SUFFIXES)
        before = len(found)
        for one in these:
            made = _one(one, tasks, inside)
            if made is None:
                continue
            if made.name in found:
                raise BadInput(
                    f"replay: {files.shown(str(one), 300)}: another set is called {made.name!r}, too; name the files apart"
                )
            other = addresses.setdefault(made.found.address, made.name)
            if other != made.name:
                raise BadInput(f"replay: {files.shown(str(one), 300)}: is the same set as {other!r}")
            found[made.name] = made
        if len(found) == before:
            raise BadInput(f"replay: {shown}: holds no adversarial set of the tasks {', '.join(tasks)}")
    return list(found.values())


def _one(path: Path, tasks: Sequence[str], inside: bool) -> StoredSet | None:
    """The set in a file; None for one of another task where it was not named itself."""
    shown = files.shown(str(path), 300)
    if not _NAME.match(path.stem):
        raise BadInput(
            f"replay: {shown}: scores are called by the file's name, which must be letters, digits and '-', '_', '.' or '+'"
        )
    found = adversarial_sets.read(path)
    task: Any = found.header.task
    if task not in tasks:
        if inside:
            return None
        raise BadInput(
            f"replay: {shown}: is of task {files.shown(task)}, which no model of this run is trained on; {nearest(task, tasks)}"
        )
    adversarial_sets.check_task(found, TASKS.get(task))
    return StoredSet(path.stem, path, found)
