"""The tasks by name: the built-in data sets, the embedded laboratory, and those of other packages.

Listing names imports no data set's module. Another package registers a task by an entry point in the group
``asa_bench.tasks`` whose name is the task's and whose value is a `Task`, or a mapping that holds it by name;
how its files are read it says itself (`asa_bench.tasks.base.Layout.reader`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asa_bench.errors import BadInput
from asa_bench.registry import Registry
from asa_bench.tasks.base import Task

_BUILTIN = {
    **dict.fromkeys(
        ("sst2", "qqp", "mnli", "qnli", "rte", "cola", "mrpc", "stsb", "wnli", "mnli-mm"),
        "asa_bench.tasks.glue:TASKS",
    ),
    **dict.fromkeys(
        ("advglue/sst2", "advglue/qqp", "advglue/mnli", "advglue/mnli-mm", "advglue/qnli", "advglue/rte"),
        "asa_bench.tasks.advglue:TASKS",
    ),
    **dict.fromkeys(("paws_qqp", "paws_wiki", "paws_qqp+qqp"), "asa_bench.tasks.paws:TASKS"),
    **dict.fromkeys(
        (
            *("anli/r1", "anli/r2", "anli/r3"),
            *("anli/r1-trained", "anli/r2-trained", "anli/r3-trained", "anli"),
        ),
        "asa_bench.tasks.anli:TASKS",
    ),
    **dict.fromkeys(("dream", "swag", "hellaswag"), "asa_bench.tasks.choices:TASKS"),
    **dict.fromkeys(("wnut17", "conll2003"), "asa_bench.tasks.entities:TASKS"),
    **dict.fromkeys(("imdb", "rotten_tomatoes", "ag_news"), "asa_bench.tasks.reviews:TASKS"),
    **dict.fromkeys(("boolq", "contrast/boolq"), "asa_bench.tasks.boolq:TASKS"),
    **dict.fromkeys(
        (
            *("cad/sentiment", "cad/sentiment-original", "cad/sentiment-combined"),
            *("cad/inference", "cad/inference-original", "cad/inference-combined"),
            "contrast/imdb",
        ),
        "asa_bench.tasks.counterfactual:TASKS",
    ),
    **dict.fromkeys(("mnli-noun", "mnli-verb"), "asa_bench.tasks.sanity:TASKS"),
    **dict.fromkeys(("checklist/sentiment", "checklist/qqp"), "asa_bench.tasks.checklist:TASKS"),
    "hans": "asa_bench.tasks.hans:TASKS",
    **dict.fromkeys(
        (
            "laboratory/sentiment",
            "laboratory/paraphrase",
            "laboratory/inference",
            "laboratory/keyword",
            "laboratory/paws",
            "laboratory/hans",
            "laboratory/advglue-sentiment",
            "laboratory/advglue-paraphrase",
            "laboratory/advglue-inference",
        ),
        "asa_bench.tasks.laboratory:TASKS",
    ),
}


class TaskRegistry(Registry[Task]):
    """A registry whose entries may also be mappings that hold several tasks by name."""

    def get(self, name: str) -> Task:
        """The task called `name`.

        Raises:
            BadInput: no such task (with the nearest one), or another package's entry is no task of this name.
        """
        found: Any = super().get(name)
        task = found.get(name) if isinstance(found, Mapping) else found
        if not isinstance(task, Task) or task.name != name:
            raise BadInput(
                f"the entry point {name!r} in group {self.group!r} must be an asa_bench.tasks.base.Task of "
                f"that name, but is {task.name if isinstance(task, Task) else type(task).__name__!r}"
            )
        return task


TASKS = TaskRegistry("task", "asa_bench.tasks", _BUILTIN)
