"""Registries that other packages fill by entry point: tasks, methods and attacks.

A registry maps a name to where its object lives (``package.module:attribute``) and imports it only when
asked for, so that listing names stays cheap.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib import metadata
from typing import Generic, TypeVar

from asa_bench.errors import BadInput, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """Named objects, built in or registered by other packages under an entry-point group.

    Args:
        noun: what one entry is called in messages, e.g. ``"task"``.
        group: the entry-point group, e.g. ``"asa_bench.tasks"``.
        builtin: name -> ``module:attribute``.
    """

    def __init__(self, noun: str, group: str, builtin: Mapping[str, str]) -> None:
        self.noun = noun
        self.group = group
        self._builtin = dict(builtin)
        self._loaded: dict[str, T] = {}
        self._foreign: dict[str, metadata.EntryPoint] | None = None

    def _entry_points(self) -> dict[str, metadata.EntryPoint]:
        if self._foreign is None:
            found = {point.name: point for point in metadata.entry_points(group=self.group)}
            clash = sorted(set(found) & set(self._builtin))
            if clash:
                owner = found[clash[0]].dist
                raise BadInput(
                    f"{self.noun} {clash[0]!r} of package {owner.name if owner else '?'} has the name of a "
                    f"built-in {self.noun}; rename its entry point in group {self.group!r}"
                )
            self._foreign = found
        return self._foreign

    def names(self) -> list[str]:
        """All names, built-in ones in their declared order, then those of other packages, sorted."""
        return [*self._builtin, *sorted(self._entry_points())]

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self._entry_points()

    def get(self, name: str) -> T:
        """The object called `name`.

        Raises:
            BadInput: no such name (with the nearest one), or another package's entry cannot be imported.
        """
        if name in self._loaded:
            return self._loaded[name]
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            value = importlib.import_module(module)
            loaded: T = getattr(value, attribute)
        elif name in self._entry_points():
            point = self._entry_points()[name]
            try:
                loaded = point.load()
            except Exception as error:  # another package's code may raise anything
                raise BadInput(f"{self.noun} {name!r} ({point.value}) cannot be imported: {error}") from error
        else:
            raise BadInput(f"unknown {self.noun} {name!r}; {nearest(name, self.names())}")
        self._loaded[name] = loaded
        return loaded
