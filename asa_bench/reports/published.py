"""The numbers that others published for ASA, as far as they could be found, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

LISTING = "https://paperswithcode.com/paper/adversarial-self-attention-for-language"
OTHER_LISTING = "https://www.wizwand.com/paper/68fa6e7b1e209131cea40278"


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        label: whose it is: the encoder and method as the source names them.
        task: name of the task.
        metric: name of the metric in `asa_bench.measures.METRICS`.
        value: in [0, 1].
        source: URL of the page that tells it.
        attributed: whether the source says for which encoder it is.
    """

    label: str
    task: str
    metric: str
    value: float
    source: str
    attributed: bool = True


def _listed(label: str, *percents: float) -> tuple[Published, ...]:
    tasks = (
        ("sst2", "accuracy"),
        ("mnli", "accuracy"),
        ("qnli", "accuracy"),
        ("qqp", "f1"),
        ("stsb", "spearman"),
        ("wnut17", "entity_f1"),
        ("dream", "accuracy"),
    )
    return tuple(
        Published(label, task, name, round(percent / 100, 4), LISTING)
        for (task, name), percent in zip(tasks, percents, strict=True)
    )


_UNKNOWN = "ASA, encoder not told"
PUBLISHED: tuple[Published, ...] = (
    *_listed("ASA + BERT-base", 94.1, 85.0, 91.4, 72.3, 86.5, 49.8, 64.3),
    *_listed("ASA + RoBERTa", 96.3, 88.0, 93.6, 73.7, 89.2, 57.3, 69.2),
    Published(_UNKNOWN, "anli", "accuracy", 0.582, OTHER_LISTING, attributed=False),
    Published(_UNKNOWN, "paws_qqp+qqp", "accuracy", 0.96, OTHER_LISTING, attributed=False),
    Published(_UNKNOWN, "hellaswag", "accuracy", 0.954, OTHER_LISTING, attributed=False),
)

#: The ten data sets of the paper in the order of its columns, each with the metric that it reports.
PAPER: tuple[tuple[str, str], ...] = (
    ("sst2", "accuracy"),
    ("mnli", "accuracy"),
    ("qnli", "accuracy"),
    ("stsb", "spearman"),
    ("qqp", "f1"),
    ("wnut17", "entity_f1"),
    ("dream", "accuracy"),
    ("anli", "accuracy"),
    ("paws_qqp+qqp", "accuracy"),
    ("hellaswag", "accuracy"),
)

#: What a reader must know of published rows, by whether their source tells the encoder.
NOTES: dict[bool, str] = {
    True: "Published rows are reference values that nobody measured here: those of ASA + BERT-base and ASA + RoBERTa as "
    f"listed on {LISTING}; GLUE columns look like scores of the test server, ours are on the dev set. Published entity "
    "scores may be token-level, as the released code computes them.",
    False: f"{_UNKNOWN}: as listed on {OTHER_LISTING} without a model; 95.4 on HellaSWAG is implausible for a base-size "
    "encoder. Nobody measured it here.",
}
