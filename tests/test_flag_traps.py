"""Flags end to end: clean runs raise none; each trap, planted in a real small model or in what surrounds it, is caught."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import asa_bench
from asa_bench import checkpoints
from asa_bench.gathering import gather
from asa_bench.kinds import asking, attacking, common
from asa_bench.reports.layouts import build_tables
from asa_bench.store import Store
from asa_bench.tasks import TASKS

pytestmark = pytest.mark.slow

HOTFLIP = "hotflip+gradientswap+nopos+stopwords"
SUITE = """\
schema: 1
name: traps
title: Traps
description: One task, trained well enough to be attacked.
default_profile: tiny
profiles:
  tiny:
    train: [laboratory/sentiment]
    challenges: [laboratory/keyword]
    methods: [naive, asa]
    attacks:
      deepwordbug+stopwords: {victim: both}
      deepwordbug+stopwords+random: {}
    transfer: true
    quality: {similarity: model}
    seeds: 2
    train_examples: 1500
    eval_examples: 120
    attack_examples: 60
    calibration_examples: 100
    training: {epochs: 2, batch_size: 32, max_length: 48, learning_rate: 1.0e-3}
    laboratory: {pretraining: {lines: 2000, batch_size: 32}}
    device: cpu
    precision: float32
    threads: 1
"""
NO_ATTACKS: dict[str, Any] = {"attacks": []}
ONE_ATTACK: dict[str, Any] = {"attacks": ["deepwordbug+stopwords"]}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traps") / "traps.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def clean(suite: Path) -> asa_bench.Results:
    return asa_bench.run(suite, output=suite.parent / "clean")


@pytest.fixture(autouse=True)
def no_victim_is_kept() -> Iterator[None]:
    """A victim is kept from one cell to the next, so one that a test has changed would serve the next test."""
    common.victim_of.cache_clear()
    yield
    common.victim_of.cache_clear()


def signs(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "tables" / "flags.json").read_text())["flags"]
    return found


def raised(folder: Path, loaded: bool = True) -> set[str]:
    """The flags that are raised of loaded checkpoints, or of models that were trained here."""
    return {
        sign["flag"]["name"]
        for sign in signs(folder)
        if sign["flag"]["raised"] and sign["subject"]["loaded"] == loaded
    }


def changed(clean: asa_bench.Results, to: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    """The checkpoint of naive's first seed with other weights in its last layer."""
    source = next(
        record.model_folder()
        for record in Store(clean.folder).records()
        if record.kind == "train" and (record.spec["method"], record.spec["seed"]) == ("naive", 1)
    )
    return weights_of(source, to, change)


