"""An attack on a small transformer through the victim that runs use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from attack_victims import PAIR, THREE_WAY, pair_rows

from asa_bench.attacks import ATTACKS
from asa_bench.attacks.engine import attack_rows
from asa_bench.victims import Victim

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "the", "doctor", "saw", "lawyer", "slept", "near", "judge", "who", "##s", "##ed"]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    vocabulary = tmp_path_factory.mktemp("tokenizer") / "vocab.txt"
    Path(vocabulary).write_text("\n".join(WORDS))
    configuration = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=3,
        initializer_range=1.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(configuration)
    return Victim(model, BertTokenizerFast(str(vocabulary)), THREE_WAY, batch_size=8)


def test_transformer(victim: Victim) -> None:
    pairs = [
        (f"the {one} saw the {two}", f"the {two} slept near the {one}")
        for one in ("doctor", "lawyer", "judge")
        for two in ("doctor", "lawyer", "judge")
    ]
    rows = pair_rows(*pairs)
    rows["label"] = [PAIR.label_map.get(name, name) for name in victim.predict(pairs)]
    frame = attack_rows(ATTACKS.get("pruthi+stopwords"), victim, PAIR, rows, seed=1)
    statuses = frame["status"].tolist()
    assert set(statuses) == {"successful", "failed"}
    alone = victim.logits(pairs, batch_size=1)
    assert np.allclose(np.array(frame["original_logits"].tolist()), alone, atol=1e-5)
    for row in frame[frame["status"] == "successful"].to_dict("records"):
        perturbed = tuple(json.loads(row["perturbed"]))
        again = victim.logits([perturbed])[0]
        assert np.allclose(row["perturbed_logits"], again, atol=1e-5)
        named = victim.labels[int(again.argmax())]
        assert PAIR.label_map.get(named, named) != row["label"]
