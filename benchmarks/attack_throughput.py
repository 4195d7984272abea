"""Attacks per second: TextAttack with its stock wrapper, with dynamic padding, and asa-bench in float32 and bf16.

Run it from a checkout, with the folder of real data at hand (minutes; other programs may run beside it)::

    python benchmarks/attack_throughput.py --data-dir FOLDER --model minilm-l6-FOLDER --keep TRAINED
    python benchmarks/attack_throughput.py --data-dir FOLDER --model minilm-l6-FOLDER --keep TRAINED --profile float32

The encoder gets a head per task by a short training (`--train-examples`), which `--keep` keeps for the next call; it also
serves as the sentence encoder of recipes that have one. Every contender attacks the same examples with the same recipe
and the same random numbers per example, one thread, in turns: each a first example to warm up, then each the whole
list, `--rounds` times, beginning with another one each time; seconds are those of the fastest round. Times are processor time
(`--clock elapsed`: the clock on the wall).

TextAttack's `Attacker` only keeps books around `Attack.attack`, which is called here, so that random numbers can be set
per example. The stock wrapper pads to 512 tokens and gets the first `--stock-examples` only; the dynamic one pads a batch to its
longest text, which is what anybody would change first. A sentence encoder in the constraints is asked in padded batches by
these two, as the library would ask it.

*Times dynamic* is what the same examples took there, over what they took here. *Share of products*: the time that the linear
layers' products of the computed real tokens take at this machine's own rate, which is measured in the same run and the same
precision by products of the model's shapes, over the time that was taken; padding, attention, activations, tokenization
and everything else are what is missing to 100 %. What came of it stands in `docs/attack_profile.md`.

`--processes 2` compares instead what two cores are used for: one process with two threads, or two processes with one thread and
half of the examples each, by the clock on the wall from the moment when all are ready to the end of the last.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import random
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from attack_ledger import Ledger
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from asa_bench import training
from asa_bench.attacks import ATTACKS, AttackOptions, adapter, encoders, library
from asa_bench.attacks.base import BF16_STATUS, FLOAT32_STATUS
from asa_bench.attacks.engine import attack_rows
from asa_bench.attacks.lanes import seeds
from asa_bench.measures import disagreement
from asa_bench.methods import METHODS
from asa_bench.models.loading import load_model, load_tokenizer
from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import Source, Task, choose
from asa_bench.victims import Victim

textattack = adapter.textattack
SEED = 0
RECIPES = (
    "deepwordbug+stopwords@sst2",
    "pwws+oewn2024@sst2",
    "textfooler+neighbours+sbert@sst2",
    "deepwordbug+stopwords@qqp",
)
# Status, perturbed texts and queries of an example.
Found = tuple[str, str, int]
DYNAMIC, OURS = "TextAttack, dynamic", "asa-bench"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model", required=True, help="folder or hub id of an encoder")
    parser.add_argument("--recipes", nargs="+", default=RECIPES, help="attack@task")
    parser.add_argument("--train-examples", type=int, default=2048)
    parser.add_argument("--keep", type=Path, help="folder for trained models; those that are there are used")
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--stock-examples", type=int, default=3, help="the first ones, for the stock wrapper")
    parser.add_argument("--lanes", type=int, default=32)
    parser.add_argument(
        "--max-length", type=int, default=128, help="tokens of a text, but for the stock wrapper"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("processor", "elapsed"), default="processor")
    parser.add_argument(
        "--profile",
        choices=("float32", "bf16", "bf16_alone"),
        help="instead: where asa-bench's time goes, by recipe",
    )
    parser.add_argument(
        "--processes", type=int, help="instead: so many processes against as many threads; needs --keep"
    )
    options = parser.parse_args()
    if options.processes is not None and (options.processes < 2 or options.keep is None):
        parser.error(
            "--processes: 2 or more, and with --keep, from where each process takes the trained model"
        )
    return options


class DynamicPadding(textattack.models.wrappers.HuggingFaceModelWrapper):  # type: ignore[misc]
    """The stock wrapper, but a batch is padded to its own longest text, as anybody would change it first."""

    def __init__(self, model: Any, tokenizer: Any, max_length: int) -> None:
        super().__init__(model, tokenizer)
        self.max_length = max_length

    def __call__(self, text_input_list: Any) -> torch.Tensor:
        inputs = self.tokenizer(
            text_input_list, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        with torch.no_grad():
            return self.model(**inputs).logits


class Padded(adapter.VictimWrapper):
    """Asks sentence encoders of constraints in ordinary padded batches, and takes a white-box attack's gradients as they come."""

    def ask(self, texts: Any, whom: Any) -> np.ndarray:
        encoder = getattr(whom, "__self__", None)
        return whom(texts) if encoder is None else encoder.logits(texts)


