"""ANLI: inference written by people against models, in three rounds of growing difficulty.

Two protocols, never to be ranked together: models trained on MNLI face a round's test set (``anli/r1`` to
``anli/r3``), or a model is trained on a round (``anli/r1-trained`` ...) or on all three (``anli``) and evaluated
on the test set of the same.

The folder is the authors' ``anli_v1.0``; the hub repository is `facebook/anli`, whose parquet files hold all
rounds beside each other. Counts of the labels of training and development sets were found in no public source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from asa_bench.tasks.base import Hub, Layout, Role, Split, Task
from asa_bench.tasks.files import Row, read_table

_LABELS = ("entailment", "neutral", "contradiction")
_TEST = {1: (334, 333, 333), 2: (334, 333, 333), 3: (402, 402, 396)}
_ROWS = {
    "train": {1: 16_946, 2: 45_460, 3: 100_459},
    "dev": {1: 1_000, 2: 1_000, 3: 1_200},
}
_ROUND = re.compile(r"(?:^|[^a-z])r([123])(?:[^0-9]|$)")


def read(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of one round's file; which round it is, ``R1`` to ``R3``, is told by the file's name.

    Raises:
        BadInput: a line is not JSON or lacks a field.
    """
    found = _ROUND.findall("/".join(path.parts[-2:]).lower())
    slices = {"round": f"R{found[-1]}"} if found else {}
    for row in read_table(task, split, path):
        yield row._replace(slices={**row.slices, **slices})


def _names(split: str, rounds: tuple[int, ...]) -> tuple[str | tuple[str, ...], ...]:
    """The names that the files of a split may have; those of several rounds are read together."""
    patterns = (
        "R{n}/{split}.jsonl",
        "anli_v1.0/R{n}/{split}.jsonl",
        "anli_r{n}_{split}.jsonl",
        "anli_r{n}_{split}_reconstructed.jsonl",
    )
    named = (tuple(pattern.format(n=n, split=split) for n in rounds) for pattern in patterns)
    return tuple(names[0] if len(names) == 1 else names for names in named)


def _test(rounds: tuple[int, ...]) -> Split:
    counts = [sum(column) for column in zip(*(_TEST[n] for n in rounds), strict=True)]
    return Split(rows=sum(counts), labels=dict(zip(_LABELS, counts, strict=True)))


def _task(name: str, title: str, role: Role, rounds: tuple[int, ...], note: str) -> Task:
    trained = ("train", "dev") if role == "train" else ()
    splits = {split: Split(rows=sum(_ROWS[split][n] for n in rounds)) for split in trained}
    which = f"r{rounds[0]}" if len(rounds) == 1 else "r?"
    return Task(
        name=name,
        title=title,
        family="inference",
        role=role,
        columns=("premise", "hypothesis"),
        labels=_LABELS,
        splits={**splits, "test": _test(rounds)},
        evaluation_split="test",
        train_tasks=() if role == "train" else ("mnli",),
        adversarially_filtered=True,
        layout=Layout(
            folders=("anli", "anli_v1.0", "ANLI", ""),
            files={split: _names(split, rounds) for split in (*trained, "test")},
            columns={
                "premise": ("context", "premise"),
                "hypothesis": ("hypothesis",),
                "label": ("label",),
            },
            labels={"e": "entailment", "n": "neutral", "c": "contradiction"},
            reader="asa_bench.tasks.anli:read",
            provided_by="anli_v1.0.zip of https://github.com/facebookresearch/anli, or the hub data set "
            "facebook/anli",
        ),
        hub=Hub(
            repo="facebook/anli",
            config="plain_text",
            files={split: f"plain_text/{split}_{which}-*.parquet" for split in (*trained, "test")},
            columns={"premise": "premise", "hypothesis": "hypothesis", "label": "label"},
            labels={str(index): label for index, label in enumerate(_LABELS)},
            revision="8e4813d81f46d313dac7892e1c28076917cfcdf9",
            found="https://huggingface.co/datasets/facebook/anli/tree/main/plain_text",
        ),
        attack_column="hypothesis",
        slices=("round",) if len(rounds) > 1 else (),
        exposure=tuple(
            f"anli/r{n}:{split}"
            for n in (rounds if role == "train" else _TEST)
            for split in (("dev", "test") if role == "train" else ("train", "dev"))
        ),
        holds=tuple(f"anli/r{n}:train" for n in rounds) if role == "train" else (),
        licence="CC BY-NC 4.0",
        citation=(
            "Nie et al., Adversarial NLI: A New Benchmark for Natural Language Understanding, ACL 2020, "
            "https://doi.org/10.18653/v1/2020.acl-main.441"
        ),
        homepage="https://github.com/facebookresearch/anli",
        note=note,
    )


_FACED = "Written to fool models that were trained on MNLI, SNLI and (rounds 2 and 3) more."
_TRAINED = (
    "Trained on ANLI itself: not to be compared with MNLI models that face the same rows (anli/r1 to r3)."
)

TASKS = {
    task.name: task
    for task in (
        *(_task(f"anli/r{n}", f"ANLI R{n}", "challenge", (n,), _FACED) for n in _TEST),
        *(_task(f"anli/r{n}-trained", f"ANLI R{n} (trained)", "train", (n,), _TRAINED) for n in _TEST),
        _task("anli", "ANLI (trained)", "train", (1, 2, 3), f"All three rounds together. {_TRAINED}"),
    )
}
