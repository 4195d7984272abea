"""Counterfactually augmented data and the contrast set of IMDb: examples beside minimal revisions of them.

Kaushik et al. had people revise each example so that its label changes: a review into the opposite sentiment, a
premise or a hypothesis into each of the two other relations. Gardner et al. did the same to the same reviews.
Groups hold an original and its revisions; a group is consistent if a model is right on all of it.

Models trained on IMDb do not face the sentiment sets: 487 of the 488 originals of the test set are in IMDb's
training set (counted with white space folded).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Layout, Role, Split, Task
from asa_bench.tasks.files import Row, read_table, shown

REVISIONS = 4


def read_sentiment(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The reviews of ``orig``, ``new``, or a ``paired`` file, in which an original and its revision share a number.

    In paired files the original comes first; in one of the 488 pairs of the test set it does not.

    Raises:
        BadInput: a column is missing, or quotes do not match.
    """
    folder = path.parent.name
    seen: set[str] = set()
    for row in read_table(task, split, path):
        version = {"orig": "original", "new": "revised"}.get(folder)
        if version is None:
            batch = row.slices.get("batch", "").strip()
            version = "revised" if batch in seen else "original"
            seen.add(batch)
        yield row._replace(slices={**row.slices, "version": version})


def read_inference(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The pairs of ``original``, or of ``revised_combined``, where four revisions follow for each original.

    Raises:
        BadInput: a column is missing, quotes do not match, or an original has another number of revisions.
    """
    revised = path.parent.name != "original"
    count = 0
    for row in read_table(task, split, path):
        group = str(count // REVISIONS + 1 if revised else count + 1)
        yield row._replace(slices={"version": "revised" if revised else "original", "original": group})
        count += 1
    if revised and count % REVISIONS:
        raise BadInput(
            f"{shown(str(path), 300)}: {count} revised rows are no multiple of {REVISIONS}; the file is cut off"
        )


def read_contrast(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The reviews of ``test_original.tsv`` or ``test_contrast.tsv``, which pair up row by row.

    Raises:
        BadInput: a column is missing, or quotes do not match.
    """
    version = "original" if "original" in path.name else "contrast"
    for number, row in enumerate(read_table(task, split, path), start=1):
        yield row._replace(slices={"version": version, "pair": str(number)})


_HOMEPAGE = "https://github.com/acmi-lab/counterfactually-augmented-data"
_CITATION = (
    "Kaushik, Hovy and Lipton, Learning the Difference that Makes a Difference with Counterfactually-Augmented "
    "Data, ICLR 2020, https://openreview.net/forum?id=Sklgs0NFvr"
)
_REVIEWS = ("negative", "positive")
_REVIEW_LABELS = {"Negative": "negative", "Positive": "positive"}
_THREE_WAY = ("entailment", "neutral", "contradiction")
_FOLDERS = ("counterfactually_augmented", "counterfactually-augmented-data", "")

Part = Literal["original", "combined"]


def _counts(labels: tuple[str, ...], *numbers: int) -> Split:
    return Split(rows=sum(numbers), labels=dict(zip(labels, numbers, strict=True)))


_SENTIMENT_PAIRED = {"dev": _counts(_REVIEWS, 245, 245), "test": _counts(_REVIEWS, 488, 488)}
_SENTIMENT_SPLITS: dict[Part, dict[str, Split]] = {
    "original": {"train": _counts(_REVIEWS, 851, 856), "dev": _counts(_REVIEWS, 122, 123)},
    "combined": {"train": _counts(_REVIEWS, 1_707, 1_707), "dev": _SENTIMENT_PAIRED["dev"]},
}
_SENTIMENT_FILES: dict[Part, dict[str, tuple[str | tuple[str, ...], ...]]] = {
    "original": {"train": ("sentiment/orig/train.tsv",), "dev": ("sentiment/orig/dev.tsv",)},
    "combined": {
        "train": (
            "sentiment/combined/paired/train_paired.tsv",
            ("sentiment/orig/train.tsv", "sentiment/new/train.tsv"),
        ),
        "dev": ("sentiment/combined/paired/dev_paired.tsv",),
    },
}
_INFERENCE_COMBINED = {
    "train": _counts(_THREE_WAY, 2_770, 2_778, 2_782),
    "dev": _counts(_THREE_WAY, 326, 325, 349),
    "test": _counts(_THREE_WAY, 654, 677, 669),
}
_INFERENCE_SPLITS: dict[Part, dict[str, Split]] = {
    "original": {"train": _counts(_THREE_WAY, 562, 554, 550), "dev": _counts(_THREE_WAY, 74, 75, 51)},
    "combined": {"train": _INFERENCE_COMBINED["train"], "dev": _INFERENCE_COMBINED["dev"]},
}


def _inference_files(part: Part, split: str) -> tuple[str | tuple[str, ...], ...]:
    original = f"NLI/original/{split}.tsv"
    return (original,) if part == "original" else ((original, f"NLI/revised_combined/{split}.tsv"),)


_SENTIMENT_NOTE = "The test set is pairs of a review and its revision into the opposite sentiment; {}."
_INFERENCE_NOTE = "The test set is 400 pairs with four revisions each; {}."
_HOW: dict[Part | None, str] = {
    None: "faced by models that were trained on other data",
    "original": "trained on the originals only, as the paper's 'Orig.' rows",
    "combined": "trained on originals and revisions, as the paper's 'CAD' rows",
}


def _sentiment(part: Part | None) -> Task:
    role: Role = "train" if part else "challenge"
    splits = {**(_SENTIMENT_SPLITS[part] if part else _SENTIMENT_PAIRED), "test": _SENTIMENT_PAIRED["test"]}
    files = _SENTIMENT_FILES[part] if part else {"dev": _SENTIMENT_FILES["combined"]["dev"]}
    return Task(
        name=f"cad/sentiment-{part}" if part else "cad/sentiment",
        title=f"CAD sentiment ({part})" if part else "CAD sentiment",
        family="sentiment",
        role=role,
        columns=("text",),
        labels=_REVIEWS,
        metrics=("accuracy", "consistency"),
        group="batch",
        splits=splits,
        evaluation_split="test",
        train_tasks=() if part else ("sst2", "rotten_tomatoes"),
        layout=Layout(
            folders=_FOLDERS,
            files={**files, "test": ("sentiment/combined/paired/test_paired.tsv",)},
            columns={"text": ("Text",), "label": ("Sentiment",), "batch": ("batch_id",)},
            quoted=True,
            labels=_REVIEW_LABELS,
            reader="asa_bench.tasks.counterfactual:read_sentiment",
            provided_by=f"the folder sentiment of {_HOMEPAGE} (it is not on the hub)",
        ),
        attack_column="text",
        slices=("version",),
        exposure=("imdb:train",) if part is None else ("cad/sentiment:test", "imdb:train"),
        licence="Apache-2.0; the reviews are IMDb's",
        citation=_CITATION,
        homepage=_HOMEPAGE,
        note=_SENTIMENT_NOTE.format(_HOW[part]),
    )


def _inference(part: Part | None) -> Task:
    role: Role = "train" if part else "challenge"
    trained = _INFERENCE_SPLITS[part] if part else {"dev": _INFERENCE_COMBINED["dev"]}
    return Task(
        name=f"cad/inference-{part}" if part else "cad/inference",
        title=f"CAD inference ({part})" if part else "CAD inference",
        family="inference",
        role=role,
        columns=("premise", "hypothesis"),
        labels=_THREE_WAY,
        metrics=("accuracy", "consistency"),
        group="original",
        splits={**trained, "test": _INFERENCE_COMBINED["test"]},
        evaluation_split="test",
        train_tasks=() if part else ("mnli", "anli"),
        layout=Layout(
            folders=_FOLDERS,
            files={
                **{split: _inference_files(part or "combined", split) for split in trained},
                "test": _inference_files("combined", "test"),
            },
            columns={"premise": ("sentence1",), "hypothesis": ("sentence2",), "label": ("gold_label",)},
            quoted=True,
            labels={label: label for label in _THREE_WAY},
            reader="asa_bench.tasks.counterfactual:read_inference",
            provided_by=f"the folder NLI of {_HOMEPAGE} (it is not on the hub)",
        ),
        attack_column="hypothesis",
        slices=("version",),
        exposure=("snli:train", "snli:test")
        if part is None
        else ("cad/inference:test", "snli:train", "snli:test"),
        licence="Apache-2.0; the originals are SNLI's (CC BY-SA 4.0)",
        citation=_CITATION,
        homepage=_HOMEPAGE,
        note=_INFERENCE_NOTE.format(_HOW[part]),
    )


_PAIRS = {"test": "test", "dev": "dev"}

CONTRAST_IMDB = Task(
    name="contrast/imdb",
    title="Contrast IMDb",
    family="sentiment",
    role="challenge",
    columns=("text",),
    labels=_REVIEWS,
    metrics=("accuracy", "consistency"),
    group="pair",
    splits={"dev": _counts(_REVIEWS, 100, 100), "test": _counts(_REVIEWS, 488, 488)},
    evaluation_split="test",
    train_tasks=("sst2", "rotten_tomatoes", "cad/sentiment-original", "cad/sentiment-combined"),
    layout=Layout(
        folders=("contrast_sets/IMDb", "contrast-sets/IMDb/data", "IMDb/data", ""),
        files={split: ((f"{split}_original.tsv", f"{split}_contrast.tsv"),) for split in _PAIRS},
        columns={"text": ("Text",), "label": ("Sentiment",)},
        quoted=True,
        labels=_REVIEW_LABELS,
        reader="asa_bench.tasks.counterfactual:read_contrast",
        provided_by="IMDb/data of https://github.com/allenai/contrast-sets (it is not on the hub)",
    ),
    attack_column="text",
    slices=("version",),
    exposure=("imdb:train",),
    licence="not stated by its authors; the reviews are IMDb's",
    citation=(
        "Gardner et al., Evaluating Models' Local Decision Boundaries via Contrast Sets, Findings of EMNLP 2020, "
        "https://doi.org/10.18653/v1/2020.findings-emnlp.117"
    ),
    homepage="https://github.com/allenai/contrast-sets",
    note="488 pairs; the originals are those of cad/sentiment and lie in IMDb's training set, so no IMDb model "
    "faces them.",
)

_ALL: tuple[Part | None, ...] = (None, "original", "combined")
TASKS = {task.name: task for task in (*map(_sentiment, _ALL), *map(_inference, _ALL), CONTRAST_IMDB)}