@dataclass
class Count:
    """Tokens of forward passes: real ones by precision, and all that were computed."""

    float32: int = 0
    bf16: int = 0
    computed: int = 0

    @property
    def real(self) -> int:
        """Real tokens in whatever precision."""
        return self.float32 + self.bf16

    @contextmanager
    def of(self, models: list[Any]) -> Iterator[None]:
        """While inside, passes of these models are counted."""

        def count(module: Any, given: Any, inputs: dict[str, Any]) -> None:
            mask = inputs.get("attention_mask")  # none in a pass without padding
            tokens = inputs["input_ids"].numel()
            self.computed += tokens
            real = tokens if mask is None else int(mask.sum())
            if torch.is_autocast_enabled("cpu"):
                self.bf16 += real
            else:
                self.float32 += real

        handles = [model.register_forward_pre_hook(count, with_kwargs=True) for model in models]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def classifier(options: argparse.Namespace, task: Task, source: Source) -> tuple[Any, Any]:
    """The victim's model and tokenizer, trained here unless it was kept."""
    tokenizer = load_tokenizer(options.model, None)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)) / task.name
        if not (folder / "config.json").exists():
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
                precision="bf16",
            )
            with tempfile.TemporaryDirectory() as scratch:
                training.train(
                    rows, task, METHODS.get("naive")({}), model, tokenizer, settings, Path(scratch)
                )
            model.save_pretrained(folder)
        return AutoModelForSequenceClassification.from_pretrained(folder).eval(), tokenizer


def by_textattack(
    attack: Any, wrapper: Any, victim: Victim, task: Task, rows: pd.DataFrame, data_dir: Path
) -> list[Found]:
    """One example after the other."""
    described = Padded(victim, np.arange(len(task.labels)), data_dir=data_dir)
    built = adapter.prepare(attack, described, task, AttackOptions())
    built.goal_function.model = wrapper
    built.goal_function.batch_size = 32  # the library's own
    texts = zip(*(rows[column] for column in task.columns), strict=True)
    found = []
    with library.offline_nltk(False, data_dir, attack.needs, library.wordnet_of(attack)):
        for name, text, label in zip(rows["id"], texts, rows["label"], strict=True):
            for_python, for_numpy = seeds(f"{SEED}\n{attack.name}\n{name}")
            random.seed(for_python)
            np.random.seed(for_numpy)
            given = OrderedDict(zip(task.columns, text, strict=True)) if len(text) > 1 else text[0]
            result = built.attack(textattack.shared.AttackedText(given), task.labels.index(label))
            status = type(result).__name__.removesuffix("AttackResult").lower()
            told = result.perturbed_result.attacked_text.tokenizer_input if status == "successful" else ()
            told = (told,) if isinstance(told, str) else tuple(told)
            found.append((status, json.dumps(told), int(result.num_queries)))
    return found


def rates(model: Any, clock: Callable[[], float]) -> dict[str, float]:
    """Products of the shapes of the model's layers, 1,024 rows: 10^9 operations per second by that clock."""
    layers = _layers(model)
    shapes = {(layer.in_features, layer.out_features) for layer in layers}
    found = {}
    for name, kind in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        pairs = [(torch.randn(1024, k).to(kind), torch.randn(n, k).to(kind)) for k, n in sorted(shapes)]
        best = {}
        with torch.inference_mode():
            for _ in range(10):
                for rows, weight in pairs:
                    started = clock()
                    torch.nn.functional.linear(rows, weight)
                    spent = clock() - started
                    shape = (weight.shape[1], weight.shape[0])
                    best[shape] = min(spent, best.get(shape, spent))
        seconds = sum(best[layer.in_features, layer.out_features] for layer in layers)
        found[name] = 1024 * _operations(model) / seconds / 1e9
    return found


def _layers(model: Any) -> list[Any]:
    return [part for part in model.base_model.encoder.modules() if isinstance(part, torch.nn.Linear)]


def _operations(model: Any) -> int:
    """Operations of the layers' products per token."""
    return sum(2 * layer.in_features * layer.out_features for layer in _layers(model))


