"""The nine tasks of GLUE, and MNLI's mismatched development set as a set that MNLI models face.

The files are those of GLUE's own download (tab-separated, no quoting). The hub repository is `nyu-mll/glue`,
which holds parquet files; the pinned commit is the head of its main branch since the conversion, as recorded
by public code that pins it (for example `datasets` cache paths ``glue/sst2/0.0.0/bcdcba79...``).

Counts of labels are given where a public source states them; for both splits of QQP, QNLI train and the
mismatched dev set of MNLI none was found, and only their rows are checked. GLUE keeps the labels of its test
sets, so every task is evaluated on dev.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from asa_bench.tasks.base import Family, Hub, Kind, Layout, Split, Task
from asa_bench.tasks.files import Row, plain_name, read_cells, table_rows

_BENCHMARK = (
    "Wang et al., GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding, "
    "ICLR 2019, https://openreview.net/forum?id=rJ4km2R5t7"
)
_HOMEPAGE = "https://gluebenchmark.com/tasks"


def _hub(config: str, columns: tuple[str, ...], labels: tuple[str, ...], files: dict[str, str]) -> Hub:
    return Hub(
        repo="nyu-mll/glue",
        config=config,
        files={split: f"{config}/{name}-*.parquet" for split, name in files.items()},
        columns={**{column: column for column in columns}, "label": "label"},
        labels={str(index): label for index, label in enumerate(labels)},
        revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
        found="https://huggingface.co/datasets/nyu-mll/glue (file tree, data set card)",
    )


def read_mrpc(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of MRPC: GLUE's ``train.tsv`` without quoting, or ``glue_train.tsv`` with it.

    Raises:
        BadInput: a column is missing, or quotes do not match.
    """
    yield from table_rows(task, path, read_cells(path, quoted=plain_name(path).startswith("glue_")))


def folders(name: str) -> tuple[str, ...]:
    """Where a task of GLUE lies under a data folder, or under one that is GLUE's own."""
    return (f"glue/{name}", f"GLUE/{name}", f"glue_data/{name}", name)


def _layout(
    folder: str,
    files: dict[str, tuple[str | tuple[str, ...], ...]],
    columns: dict[str, tuple[str, ...]],
    labels: dict[str, str],
    header: bool = True,
    reader: str = "asa_bench.tasks.files:read_table",
) -> Layout:
    return Layout(
        folders=folders(folder),
        files=files,
        columns=columns,
        header=header,
        labels=labels,
        held_out={"dev": "train"},
        skips_malformed=folder == "QQP",
        reader=reader,
        provided_by=f"the {folder} download of {_HOMEPAGE}, or the hub data set nyu-mll/glue",
    )


def _task(
    name: str,
    title: str,
    family: Family,
    labels: tuple[str, ...],
    columns: tuple[str, ...],
    splits: dict[str, Split],
    layout: Layout,
    hub_files: dict[str, str],
    attack_column: str,
    licence: str,
    citation: str,
    note: str,
    metrics: tuple[str, ...] = ("accuracy",),
    kind: Kind = "classification",
    label_range: tuple[float, float] | None = None,
) -> Task:
    return Task(
        name=name,
        title=title,
        family=family,
        kind=kind,
        role="train",
        columns=columns,
        labels=labels,
        label_range=label_range,
        metrics=metrics,
        splits=splits,
        evaluation_split="dev",
        layout=layout,
        hub=_hub(name, columns, labels, hub_files),
        attack_column=attack_column,
        exposure=(f"{name}:dev",),
        licence=licence,
        citation=f"{citation}; {_BENCHMARK}",
        homepage=_HOMEPAGE,
        note=note,
    )


_TSV: dict[str, tuple[str | tuple[str, ...], ...]] = {"train": ("train.tsv",), "dev": ("dev.tsv",)}
_HUB = {"train": "train", "dev": "validation"}
_PAIR = ("entailment", "not_entailment")
_THREE_WAY = ("entailment", "neutral", "contradiction")

_MNLI_COLUMNS: dict[str, tuple[str, ...]] = {
    "premise": ("sentence1", "premise"),
    "hypothesis": ("sentence2", "hypothesis"),
    "label": ("gold_label",),
}

SST2 = _task(
    name="sst2",
    title="SST-2",
    family="sentiment",
    labels=("negative", "positive"),
    columns=("sentence",),
    splits={
        "train": Split(rows=67_349, labels={"negative": 29_780, "positive": 37_569}),
        "dev": Split(rows=872, labels={"negative": 428, "positive": 444}),
    },
    layout=_layout(
        "SST-2",
        _TSV,
        {"sentence": ("sentence",), "label": ("label",)},
        {"0": "negative", "1": "positive"},
    ),
    hub_files=_HUB,
    attack_column="sentence",
    licence="not stated by its authors; distributed by GLUE for research",
    citation=(
        "Socher et al., Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank, "
        "EMNLP 2013, https://aclanthology.org/D13-1170"
    ),
    note="Training rows are phrases of the treebank, dev rows are whole sentences.",
)

