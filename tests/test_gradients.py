"""Gradients by word embeddings, against numerical ones, and the words of a victim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from models_for_tests import tiny_bert
from toy_training import TASK
from transformers import AutoModelForSequenceClassification
from white_box_victims import planted_victim, random_victim, text_gradient

from asa_bench.errors import BadInput
from asa_bench.gradients import LossQuestion, OwnWords, gains, text_gradients
from asa_bench.methods import METHODS
from asa_bench.models.perturbation import WordPerturbation
from asa_bench.training import TrainingOptions, load_model, load_tokenizer, train
from asa_bench.victims import Victim

GOLD = np.array([True, False, False])
TEXTS = [("the doctor saw a lawyer", "who slept"), ("the doctor slept",)]


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("texts", TEXTS, ids=["pair", "single"])
def test_the_gradient_is_the_numerical_one(family: str, texts: tuple[str, ...], tmp_path: Path) -> None:
    victim = random_victim(family, tmp_path)
    found = text_gradient(victim, texts, GOLD)
    batch = victim.tokenizer(*texts, return_tensors="pt")
    assert found.tokens.tolist() == batch["input_ids"][0].tolist()
    shape = (*batch["input_ids"].shape, found.values.shape[1])

    def loss(place: tuple[int, int], step: float) -> float:
        shift = torch.zeros(shape, dtype=torch.float64)
        shift[0][place] = step
        with torch.no_grad(), WordPerturbation(victim.model, 0).added(shift):
            logits = victim.model(**batch).logits
        return float(torch.nn.functional.cross_entropy(logits, torch.tensor([0])))

    step = 1e-5
    numerical = [
        [(loss((row, column), step) - loss((row, column), -step)) / (2 * step) for column in range(shape[2])]
        for row in range(shape[1])
    ]
    assert np.abs(found.values).max() > 1e-4
    assert np.allclose(found.values, numerical, atol=2e-6)
    # The model is left as it was: nothing was added up in its weights.
    assert all(weight.grad is None for weight in victim.model.parameters())


def test_labels_that_mean_the_same_count_together(tmp_path: Path) -> None:
    victim = random_victim("bert", tmp_path)
    both = text_gradient(victim, ("the film",), np.array([False, True, True])).values
    one = text_gradient(victim, ("the film",), GOLD).values
    # log(1 - p) falls where log(p) rises: the gradients point against each other.
    cosine = (both * one).sum() / np.linalg.norm(both) / np.linalg.norm(one)
    assert cosine == pytest.approx(-1, abs=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_tokens_of_a_stretch_of_text(family: str, tmp_path: Path) -> None:
    victim = random_victim(family, tmp_path)
    texts = ("the doctor saw", "near the judge slept")
    found = text_gradient(victim, texts, GOLD)
    for column, text in enumerate(texts):
        for word in text.split():
            start = text.index(word)
            pieces = found.tokens[found.at(column, start, start + len(word))]
            assert victim.tokenizer.decode(pieces).strip() == word
    assert not len(found.at(0, 100, 105))


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_only_whole_words_are_words(family: str, tmp_path: Path) -> None:
    victim = random_victim(family, tmp_path)
    words = set(OwnWords(victim).words.values())
    assert {"doctor", "judge", "film"} <= words
    assert all(word.isalpha() for word in words)
    assert not words & {"##s", "##ed", "UNK", "[UNK]", "<s>", "s>"}
    if family == "bert":
        assert "ed" not in words


def test_near_words(tmp_path: Path) -> None:
    victim = planted_victim(tmp_path)
    own = OwnWords(victim)
    token = victim.tokenizer.convert_tokens_to_ids("wonderful")
    assert [own.words[near] for near in own.near(token, 0.5, 50)] == ["grand", "terrible"]
    assert [own.words[near] for near in own.near(token, 0.5, 1)] == ["grand"]
    assert not len(own.near(token, 0.999, 50))
    assert not len(own.near(victim.tokenizer.cls_token_id, 0.0, 50))
    assert own.spelt(token, "film") == "wonderful"
    assert own.spelt(token, "Film") == "Wonderful"  # the tokenizer knows no capitals


def test_gains_are_the_differences_of_the_first_order_estimate() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    gradient = np.array([0.5, -1.0])
    # estimate of a word: its vector times the gradient: 0.5, -2.0, 0.5
    assert gains(gradient, vectors, 0, np.array([1, 2])).tolist() == [-2.5, 0.0]


def test_a_slow_tokenizer_is_refused(tmp_path: Path) -> None:
    from transformers import BertTokenizer

    victim = planted_victim(tmp_path)
    victim.tokenizer = BertTokenizer(str(tmp_path / "vocab.txt"))
    with pytest.raises(BadInput, match="fast tokenizer"):
        text_gradient(victim, ("the film",), np.array([True, False]))


WORDS = ("the", "doctor", "film", "dull", "lawyer", "judge", "grand", "slept")


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_a_gradient_depends_on_its_example_alone(family: str, tmp_path: Path) -> None:
    """To the last bit: however many share its pass, whatever their order, with one thread or two."""
    victim = random_victim(family, tmp_path)
    victim.model.float()
    shares: list[int] = []
    hook = victim.model.register_forward_pre_hook(
        lambda module, given, inputs: shares.append(len(inputs["input_ids"])), with_kwargs=True
    )
    drawn = np.random.default_rng(0)
    questions = [
        LossQuestion(
            (" ".join(drawn.choice(WORDS, drawn.integers(2, 9))),), tuple(drawn.permutation(GOLD).tolist())
        )
        for _ in range(60)
    ]
    alone = [text_gradients(victim, [question], 1.5)[0].values for question in questions]
    assert set(shares) == {1}
    before = torch.get_num_threads()
    try:
        for threads, order in ((1, range(60)), (2, drawn.permutation(60)), (1, drawn.permutation(60)[:25])):
            torch.set_num_threads(threads)
            shares.clear()
            together = text_gradients(victim, [questions[at] for at in order], 1.5)
            assert max(shares) > 2 and len(shares) < len(order)
            for at, found in zip(order, together, strict=True):
                assert np.array_equal(found.values, alone[at])
    finally:
        torch.set_num_threads(before)
        hook.remove()
    # Equal questions are asked once; an example of another label is another question.
    shares.clear()
    hook = victim.model.register_forward_pre_hook(
        lambda module, given, inputs: shares.append(len(inputs["input_ids"])), with_kwargs=True
    )
    one, other = (LossQuestion(("the film",), gold) for gold in ((True, False, False), (False, True, False)))
    first, second, third = text_gradients(victim, [one, other, one])
    hook.remove()
    assert shares == [2]
    assert np.array_equal(first.values, third.values) and not np.allclose(first.values, second.values)


@pytest.mark.parametrize("method", ["naive", "asa"])
def test_a_trained_checkpoint_gives_plain_gradients(method: str, tmp_path: Path) -> None:
    """However it was trained: of the plain cross-entropy, in eval mode, with nothing of an adversary in the pass."""
    encoder = tiny_bert(tmp_path, TASK.labels)
    tokenizer = load_tokenizer(encoder)
    texts = ["good film", "a dull film", "good plot here", "no plot"]
    labels = ["positive", "negative", "positive", "negative"]
    rows = pd.DataFrame({"id": texts, "text": texts, "label": labels})
    options = TrainingOptions(epochs=2, learning_rate=1e-3, batch_size=2, max_length=12)
    train(
        rows,
        TASK,
        METHODS.get(method)(None),
        load_model(encoder, TASK, 0),
        tokenizer,
        options,
        tmp_path / "out",
    )
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    victim = Victim(loaded, tokenizer, TASK.labels)
    found = text_gradient(victim, (texts[2],), np.array([True, False]))
    batch = tokenizer(texts[2], return_tensors="pt")
    embedded = loaded.get_input_embeddings()(batch.pop("input_ids")).detach().requires_grad_()
    logits = loaded(inputs_embeds=embedded, **batch).logits
    (expected,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, torch.tensor([0])), embedded)
    assert np.abs(found.values).max() > 1e-5
    assert np.allclose(found.values, expected[0].numpy(), rtol=1e-3, atol=1e-7)
    # A pass that drew dropout or an adversary's masks would not give it twice.
    assert np.array_equal(found.values, text_gradient(victim, (texts[2],), np.array([True, False])).values)
    assert not loaded.training and all(weight.grad is None for weight in loaded.parameters())
