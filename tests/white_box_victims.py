"""Victims whose gradients are known: tiny random encoders of three families, and a classifier with planted keywords."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertTokenizerFast,
    RobertaTokenizerFast,
)

from asa_bench.gradients import LossQuestion, TextGradient, text_gradients
from asa_bench.victims import Victim

WORDS = [
    "the",
    "doctor",
    "saw",
    "lawyer",
    "slept",
    "near",
    "judge",
    "who",
    "wonderful",
    "terrible",
    "dull",
    "grand",
    "film",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def bert_tokenizer(folder: Path) -> Any:
    """Whole words, and two pieces."""
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *WORDS, "##s", "##ed"]))
    return BertTokenizerFast(str(folder / "vocab.txt"))


def roberta_tokenizer() -> Any:
    """Byte pairs, learned from the words; a word's first token tells the space before it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=names,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([" ".join(["", *WORDS])] * 5, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(sep=("</s>", 2), cls=("<s>", 0))
    return RobertaTokenizerFast(tokenizer_object=tokenizer)


def random_victim(family: str, folder: Path) -> Victim:
    """A tiny classifier of a family with random weights and three labels, in float64, so that differences can be taken."""
    tokenizer = roberta_tokenizer() if family == "roberta" else bert_tokenizer(folder)
    if family == "distilbert":
        tokenizer.model_input_names = ["input_ids", "attention_mask"]  # as its own tokenizer has it
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "num_labels": 3,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if family == "distilbert":
        sizes |= {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    else:
        sizes |= {
            "hidden_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "initializer_range": 0.5,
        }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **sizes))
    return Victim(model.double(), tokenizer, ("entailment", "neutral", "contradiction"))


class Planted(torch.nn.Module):
    """Says 'positive' with the strength of the first dimension of its words, summed."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.embeddings = torch.nn.Embedding.from_pretrained(vectors)
        self.device = torch.device("cpu")

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.embeddings

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        strength = self.embeddings(input_ids)[..., 0].sum(1)
        return SimpleNamespace(logits=torch.stack([-strength, strength], 1))


def planted_victim(folder: Path) -> Victim:
    """'wonderful' lies near 'grand' and 'terrible', of which the latter means the opposite; 'dull' is far off."""
    tokenizer = bert_tokenizer(folder)
    vectors = torch.zeros(len(tokenizer), 4)
    vectors[:, 3] = torch.linspace(0.1, 1.0, len(tokenizer))
    for word, vector in {
        "wonderful": (1.0, 2.0, 0.0, 0.0),
        "grand": (1.2, 2.0, 0.0, 0.0),
        "terrible": (-1.0, 2.0, 0.0, 0.0),
        "dull": (-3.0, 0.0, 1.0, 0.0),
    }.items():
        vectors[tokenizer.convert_tokens_to_ids(word)] = torch.tensor(vector)
    model: Any = Planted(vectors)
    return Victim(model, tokenizer, ("negative", "positive"))


def text_gradient(
    victim: Victim, texts: tuple[str, ...], gold: np.ndarray, temperature: float = 1.0
) -> TextGradient:
    """That of one example."""
    question = LossQuestion(texts, tuple(gold.tolist()))
    return text_gradients(victim, [question], temperature)[0]
