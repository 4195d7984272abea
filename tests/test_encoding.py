"""Encoding of every kind of task: which texts a model reads as what, padding, and whose token is whose word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models_for_tests import tiny_bert
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoTokenizer, BertTokenizer, BertTokenizerFast, RobertaTokenizerFast

from asa_bench.encoding import IGNORED, encode, first_tokens
from asa_bench.errors import BadInput


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerFast:
    return AutoTokenizer.from_pretrained(tiny_bert(tmp_path_factory.mktemp("tiny"), ("a", "b")))


def read(tokenizer: BertTokenizerFast, ids: torch.Tensor) -> str:
    return tokenizer.decode(ids).replace(" [PAD]", "")


def test_a_choice_is_read_as_context_and_beginning_with_choice(tokenizer: BertTokenizerFast) -> None:
    texts = [
        ("the film was good", "why not", "the actor", "music", "a book"),
        ("a movie", "", "bad", "the doctor saw", "near"),
    ]
    encoded = encode(tokenizer, "multiple_choice", texts, 32)
    assert len(encoded) == 2 and encoded.choices == 3
    batch = encoded.batch([1, 0])
    longest = len(tokenizer("the film was good", "why not the actor")["input_ids"])
    assert {value.shape for value in batch.values()} == {(2, 3, longest)}
    assert read(tokenizer, batch["input_ids"][1, 2]) == "[CLS] the film was good [SEP] why not a book [SEP]"
    assert read(tokenizer, batch["input_ids"][0, 0]) == "[CLS] a movie [SEP] bad [SEP]"
    assert batch["attention_mask"][0, 0].tolist() == [1] * 6 + [0] * (longest - 6)
    assert batch["token_type_ids"][0, 0].tolist() == [0] * 4 + [1] * 2 + [0] * (longest - 6)


def test_the_end_of_the_longer_text_is_cut(tokenizer: BertTokenizerFast) -> None:
    encoded = encode(tokenizer, "classification", [("good " * 30, "bad film")], 10)
    assert (
        read(tokenizer, encoded.batch([0])["input_ids"][0])
        == "[CLS] good good good good good [SEP] bad film [SEP]"
    )


def test_a_word_is_labelled_at_its_first_token(tokenizer: BertTokenizerFast) -> None:
    text = "the zyx film"  # zyx: three pieces
    encoded = encode(tokenizer, "token_classification", [(text,), ("a",)], 32)
    assert tokenizer.convert_ids_to_tokens(encoded.batch([0])["input_ids"][0]) == [
        *("[CLS]", "the", "z", "##y", "##x", "film", "[SEP]")
    ]
    assert encoded.words is not None and [words.tolist() for words in encoded.words] == [[1, 2, 5], [1]]
    first, second = encoded.token_labels([[7, 8, 9], [6]])
    assert first.tolist() == [IGNORED, 7, 8, IGNORED, IGNORED, 9, IGNORED]
    assert second.tolist() == [IGNORED, 6, IGNORED]
    with pytest.raises(ValueError, match="example 0 has 3 words, but 2 labels"):
        encoded.token_labels([[7, 8], [6]])


def test_a_truncated_word_and_one_that_leaves_nothing_have_no_token(tokenizer: BertTokenizerFast) -> None:
    # BERT's tokenizer drops control characters, so the second word disappears.
    encoded = encode(tokenizer, "token_classification", [("good \u0001 film bad bad",)], 5)
    assert encoded.words is not None and encoded.words[0].tolist() == [1, -1, 2, 3, -1]
    assert encoded.token_labels([[1, 2, 3, 4, 5]])[0].tolist() == [IGNORED, 1, 3, 4, IGNORED]


def test_a_space_that_counts_as_the_next_words_own_does_not_shift_words() -> None:
    # Byte-pair and sentence-piece tokenizers may say that " b" starts at the space.
    assert first_tokens("a bb c", [(0, 0), (0, 1), (1, 3), (3, 4), (4, 6), (0, 0)]).tolist() == [1, 2, 4]
    assert first_tokens("a b", [(0, 1), (1, 2), (2, 3)]).tolist() == [0, 2]  # a token that is a space alone


def test_byte_pair_tokenizers_find_the_same_words(tmp_path: Path) -> None:
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(["the film was good and the actor was bad"] * 4, vocab_size=300, min_frequency=1)
    made.save_model(str(tmp_path))
    tokenizer = RobertaTokenizerFast(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    text = "the film qq was good"
    encoded = encode(tokenizer, "token_classification", [(text,)], 64)
    assert encoded.words is not None
    pieces = tokenizer.convert_ids_to_tokens(encoded.batch([0])["input_ids"][0])
    starts = [pieces[position] for position in encoded.words[0]]
    assert [start.lstrip("Ġ")[0] for start in starts] == [word[0] for word in text.split(" ")]
    assert (np.diff(encoded.words[0]) > 0).all()


def test_a_tokenizer_that_tells_no_places_is_refused(tokenizer: BertTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_vocabulary(str(tmp_path))
    with pytest.raises(BadInput, match="needs a fast tokenizer"):
        encode(BertTokenizer(str(tmp_path / "vocab.txt")), "token_classification", [("a",)], 8)


def test_padding_on_the_left(tokenizer: BertTokenizerFast) -> None:
    tokenizer.padding_side = "left"
    try:
        encoded = encode(tokenizer, "classification", [("good film",), ("bad",)], 8)
    finally:
        tokenizer.padding_side = "right"
    assert encoded.batch([0, 1])["attention_mask"].tolist() == [[1, 1, 1, 1], [0, 1, 1, 1]]


def test_batches_can_be_padded_to_the_full_length(tokenizer: BertTokenizerFast) -> None:
    encoded = encode(tokenizer, "classification", [("good film",), ("bad",)], 9, whole=True)
    assert encoded.batch([0])["input_ids"].shape == (1, 9)
    assert encoded.batch([1])["attention_mask"].sum() == 3
