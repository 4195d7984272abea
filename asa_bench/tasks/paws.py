"""PAWS: paraphrase pairs with much the same words in another order, from Quora questions and from Wikipedia.

The hub repository `google-research-datasets/paws` holds PAWS-Wiki as parquet files. PAWS-QQP may not be
redistributed (its text is Quora's): everybody generates it from the QQP download with the authors' script,
which under Python 3 writes each sentence as the source form of a bytes object, ``b'...'``.

Two protocols, never to be ranked together: a model trained on QQP faces PAWS-QQP (``paws_qqp``, zero-shot), or
is trained on QQP and the training part of PAWS-QQP together (``paws_qqp+qqp``, in-domain), as in the paper's
"QQP+PAWS" rows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Hub, Layout, Split, Task
from asa_bench.tasks.files import Row, read_cells, read_table, shown, table_rows
from asa_bench.tasks.glue import folders

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
        BadInput: a column is missing, or a wrapped text cannot be decoded.
    """
    yield from _unwrapped(path, read_table(task, split, path))


def read_joint(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of QQP's own training file or of one of PAWS-QQP; only the latter wear the ``b'...'`` wrapper.

    Raises:
        BadInput: a column is missing, a wrapped text cannot be decoded, or a row of PAWS-QQP is cut off.
    """
    cells = read_cells(path)
    header = next(cells)
    rows = table_rows(task, path, chain([header], cells))
    if "question1" in header[1]:
        yield from rows
        return
    for row in _unwrapped(path, rows):
        # Some rows of QQP's own file break in the middle, as every reader of it knows; PAWS-QQP has none.
        if row.malformed:
            raise BadInput(
                f"{shown(str(path), 300)}, {row.where}: too few columns; the file is cut off or damaged"
            )
        yield row


def _unwrapped(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
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

_QQP_TRAIN = tuple(f"{folder}/train.tsv" for folder in folders("QQP"))
_QQP_SAMPLE = tuple(f"{folder}/train_sample_clean.tsv" for folder in folders("QQP"))
_PAWS_TRAIN = ("paws/paws_qqp_train.tsv", "paws/paws_qqp/train.tsv", "paws/paws_qqp/output/train.tsv")

PAWS_AND_QQP = Task(
    name="paws_qqp+qqp",
    title="PAWS-QQP (trained)",
    family="paraphrase",
    role="train",
    columns=("sentence1", "sentence2"),
    labels=_LABELS,
    splits={"train": Split(rows=363_846 + 11_988), "test": PAWS_QQP.splits["test"]},
    evaluation_split="test",
    layout=Layout(
        files={
            "train": tuple((qqp, paws) for qqp in (*_QQP_TRAIN, *_QQP_SAMPLE) for paws in _PAWS_TRAIN),
            "test": (
                "paws/paws_qqp_dev_and_test.tsv",
                "paws/paws_qqp/dev_and_test.tsv",
                "paws/paws_qqp/output/dev_and_test.tsv",
            ),
        },
        columns={
            "sentence1": ("sentence1", "question1"),
            "sentence2": ("sentence2", "question2"),
            "label": ("label", "is_duplicate"),
        },
        labels=_IN_FILE,
        skips_malformed=True,
        reader="asa_bench.tasks.paws:read_joint",
        provided_by="train.tsv of GLUE's QQP, and train.tsv and dev_and_test.tsv in paws/paws_qqp/ as the "
        f"qqp_generate_data.py of {_HOMEPAGE} makes them from QQP (they are not on the hub)",
    ),
    attack_column="sentence2",
    exposure=("paws_qqp:test",),
    holds=("qqp:train", "paws_qqp:train"),
    licence=PAWS_QQP.licence,
    citation=_CITATION,
    homepage=_HOMEPAGE,
    note="Trained on QQP and the training part of PAWS-QQP together: in-domain, never to be ranked with models "
    "that face PAWS-QQP after QQP alone (paws_qqp).",
)

TASKS = {task.name: task for task in (PAWS_QQP, PAWS_WIKI, PAWS_AND_QQP)}
