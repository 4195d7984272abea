"""PAWS: paraphrase pairs with much the same words in another order, from Quora questions and from Wikipedia.

The hub repository `google-research-datasets/paws` holds PAWS-Wiki as parquet files. PAWS-QQP may not be
redistributed (its text is Quora's): everybody generates it from the QQP download with the authors' script,
which under Python 3 writes each sentence as the source form of a bytes object, ``b'...'``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Hub, Layout, Split, Task
from asa_bench.tasks.files import Row, read_table, shown

_WRAPPED = re.compile(r"""b(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)


def unwrap(text: str) -> str:
    """The sentence inside ``b'...'`` or ``b"..."``; a text without this wrapper is returned as it is.

    Raises:
        ValueError: the wrapper holds bytes that cannot be written so, or that are not UTF-8.
    """
    stripped = text.strip()
    if not _WRAPPED.fullmatch(stripped):
        return text
    try:
        return bytes(ast.literal_eval(stripped)).decode("utf-8")
    except SyntaxError as error:
        raise ValueError(str(error)) from error


def read_qqp(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of PAWS-QQP, their texts freed of the ``b'...'`` wrapper.

    Raises:
        BadInput: a wrapped text cannot be decoded.
    """
    for row in read_table(task, split, path):
        try:
            yield row._replace(texts=tuple(unwrap(text) for text in row.texts))
        except ValueError as error:
            raise BadInput(
                f"{shown(str(path), 300)}, {row.where}: a text in a b'...' wrapper cannot be read ({error})"
            ) from error


# The training task's names, so that a model trained on QQP needs no label map.
_LABELS = ("not_duplicate", "duplicate")
_IN_FILE = {"0": "not_duplicate", "1": "duplicate"}
_COLUMNS = {"sentence1": ("sentence1",), "sentence2": ("sentence2",), "label": ("label",)}
_CITATION = (
    "Zhang, Baldridge and He, PAWS: Paraphrase Adversaries from Word Scrambling, NAACL 2019, "
    "https://doi.org/10.18653/v1/N19-1131"
)
_HOMEPAGE = "https://github.com/google-research-datasets/paws"

PAWS_QQP = Task(
    name="paws_qqp",
    title="PAWS-QQP",
    family="paraphrase",
    role="challenge",
    columns=("sentence1", "sentence2"),
    labels=_LABELS,
    splits={"test": Split(rows=677, labels={"not_duplicate": 486, "duplicate": 191})},
    evaluation_split="test",
    train_tasks=("qqp",),
    layout=Layout(
        folders=("paws", "PAWS", ""),
        files={
            "test": (
                "paws_qqp_dev_and_test.tsv",
                "paws_qqp/dev_and_test.tsv",
                "paws_qqp/output/dev_and_test.tsv",
                "dev_and_test.tsv",
            )
        },
        columns=_COLUMNS,
        labels=_IN_FILE,
        reader="asa_bench.tasks.paws:read_qqp",
        provided_by=f"dev_and_test.tsv as the qqp_generate_data.py of {_HOMEPAGE} makes it from QQP "
        "(it is not on the hub)",
    ),
    attack_column="sentence2",
    exposure=("paws_qqp:train", "paws_wiki:train"),
    licence="free use with attribution (PAWS); the text is under Quora's terms of service",
    citation=_CITATION,
    homepage=_HOMEPAGE,
    note="Built from QQP questions, some of which a model trained on QQP has seen in other pairs.",
)

PAWS_WIKI = Task(
    name="paws_wiki",
    title="PAWS-Wiki",
    family="paraphrase",
    role="challenge",
    columns=("sentence1", "sentence2"),
    labels=_LABELS,
    splits={
        "dev": Split(rows=8_000, labels={"not_duplicate": 4_461, "duplicate": 3_539}),
        "test": Split(rows=8_000, labels={"not_duplicate": 4_464, "duplicate": 3_536}),
    },
    evaluation_split="test",
    train_tasks=("qqp",),
    layout=Layout(
        folders=("paws", "PAWS", ""),
        files={
            split: (
                f"paws_wiki_{split}.tsv",
                f"final/{split}.tsv",
                f"paws_wiki_labeled_final/final/{split}.tsv",
                f"paws_wiki/final/{split}.tsv",
                f"paws_wiki/{split}.tsv",
            )
            for split in ("dev", "test")
        },
        columns=_COLUMNS,
        labels=_IN_FILE,
        provided_by=f"paws_wiki_labeled_final.tar.gz of {_HOMEPAGE}, or the hub data set "
        "google-research-datasets/paws",
    ),
    hub=Hub(
        repo="google-research-datasets/paws",
        config="labeled_final",
        files={"dev": "labeled_final/validation-*.parquet", "test": "labeled_final/test-*.parquet"},
        columns={"sentence1": "sentence1", "sentence2": "sentence2", "label": "label"},
        labels=_IN_FILE,
        revision="161ece9501cf0a11f3e48bd356eaa82de46d6a09",
        found="https://huggingface.co/datasets/google-research-datasets/paws",
    ),
    attack_column="sentence2",
    exposure=("paws_wiki:train", "paws_qqp:train"),
    licence="free use with attribution",
    citation=_CITATION,
    homepage=_HOMEPAGE,
    note="PAWS-Wiki labeled_final; tokenized text.",
)

TASKS = {task.name: task for task in (PAWS_QQP, PAWS_WIKI)}
