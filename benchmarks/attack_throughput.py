"""Queries per second of one attack: TextAttack with its stock wrapper, with dynamic padding, and asa-bench's engine.

Run it from a checkout, with the folder of real data at hand::

    python benchmarks/attack_throughput.py --data-dir FOLDER --model minilm-l6-FOLDER --examples 32 --stock-examples 4
    python benchmarks/attack_throughput.py --data-dir FOLDER --model minilm-l6-FOLDER --recipe pwws+oewn2024

The encoder gets a head by a short training on SST-2 (`--train-examples`), by asa-bench's own training; a checkpoint that
has one is taken as it is with `--trained`. All contenders attack the same examples with the same recipe and the same
random numbers per example, one thread, in turns: first each one some examples to warm up, then each the whole list.
TextAttack's `Attacker` only keeps books around `Attack.attack`, which is called here, so that random numbers can be set
per example. `--clock processor` counts processor time, for machines that others use too.

MiniLM (6 layers, width 384, head trained on 2,048 rows of SST-2, clean accuracy 0.75 on 32 dev examples),
deepwordbug+stopwords, one thread of a busy AMD EPYC with two cores, torch 2.13, float32, processor time:

                           examples  queries  seconds  queries/s
    TextAttack, stock             3       55     11.0        5.0
    TextAttack, dynamic          32      513      6.6       78.3
    asa-bench, 1 lane            32      513      7.5       68.0
    asa-bench, 32 lanes          32      513      6.1       84.7

17 times stock and 1.08 times dynamic padding, with identical outcomes (status, perturbed text, queries) in all 32. One
run of 32 examples, while others used the machine: numbers of one contender moved by 20 percent between runs. Nine
tenths of our time is inside forward passes (7.6 of 8.1 s, counted by a profile), and a pass of MiniLM costs about 10 ms
whatever is in it and 0.3 ms a token: what is left to gain on this processor is a tenth or two.

What was tried for answers that depend on the text alone (queries/s, 32 lanes; the first two in other, noisier runs):

    texts of exactly one length, passes filled up to four texts         58   (dynamic padding then: 85)
    the same, linear layers filled up to four rows                      51   (dynamic padding then: 77)
    in one process, median of three: exact length / multiple of 2 / 4 / 8 tokens    69 / 72 / 81 / 81    <- 4 is chosen
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asa_bench import training
from asa_bench.attacks import ATTACKS, AttackOptions, adapter, library
from asa_bench.attacks.engine import attack_rows
from asa_bench.attacks.lanes import seeds
from asa_bench.methods import METHODS
from asa_bench.models.loading import load_model, load_tokenizer
from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import Source, choose
from asa_bench.victims import Victim

textattack = adapter.textattack
SEED = 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model", required=True, help="folder or hub id of an encoder")
    parser.add_argument("--trained", action="store_true", help="the model has its head already")
    parser.add_argument("--train-examples", type=int, default=1000)
    parser.add_argument("--recipe", default="deepwordbug+stopwords")
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--stock-examples", type=int, default=4, help="the first ones, for the stock wrapper")
    parser.add_argument("--lanes", default="1,8,32", help="numbers of lanes, separated by commas")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("processor", "elapsed"), default="processor")
    return parser.parse_args()


class DynamicPadding(textattack.models.wrappers.HuggingFaceModelWrapper):  # type: ignore[misc]
    """The stock wrapper, but a batch is padded to its own longest text, as anybody would change it first."""

    def __call__(self, text_input_list: Any) -> torch.Tensor:
        inputs = self.tokenizer(
            text_input_list, padding=True, truncation=True, max_length=128, return_tensors="pt"
        )
        with torch.no_grad():
            return self.model(**inputs).logits


def classifier(options: argparse.Namespace, task: Any, source: Source) -> tuple[Any, Any]:
    """The victim's model and tokenizer, trained here unless it is already."""
    tokenizer = load_tokenizer(options.model, None)
    if options.trained:
        from transformers import AutoModelForSequenceClassification

        return AutoModelForSequenceClassification.from_pretrained(options.model).eval(), tokenizer
    model = load_model(options.model, task, SEED, None)
    data = loading.load(task, "train", source, options.train_examples)
    rows = choose(data.frame, task.columns, options.train_examples, "train")
    settings = training.TrainingOptions(
        epochs=1,
        learning_rate=1e-4,
        batch_size=32,
        max_length=64,
        seed=SEED,
        threads=options.threads,
        device="cpu",
        precision="float32",
    )
    with tempfile.TemporaryDirectory() as folder:
        training.train(rows, task, METHODS.get("naive")({}), model, tokenizer, settings, Path(folder))
    return model.eval(), tokenizer


