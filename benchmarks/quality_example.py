"""Makes docs/quality_example.md: a small attack in the laboratory, how good its texts are, and which of them count.

    python benchmarks/quality_example.py [--output FOLDER] [--write FILE]

Trains naive and ASA on the embedded laboratory with two seeds, attacks them with two recipes, and prints the table of
quality and the first few successes with everything that was measured of them. What is recorded in the output folder is
not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import tempfile
from pathlib import Path

import asa_bench
from asa_bench import gathering, provenance
from asa_bench.reports import markdown
from asa_bench.reports.gather import Gathered
from asa_bench.reports.layouts import build_tables
from asa_bench.store import Store

SUITE = """\
schema: 1
name: quality-example
title: Quality of adversarial texts, a small example
description: Two attacks on two families of the laboratory.
default_profile: embedded
profiles:
  embedded:
    train: [laboratory/sentiment, laboratory/inference]
    methods: [naive, asa]
    attacks: [deepwordbug+stopwords, pruthi+stopwords]
    quality: {similarity: model, fluency: model}
    seeds: 2
    train_examples: 1500
    eval_examples: 100
    attack_examples: 15
    training: {epochs: 2, batch_size: 64, max_length: 48, learning_rate: 1.0e-3}
    device: cpu
    precision: float32
    threads: 1
"""
SHOWN = 3  # successes of each attack and task


def examples(data: Gathered) -> str:
    """Successes against the first seed of the baseline, a line each."""
    lines = [
        "| Attack, task | Original | Perturbed | Words | Characters | Similarity | Bits per word, more | Passes |",
        "| --- | --- | --- | --: | --: | --: | --: | --- |",
    ]
    for outcome in data.source.attacks:
        found, passes = data.quality(outcome), data.passes(outcome)
        if (outcome.subject.method, outcome.subject.seed) != ("naive", 1) or found is None or passes is None:
            continue
        place = outcome.task.columns.index(outcome.task.attack_column)
        told = {row["id"]: row for row in found.rows.to_dict("records")}
        rows = zip(outcome.rows.to_dict("records"), passes.tolist(), strict=True)
        for row, fine in [each for each in rows if each[0]["status"] == "successful"][:SHOWN]:
            its = told[row["id"]]
            texts = [markdown.escape(json.loads(row[name])[place]) for name in ("original", "perturbed")]
            bits = its["perplexity_after"] / its["perplexity_before"]
            cells = [
                f"{outcome.attack.name}, {outcome.task.title}",
                *texts,
                f"{its['words_changed']} of {its['words']}",
                str(its["edit_distance"]),
                f"{its['similarity']:.3f}",
                f"{math.log2(bits):+.1f}",
                "yes" if fine else "no",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(folder: Path) -> str:
    """The page, from the records of a folder."""
    data = Gathered(gathering.gather(Store(folder)))
    (table,) = build_tables(data, ("quality",))
    machine = provenance.machine()
    made = (
        "Made by `python benchmarks/quality_example.py --write docs/quality_example.md` on "
        f"{machine['processor']}, {machine['processors']} processors, Python {platform.python_version()}, torch "
        f"{provenance.versions()['torch']}. Two seeds and 15 examples: it shows what the numbers look like, and is no "
        "verdict on a method.\n"
    )
    parts = [
        "# Quality of adversarial texts, a small example\n",
        made,
        markdown.render(table),
        "## Some of these texts\n",
        f"The first {SHOWN} successes of each attack against naive training, seed 1.\n",
        examples(data),
    ]
    return "\n".join(parts)


def main() -> None:
    """Runs what is not recorded, and prints or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("reports/runs/quality-example"))
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        suite = Path(temporary) / "quality-example.yaml"
        suite.write_text(SUITE)
        asa_bench.run(suite, output=given.output)
    text = page(given.output)
    if given.write is None:
        print(text)
    else:
        given.write.write_text(text)


if __name__ == "__main__":
    main()
