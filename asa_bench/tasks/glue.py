"""The five GLUE tasks that models are trained on: SST-2, QQP, MNLI, QNLI and RTE.

The files are those of GLUE's own download (tab-separated, no quoting). The hub repository is `nyu-mll/glue`,
which holds parquet files; the pinned commit is the head of its main branch since the conversion, as recorded
by public code that pins it (for example `datasets` cache paths ``glue/sst2/0.0.0/bcdcba79...``).

Counts of labels are given where a public source states them; for both splits of QQP, QNLI train and the
mismatched dev set of MNLI none was found, and only their rows are checked.
"""

from __future__ import annotations

from typing import Literal

from asa_bench.tasks.base import Hub, Layout, Split, Task

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


def _layout(
    folder: str,
    files: dict[str, tuple[str, ...]],
    columns: dict[str, tuple[str, ...]],
    labels: dict[str, str],
) -> Layout:
    return Layout(
        folders=(f"glue/{folder}", f"GLUE/{folder}", f"glue_data/{folder}", folder),
        files=files,
        columns=columns,
        labels=labels,
        held_out={"dev": "train"},
        skips_malformed=folder == "QQP",
        provided_by=f"the {folder} download of {_HOMEPAGE}, or the hub data set nyu-mll/glue",
    )


def _task(
    name: str,
    title: str,
    family: Literal["sentiment", "paraphrase", "inference"],
    labels: tuple[str, ...],
    columns: tuple[str, ...],
    splits: dict[str, Split],
    layout: Layout,
    hub_files: dict[str, str],
    attack_column: str,
    licence: str,
    citation: str,
    note: str,
) -> Task:
    return Task(
        name=name,
        title=title,
        family=family,
        role="train",
        columns=columns,
        labels=labels,
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


_TSV: dict[str, tuple[str, ...]] = {"train": ("train.tsv",), "dev": ("dev.tsv",)}
_HUB = {"train": "train", "dev": "validation"}
_PAIR = ("entailment", "not_entailment")
_THREE_WAY = ("entailment", "neutral", "contradiction")

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
        {
            "premise": ("sentence1", "premise"),
            "hypothesis": ("sentence2", "hypothesis"),
            "label": ("gold_label",),
        },
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

TASKS = {task.name: task for task in (SST2, QQP, MNLI, QNLI, RTE)}
