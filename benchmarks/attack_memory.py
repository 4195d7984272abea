"""How much memory one search takes, by the square of its text's characters.

Run it from a checkout (minutes, and gigabytes for long texts)::

    python benchmarks/attack_memory.py --lengths 1000 2000 4000
    python benchmarks/attack_memory.py --attacks pwws+oewn2024 hotflip+gradientswap+nopos+stopwords --data-dir DATA --lengths 1000

The victim is a random encoder of the laboratory's kind, one layer of width 16, so that next to nothing of the memory is its own.
Texts are words of the laboratory, drawn by chance, nearly all of which a search may change; `--text FILE` takes the beginning
of a file instead. Each search has a process of its own, which attacks a short text first: what is loaded and kept once is in
memory then. Printed is by how much the highest resident size rises in the search of the long text. A search that ends early, by
a success, may hold less; its status stands beside.
`asa_bench.attacks.engine.MOST_CHARACTERS_SQUARED` rests on the largest number of bytes per pair of characters
of pruthi+stopwords.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
from pathlib import Path

import pandas as pd
import torch

from asa_bench import provenance
from asa_bench.attacks import ATTACKS, AttackOptions
from asa_bench.attacks.engine import attack_rows
from asa_bench.models import laboratory
from asa_bench.tasks import TASKS
from asa_bench.victims import Victim

RECIPES = ("pruthi+stopwords", "deepwordbug+stopwords")
SEED = 0
SHORT = 60  # characters


def a_text(characters: int, file: Path | None) -> str:
    """The beginning of a file, or words in random order, of about as many characters."""
    if file is not None:
        text = " ".join(file.read_text("utf-8").split())
        if len(text) < characters:
            raise SystemExit(f"--text {file}: has {len(text)} characters, fewer than {characters}")
        return text[:characters]
    generator = random.Random(SEED)
    words: list[str] = []
    while sum(map(len, words)) + len(words) < characters:
        words.append(generator.choice(laboratory.known_words()))
    return " ".join(words)


def searched(
    attack: str, characters: int, data_dir: Path | None, file: Path | None, budget: int | None
) -> tuple[int, float, str, int]:
    """Characters of the text, bytes by which the highest resident size rose, status, queries."""
    torch.set_num_threads(1)
    task = TASKS.get("sst2")
    size = laboratory.Pretraining(hidden_size=16, layers=1, heads=2, feed_forward=16, positions=128)
    model = laboratory.build(task.labels, SEED, size)
    victim = Victim(model, laboratory.tokenizer(size), task.labels, max_length=128)
    # As many tokens as one pass has at most.
    victim.steady_logits([(f"{at} {a_text(1000, None)}",) for at in range(64)])

    def search(length: int) -> tuple[str, pd.Series]:
        text = a_text(length, file)
        row = {"id": "a", task.columns[0]: text, "label": victim.predict([(text,)])[0]}
        options = AttackOptions(query_budget=budget)
        found = attack_rows(
            ATTACKS.get(attack),
            victim,
            task,
            pd.DataFrame([row]),
            seed=SEED,
            options=options,
            data_dir=data_dir,
        )
        return text, found.iloc[0]

    search(SHORT)
    before = provenance.peak_memory_mib() or 0.0
    text, found = search(characters)
    after = provenance.peak_memory_mib() or 0.0
    return len(text), 2**20 * (after - before), str(found["status"]), int(found["queries"])


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attacks", nargs="+", default=RECIPES)
    parser.add_argument("--lengths", nargs="+", type=int, default=(1000, 2000), help="characters")
    parser.add_argument("--data-dir", type=Path, help="with what the attacks need")
    parser.add_argument("--text", type=Path, help="a file whose beginning is attacked")
    parser.add_argument("--query-budget", type=int, help="of a search; none by default")
    given = parser.parse_args()
    # Of every number of rows that it multiplied oneDNN keeps something, a thousand times: once for a process, not a search.
    os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = "16"
    machine = provenance.machine()
    print(f"{machine['processor']}, torch {provenance.versions()['torch']}\n")
    print("| attack | characters | status | queries | MiB | bytes per pair of characters |")
    print("|---|--:|---|--:|--:|--:|")
    for attack in given.attacks:
        for length in given.lengths:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                characters, held, status, queries = pool.apply(
                    searched, (attack, length, given.data_dir, given.text, given.query_budget)
                )
            print(
                f"| {attack} | {characters:,} | {status} | {queries:,} | {held / 2**20:,.0f} "
                f"| {held / characters**2:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