def by_textattack(
    attack: Any, wrapper: Any, victim: Victim, task: Any, rows: Any, data_dir: Path
) -> list[tuple[str, str, int]]:
    """Status, perturbed text and queries of each example, one after the other."""
    described = adapter.VictimWrapper(victim, np.arange(len(task.labels)), data_dir=data_dir)
    built = adapter.build(attack, described)
    built.goal_function.model = wrapper
    found = []
    with library.offline_nltk(False, data_dir):
        for name, text, label in zip(rows["id"], rows[task.columns[0]], rows["label"], strict=True):
            for_python, for_numpy = seeds(f"{SEED}\n{attack.name}\n{name}")
            random.seed(for_python)
            np.random.seed(for_numpy)
            result = built.attack(text, task.labels.index(label))
            status = type(result).__name__.removesuffix("AttackResult").lower()
            won = status == "successful"
            found.append((status, result.perturbed_text() if won else "", int(result.num_queries)))
    return found


def by_engine(
    attack: Any, victim: Victim, task: Any, rows: Any, data_dir: Path, lanes: int
) -> list[tuple[str, str, int]]:
    frame = attack_rows(
        attack, victim, task, rows, seed=SEED, options=AttackOptions(lanes=lanes), data_dir=data_dir
    )
    return [
        (row["status"], json.loads(row["perturbed"])[0] if row["perturbed"] else "", row["queries"])
        for row in frame.to_dict("records")
    ]


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.clock == "processor" else time.perf_counter
    task, attack = TASKS.get("sst2"), ATTACKS.get(options.recipe)
    source = Source(kind="folder", root=options.data_dir)
    model, tokenizer = classifier(options, task, source)
    victim = Victim(model, tokenizer, task.labels)
    data = loading.load(task, "dev", source, None)
    rows = choose(data.frame, task.columns, options.examples, "attack").reset_index(drop=True)
    right = np.array(victim.predict([(text,) for text in rows["sentence"]])) == rows["label"].to_numpy()
    print(f"clean accuracy {right.mean():.3f}")

    stock = textattack.models.wrappers.HuggingFaceModelWrapper(model, tokenizer)
    dynamic = DynamicPadding(model, tokenizer)
    data_dir = options.data_dir
    few = min(options.stock_examples, len(rows))
    contenders: list[tuple[str, int, Any]] = [
        ("TextAttack, stock", few, lambda r: by_textattack(attack, stock, victim, task, r, data_dir)),
        (
            "TextAttack, dynamic",
            len(rows),
            lambda r: by_textattack(attack, dynamic, victim, task, r, data_dir),
        ),
    ]
    for lanes in map(int, options.lanes.split(",")):

        def ours(r: Any, lanes: int = lanes) -> Any:
            return by_engine(attack, victim, task, r, data_dir, lanes)

        contenders.append((f"asa-bench, {lanes} lanes", len(rows), ours))
    for _, _, work in contenders:
        work(rows.iloc[:1])
    outcomes = {}
    print(f"{attack.name}, {len(rows)} examples, {options.threads} thread(s), {options.clock} time")
    print(f"{'':<22} examples  queries  seconds  queries/s")
    for name, number, work in contenders:
        started = clock()
        found = outcomes[name] = work(rows.iloc[:number])
        seconds = clock() - started
        queries = sum(one[2] for one in found)
        print(f"{name:<22} {number:>8}  {queries:>7}  {seconds:>7.1f}  {queries / seconds:>9.1f}", flush=True)
    last = outcomes[contenders[-1][0]]
    for name, found in outcomes.items():
        differing = [i for i, (one, other) in enumerate(zip(found, last, strict=False)) if one != other]
        print(f"{name:<22} differs from the last in {len(differing)} of {len(found)} examples")
        for i in differing[:5]:
            print(f"    {rows['id'][i]}: {found[i]} | {last[i]}")


if __name__ == "__main__":
    main()