@dataclass
class Case:
    """One recipe on one task: the victim and the examples."""

    options: argparse.Namespace
    attack: Any
    task: Task
    victim: Victim
    rows: pd.DataFrame
    root: Path

    def ours(self, part: pd.DataFrame, precision: Any = "float32") -> pd.DataFrame:
        """asa-bench on some of the examples."""
        asked = AttackOptions(lanes=self.options.lanes, search_precision=precision)
        return attack_rows(
            self.attack, self.victim, self.task, part, seed=SEED, options=asked, data_dir=self.root
        )


def case_of(options: argparse.Namespace, name: str, root: Path) -> Case:
    """What `attack@task` asks for."""
    recipe, _, wanted = name.partition("@")
    task, source = TASKS.get(wanted), Source(kind="folder", root=options.data_dir)
    victim = Victim(*classifier(options, task, source), task.labels, max_length=options.max_length)
    data = loading.load(task, task.evaluation_split, source, None)
    rows = choose(data.frame, task.columns, options.examples, "attack").reset_index(drop=True)
    return Case(options, ATTACKS.get(recipe), task, victim, rows, root)


# What a process of `side_by_side` attacks, and where all of them wait until the last is ready.
_case: Case
_ready: Any


def _prepare(options: argparse.Namespace, name: str, root: Path, ready: Any) -> None:
    global _case, _ready
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    _case, _ready = case_of(options, name, root), ready


def _part(at: int, precision: str) -> tuple[float, list[Found]]:
    """One process's share: seconds, outcomes."""
    _case.ours(_case.rows.iloc[:1], precision)
    _ready.wait(600)
    started = time.perf_counter()
    found = _case.ours(_case.rows.iloc[at :: _case.options.processes], precision)
    return time.perf_counter() - started, told(found)


