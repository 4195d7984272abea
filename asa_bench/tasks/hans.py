"""HANS: inference pairs on which a shallow heuristic always says 'entailment', for half of them wrongly.

The hub repository `jhu-cogsci/hans` holds a loading script, which no longer runs. Its rows are read from the
branch ``refs/convert/parquet``, on which the hub keeps a converted copy of its data sets; no public source
tells a commit of it, so the head is resolved at run time and recorded.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Hub, Layout, Split, Task

HEURISTICS = ("lexical_overlap", "subsequence", "constituent")
LABELS = ("entailment", "non-entailment")
BLOCK_ROWS = 1_000


class Block(NamedTuple):
    """One of the thirty runs of 1,000 rows of the authors' evaluation file, which share a subcase.

    Attributes:
        number: 0 to 29, the block's place in the file.
        heuristic: the heuristic that the rows tempt a model to use.
        label: the gold label of all its rows.
    """

    number: int
    heuristic: str
    label: str


@cache
def official_blocks() -> tuple[Block, ...]:
    """The order of the authors' evaluation file: 30 blocks of 1,000 rows, ``ex0`` to ``ex29999``.

    Ten blocks a heuristic, in the order of `HEURISTICS`; of each ten, five are non-entailed and then five
    entailed. Prediction files of the authors' format are scored by it without the evaluation file itself.
    """
    return tuple(
        Block(number, HEURISTICS[number // 10], LABELS[1] if number % 10 < 5 else LABELS[0])
        for number in range(30)
    )


def official_block(pair_id: str) -> Block:
    """The block in which the row with the authors' ``pairID`` stands, e.g. ``ex5000``.

    Raises:
        BadInput: no such row: the ids of the evaluation set are ``ex0`` to ``ex29999``.
    """
    number = pair_id[2:8]  # cut, since Python refuses to read numbers of thousands of digits
    if (
        not (number.isascii() and number.isdigit() and pair_id == f"ex{int(number)}")
        or int(number) >= 30 * BLOCK_ROWS
    ):
        raise BadInput(f"no row {pair_id[:40]!a} in the HANS evaluation set; its ids are ex0 to ex29999")
    return official_blocks()[int(number) // BLOCK_ROWS]


HANS = Task(
    name="hans",
    title="HANS",
    family="inference",
    role="challenge",
    columns=("premise", "hypothesis"),
    labels=LABELS,
    splits={
        "train": Split(rows=30_000, labels={"entailment": 15_000, "non-entailment": 15_000}),
        "evaluation": Split(rows=30_000, labels={"entailment": 15_000, "non-entailment": 15_000}),
    },
    evaluation_split="evaluation",
    train_tasks=("mnli",),
    label_map={"neutral": "non-entailment", "contradiction": "non-entailment"},
    layout=Layout(
        folders=("hans", "HANS", ""),
        files={
            "train": ("heuristics_train_set.txt", "hans_train_set.tsv"),
            "evaluation": ("heuristics_evaluation_set.txt", "hans_evaluation_set.tsv"),
        },
        columns={
            "premise": ("sentence1", "premise"),
            "hypothesis": ("sentence2", "hypothesis"),
            "label": ("gold_label",),
            "heuristic": ("heuristic",),
            "subcase": ("subcase",),
        },
        labels={label: label for label in LABELS},
        provided_by="heuristics_evaluation_set.txt of https://github.com/tommccoy1/hans, or the hub data set "
        "jhu-cogsci/hans",
    ),
    hub=Hub(
        repo="jhu-cogsci/hans",
        config="plain_text",
        files={"train": "plain_text/train/*.parquet", "evaluation": "plain_text/validation/*.parquet"},
        columns={
            "premise": "premise",
            "hypothesis": "hypothesis",
            "label": "label",
            "heuristic": "heuristic",
            "subcase": "subcase",
        },
        labels={"0": "entailment", "1": "non-entailment"},
        branch="refs/convert/parquet",
        found="https://huggingface.co/datasets/jhu-cogsci/hans (id); columns, configuration and label names "
        "from https://www.tensorflow.org/datasets/community_catalog/huggingface/hans; branch and paths as "
        "the hub converts every data set, https://huggingface.co/docs/dataset-viewer/parquet",
    ),
    attack_column="hypothesis",
    slices=("heuristic", "subcase"),
    exposure=("hans:train",),
    licence="MIT",
    citation=(
        "McCoy, Pavlick and Linzen, Right for the Wrong Reasons: Diagnosing Syntactic Heuristics in Natural "
        "Language Inference, ACL 2019, https://doi.org/10.18653/v1/P19-1334"
    ),
    homepage="https://github.com/tommccoy1/hans",
    note="Read the six cells heuristic x label: always saying 'entailment' scores 50 % in the mean.",
)

TASKS = {HANS.name: HANS}
