"""ANLI: inference written by people against models, in three rounds of growing difficulty.

The folder is the authors' ``anli_v1.0``; the hub repository is `facebook/anli`, whose parquet files hold all
rounds beside each other.
"""

from __future__ import annotations

from asa_bench.tasks.base import Hub, Layout, Split, Task

_LABELS = ("entailment", "neutral", "contradiction")


def _task(number: int, labels: tuple[int, int, int]) -> Task:
    return Task(
        name=f"anli/r{number}",
        title=f"ANLI R{number}",
        family="inference",
        role="challenge",
        columns=("premise", "hypothesis"),
        labels=_LABELS,
        splits={"test": Split(rows=sum(labels), labels=dict(zip(_LABELS, labels, strict=True)))},
        evaluation_split="test",
        train_tasks=("mnli",),
        layout=Layout(
            folders=("anli", "anli_v1.0", "ANLI", ""),
            files={
                "test": (
                    f"R{number}/test.jsonl",
                    f"anli_v1.0/R{number}/test.jsonl",
                    f"anli_r{number}_test.jsonl",
                    f"anli_r{number}_test_reconstructed.jsonl",
                )
            },
            columns={
                "premise": ("context", "premise"),
                "hypothesis": ("hypothesis",),
                "label": ("label",),
            },
            labels={"e": "entailment", "n": "neutral", "c": "contradiction"},
            provided_by="anli_v1.0.zip of https://github.com/facebookresearch/anli, or the hub data set "
            "facebook/anli",
        ),
        hub=Hub(
            repo="facebook/anli",
            config="plain_text",
            files={"test": f"plain_text/test_r{number}-*.parquet"},
            columns={"premise": "premise", "hypothesis": "hypothesis", "label": "label"},
            labels={str(index): label for index, label in enumerate(_LABELS)},
            revision="8e4813d81f46d313dac7892e1c28076917cfcdf9",
            found="https://huggingface.co/datasets/facebook/anli/tree/main/plain_text",
        ),
        attack_column="hypothesis",
        exposure=tuple(f"anli/r{n}:{split}" for n in (1, 2, 3) for split in ("train", "dev")),
        licence="CC BY-NC 4.0",
        citation=(
            "Nie et al., Adversarial NLI: A New Benchmark for Natural Language Understanding, ACL 2020, "
            "https://doi.org/10.18653/v1/2020.acl-main.441"
        ),
        homepage="https://github.com/facebookresearch/anli",
        note="Written to fool models that were trained on MNLI, SNLI and (rounds 2 and 3) more.",
    )


TASKS = {
    task.name: task
    for task in (_task(1, (334, 333, 333)), _task(2, (334, 333, 333)), _task(3, (402, 402, 396)))
}
