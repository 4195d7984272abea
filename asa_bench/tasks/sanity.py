"""MNLI's dev set with all nouns or all verbs removed: a model that still scores high does not read.

Talman et al. removed a word class from the premises and hypotheses of the matched dev set and kept the labels,
most of which no reader could tell any more.
"""

from __future__ import annotations

from asa_bench.tasks.base import Layout, Split, Task

_LABELS = ("entailment", "neutral", "contradiction")


def _task(part: str, what: str, counts: tuple[int, int, int], note: str) -> Task:
    return Task(
        name=f"mnli-{part}",
        title=f"MNLI without {what}",
        family="inference",
        role="challenge",
        columns=("premise", "hypothesis"),
        labels=_LABELS,
        splits={"dev": Split(rows=sum(counts), labels=dict(zip(_LABELS, counts, strict=True)))},
        evaluation_split="dev",
        train_tasks=("mnli",),
        layout=Layout(
            folders=("nli_data_sanity_check", "nli-data-sanity-check/data/MNLI/Corrupt-Test", ""),
            files={"dev": (f"MNLI-{part.upper()}.tsv",)},
            columns={"premise": ("sentence1",), "hypothesis": ("sentence2",), "label": ("gold_label",)},
            labels={label: label for label in _LABELS},
            provided_by=f"data/MNLI/Corrupt-Test/MNLI-{part.upper()}.tsv of "
            "https://github.com/Helsinki-NLP/nli-data-sanity-check (it is not on the hub)",
        ),
        attack_column="hypothesis",
        exposure=("mnli:dev",),
        licence="MIT; the text is MNLI's",
        citation=(
            "Talman et al., NLI Data Sanity Check: Assessing the Effect of Data Corruption on Model Performance, "
            "NoDaLiDa 2021, https://aclanthology.org/2021.nodalida-main.28"
        ),
        homepage="https://github.com/Helsinki-NLP/nli-data-sanity-check",
        note=note,
    )


TASKS = {
    task.name: task
    for task in (
        _task(
            "noun",
            "nouns",
            (3_464, 3_109, 3_196),
            "A sanity check, not a challenge: without its nouns a pair can hardly be judged, so a high score "
            "tells of cues that are no understanding. 46 of the 9,815 rows are not in the published file.",
        ),
        _task(
            "verb",
            "verbs",
            (3_479, 3_123, 3_213),
            "A sanity check, not a challenge: a score near that on whole sentences tells that the model does not "
            "need the verbs.",
        ),
    )
}
