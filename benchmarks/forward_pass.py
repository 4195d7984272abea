"""Milliseconds a real token of one encoder's forward pass, by how it is computed: what attacks could use, and what they do.

Run it from a checkout (a minute of processor time; other programs may run beside it)::

    python benchmarks/forward_pass.py --model FOLDER_OR_HUB_ID
    python benchmarks/forward_pass.py --model FOLDER_OR_HUB_ID --compile     # also torch.compile with frozen weights

One thread, random tokens, the last of each text masked (of texts of several lengths, all that are missing).
Contenders take turns within a shape; the best of `--rounds` counts.
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
from asa_bench.models.unpadded import of as without_padding


class ByToken(torch.nn.Module):
    """A linear layer in int8: every row by its own largest number, every output by that of its weights.

    Sums of integers are exact, so a row depends on itself alone, whatever computes it.
    """

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.scale = layer.weight.detach().abs().amax(1) / 127
        self.weight = (layer.weight.detach() / self.scale[:, None]).round().to(torch.int8).t().contiguous()
        self.bias = layer.bias.detach()

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        rows = given.reshape(-1, given.shape[-1])
        scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
        found = torch._int_mm((rows / scale).round_().to(torch.int8), self.weight)
        found = found.float().mul_(scale).mul_(self.scale).add_(self.bias)
        return found.reshape(*given.shape[:-1], -1)


def by_token(model: Any) -> Any:
    """The model with every linear layer of its encoder so."""
    for module in list(model.base_model.encoder.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, torch.nn.Linear):
                setattr(module, name, ByToken(part))
    return model


def main() -> None:
    """Prints Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--shapes",
        nargs="+",
        default=["1x28", "8x28", "64x16", "64x28", "16x128", "64x8-48"],
        help="texts x tokens, or texts x fewest-most tokens",
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

    def unpadded(model: Any, bf16: bool) -> Callable[..., torch.Tensor]:
        products, passes = SteadyProducts(model), without_padding(model)
        assert passes is not None

        def ask(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            lengths = attention_mask.sum(1)
            order = lengths.argsort(stable=True)
            columns = {"input_ids": torch.cat([input_ids[row, : lengths[row]] for row in order])}
            with (
                products.used(bf16),
                passes.used(),
                torch.autocast("cpu", torch.bfloat16, enabled=bf16),
            ):
                found = passes.logits(columns, lengths[order].tolist())
            return found[order.argsort()]

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
        "float32, packed": steady(model, False),
        "float32, packed, without padding (what attacks use)": unpadded(model, False),
        "bf16 autocast, as torch has it": plain(model, True),
        "bf16 autocast, packed": steady(model, True),
        "bf16 autocast, packed, without padding (what searches in bf16 use)": unpadded(model, True),
        "the whole model in bf16": plain(load(kind=torch.bfloat16)),
        "int8, torch's dynamic quantization": plain(int8),
        "int8 by token, without padding": unpadded(by_token(copy.deepcopy(model)), False),
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
        texts, tokens = shape.split("x")
        fewest, _, most = tokens.partition("-")
        source = torch.Generator().manual_seed(1)
        ids = torch.randint(1000, 20_000, (int(texts), int(most or fewest)), generator=source)
        lengths = torch.randint(int(fewest), int(most) + 1, (int(texts),), generator=source) if most else None
        mask = torch.ones_like(ids)
        mask[:, -1] = 0
        if lengths is not None:
            mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        best = dict.fromkeys(contenders, float("inf"))
        with torch.no_grad():
            for _ in range(options.rounds + 1):  # the first one warms up, or compiles
                for name, ask in contenders.items():
                    started = time.process_time()
                    logits[name] = ask(input_ids=ids, attention_mask=mask).float()
                    best[name] = min(best[name], time.process_time() - started)
        for name, seconds in best.items():
            lines[name].append(f"{1e3 * seconds / int(mask.sum()):.2f}")
    for name, line in lines.items():
        print(f"| {name} | {' | '.join(line)} |")
    exact = logits["float32, as torch has it"]
    for name, found in logits.items():
        print(f"{name}: logits off by up to {(found - exact).abs().max():.2g} in the last shape")


if __name__ == "__main__":
    main()
