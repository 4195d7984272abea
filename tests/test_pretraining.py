"""Pre-training: it goes on exactly where it stopped, treats methods alike, and measures what it says."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, BertTokenizerFast

from asa_bench.corpus import Corpus
from asa_bench.errors import BadInput
from asa_bench.methods import METHODS, Loss, Method
from asa_bench.methods.naive import Naive
from asa_bench.models.loading import load_tokenizer
from asa_bench.models.masked import MaskedPlaces, load_masked, pooler_weights
from asa_bench.packing import pack, vocabulary_of
from asa_bench.pretraining import Machine, PretrainingOptions, PretrainingSettings, perplexity, pretrain
from asa_bench.pretraining_trainer import Saving

WORDS = ["good", "bad", "film", "plot", "the", "a", "is", "was", "very", "not", "and", "but"]
OPTIONS = PretrainingOptions(steps=24, block_length=16, batch_size=4, learning_rate=3e-3)


def text(count: int, seed: int) -> tuple[str, ...]:
    """Sentences in which some words follow from their neighbours."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        opinion = draw.choice(["good", "bad"])
        made.append(
            f"the {draw.choice(['film', 'plot'])} is very {opinion} and not {'bad' if opinion == 'good' else 'good'}"
        )
    return tuple(made)


CORPUS = Corpus(text(60, 1), text(20, 2), "fingerprint")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder with dropout and a pooler, with its tokenizer, as a folder."""
    from transformers import BertModel

    folder = tmp_path_factory.mktemp("encoder")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=24).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(
            BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=24,
                max_position_embeddings=24,
                hidden_dropout_prob=0.1,
                attention_probs_dropout_prob=0.1,
                initializer_range=0.2,
            )
        ).save_pretrained(folder)
    return folder


class Interrupted(Exception):
    pass


class Noisy(Naive):
    """Draws from a generator of its own, from torch, from numpy and from random, and has a parameter."""

    def attach(self, model: Any, seed: int) -> None:
        self.own = torch.Generator().manual_seed(seed)
        self.scale = torch.nn.Parameter(torch.ones(2))

    def extra_parameters(self) -> list[torch.nn.Parameter]:
        return [self.scale]

    def loss(self, model: Any, inputs: Mapping[str, torch.Tensor]) -> Loss:
        loss = super().loss(model, inputs)
        draws = [torch.rand(1, generator=self.own), torch.rand(1), np.random.rand(), random.random()]
        total = loss.total * self.scale.sum() * sum(float(draw) for draw in draws)
        return Loss(total, loss.logits, {**loss.parts, "draws": sum(float(draw) for draw in draws)})


def run(
    encoder: Path,
    output: Path,
    method: Method,
    stop: int | None = None,
    saving: Saving | None = None,
    options: PretrainingOptions = OPTIONS,
    **machine: Any,
) -> tuple[dict[str, Any], list[int]]:
    """The summary, and the steps that were told as done; the work is interrupted after `stop` steps."""
    told: list[int] = []

    def progress(done: int, total: int) -> None:
        told.append(done)
        if done == stop:
            raise Interrupted

    model = load_masked(encoder, 5)
    summary = pretrain(
        CORPUS,
        method,
        model,
        load_tokenizer(encoder),
        options,
        Machine(seed=3, **machine),
        output,
        saving=saving,
        pooler=pooler_weights(model, encoder),
        progress=progress,
    )
    assert summary.tokens_per_second > 0
    return summary.as_json(), told


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def make(name: str) -> Method:
    if name == "noisy":
        return Noisy()
    return METHODS.get(name)({"kept_fraction": 0.8} if name == "random_mask" else {})


QUICK = ("asa", "noisy")
EVERY = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in (*METHODS.names(), "noisy")
]


@pytest.mark.parametrize("method", EVERY)
def test_an_interrupted_pretraining_ends_with_the_same_bits(
    encoder: Path, tmp_path: Path, method: str
) -> None:
    whole, told = run(encoder, tmp_path / "whole", make(method))
    steps = whole["steps"]
    assert told == [*range(1, steps + 1)]
    saving = Saving(tmp_path / "states", steps=3)
    for stop in sorted(random.Random(method).sample(range(4, steps), 3)):
        torch.manual_seed(random.randrange(999))
        with pytest.raises(Interrupted):
            run(encoder, tmp_path / "parts", make(method), stop, saving)
    parts, told = run(encoder, tmp_path / "parts", make(method), saving=saving)
    assert 1 < told[0] <= told[-1] == steps  # it did go on, and not from the start
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert parts == whole


def test_a_torn_state_costs_steps_and_no_bits(encoder: Path, tmp_path: Path) -> None:
    run(encoder, tmp_path / "whole", Naive())
    saving = Saving(tmp_path / "states", steps=3)
    with pytest.raises(Interrupted):
        run(encoder, tmp_path / "parts", Naive(), 14, saving)
    newest = tmp_path / "states" / "step-00000012" / "tensors.safetensors"
    newest.write_bytes(newest.read_bytes()[:-5])
    _, told = run(encoder, tmp_path / "parts", Naive(), saving=saving)
    assert told[0] == 10
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_state_of_another_pretraining_is_not_taken(encoder: Path, tmp_path: Path) -> None:
    saving = Saving(tmp_path / "states", steps=3)
    with pytest.raises(Interrupted):
        run(encoder, tmp_path / "parts", Naive(), 14, saving)
    other = OPTIONS.model_copy(update={"learning_rate": 1e-3})
    _, told = run(encoder, tmp_path / "parts", Naive(), saving=saving, options=other)
    assert told[0] == 1


def test_a_state_holds_no_pickle(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(encoder, tmp_path / "parts", METHODS.get("asa")(), 5, Saving(tmp_path / "states", steps=4))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json"}
    tensors = load_file(tmp_path / "states" / "step-00000004" / "tensors.safetensors")
    kinds = {name.split("/")[0] for name in tensors}
    assert kinds == {"model", "method", "optimizer", "random"}


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_pretraining as t
saving = t.Saving(Path(sys.argv[3]) / "states", steps=2)
options = t.OPTIONS.model_copy(update={"steps": 250})
t.run(Path(sys.argv[2]), Path(sys.argv[3]) / "model", t.make(sys.argv[4]), saving=saving, options=options)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["naive", "asa"])
def test_a_killed_pretraining_ends_with_the_same_bits(encoder: Path, tmp_path: Path, method: str) -> None:
    """kill -9 in a process of its own, several times, also while a state is being written."""
    options = OPTIONS.model_copy(update={"steps": 250})
    run(encoder, tmp_path / "whole", make(method), options=options)
    arguments = [
        sys.executable,
        "-c",
        PROGRAM,
        str(Path(__file__).parent),
        str(encoder),
        str(tmp_path),
        method,
    ]
    states = tmp_path / "states"
    moments = random.Random(method)
    seen = 0
    for _ in range(4):
        process = subprocess.Popen(arguments)
        goal = seen + moments.randint(10, 60)
        while process.poll() is None and seen < goal:
            time.sleep(moments.uniform(0.001, 0.01))
            seen = max([int(path.name[5:]) for path in states.glob("step-*")], default=seen)
        assert process.poll() is None, "ended before it was killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert seen >= 40
    subprocess.run(arguments, check=True)
    assert weights(tmp_path / "model") == weights(tmp_path / "whole")


class Recorder(Naive):
    """Keeps what it sees; `draws` random numbers are taken from torch before."""

    def __init__(self, options: Any = None, draws: int = 0, factor: float = 1.0) -> None:
        super().__init__(options)
        self.seen: list[tuple[list[Any], list[int]]] = []
        self.draws, self.factor = draws, factor

    @property
    def epochs_factor(self) -> float:
        return self.factor

    def loss(self, model: Any, inputs: Mapping[str, torch.Tensor]) -> Loss:
        torch.rand(self.draws)
        assert set(inputs) == {"input_ids", "attention_mask", "labels"}
        self.seen.append((inputs["input_ids"].tolist(), inputs["labels"].tolist()))
        return super().loss(model, inputs)


def test_all_methods_see_the_same_masked_blocks_and_a_longer_one_sees_more(
    encoder: Path, tmp_path: Path
) -> None:
    one, two, longer = Recorder(), Recorder(draws=7), Recorder(factor=1.5)
    for recorder in (one, two):
        summary, _ = run(encoder, tmp_path, recorder)
        assert (summary["steps"], summary["relative_compute"]) == (24, 1.0)
    summary, told = run(encoder, tmp_path, longer)
    assert one.seen == two.seen == longer.seen[:24]
    assert (summary["steps"], told[-1], len(longer.seen)) == (36, 36, 36)
    assert (summary["relative_operations"], summary["relative_compute"]) == (1.0, 1.5)


def test_masks_are_new_in_each_epoch_and_every_block_comes_once(encoder: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    summary, _ = run(encoder, tmp_path, recorder)
    rows = [row for ids, _ in recorder.seen for row in ids]
    size = summary["blocks"]
    assert summary["epochs"] == 24 * 4 / size
    assert 2 * size < len(rows)
    blocks = pack(CORPUS.train, load_tokenizer(encoder), 16, None).ids

    def restored(part: list[list[int]]) -> int:
        """How many tokens of the rows are masks."""
        return sum(row.count(4) for row in part)

    first, second = rows[:size], rows[size : 2 * size]
    assert sorted(map(tuple, first)) != sorted(map(tuple, second))
    # 15 % of what is not special, 80 % of these masked.
    ordinary = int(np.isin(blocks, vocabulary_of(load_tokenizer(encoder)).ordinary).sum())
    assert restored(first) == pytest.approx(0.12 * ordinary, rel=0.25)
    assert sum(row.count(3) for row in first) == sum(row.count(3) for row in second)


def test_epochs_in_place_of_steps(encoder: Path, tmp_path: Path) -> None:
    options = PretrainingOptions(epochs=1.5, block_length=16, batch_size=4)
    summary, _ = run(encoder, tmp_path, Naive(), options=options)
    assert summary["steps"] == math.ceil(1.5 * summary["blocks"] / 4)
    for wrong in ({}, {"steps": 3, "epochs": 1.0}):
        with pytest.raises(ValueError, match="give either steps or epochs"):
            PretrainingOptions(**wrong)


def test_pretraining_learns_and_gives_a_plain_checkpoint(encoder: Path, tmp_path: Path) -> None:
    from asa_bench.models.loading import quiet

    options = OPTIONS.model_copy(update={"steps": 120, "learning_rate": 1e-2})
    summary, _ = run(encoder, tmp_path / "naive", Naive(), options=options)
    # 17 tokens; a model that has learned how frequent each is comes to exp(entropy) = 8.4 of the sentences' tokens.
    assert summary["perplexity_before"] > 14
    assert summary["perplexity"] < 10
    run(encoder, tmp_path / "asa", METHODS.get("asa")(), options=OPTIONS)
    assert {path.name for path in (tmp_path / "asa").iterdir()} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    with quiet():
        model, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "asa", output_loading_info=True)
    assert not info["missing_keys"]
    saved = load_file(tmp_path / "asa" / "model.safetensors")
    # Fine-tuning begins with the pooler of the encoder, which masked words do not train.
    assert torch.equal(
        saved["bert.pooler.dense.weight"], load_file(encoder / "model.safetensors")["pooler.dense.weight"]
    )
    again = load_masked(tmp_path / "asa", 1)
    assert torch.equal(again.state_dict()["cls.predictions.bias"], model.state_dict()["cls.predictions.bias"])
    assert not any("adversar" in name for name in saved)


def test_perplexity_of_a_model_that_knows_nothing_is_the_size_of_its_vocabulary(encoder: Path) -> None:
    tokenizer = load_tokenizer(encoder)
    model: Any = BertForMaskedLM(BertConfig.from_pretrained(encoder))
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
        model.get_output_embeddings().bias.zero_()
    blocks = pack(CORPUS.held_out, tokenizer, 16, None)
    model.train()
    found, count = perplexity(model, MaskedPlaces(model), blocks, vocabulary_of(tokenizer), 0.15)
    assert found == pytest.approx(len(WORDS) + 5, rel=1e-6)
    assert count == sum(max(1, round(0.15 * int((row > 4).sum()))) for row in blocks.ids)
    assert model.training


def test_operations_are_those_of_the_matrix_products(encoder: Path, tmp_path: Path) -> None:
    summary, _ = run(encoder, tmp_path, Naive(), options=OPTIONS.model_copy(update={"steps": 1}))
    blocks = pack(CORPUS.train, load_tokenizer(encoder), 16, None)
    assert (blocks.lengths[:-1] == 16).all()
    d, inner, n, words = 16, 24, 16, len(WORDS) + 5
    layer = 2 * n * (4 * d * d + 2 * d * inner) + 4 * n * n * d
    head = 2 * n * d * d
    # Of a block of 14 tokens that are no [CLS] or [SEP] at the ends, about 15 % are told: two, whatever the separators.
    told = 2 * 2 * d * words
    assert summary["operations"] == pytest.approx(3 * (2 * layer + head + told), rel=0.02)
    asa, _ = run(encoder, tmp_path, METHODS.get("asa")(), options=OPTIONS.model_copy(update={"steps": 1}))
    # Two passes, and per layer two maps forward and backward (weights only), and three products of n by n by d.
    adversary = 2 * (2 * 2 * n * d * d) + 3 * 2 * n * n * d
    expected = 2 + 2 * adversary / summary["operations"]
    assert asa["relative_operations"] == pytest.approx(expected, rel=1e-3)
    assert asa["relative_compute"] == asa["relative_operations"]


def test_random_state_is_put_back(encoder: Path, tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    def seed() -> None:
        random.seed(3), np.random.seed(3), torch.manual_seed(3)

    seed()
    expected = draw()
    seed()
    run(encoder, tmp_path, METHODS.get("asa")(), options=OPTIONS.model_copy(update={"steps": 2}))
    assert draw() == expected


class Diverging(Naive):
    def loss(self, model: Any, inputs: Mapping[str, torch.Tensor]) -> Loss:
        loss = super().loss(model, inputs)
        return Loss(loss.total * float("nan"), loss.logits, loss.parts)


def test_bad_input_is_told_in_one_line(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="block_length 64: the model and its tokenizer hold at most 24 tokens"):
        run(encoder, tmp_path, Naive(), options=OPTIONS.model_copy(update={"block_length": 64}))
    with pytest.raises(
        BadInput, match=r"diverged: the loss or a gradient is not finite; a learning rate below 0\.003"
    ):
        run(encoder, tmp_path / "never", Diverging())
    with pytest.raises(BadInput, match="diverged"):
        run(encoder, tmp_path / "never", Diverging(), saving=Saving(tmp_path / "states", steps=2))
    assert not (tmp_path / "states").exists()
    assert not list(tmp_path.rglob("*.safetensors"))
    with pytest.raises(BadInput, match="the tokenizer has 17 tokens, the model embeds 9"):
        small: Any = BertForMaskedLM(
            BertConfig(**{**json.loads((encoder / "config.json").read_text()), "vocab_size": 9})
        )
        pretrain(CORPUS, Naive(), small, load_tokenizer(encoder), OPTIONS, Machine(seed=1), tmp_path)


def test_settings_are_short_where_they_can_be() -> None:
    made = PretrainingSettings.model_validate({"methods": ["naive", "asa"], "corpus": "text.txt", "steps": 5})
    assert made.methods == {"naive": {}, "asa": {}}
    assert made.corpus.source == "text.txt"
    assert made.options() == PretrainingOptions(steps=5)
    with pytest.raises(ValueError, match="given twice"):
        PretrainingSettings.model_validate({"methods": ["naive", "naive"], "steps": 5})


@pytest.mark.slow
def test_a_real_encoder_learns_from_wikipedia(shared: Path, tmp_path: Path) -> None:
    from asa_bench.corpus import CorpusSettings, identify, load

    text_file = shared / "data" / "enwiki_extract" / "enwiki_AA_00-63.txt.xz"
    corpus = load(identify(CorpusSettings(source=str(text_file), documents=1000), "--corpus"))
    folder = shared / "models" / "minilm-l6"
    options = PretrainingOptions(
        steps=30, block_length=64, batch_size=16, learning_rate=5e-4, held_out_blocks=32
    )
    summary = pretrain(
        corpus, Naive(), load_masked(folder, 1), load_tokenizer(folder), options, Machine(seed=1), tmp_path
    )
    assert summary.perplexity < summary.perplexity_before / 2
