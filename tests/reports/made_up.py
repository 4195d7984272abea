"""A made-up but realistic report: naive and ASA on three families, challenge sets and two attacks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from asa_bench.attacks.base import Attack
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.outcomes import AttackOutcome, Evaluation, Hole, Probe, Subject
from asa_bench.tasks.base import Family, Role, Split, Task

NLI = ("entailment", "neutral", "contradiction")
TITLES = {"naive": "Naive", "asa": "ASA", "freelb": "FreeLB"}


def task(
    name: str,
    title: str,
    family: Family,
    role: Role,
    labels: Sequence[str],
    slices: Sequence[str] = (),
    train_tasks: Sequence[str] = (),
    comparable: bool = True,
    note: str = "",
    exposure: Sequence[str] = (),
) -> Task:
    return Task(
        name=name,
        title=title,
        family=family,
        role=role,
        columns=("text",),
        labels=tuple(labels),
        splits={"validation": Split()},
        evaluation_split="validation",
        train_tasks=tuple(train_tasks),
        attack_column="text",
        slices=tuple(slices),
        exposure=tuple(exposure),
        licence="made up",
        citation="made up",
        homepage="made up",
        note=note,
        comparable=comparable,
    )


SST2 = task("sst2", "SST-2", "sentiment", "train", ("negative", "positive"))
QQP = task("qqp", "QQP", "paraphrase", "train", ("different", "paraphrase"))
MNLI = task("mnli", "MNLI", "inference", "train", NLI)
ADV_SST2 = task("advglue/sst2", "AdvGLUE SST-2", "sentiment", "challenge", SST2.labels, train_tasks=("sst2",))
ADV_QQP = task("advglue/qqp", "AdvGLUE QQP", "paraphrase", "challenge", QQP.labels, train_tasks=("qqp",))
ADV_MNLI = task("advglue/mnli", "AdvGLUE MNLI", "inference", "challenge", NLI, train_tasks=("mnli",))
PAWS = task(
    "paws_qqp",
    "PAWS-QQP",
    "paraphrase",
    "challenge",
    QQP.labels,
    train_tasks=("qqp",),
    note="Built from QQP questions; zero-shot for models that saw no PAWS data",
)
HANS = task(
    "hans",
    "HANS",
    "inference",
    "challenge",
    ("entailment", "non-entailment"),
    ("heuristic", "subcase"),
    ("mnli",),
)
LABORATORY = task(
    "laboratory/hans",
    "Lab HANS",
    "inference",
    "challenge",
    ("entailment", "non-entailment"),
    ("heuristic", "shortcut"),
    ("mnli",),
    comparable=False,
)
DEEPWORDBUG = Attack(
    name="deepwordbug+stopwords",
    title="DeepWordBug (sklearn stop words)",
    recipe="DeepWordBugGao2018",
    paper="Gao et al. 2018",
    substitutes=("stop words of scikit-learn",),
)
PRUTHI = Attack(name="pruthi", title="Pruthi", recipe="Pruthi2019", paper="Pruthi et al. 2019")


def generator(*parts: object) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(repr(parts).encode()).hexdigest()[:12], 16))


def rows(item: Task, subject: Subject, n: int, right: float | Mapping[str, float]) -> pd.DataFrame:
    """Predictions that are right with probability `right`, or `right[gold label]`."""
    fixed, dice = generator(item.name, n), generator(item.name, n, subject)
    gold = fixed.choice(np.array(item.labels), n)
    predicted = []
    for label in gold:
        chance = right if isinstance(right, float) else right[str(label)]
        others = [name for name in item.labels if name != label]
        predicted.append(str(label) if dice.random() < chance else str(dice.choice(np.array(others))))
    frame = pd.DataFrame(
        {
            "id": [f"{item.name}-{i}" for i in range(n)],
            "text_hash": [hashlib.sha256(f"{item.name}-{i}".encode()).hexdigest() for i in range(n)],
            "label": [str(label) for label in gold],
            "prediction": predicted,
        }
    )
    frame["logits"] = [
        [2.0 * (name == label) + 0.5 * dice.random() for name in item.labels] for label in predicted
    ]
    kinds = {
        "heuristic": ["lexical_overlap", "subsequence", "constituent"],
        "subcase": ["ln_passive", "sn_NP/S", "ce_after_since_clause"],
    }
    for name in item.slices:
        if name == "shortcut":
            frame[name] = ["agrees" if label == item.labels[0] else "reversed" for label in frame["label"]]
        else:
            frame[name] = fixed.choice(np.array(kinds[name]), n)
    return frame


def attack_rows(item: Task, subject: Subject, n: int, clean: float, survived: float) -> pd.DataFrame:
    fixed, dice = generator(item.name, "attacked", n), generator(item.name, "attacked", n, subject, survived)
    victim = generator(item.name, "attacked", n, subject)
    gold = [str(label) for label in fixed.choice(np.array(item.labels), n)]
    status = []
    for _ in gold:
        if victim.random() > clean:
            status.append("skipped")
        elif dice.random() < 0.01:
            status.append("errored")
        else:
            status.append("failed" if dice.random() < survived else "successful")
    return pd.DataFrame(
        {
            "id": [f"{item.name}-{i}" for i in range(n)],
            "text_hash": [hashlib.sha256(f"{item.name}-{i}".encode()).hexdigest() for i in range(n)],
            "label": gold,
            "status": status,
            "original": "[]",
            "perturbed": "",
            "queries": [1 if kind == "skipped" else int(dice.integers(10, 90)) for kind in status],
            "original_logits": [
                [2.0 * ((name == label) != (kind == "skipped")) for name in item.labels]
                for label, kind in zip(gold, status, strict=True)
            ],
            "perturbed_logits": [[] for _ in gold],
            "error": "",
        }
    )


def probe_rows(item: Task, subject: Subject, n: int, right: float, fall: float) -> pd.DataFrame:
    """Probes of reliance: a mean fall of `fall` without one word; every third example holds no shortcut word."""
    dice = generator(item.name, "probed", n, subject)
    frame = rows(item, subject, n, right).drop(columns="logits")
    found = dice.normal(fall, 0.05, n)
    frame["fall_1"], frame["fall_2"], frame["fall_3"] = found, found * 1.3, found * 1.5
    frame["importance_gini"], frame["attention_gini"] = dice.uniform(0.5, 0.9, n), dice.uniform(0.1, 0.3, n)
    holds = (np.arange(n) % 3 > 0) & (item is LABORATORY)
    sign = np.where(frame.get("shortcut", "") == "agrees", 1.0, -1.0)
    frame["shortcut_word"] = np.where(holds, 2, -1)
    frame["shortcut_fall"] = np.where(holds, sign * fall, np.nan)
    frame["shortcut_rank"] = np.where(holds, dice.integers(1, 4, n), np.nan)
    frame["shortcut_rank_normalized"] = (frame["shortcut_rank"] - 1) / 9
    return frame


def report(
    models: Sequence[str] = ("minilm-l6",),
    methods: Sequence[str] = ("naive", "asa"),
    seeds: Sequence[int] = (1, 2, 3),
    laboratory: bool = True,
    scale: int = 1,
) -> ReportInput:
    """The whole report; every method is a little better than the one before it. Tests share it, so none changes its rows."""
    return _report(tuple(models), tuple(methods), tuple(seeds), laboratory, scale)


@lru_cache(maxsize=16)
def _report(
    models: tuple[str, ...], methods: tuple[str, ...], seeds: tuple[int, ...], laboratory: bool, scale: int
) -> ReportInput:
    plain: list[tuple[Task, str, int, float]] = [
        (SST2, "sst2", 872, 0.91),
        (QQP, "qqp", 1000, 0.86),
        (MNLI, "mnli", 1000, 0.74),
        (ADV_SST2, "sst2", 148, 0.31),
        (ADV_QQP, "qqp", 78, 0.42),
        (ADV_MNLI, "mnli", 121, 0.35),
        (PAWS, "qqp", 677, 0.36),
    ]
    evaluations, attacks, probes = [], [], []
    for model in models:
        for rank, method in enumerate(methods):
            for seed in seeds:
                for item, trained, n, right in plain:
                    subject = Subject(model, method, TITLES.get(method, method), False, trained, seed)
                    found = rows(item, subject, max(n // scale, 20), right + 0.015 * rank)
                    evaluations.append(Evaluation(subject, item, "validation", f"f-{item.name}", found))
                subject = Subject(model, method, TITLES.get(method, method), False, "mnli", seed)
                for item in (HANS, LABORATORY) if laboratory else (HANS,):
                    chance = {"entailment": 0.97, "non-entailment": 0.14 + 0.09 * rank}
                    found = rows(item, subject, 900 // scale, chance)
                    evaluations.append(Evaluation(subject, item, "validation", f"f-{item.name}", found))
                for item, trained in (
                    ((SST2, "sst2"), (LABORATORY, "mnli")) if laboratory else ((SST2, "sst2"),)
                ):
                    subject = Subject(model, method, TITLES.get(method, method), False, trained, seed)
                    probed = probe_rows(item, subject, 60 // scale, 0.9, 0.4 - 0.1 * rank)
                    probes.append(Probe(subject, item, "validation", f"f-{item.name}", probed))
                subject = Subject(model, method, TITLES.get(method, method), False, "sst2", seed)
                for attack, survived in ((DEEPWORDBUG, 0.22), (PRUTHI, 0.55)):
                    hit = attack_rows(SST2, subject, 200 // scale, 0.91, survived + 0.08 * rank)
                    attacks.append(AttackOutcome(subject, SST2, "validation", "f-sst2", attack, 0, hit, 500))
    return ReportInput(
        suite="robustness",
        title="Robustness",
        profile="laptop",
        evaluations=tuple(evaluations),
        attacks=tuple(attacks),
        probes=tuple(probes),
        provenance={"plan": "ab" * 32, "data": {"sst2 validation": "cd" * 32, "hans validation": "ef" * 32}},
        tasks=("sst2", "qqp", "mnli"),
        methods=tuple(methods),
    )


def failed(source: ReportInput, task_name: str, method: str, seeds: Sequence[int]) -> ReportInput:
    """`source` with the evaluations of one method on one task gone and told as holes."""
    from dataclasses import replace

    gone = [
        item
        for item in source.evaluations
        if (item.task.name, item.subject.method) == (task_name, method) and item.subject.seed in seeds
    ]
    holes = [Hole(item.subject, task_name, "ran out of memory") for item in gone]
    kept = tuple(item for item in source.evaluations if not any(item is one for one in gone))
    return replace(source, evaluations=kept, holes=tuple(holes))