def side_by_side(options: argparse.Namespace, name: str, root: Path) -> None:
    """Prints what a process with several threads takes, and as many processes with one each."""
    count = options.processes
    torch.set_num_threads(count)
    case = case_of(options, name, root)  # which also trains the model, once
    context = multiprocessing.get_context("spawn")
    ways = (f"one process, {count} threads", f"{count} processes, one thread each")
    print(f"\n**{name}**: {len(case.rows)} examples\n\n| | | seconds | queries/s | other outcomes |")
    print("|---|---|--:|--:|--:|")
    with ProcessPoolExecutor(
        count, context, initializer=_prepare, initargs=(options, name, root, context.Barrier(count))
    ) as pool:
        for precision in ("float32", "bf16_alone"):
            seconds = dict.fromkeys(ways, float("inf"))
            outcomes: dict[str, list[Found]] = {}
            case.ours(case.rows.iloc[:1], precision)
            for _ in range(options.rounds):
                started = time.perf_counter()
                outcomes[ways[0]] = told(case.ours(case.rows, precision))
                seconds[ways[0]] = min(seconds[ways[0]], time.perf_counter() - started)
                parts = list(pool.map(_part, range(count), [precision] * count))
                seconds[ways[1]] = min(seconds[ways[1]], max(spent for spent, _ in parts))
                outcomes[ways[1]] = [parts[at % count][1][at // count] for at in range(len(case.rows))]
            queries = sum(asked for *_, asked in outcomes[ways[0]])
            other = sum(one != two for one, two in zip(*outcomes.values(), strict=True))
            for way in ways:
                said = (
                    f"{seconds[way]:.1f} | {queries / seconds[way]:.1f} | {other if way == ways[1] else ''}"
                )
                print(f"| {precision} | {way} | {said} |", flush=True)


def compared(options: argparse.Namespace, name: str, root: Path) -> None:
    """Prints the lines of one recipe on one task."""
    recipe = name.partition("@")[0]
    case = case_of(options, name, root)
    attack, task, victim, rows, ours = case.attack, case.task, case.victim, case.rows, case.ours
    model, tokenizer = victim.model, victim.tokenizer

    if options.profile:
        profiled(name, lambda: ours(rows, options.profile), model)
        return
    stock = textattack.models.wrappers.HuggingFaceModelWrapper(model, tokenizer)
    dynamic = DynamicPadding(model, tokenizer, options.max_length)
    few = min(options.stock_examples, len(rows))
    contenders: dict[str, tuple[int, Callable[[pd.DataFrame], Any]]] = {
        "TextAttack, stock": (few, lambda r: by_textattack(attack, stock, victim, task, r, root)),
        DYNAMIC: (len(rows), lambda r: by_textattack(attack, dynamic, victim, task, r, root)),
        OURS: (len(rows), ours),
        "asa-bench, bf16": (len(rows), lambda r: ours(r, "bf16")),
        "asa-bench, bf16 alone": (len(rows), lambda r: ours(r, "bf16_alone")),
    }
    for _, work in contenders.values():
        work(rows.iloc[:1])
    models = [model]
    if "sbert" in recipe:
        models.append(encoders.of_folder(root, "cpu").model.encoder)
    clock = time.process_time if options.clock == "processor" else time.perf_counter
    seconds: dict[str, float] = {}
    results: dict[str, Any] = {}
    counts: dict[str, Count] = {}
    order = list(contenders)
    for turn in range(options.rounds):
        for contender in order[turn % len(order) :] + order[: turn % len(order)]:
            number, work = contenders[contender]
            count = counts[contender] = Count()
            with count.of(models):
                started = clock()
                results[contender] = work(rows.iloc[:number])
                spent = clock() - started
            seconds[contender] = min(spent, seconds.get(contender, spent))
    outcomes = {contender: told(found) for contender, found in results.items()}
    rate = rates(model, clock)
    texts = list(zip(*(rows[column] for column in task.columns), strict=True))
    right = np.mean(np.array(victim.predict(texts)) == rows["label"].to_numpy())
    print(
        f"\n**{recipe} on {task.title}**: {len(rows)} examples of at most {options.max_length} tokens, clean accuracy "
        f"{100 * right:.0f} %; products: {rate['float32']:.0f} in float32, {rate['bf16']:.0f} in bf16, 10^9 operations/s\n"
    )
    print(
        "| | examples | seconds | queries/s | times stock | times dynamic | real of computed tokens | ",
        end="",
    )
    print("share of products | other outcomes |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    speed = {}
    for contender in order:
        number, _ = contenders[contender]
        # As many queries as a search in float32 has, whatever was asked, so that speeds are times of the same examples.
        speed[contender] = sum(queries for *_, queries in outcomes[DYNAMIC][:number]) / seconds[contender]
        count = counts[contender]
        products = _operations(model) * (count.float32 / rate["float32"] + count.bf16 / rate["bf16"]) / 1e9
        other = sum(one != two for one, two in zip(outcomes[contender], outcomes[DYNAMIC], strict=False))
        print(
            f"| {contender} | {number} | {seconds[contender]:.1f} | {speed[contender]:.1f} "
            f"| {speed[contender] / speed[order[0]]:.1f} "
            f"| {'' if contender == order[0] else f'{speed[contender] / speed[DYNAMIC]:.2f}'} "
            f"| {100 * count.real / count.computed:.0f} % | {100 * products / seconds[contender]:.0f} % "
            f"| {other} |"
        )
    for contender in ("asa-bench, bf16", "asa-bench, bf16 alone"):
        quick = results[contender]
        counted = disagreement(quick["status"], quick[BF16_STATUS], quick.get(FLOAT32_STATUS))
        status = sum(one[0] != two[0] for one, two in zip(outcomes[contender], outcomes[OURS], strict=True))
        print(
            f"\n{contender}: {counted}; status differs from float32's in {status} of {len(rows)}.", flush=True
        )


def told(found: Any) -> list[Found]:
    """The outcomes of a contender."""
    if isinstance(found, list):
        return found
    return [(row["status"], row["perturbed"] or "[]", row["queries"]) for row in found.to_dict("records")]


def profiled(name: str, work: Callable[[], Any], model: Any) -> None:
    """Prints where the time goes; what is loaded once is loaded before."""
    work()
    ledger = Ledger()
    with ledger.kept(model):
        work()
    print(f"\n**{name}**: {sum(ledger.seconds.values()):.1f} s\n\n| | share | calls |\n|---|--:|--:|")
    for account, share, calls in ledger.shares():
        print(f"| {account} | {100 * share:.1f} % | {calls:,} |", flush=True)


def main() -> None:
    """Prints Markdown."""
    options = arguments()
    torch.set_num_threads(options.threads)
    logging.set_verbosity_error()
    print(
        f"{platform.machine()}, torch {torch.__version__}"
        + ("" if options.processes else f", {options.threads} thread(s), {options.clock} time")
    )
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for entry in options.data_dir.resolve().iterdir():
            (root / entry.name).symlink_to(entry)
        if Path(options.model).is_dir() and not (root / "sentence_encoder").exists():
            (root / "sentence_encoder").symlink_to(Path(options.model).resolve())
        for name in options.recipes:
            (compared if options.processes is None else side_by_side)(options, name, root)


if __name__ == "__main__":
    main()
