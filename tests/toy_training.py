"""A toy task, a tiny encoder that has its words, and a training of a moment."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from asa_bench.methods import METHODS
from asa_bench.tasks.base import Split, Task
from asa_bench.training import TrainingOptions, TrainingSummary, load_model, load_tokenizer, train

WORDS = ["good", "bad", "film", "plot", "the", "a", "is", "was", "very", "not"]
TASK = Task(
    name="toy",
    title="Toy",
    family="sentiment",
    role="train",
    columns=("text",),
    labels=("negative", "positive"),
    splits={"train": Split(), "dev": Split()},
    evaluation_split="dev",
    attack_column="text",
    licence="none",
    citation="none",
    homepage="none",
)
OPTIONS = TrainingOptions(epochs=2, learning_rate=1e-3, batch_size=8, max_length=12, seed=7)


def saved_encoder(folder: Path) -> Path:
    """Saves a tiny encoder without a head, with its tokenizer, into `folder`."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=24).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=24,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    return folder


def rows(count: int = 60) -> pd.DataFrame:
    draw = random.Random(1)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(2, 9))) for _ in range(count)]
    labels = ["positive" if text.count("good") > text.count("bad") else "negative" for text in texts]
    return pd.DataFrame({"id": [str(i) for i in range(count)], "text": texts, "label": labels})


def run(encoder: Path, output: Path, method: str, **changes: Any) -> TrainingSummary:
    options = OPTIONS.model_copy(update=changes)
    model = load_model(encoder, TASK, options.seed)
    return train(rows(), TASK, METHODS.get(method)(), model, load_tokenizer(encoder), options, output)
