"""Fine-tuning with ASA from start to end: our defaults against the settings of the released code.

Run it from a checkout, on an otherwise quiet machine, with SST-2 in a folder (or leave ``--data-dir`` out to take it from
the hub)::

    python benchmarks/end_to_end.py --model FOLDER_OR_HUB_ID --data-dir DATA --examples 2000 --seeds 3 --threads 2

Both train ASA on the same rows for the same epochs with the same learning rate, batch size and seeds, and are scored on
the whole dev set. They differ in this alone:

    ours      batches of examples of like length, padded to the longest; both passes as one doubled batch; precision
              `auto` (bf16 where the processor multiplies it itself); variant padding_invariant
    released  every batch padded to 128 tokens; the clean and the biased pass one after the other; float32; variant
              released

The two take turns, seed by seed, so that a slow moment of the machine meets both. Printed are the seconds of the training
loop of each run, their ratio seed by seed, and the accuracies.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from asa_bench import checkpoints
from asa_bench.methods.asa import AdversarialSelfAttention
from asa_bench.models.asa import AdversarialSelfAttention as Mechanism
from asa_bench.models.asa import Passes, TwoPasses, _Step, add, attend
from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import Source, choose
from asa_bench.training import TrainingOptions, load_model, load_tokenizer, resolve_precision, train


class OneAfterTheOther(TwoPasses):
    """The two passes as the released code runs them: each on the batch as it is."""

    def run(self, inputs: Mapping[str, Any]) -> Passes:
        real = inputs["attention_mask"].bool()
        step = _Step(real.reshape(-1, real.shape[-1]))
        clean = self.model(**inputs).logits
        with self._biased(step):
            biased = self.model(**inputs).logits
        return Passes(
            real=real,
            logits=clean,
            biased_logits=biased,
            masks=tuple(step.masks),
            kept=torch.stack(step.kept),
            units=torch.stack(step.units),
            fully_masked_rows=torch.stack(step.empty_rows),
        )

    def _forward(self, site: Any, calls: Iterator[int], step: _Step) -> Any:
        def forward(*args: Any, **kwargs: Any) -> Any:
            family = self.family
            call = family.call(site, *args, **kwargs)
            query, key, value = family.project(site, call)
            mask, allowed = self._mask(site, next(calls), call.hidden, step)
            bias, zeroed = self._bias(mask, allowed)
            positions = family.relative_positions(site, call, query, key)
            dropout = family.dropout(site) if site.training and not family.drops_attention_dropout else 0.0
            scale = family.scale(site, query.shape[-1])
            context = attend(query, key, value, add(positions, bias), scale, dropout, zeroed)
            return family.output(site, call, context.transpose(1, 2).flatten(2))

        return forward


class Released(AdversarialSelfAttention):
    """ASA as released, in the released arrangement."""

    def attach(self, model: Any, seed: int) -> None:
        self._mechanism = Mechanism(model, tau=self.options.tau, variant="released", seed=seed)
        self._mechanism._passes = OneAfterTheOther(model, self._mechanism._draw, "released")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="folder or hub id")
    parser.add_argument("--data-dir", type=Path, help="folder with SST-2; the hub if absent")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    options = arguments()
    logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    task = TASKS.get("sst2")
    source = Source(kind="folder", root=options.data_dir) if options.data_dir else Source(kind="hub")
    rows = choose(loading.load(task, "train", source).frame, task.columns, options.examples, "benchmark")
    dev = loading.load(task, "dev", source).frame
    texts = [(text,) for text in dev["sentence"]]
    precision = resolve_precision("auto", "cpu")
    print(
        f"SST-2, {len(rows)} rows, {options.epochs:g} epochs, batch {options.batch}, {options.threads} threads; "
        f"ours in {precision}"
    )
    print(
        f"{'seed':>4}  {'ours s':>8}  {'released s':>10}  {'ratio':>6}  {'ours acc.':>9}  {'released acc.':>13}"
    )
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "released": []}
    for seed in range(1, options.seeds + 1):
        for name in found:
            released = name == "released"
            settings = TrainingOptions(
                epochs=options.epochs,
                learning_rate=options.learning_rate,
                batch_size=options.batch,
                max_length=128,
                padding="max_length" if released else "longest",
                precision="float32" if released else precision,
                seed=seed,
                threads=options.threads,
            )
            method = Released({"variant": "released"}) if released else AdversarialSelfAttention()
            with tempfile.TemporaryDirectory() as folder:
                model = load_model(options.model, task, seed)
                tokenizer = load_tokenizer(options.model)
                summary = train(rows, task, method, model, tokenizer, settings, Path(folder))
                victim = checkpoints.load_victim(
                    folder, None, task.labels, max_length=128, device="cpu", said=name
                )
                right = sum(
                    said == gold for said, gold in zip(victim.predict(texts), dev["label"], strict=True)
                )
            found[name].append((summary.seconds, 100 * right / len(dev)))
        (ours, our_score), (theirs, their_score) = found["ours"][-1], found["released"][-1]
        print(
            f"{seed:4d}  {ours:8.1f}  {theirs:10.1f}  {theirs / ours:6.1f}  {our_score:9.1f}  {their_score:13.1f}",
            flush=True,
        )
    ratios = [theirs / ours for (ours, _), (theirs, _) in zip(found["ours"], found["released"], strict=True)]
    tokens = summary.tokens / summary.examples
    means = {name: statistics.mean(score for _, score in values) for name, values in found.items()}
    print(
        f"ratio: median {statistics.median(ratios):.1f}, {min(ratios):.1f} to {max(ratios):.1f}; "
        f"accuracy: ours {means['ours']:.1f}, released {means['released']:.1f}; "
        f"{tokens:.1f} tokens per row, padded to 128 by the released settings"
    )


if __name__ == "__main__":
    main()
