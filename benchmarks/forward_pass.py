"""Milliseconds a token of one encoder's forward pass, by how it is computed: what attacks could use, and what they do.

Run it from a checkout (a minute of processor time; other programs may run beside it)::

    python benchmarks/forward_pass.py --model FOLDER_OR_HUB_ID
    python benchmarks/forward_pass.py --model FOLDER_OR_HUB_ID --compile     # also torch.compile with frozen weights

One thread, random tokens, the last of each text masked. Contenders take turns within a shape; the best of `--rounds` counts.
Printed is a Markdown table, and how far logits of bf16 and int8 are from those of float32. What came of it stands in
`docs/attack_profile.md`.
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from asa_bench.models.products import SteadyProducts


def main() -> None:
    """Prints Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--shapes", nargs="+", default=["1x28", "8x28", "64x16", "64x28", "16x128"], help="texts x tokens"
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    warnings.simplefilter("ignore")

    def load(attention: str = "sdpa", kind: torch.dtype = torch.float32) -> Any:
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(
            options.model, attn_implementation=attention
        )
        return model.eval().to(kind)

    def steady(model: Any, bf16: bool) -> Callable[..., torch.Tensor]:
        products = SteadyProducts(model)

        def ask(**inputs: torch.Tensor) -> torch.Tensor:
            with products.used(bf16), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                return model(**inputs).logits

        return ask

    def plain(model: Any, bf16: bool = False) -> Callable[..., torch.Tensor]:
        def ask(**inputs: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                return model(**inputs).logits

        return ask

    model = load()
    int8 = torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), {torch.nn.Linear}, dtype=torch.qint8)
    contenders = {
        "float32, as torch has it": plain(model),
        "float32, attention written out": plain(load("eager")),
        "float32, packed (what attacks use)": steady(model, False),
        "bf16 autocast, as torch has it": plain(model, True),
        "bf16 autocast, packed (what searches in bf16 use)": steady(model, True),
        "the whole model in bf16": plain(load(kind=torch.bfloat16)),
        "int8, torch's dynamic quantization": plain(int8),
    }
    if options.compile:
        import torch._inductor.config as inductor

        inductor.freezing = True
        contenders["float32, torch.compile, frozen"] = plain(torch.compile(load(), dynamic=False))
    print(
        f"| texts x tokens | {' | '.join(options.shapes)} |\n|---|{'--:|' * len(options.shapes)}", flush=True
    )
    lines: dict[str, list[str]] = {name: [] for name in contenders}
    logits: dict[str, torch.Tensor] = {}
    for shape in options.shapes:
        texts, tokens = map(int, shape.split("x"))
        ids = torch.randint(1000, 20_000, (texts, tokens), generator=torch.Generator().manual_seed(1))
        mask = torch.ones_like(ids)
        mask[:, -1] = 0
        best = dict.fromkeys(contenders, float("inf"))
        with torch.no_grad():
            for _ in range(options.rounds + 1):  # the first one warms up, or compiles
                for name, ask in contenders.items():
                    started = time.process_time()
                    logits[name] = ask(input_ids=ids, attention_mask=mask).float()
                    best[name] = min(best[name], time.process_time() - started)
        for name, seconds in best.items():
            lines[name].append(f"{1e3 * seconds / ids.numel():.2f}")
    for name, line in lines.items():
        print(f"| {name} | {' | '.join(line)} |")
    exact = logits["float32, as torch has it"]
    for name, found in logits.items():
        print(f"{name}: logits off by up to {(found - exact).abs().max():.2g} in the last shape")


if __name__ == "__main__":
    main()