QQP = _task(
    name="qqp",
    title="QQP",
    family="paraphrase",
    labels=("not_duplicate", "duplicate"),
    columns=("question1", "question2"),
    splits={
        "train": Split(rows=363_846),
        "dev": Split(rows=40_430),
    },
    layout=_layout(
        "QQP",
        {"train": ("train.tsv", "train_sample_clean.tsv"), "dev": ("dev.tsv",)},
        {"question1": ("question1",), "question2": ("question2",), "label": ("is_duplicate",)},
        {"0": "not_duplicate", "1": "duplicate"},
    ),
    hub_files=_HUB,
    attack_column="question2",
    licence="Quora's terms of service (non-commercial use)",
    citation=(
        "Iyer, Dandekar and Csernai, First Quora Dataset Release: Question Pairs, 2017, "
        "https://quoradata.quora.com/First-Quora-Dataset-Release-Question-Pairs"
    ),
    note="29,852 questions occur in both train and dev (GLUE-baselines issue 29).",
    metrics=("accuracy", "f1"),
)

MNLI = _task(
    name="mnli",
    title="MNLI",
    family="inference",
    labels=_THREE_WAY,
    columns=("premise", "hypothesis"),
    splits={
        "train": Split(
            rows=392_702, labels={"entailment": 130_899, "neutral": 130_900, "contradiction": 130_903}
        ),
        "dev": Split(rows=9_815, labels={"entailment": 3_479, "neutral": 3_123, "contradiction": 3_213}),
        "dev_mismatched": Split(rows=9_832),
    },
    layout=_layout(
        "MNLI",
        {
            "train": ("train.tsv",),
            "dev": ("dev_matched.tsv", "dev_matched_with_bert100.tsv"),
            "dev_mismatched": ("dev_mismatched.tsv",),
        },
        _MNLI_COLUMNS,
        {label: label for label in _THREE_WAY},
    ),
    hub_files={
        "train": "train",
        "dev": "validation_matched",
        "dev_mismatched": "validation_mismatched",
    },
    attack_column="hypothesis",
    licence="OANC and per-source terms as told in the MultiNLI paper",
    citation=(
        "Williams, Nangia and Bowman, A Broad-Coverage Challenge Corpus for Sentence Understanding through "
        "Inference, NAACL 2018, https://doi.org/10.18653/v1/N18-1101"
    ),
    note="dev is the matched development set; AdvGLUE's mnli rows were made from it.",
)

QNLI = _task(
    name="qnli",
    title="QNLI",
    family="inference",
    labels=_PAIR,
    columns=("question", "sentence"),
    splits={
        "train": Split(rows=104_743),
        "dev": Split(rows=5_463, labels={"entailment": 2_702, "not_entailment": 2_761}),
    },
    layout=_layout(
        "QNLI",
        _TSV,
        {"question": ("question",), "sentence": ("sentence",), "label": ("label",)},
        {label: label for label in _PAIR},
    ),
    hub_files=_HUB,
    attack_column="sentence",
    licence="CC BY-SA 4.0 (SQuAD)",
    citation=(
        "Rajpurkar et al., SQuAD: 100,000+ Questions for Machine Comprehension of Text, EMNLP 2016, "
        "https://doi.org/10.18653/v1/D16-1264"
    ),
    note="The second release of QNLI (January 2019); 'entailment' means that the sentence holds the answer.",
)

RTE = _task(
    name="rte",
    title="RTE",
    family="inference",
    labels=_PAIR,
    columns=("sentence1", "sentence2"),
    splits={
        "train": Split(rows=2_490, labels={"entailment": 1_249, "not_entailment": 1_241}),
        "dev": Split(rows=277, labels={"entailment": 146, "not_entailment": 131}),
    },
    layout=_layout(
        "RTE",
        _TSV,
        {"sentence1": ("sentence1",), "sentence2": ("sentence2",), "label": ("label",)},
        {label: label for label in _PAIR},
    ),
    hub_files=_HUB,
    attack_column="sentence2",
    licence="not stated by its authors; distributed by GLUE for research",
    citation=(
        "Dagan, Glickman and Magnini, The PASCAL Recognising Textual Entailment Challenge, 2006, "
        "https://doi.org/10.1007/11736790_9; Bar-Haim et al. 2006; Giampiccolo et al. 2007; "
        "Bentivogli et al. 2009"
    ),
    note="277 dev rows: one row is worth 0.36 points of accuracy.",
)

COLA = _task(
    name="cola",
    title="CoLA",
    family="acceptability",
    labels=("unacceptable", "acceptable"),
    columns=("sentence",),
    splits={
        "train": Split(rows=8_551, labels={"unacceptable": 2_528, "acceptable": 6_023}),
        "dev": Split(rows=1_043, labels={"unacceptable": 322, "acceptable": 721}),
    },
    layout=_layout(
        "CoLA",
        # Train also lies about cut in two, by people who held out a part of it.
        {"train": (("train.tsv", "train_val_part.tsv"), "train.tsv"), "dev": ("dev.tsv",)},
        {"sentence": ("3",), "label": ("1",)},
        {"0": "unacceptable", "1": "acceptable"},
        header=False,
    ),
    hub_files=_HUB,
    attack_column="sentence",
    licence="not stated by its authors; distributed by GLUE for research",
    citation=(
        "Warstadt, Singh and Bowman, Neural Network Acceptability Judgments, TACL 2019, "
        "https://doi.org/10.1162/tacl_a_00290"
    ),
    note="Scored by Matthews correlation: always saying 'acceptable' is 69 % right and scores 0.",
    metrics=("matthews", "accuracy"),
)

