"""The encoder recipe as a user runs it: doctor, a whole run on real rows, its tables, and its set replayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import command

import asa_bench
from asa_bench.attacks import resources
from asa_bench.store import Store

pytestmark = pytest.mark.slow

ATTACK = "textfooler+neighbours+sbert"
SUITE = """\
schema: 1
name: encoder
title: TextFooler with a sentence encoder
description: A pre-trained encoder that has seen a few rows.
default_profile: tiny
profiles:
  tiny:
    source: folder
    models: [ENCODER]
    train: [sst2]
    methods: [naive]
    attacks:
      textfooler+neighbours+sbert: {query_budget: 80}
    quality: {similarity: model}
    seeds: 1
    train_examples: 256
    eval_examples: 40
    attack_examples: 8
    training: {epochs: 1, batch_size: 32, max_length: 64, learning_rate: 1.0e-4}
    device: cpu
    precision: float32
    threads: 1
"""


def test_the_encoder_recipe_in_a_whole_run(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, encoder = tmp_path / "data", shared / "models" / "minilm-l6"
    data.mkdir()
    for name in ("glue", "counterfitting", "nltk_data"):
        (data / name).symlink_to(shared / "data" / name)
    suite, out = tmp_path / "encoder.yaml", tmp_path / "out"
    suite.write_text(SUITE.replace("ENCODER", str(encoder)))
    asked = ("--suite", suite, "--data-dir", data)
    assert command("doctor", *asked) == 1
    assert "put an encoder of your choice there" in capsys.readouterr().out
    assert command("run", *asked, "-o", out) == 2
    assert not out.exists()
    (data / "sentence_encoder").symlink_to(encoder)
    assert command("doctor", *asked) == 0
    assert command("run", *asked, "-o", out) == 0

    attacked, quality, trained = (
        next(one for one in Store(out).records() if one.kind == kind)
        for kind in ("attack", "quality", "train")
    )
    recipe = attacked.manifest["result"]["recipe"]
    assert recipe["resources"][resources.ENCODER] == resources.checksum(data / "sentence_encoder")
    (decides,) = (one for one in recipe["constraints"] if one["class"].endswith("EncoderSimilarity"))
    assert (decides["metric"], decides["window_size"]) == ("angular", 15)
    status = attacked.rows()["status"]
    assert "successful" in set(status) and not set(status) & {"errored", "timed_out"}
    assert (quality.rows()["similarity"].notna() == (status == "successful")).all()
    tables = out / "tables"
    assert (
        "of the data folder, the mean of its token vectors, instead of the Universal"
        in (tables / "attacks.md").read_text()
    )
    assert "cosine of the token vectors' means by minilm-l6" in (tables / "quality.md").read_text()
    flags = json.loads((tables / "flags.json").read_text())
    assert flags["checked"] > 0 and flags["raised"] == 0
    (faced,) = asa_bench.replay(attacked.folder, [f"mine={trained.model_folder()}"])
    assert faced.replay.robust.hits == (status == "failed").sum()
