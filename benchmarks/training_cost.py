"""What one training step of each method costs, over naive's, at the same batch and precision.

Run it from a checkout, on an otherwise quiet machine::

    python benchmarks/training_cost.py                                    # a tiny BERT, as in the laboratory
    python benchmarks/training_cost.py --model FOLDER_OR_HUB_ID --batch 32 --lengths 16,32,56 --threads 2

A step is forward passes, backward pass, clipping and optimizer, on random tokens of which a tenth is padding.
Methods take turns, step by step, so that a slow moment of the machine meets all of them. Printed are the
median over the rounds, the quartiles, and the ratio of the medians. `--clock processor` counts processor time
of this process instead of elapsed time; use it with `--threads 1` where others share the processors.

What was tried for ASA (MiniLM of 6 layers and width 384, batch 32, one thread, processor time; an AMD EPYC
with avx512_bf16, torch 2.13); ratios to naive with scaled_dot_product_attention, the model's own choice:

    arrangement                                             float32        bf16 autocast
                                                          l 32  l 56       l 32  l 56
    one doubled batch, both halves written out            2.07  2.09       1.84  1.87      <- chosen
    one doubled batch, clean half by SDPA                 2.11  2.10       2.00  2.00
    one doubled batch, one attention with a joint mask    2.16  2.16       1.88  1.91
    two passes, clean by SDPA, biased written out         2.12  2.13       2.05  2.03
    two passes, SDPA in both                              2.14  2.10       2.17  2.18

Counting matrix products gives 6.33 / 3 = 2.11; below that, both halves share the optimizer's work, the
gradient of the embeddings and the calls. SDPA on a CPU has a fused kernel only without dropout and without a
gradient in its mask; differentiating that kernel in bfloat16 took 48 ms where attention written out took 8 ms
(12 heads of width 32, batch 32, length 56), and its unfused path was slower than the same formula written
out, too. Not found to matter: denormal numbers (flushing them changed nothing over 1,600 steps), and many
different lengths (52 of them cost no more per step than one). Two threads on processors that others use, too:
single calls now and then took five to fifteen times as long, because a thread that waits for the other spins.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import chain
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, BertConfig
from transformers.utils import logging

from asa_bench.methods import METHODS
from asa_bench.models.loading import load_model
from asa_bench.tasks import TASKS

LABELS = ("negative", "positive")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder or hub id; without it a tiny BERT of random weights")
    parser.add_argument("--layers", type=int, default=2, help="of the tiny BERT")
    parser.add_argument("--width", type=int, default=128, help="of the tiny BERT")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lengths", default="16,32", help="tokens, separated by commas")
    parser.add_argument("--precisions", default="float32,bf16")
    parser.add_argument("--methods", default=",".join(METHODS.names()))
    parser.add_argument("--rounds", type=int, default=15, help="steps of each method per line of the table")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=("elapsed", "processor"), default="elapsed")
    return parser.parse_args()


def build(options: argparse.Namespace) -> Any:
    """A fresh model in train mode."""
    if options.model:
        return load_model(options.model, TASKS.get("sst2"), seed=0).to(options.device).train()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=1000,
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=max(1, options.width // 64),
        intermediate_size=4 * options.width,
        max_position_embeddings=512,
        num_labels=len(LABELS),
    )
    return AutoModelForSequenceClassification.from_config(config).to(options.device).train()


def batch(rows: int, length: int, vocabulary: int, device: str) -> dict[str, torch.Tensor]:
    """Random tokens; the lengths of the rows are between four fifths of `length` and `length`."""
    generator = torch.Generator().manual_seed(length)
    lengths = torch.randint(max(2, length * 4 // 5), length + 1, (rows, 1), generator=generator)
    lengths[0] = length
    inputs = {
        "input_ids": torch.randint(5, vocabulary, (rows, length), generator=generator),
        "attention_mask": (torch.arange(length)[None] < lengths).long(),
        "labels": torch.randint(0, len(LABELS), (rows,), generator=generator),
    }
    return {name: value.to(device) for name, value in inputs.items()}


class Stepper:
    """One method with a model and an optimizer of its own."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.model = build(options)
        # What random masks keep is measured in a run; for the cost any fraction will do.
        self.method = METHODS.get(name)({"kept_fraction": 0.95} if name == "random_mask" else {})
        self.method.attach(self.model, seed=0)
        self.parameters = [list(self.model.parameters()), list(self.method.extra_parameters())]
        self.optimizer = torch.optim.AdamW(chain(*self.parameters), lr=1e-5, fused=True)
        self.options = options

    def step(self, inputs: dict[str, torch.Tensor], precision: str) -> float:
        """Seconds of one step."""
        device = self.options.device
        clock = time.perf_counter if self.options.clock == "elapsed" else time.process_time
        if device != "cpu":
            torch.cuda.synchronize()
        started = clock()
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = self.method.loss(self.model, inputs).total
        loss.backward()
        for parameters in filter(None, self.parameters):
            torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if device != "cpu":
            torch.cuda.synchronize()
        return clock() - started


def main() -> None:
    """Print the table."""
    options = arguments()
    logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    steppers = {name: Stepper(name, options) for name in ["naive", *options.methods.split(",")]}
    vocabulary = next(iter(steppers.values())).model.config.vocab_size
    print(
        f"model {options.model or f'tiny BERT ({options.layers} layers, width {options.width})'}, "
        f"batch {options.batch}, {options.threads} threads, {options.clock} time, {options.rounds} rounds"
    )
    print(
        f"{'precision':10}{'length':>7}  {'method':14}{'median ms':>10}{'quartiles ms':>20}{'over naive':>12}"
    )
    for precision in options.precisions.split(","):
        for length in map(int, options.lengths.split(",")):
            inputs = batch(options.batch, length, vocabulary, options.device)
            seconds: dict[str, list[float]] = {name: [] for name in steppers}
            for turn in range(options.rounds + 2):
                for name, stepper in steppers.items():
                    taken = stepper.step(inputs, precision)
                    if turn >= 2:  # the first steps of a shape prepare kernels
                        seconds[name].append(taken)
            naive = statistics.median(seconds["naive"])
            for name, values in seconds.items():
                low, middle, high = (1e3 * value for value in statistics.quantiles(values, n=4))
                print(
                    f"{precision:10}{length:7d}  {name:14}{middle:10.2f}{f'{low:.2f} to {high:.2f}':>20}"
                    f"{statistics.median(values) / naive:12.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