MRPC = _task(
    name="mrpc",
    title="MRPC",
    family="paraphrase",
    labels=("not_equivalent", "equivalent"),
    columns=("sentence1", "sentence2"),
    splits={
        "train": Split(rows=3_668, labels={"not_equivalent": 1_194, "equivalent": 2_474}),
        "dev": Split(rows=408, labels={"not_equivalent": 129, "equivalent": 279}),
    },
    layout=_layout(
        "MRPC",
        {"train": ("train.tsv", "glue_train.tsv"), "dev": ("dev.tsv", "glue_validation.tsv")},
        {
            "sentence1": ("#1 String", "sentence1"),
            "sentence2": ("#2 String", "sentence2"),
            "label": ("Quality", "label"),
        },
        {"0": "not_equivalent", "1": "equivalent"},
        reader="asa_bench.tasks.glue:read_mrpc",
    ),
    hub_files=_HUB,
    attack_column="sentence2",
    licence="Microsoft Research licence (MSR-LA)",
    citation=(
        "Dolan and Brockett, Automatically Constructing a Corpus of Sentential Paraphrases, IWP 2005, "
        "https://aclanthology.org/I05-5002"
    ),
    note="408 dev rows, 68 % of them equivalent; copies differ in tokenization, the hub's has its words apart.",
    metrics=("accuracy", "f1"),
)

STSB = _task(
    name="stsb",
    title="STS-B",
    family="similarity",
    kind="regression",
    labels=(),
    label_range=(0, 5),
    columns=("sentence1", "sentence2"),
    splits={"train": Split(rows=5_749), "dev": Split(rows=1_500)},
    layout=_layout(
        "STS-B",
        _TSV,
        {"sentence1": ("sentence1",), "sentence2": ("sentence2",), "label": ("score",)},
        {},
    ),
    hub_files=_HUB,
    attack_column="sentence2",
    licence="per source, as told in LICENSE.txt of its download",
    citation=(
        "Cer et al., SemEval-2017 Task 1: Semantic Textual Similarity Multilingual and Crosslingual Focused "
        "Evaluation, SemEval 2017, https://doi.org/10.18653/v1/S17-2001"
    ),
    note="Similarity from 0 to 5; Spearman first, as in the table of the ASA paper.",
    metrics=("spearman", "pearson"),
)

WNLI = _task(
    name="wnli",
    title="WNLI",
    family="inference",
    labels=("not_entailment", "entailment"),
    columns=("sentence1", "sentence2"),
    splits={
        "train": Split(rows=635, labels={"not_entailment": 323, "entailment": 312}),
        "dev": Split(rows=71, labels={"not_entailment": 40, "entailment": 31}),
    },
    layout=_layout(
        "WNLI",
        _TSV,
        {"sentence1": ("sentence1",), "sentence2": ("sentence2",), "label": ("label",)},
        {"0": "not_entailment", "1": "entailment"},
    ),
    hub_files=_HUB,
    attack_column="sentence2",
    licence="CC BY 4.0 (Winograd Schema Challenge)",
    citation=(
        "Levesque, Davis and Morgenstern, The Winograd Schema Challenge, KR 2012, "
        "https://www.aaai.org/ocs/index.php/KR/KR12/paper/view/4492"
    ),
    note="71 dev rows, many of which share a sentence with a train row of the opposite label; most models do "
    "not beat always saying 'not_entailment' (56 %).",
)

MNLI_MM = Task(
    name="mnli-mm",
    title="MNLI-mm",
    family="inference",
    role="challenge",
    columns=MNLI.columns,
    labels=MNLI.labels,
    splits={"dev": MNLI.splits["dev_mismatched"]},
    evaluation_split="dev",
    train_tasks=("mnli",),
    layout=_layout(
        "MNLI",
        {"dev": ("dev_mismatched.tsv",)},
        _MNLI_COLUMNS,
        {label: label for label in _THREE_WAY},
    ).model_copy(update={"held_out": {}}),
    hub=_hub("mnli", MNLI.columns, _THREE_WAY, {"dev": "validation_mismatched"}),
    attack_column="hypothesis",
    exposure=("mnli:dev_mismatched",),
    licence=MNLI.licence,
    citation=MNLI.citation,
    homepage=_HOMEPAGE,
    note="The same question as MNLI's matched dev, on genres that its training set does not have.",
)

TASKS = {task.name: task for task in (SST2, QQP, MNLI, QNLI, RTE, COLA, MRPC, STSB, WNLI, MNLI_MM)}
