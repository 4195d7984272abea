"""AdvGLUE: adversarial versions of GLUE dev rows, filtered by people, for six GLUE test sets.

The folder holds the authors' ``dev.json`` or the annotated ``dev_ann.json``, which tells for every row by
which attack and, unless a person wrote it, from which GLUE row it was made. Rows of one GLUE row are not independent;
where the data do not tell it, they are found by likeness. The hub repository is `AI-Secure/adv_glue`, which holds parquet
files since January 2024; its file tree and the head of its main branch are public. The hub's rows tell neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asa_bench.errors import BadInput
from asa_bench.tasks import glue
from asa_bench.tasks.base import Hub, Layout, Split, Task
from asa_bench.tasks.files import Row, read_json, record_row, shown
from asa_bench.tasks.likeness import key_of


def read(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of one of the six parts of ``dev.json`` or ``dev_ann.json``.

    Raises:
        BadInput: the file is not JSON, or lacks the part or a field.
    """
    part = task.name.removeprefix("advglue/")
    parts = read_json(path)
    if not isinstance(parts, Mapping) or not isinstance(parts.get(part), list):
        raise BadInput(
            f"{shown(str(path), 300)}: no list {part!r}; an AdvGLUE file has one for each GLUE task"
        )
    for number, record in enumerate(parts[part], start=1):
        row = record_row(task, record, path, f"row {number} of {part!r}")
        yield row._replace(slices={**row.slices, task.made_from: _source(task, record)})


def _source(task: Task, record: Mapping[str, Any]) -> str:
    """The name of the GLUE row that a row was made from; "" where the file does not tell it.

    The annotated file has the clean text of each column that was changed; the others are those of the GLUE row.
    """
    clean = {column: record.get(f"original_{column}") for column in task.columns}
    if not any(isinstance(text, str) for text in clean.values()):
        return ""
    return key_of([text if isinstance(text, str) else str(record[name]) for name, text in clean.items()])


def _task(part: str, title: str, origin: Task, hub_config: str, labels: tuple[int, ...]) -> Task:
    names = origin.labels
    evaluated = "dev_mismatched" if part == "mnli-mm" else "dev"
    return Task(
        name=f"advglue/{part}",
        title=title,
        family=origin.family,
        role="challenge",
        columns=origin.columns,
        labels=names,
        splits={"dev": Split(rows=sum(labels), labels=dict(zip(names, labels, strict=True)))},
        evaluation_split="dev",
        train_tasks=(origin.name,),
        layout=Layout(
            folders=("advglue", "adv_glue", "AdvGLUE", "dev", ""),
            files={"dev": ("dev_ann.json", "dev.json")},
            columns={
                **{column: (column,) for column in origin.columns},
                "label": ("label",),
                "construction": ("data_construction",),
            },
            labels={str(index): name for index, name in enumerate(names)},
            reader="asa_bench.tasks.advglue:read",
            provided_by="dev.json of https://adversarialglue.github.io, or the hub data set "
            "AI-Secure/adv_glue",
        ),
        hub=Hub(
            repo="AI-Secure/adv_glue",
            config=hub_config,
            files={"dev": f"{hub_config}/validation-*.parquet"},
            columns={**{column: column for column in origin.columns}, "label": "label"},
            labels={str(index): name for index, name in enumerate(names)},
            revision="e1abda026f687e917a8d9895469194736ebe872c",
            found="https://huggingface.co/datasets/AI-Secure/adv_glue/tree/main",
        ),
        attack_column=origin.attack_column,
        slices=("method", "construction"),
        made_from="source",
        adversarially_filtered=True,
        exposure=(f"{origin.name}:{evaluated}",),
        licence="CC BY-SA 4.0",
        citation=(
            "Wang et al., Adversarial GLUE: A Multi-Task Benchmark for Robustness Evaluation of Language "
            "Models, NeurIPS Datasets and Benchmarks 2021, https://doi.org/10.48550/arXiv.2111.02840"
        ),
        homepage="https://adversarialglue.github.io",
        note=f"The rows were made from GLUE dev rows of {origin.title}, so no model may be trained on those; "
        f"{sum(labels)} rows only.",
    )


TASKS = {
    task.name: task
    for task in (
        _task("sst2", "AdvSST-2", glue.SST2, "adv_sst2", (72, 76)),
        _task("qqp", "AdvQQP", glue.QQP, "adv_qqp", (46, 32)),
        _task("mnli", "AdvMNLI-m", glue.MNLI, "adv_mnli", (32, 39, 50)),
        _task("mnli-mm", "AdvMNLI-mm", glue.MNLI, "adv_mnli_mismatched", (60, 45, 57)),
        _task("qnli", "AdvQNLI", glue.QNLI, "adv_qnli", (74, 74)),
        _task("rte", "AdvRTE", glue.RTE, "adv_rte", (35, 46)),
    )
}
