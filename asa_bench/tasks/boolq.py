"""BoolQ, yes/no questions about a passage, and the contrast set made for it.

Perspectrum's contrast set is left out: it judges relevance and stance at once, models learn relevance from pairs
that its authors sample themselves, and no training file could be had to check a reader against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Hub, Layout, Split, Task
from asa_bench.tasks.files import Row, read_json, read_json_lines, shown


def read(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of the authors' ``train.jsonl`` and ``dev.jsonl``.

    Raises:
        BadInput: a line is not JSON or lacks a field.
    """
    for where, record in read_json_lines(path):
        answer = record.get("answer") if isinstance(record, Mapping) else None
        if not isinstance(answer, bool):
            raise BadInput(f"{shown(str(path), 300)}, {where}: no field 'answer' that is true or false")
        yield Row(
            (_text(path, where, record, "question"), _text(path, where, record, "passage")),
            str(answer),
            {},
            where,
        )


def read_contrast(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The questions of ``boolq_perturbed.json``, each original with the questions that were made from it.

    The file's first entry is a template and is skipped, and so are five empty entries among the perturbed ones.

    Raises:
        BadInput: the file is not JSON or an entry has another form.
    """
    entries = read_json(path)
    entries = entries.get("data") if isinstance(entries, Mapping) else None
    if not isinstance(entries, list):
        raise BadInput(f"{shown(str(path), 300)}: no list 'data'")
    for number, entry in enumerate(entries, start=1):
        where = f"entry {number}"
        passage, question = (_text(path, where, entry, field) for field in ("paragraph", "question"))
        if (passage, question) == ("Paragraph", "Question"):
            continue
        made = entry.get("perturbed_questions")
        if not isinstance(made, list):
            raise BadInput(f"{shown(str(path), 300)}, {where}: no list 'perturbed_questions'")
        asked = [("original", question, _text(path, where, entry, "answer"))]
        for count, item in enumerate(made, start=1):
            if isinstance(item, Mapping) and not any(str(value).strip() for value in item.values()):
                continue
            place = f"{where}, perturbed question {count}"
            asked.append(
                ("contrast", _text(path, place, item, "perturbed_q"), _text(path, place, item, "answer"))
            )
        for version, text, answer in asked:
            yield Row((text, passage), answer, {"version": version, "set": str(number)}, where)


def _text(path: Path, where: str, record: Any, field: str) -> str:
    value = record.get(field) if isinstance(record, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{shown(str(path), 300)}, {where}: no field {field!r} with a text")
    return value


_LABELS = ("false", "true")

BOOLQ = Task(
    name="boolq",
    title="BoolQ",
    family="reading",
    role="train",
    columns=("question", "passage"),
    labels=_LABELS,
    splits={"train": Split(rows=9_427), "dev": Split(rows=3_270)},
    evaluation_split="dev",
    layout=Layout(
        folders=("boolq", "BoolQ"),
        files={split: (f"{split}.jsonl",) for split in ("train", "dev")},
        columns={},
        labels={"True": "true", "False": "false"},
        reader="asa_bench.tasks.boolq:read",
        provided_by="train.jsonl and dev.jsonl of https://github.com/google-research-datasets/boolean-questions, or "
        "the hub data set google/boolq",
    ),
    hub=Hub(
        repo="google/boolq",
        config="default",
        files={"train": "data/train-*.parquet", "dev": "data/validation-*.parquet"},
        columns={"question": "question", "passage": "passage", "label": "answer"},
        labels={"0": "false", "1": "true", "False": "false", "True": "true"},
        revision="35b264d03638db9f4ce671b711558bf7ff0f80d5",
        found="https://huggingface.co/datasets/google/boolq (public code pins this commit with "
        "data/train-00000-of-00001.parquet)",
    ),
    attack_column="question",
    exposure=("boolq:dev",),
    licence="CC BY-SA 3.0",
    citation=(
        "Clark et al., BoolQ: Exploring the Surprising Difficulty of Natural Yes/No Questions, NAACL 2019, "
        "https://doi.org/10.18653/v1/N19-1300"
    ),
    homepage="https://github.com/google-research-datasets/boolean-questions",
    note="Evaluated on dev: the answers of the test set are not public; 62 % of dev is 'true'.",
)

CONTRAST_BOOLQ = Task(
    name="contrast/boolq",
    title="Contrast BoolQ",
    family="reading",
    role="challenge",
    columns=("question", "passage"),
    labels=_LABELS,
    metrics=("accuracy", "consistency"),
    group="set",
    splits={"test": Split(rows=404, labels={"false": 197, "true": 207})},
    evaluation_split="test",
    train_tasks=("boolq",),
    layout=Layout(
        folders=("contrast_sets/BoolQ", "contrast-sets/BoolQ", "BoolQ", ""),
        files={"test": ("boolq_perturbed.json",)},
        columns={},
        labels={"TRUE": "true", "FALSE": "false"},
        reader="asa_bench.tasks.boolq:read_contrast",
        provided_by="BoolQ/boolq_perturbed.json of https://github.com/allenai/contrast-sets (it is not on the hub)",
    ),
    attack_column="question",
    slices=("version",),
    exposure=("boolq:dev",),
    licence="not stated by its authors",
    citation=(
        "Gardner et al., Evaluating Models' Local Decision Boundaries via Contrast Sets, Findings of EMNLP 2020, "
        "https://doi.org/10.18653/v1/2020.findings-emnlp.117"
    ),
    homepage="https://github.com/allenai/contrast-sets",
    note="69 sets of an original question and those made from it, 404 questions in the published file; a set is "
    "consistent if all of it is right, the original among it.",
)

TASKS = {task.name: task for task in (BOOLQ, CONTRAST_BOOLQ)}