def weights_of(source: Path, to: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    """A copy of a checkpoint with other weights."""
    shutil.copytree(source, to)
    weights = load_file(to / "model.safetensors")
    change(weights)
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    return to


def trapped(suite: Path, model: Path, **options: Any) -> Path:
    """The folder of a run with this checkpoint beside naive's, whose records the clean run left."""
    output = model.parent / "out"
    shutil.copytree(suite.parent / "clean", output)
    asa_bench.run(suite, output=output, seeds=[1], methods=["naive"], load=[f"trap={model}"], **options)
    return output


def scale(factor: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(weights: dict[str, torch.Tensor]) -> None:
        for name in weights:
            if name.startswith("classifier."):
                weights[name] = weights[name] * factor

    return change


def test_clean_runs_raise_none(clean: asa_bench.Results) -> None:
    found = signs(clean.folder)
    assert {sign["flag"]["name"] for sign in found} == {
        "answers_contradict",
        "budget_never_helps",
        "calibrated_beats_raw",
        "crash_rate",
        "random_beats_guided",
        "ranking_changes",
        "robust_above_clean",
        "saturated_scores",
        "slice_at_extreme",
        "stochastic_outputs",
        "training_overlap",
        "transfer_beats_direct",
    }
    assert [sign for sign in found if sign["flag"]["raised"]] == []


def test_logits_times_a_hundred(suite: Path, clean: asa_bench.Results, tmp_path: Path) -> None:
    """The same answers, and a search that sees nothing: what breaks naive breaks it, too, and so does chance."""
    scaled = changed(clean, tmp_path / "scaled", scale(100))
    folder = trapped(suite, scaled, settings={f"attacks.{HOTFLIP}": {}})
    assert raised(folder) == {
        "saturated_scores",
        "transfer_beats_direct",
        "random_beats_guided",
        "calibrated_beats_raw",
    }
    assert raised(folder, loaded=False) == set()
    gradients = [
        sign["flag"]
        for sign in signs(folder)
        if sign["attack"] == HOTFLIP and "gradients" in sign["flag"]["sentence"]
    ]
    assert any(flag["raised"] and "0.0 % of gradients" not in flag["sentence"] for flag in gradients)


def test_logits_times_a_hundred_on_pairs(suite: Path, tmp_path: Path) -> None:
    """Seen in the scores, whether or not an attack misses them: a model that falls by any edit falls blindly, too."""
    families = [f"laboratory/{family}" for family in ("paraphrase", "inference")]
    settings: dict[str, Any] = {"train": families, "challenges": [], "train_examples": 900, "quality": {}}
    settings |= {"training.epochs": 1, "calibration_examples": None, "transfer": False, **NO_ATTACKS}
    once: dict[str, Any] = {"methods": ["naive"], "seeds": [1]}
    results = asa_bench.run(suite, output=tmp_path / "out", settings=settings, **once)
    assert raised(results.folder, loaded=False) == set()
    loads = []
    for record in list(Store(results.folder).records()):
        if record.kind == "train":
            name = record.spec["task"].removeprefix("laboratory/")
            trap = weights_of(record.model_folder(), tmp_path / name, scale(100))
            loads.append(f"trap@{record.spec['task']}={trap}")
    asa_bench.run(suite, output=results.folder, settings=settings, load=loads, **once)
    found = {sign["task"] for sign in signs(results.folder) if sign["flag"]["raised"]}
    assert found == set(families)
    assert raised(results.folder) == {"saturated_scores"}


def test_a_model_that_ignores_its_text(suite: Path, clean: asa_bench.Results, tmp_path: Path) -> None:
    def deaf(weights: dict[str, torch.Tensor]) -> None:
        weights["classifier.weight"].zero_()
        weights["classifier.bias"].copy_(torch.tensor([1.0, 0.0]))

    assert "budget_never_helps" in raised(
        trapped(suite, changed(clean, tmp_path / "deaf", deaf), settings=ONE_ATTACK)
    )


def test_swapped_labels(suite: Path, clean: asa_bench.Results, tmp_path: Path) -> None:
    """The two rows of the last layer exchanged: 'positive' now means 'negative'."""

    def turned(weights: dict[str, torch.Tensor]) -> None:
        for name in ("classifier.weight", "classifier.bias"):
            weights[name] = weights[name].flip(0).contiguous()

    swapped = changed(clean, tmp_path / "swapped", turned)
    assert raised(trapped(suite, swapped, settings=NO_ATTACKS)) >= {"answers_contradict", "slice_at_extreme"}


def _surround(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]) -> None:
    """From now on every victim of a loaded checkpoint is changed when it is loaded."""
    load = checkpoints.load_victim

    def loaded(*arguments: Any, said: str, **options: Any) -> Any:
        victim = load(*arguments, said=said, **options)
        if said.startswith("--load"):
            change(victim)
        return victim

    monkeypatch.setattr(checkpoints, "load_victim", loaded)


def test_dropout_left_on(
    suite: Path, clean: asa_bench.Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noisy(victim: Any) -> None:
        for part in victim.model.train().modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.1

    _surround(monkeypatch, noisy)
    assert "stochastic_outputs" in raised(
        trapped(suite, changed(clean, tmp_path / "noisy", scale(1)), settings=ONE_ATTACK)
    )


def test_a_crashing_victim(
    suite: Path, clean: asa_bench.Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(victim: Any) -> None:
        steady = victim.steady_logits

        def crash(texts: Any, batch_size: int | None = None) -> Any:
            if any("the the" in part or len(part) % 17 == 0 for text in texts for part in text):
                raise RuntimeError("out of memory")
            return steady(texts, batch_size)

        victim.steady_logits = crash

    _surround(monkeypatch, fragile)
    assert "crash_rate" in raised(
        trapped(suite, changed(clean, tmp_path / "fragile", scale(1)), settings=ONE_ATTACK)
    )


def test_an_evaluation_and_an_attack_that_read_labels_differently(
    suite: Path, clean: asa_bench.Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(victim: Any) -> None:
        logits = victim.logits
        victim.logits = lambda *texts, **options: -logits(*texts, **options)

    def sure(weights: dict[str, torch.Tensor]) -> None:
        weights["classifier.weight"] *= 1e4  # so that some searches fail

    _surround(monkeypatch, torn)
    assert "robust_above_clean" in raised(
        trapped(suite, changed(clean, tmp_path / "torn", sure), settings=ONE_ATTACK)
    )


def test_a_test_set_that_leaked(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = common.rows_of

    def leaking(task: str, split: str, source: Any, count: int | None) -> Any:
        data = honest(task, split, source, count)
        if split != "train":
            return data
        test = honest(task, TASKS.get(task).evaluation_split, source, 120).frame
        return replace(data, frame=pd.concat([data.frame.iloc[:200], test], ignore_index=True))

    monkeypatch.setattr(common, "rows_of", leaking)
    settings = {"training.epochs": 1, "laboratory.pretraining.lines": 320, "train_examples": 320}
    settings |= {"calibration_examples": None, **NO_ATTACKS}
    asa_bench.run(suite, output=tmp_path / "leaked", methods=["naive"], seeds=[1], settings=settings)
    assert raised(tmp_path / "leaked", loaded=False) == {"training_overlap"}
    (table,) = build_tables(gather(Store(tmp_path / "leaked")), ("overlap",))
    counts = {row.key.split("/")[1]: [cell.text for cell in row.cells[:3]] for row in table.rows}
    assert counts["sentiment"][1:] == ["320", counts["sentiment"][0]]  # all of the test set


class Remembering:
    """A model that knows every original by heart and gives in once as many of its words are changed as it is told to stand.

    Args:
        labels: in the order of the logits.
        originals: text -> gold label.
        stands: original's words -> how many changed words turn the answer; None: no number does.
    """

    def __init__(
        self, labels: Sequence[str], originals: Mapping[str, str], stands: Callable[[list[str]], int | None]
    ) -> None:
        self.labels = list(labels)
        self.known = [(text.split(), gold) for text, gold in originals.items()]
        self.stands = stands

    def logits(self, texts: Sequence[tuple[str, ...]], **_: Any) -> np.ndarray:
        return np.array([self._one(text[0].split()) for text in texts], dtype=np.float32)

    def _one(self, words: list[str]) -> list[float]:
        def changed(original: list[str]) -> int:
            same = len(original) == len(words)
            return sum(a != b for a, b in zip(original, words, strict=True)) if same else 1_000

        original, gold = min(self.known, key=lambda known: changed(known[0]))
        needed = self.stands(original)
        sure = 4.0 if needed is None else 4 * (needed - changed(original) - 0.5) / needed
        return [sure / 2 if label == gold else -sure / 2 for label in self.labels]


def test_a_ranking_that_only_broken_texts_make(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naive falls on every other text by a single word; ASA on nearly all, but only once no reader would know the text again.

    So naive is the more robust one as long as every adversarial text counts, and ASA once the gate is asked.
    """
    task = TASKS.get("laboratory/sentiment")
    stands: dict[str, Callable[[list[str]], int | None]] = {
        "naive": lambda words: 1 if sum(map(len, words)) % 2 else None,
        "asa": lambda words: int(0.4 * len(words)) + 1,  # more than the gate's 40 % of the words
    }
    ask = common.asked

    def planted(cell: Any, waits: Any) -> Any:
        victim = ask(cell, waits)
        rows = common.rows_of(
            task.name, task.evaluation_split, cell.context["source"], cell.spec["examples"]
        ).frame
        originals = dict(zip(rows[task.columns[0]], rows["label"], strict=True))
        knows = Remembering(victim.labels, originals, stands[cell.subject.method])
        victim.logits = knows.logits
        victim.steady_logits = lambda texts, batch_size=None: knows.logits(texts)
        return victim

    for module in (asking, attacking):
        monkeypatch.setattr(module, "asked", planted)
    settings = {"training.epochs": 1, "laboratory.pretraining.lines": 320, "train_examples": 64}
    settings |= {
        "calibration_examples": None,
        "challenges": [],
        "transfer": False,
        "quality": {},
        **ONE_ATTACK,
    }
    output = tmp_path / "out"
    results = asa_bench.run(suite, output=output, seeds=[1], settings=settings)
    assert raised(output, loaded=False) == {"ranking_changes"}
    (sign,) = (sign for sign in signs(output) if sign["flag"]["raised"])
    assert (sign["subject"]["method_title"], sign["attack"]) == ("all methods", "deepwordbug+stopwords")
    assert (
        "Naive and ASA" in sign["flag"]["sentence"] and "report the gated ranking" in sign["flag"]["sentence"]
    )
    assert "ranking\\_changes" in (output / "tables" / "attacks.tex").read_text()
    assert results.folder == output
    # The same records by a gate that lets everything pass: nobody trades places.
    open_gate = {"quality": {"gate": {"max_words_changed": None, "max_edit_distance": None}}}
    asa_bench.run(suite, output=output, seeds=[1], settings=settings | open_gate)
    assert raised(output, loaded=False) == set()
