"""Passes without padding give what the model gives each text, and a text's logits depend on that text alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from family_models import CASES, TINY
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from asa_bench.models import unpadded
from asa_bench.models.products import SteadyProducts

FAMILIES = ("bert", "roberta", "electra", "distilbert", "albert")
LENGTHS = (2, 3, 3, 3, 5, 9, 9, 20, 21, 22)
Build = Callable[[Any], Any]


def made(family: str, build: Build = AutoModelForSequenceClassification.from_config, **options: Any) -> Any:
    config = AutoConfig.for_model(family, **TINY | CASES.get(family, {}) | options)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(config).eval()


def texts() -> list[Tensor]:
    source = torch.Generator().manual_seed(1)
    return [torch.randint(4, 60, (length,), generator=source) for length in LENGTHS]


def asked(passes: Any, some: list[Tensor], types: list[Tensor] | None = None, bf16: bool = False) -> Tensor:
    columns = {"input_ids": torch.cat(some)}
    if types is not None:
        columns["token_type_ids"] = torch.cat(types)
    steady = SteadyProducts(passes._model)
    with (
        torch.inference_mode(),
        steady.used(bf16),
        passes.used(),
        torch.autocast("cpu", torch.bfloat16, enabled=bf16),
    ):
        return passes.logits(columns, [len(ids) for ids in some]).float()


def passes_of(model: Any) -> unpadded.Unpadded:
    passes = unpadded.of(model)
    assert passes is not None
    return passes


def alone(model: Any, some: list[Tensor], **more: Any) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model(input_ids=ids[None], **more).logits for ids in some])


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_the_models_and_depend_on_the_text_alone(family: str, bf16: bool) -> None:
    model, some = made(family), texts()
    plain = alone(model, some)
    passes = passes_of(model)
    whole = asked(passes, some, bf16=bf16)
    assert torch.allclose(whole, plain, atol=0.1 if bf16 else 1e-5)
    assert plain.std(0).min() > 0.01  # texts differ, so one that got another's logits would be seen
    for part in (slice(0, 1), slice(3, 4), slice(1, 8), slice(5, None), slice(0, None, 2)):
        assert torch.equal(asked(passes, some[part], bf16=bf16), whole[part])
    assert torch.equal(asked(passes, some[::-1], bf16=bf16), whole.flip(0))
    # The model is left as it was.
    assert torch.equal(alone(model, some), plain)
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_segments_of_pairs_count(family: str) -> None:
    model, some = made(family), texts()
    types = [(torch.arange(len(ids)) > len(ids) // 2).long() for ids in some]
    plain = torch.cat(
        [alone(model, [ids], token_type_ids=kind[None]) for ids, kind in zip(some, types, strict=True)]
    )
    passes = passes_of(model)
    found = asked(passes, some, types)
    assert torch.allclose(found, plain, atol=1e-5)
    assert not torch.allclose(found, asked(passes, some), atol=1e-3)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_whatever_attention_the_model_has(implementation: str) -> None:
    model, some = made("bert", attn_implementation=implementation), texts()
    assert torch.allclose(asked(passes_of(model), some), alone(model, some), atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        lambda: made("mpnet"),
        lambda: made("modernbert"),
        lambda: made("deberta-v2", relative_attention=True, pos_att_type="p2c|c2p", type_vocab_size=0),
        lambda: made("bert", position_embedding_type="relative_key"),
        lambda: made("bert", AutoModelForMaskedLM.from_config),
        lambda: torch.nn.Linear(2, 2),
    ],
    ids=["mpnet", "modernbert", "deberta", "relative positions", "another head", "no encoder"],
)
def test_what_cannot_do_without_padding_says_so(model: Callable[[], Any]) -> None:
    assert unpadded.of(model()) is None


class Means(torch.nn.Module):
    """What is read of a text is the mean of its tokens."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, **inputs: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.encoder(**inputs).last_hidden_state[:, 0])

    def unpadded(self) -> tuple[Any, unpadded.Reading]:
        return self.encoder, unpadded.mean


def test_a_module_says_what_it_reads() -> None:
    encoder, some = made("bert", AutoModel.from_config), texts()
    with torch.inference_mode():
        plain = torch.stack([encoder(input_ids=ids[None]).last_hidden_state[0].mean(0) for ids in some])
    assert torch.allclose(asked(passes_of(Means(encoder)), some), plain, atol=1e-5)


def test_a_token_is_found_where_it_stands_first() -> None:
    some = [torch.tensor(ids) for ids in ([4, 5], [9, 4, 9], [4, 4, 9], [4, 4, 4, 9])]
    layout = unpadded.laid_out(torch.cat(some), [2, 3, 3, 4])
    assert layout.runs == ((0, 1, 2), (2, 2, 3), (8, 1, 4))
    assert layout.starts.tolist() == [0, 2, 5, 8]
    assert layout.first(9).tolist() == [0, 2, 7, 11]


def test_threads_do_not_see_each_others_texts() -> None:
    model, some = made("bert"), texts()
    passes = passes_of(model)
    whole, found = asked(passes, some), {}

    def work(number: int) -> None:
        with torch.inference_mode():
            for _ in range(20):
                part = some[number : number + 3]
                found[number] = passes.logits({"input_ids": torch.cat(part)}, [len(ids) for ids in part])

    with SteadyProducts(model).used(False), passes.used():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 6
    for number, part in found.items():
        assert torch.equal(part, whole[number : number + 3])


def test_an_error_leaves_the_model_as_it_was() -> None:
    model = made("bert")
    passes = passes_of(model)
    with pytest.raises(IndexError), passes.used():
        passes.logits({"input_ids": torch.tensor([4, 999, 5])}, [3])
    assert not any("forward" in vars(module) for module in model.modules())
    assert torch.allclose(asked(passes, texts()), alone(model, texts()), atol=1e-5)
