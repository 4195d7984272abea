"""Words, texts without them, and the tokens that belong to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models_for_tests import tiny_bert

from asa_bench.words import Word, owners, spread_out, without, words_of


def test_words_are_runs_without_white_space() -> None:
    found = words_of((" A  film,\tgood.", "", "Yes"))
    assert [(w.column, w.position, w.text) for w in found] == [
        (0, 0, "A"),
        (0, 1, "film,"),
        (0, 2, "good."),
        (2, 0, "Yes"),
    ]
    assert all((" A  film,\tgood.", "", "Yes")[w.column][w.start : w.end] == w.text for w in found)


def test_a_word_goes_with_the_space_behind_it() -> None:
    texts = ("the film was good", "so  it was")
    words = words_of(texts)
    assert without(texts, [words[0]]) == ("film was good", "so  it was")
    assert without(texts, [words[1]]) == ("the was good", "so  it was")
    assert without(texts, [words[3]]) == ("the film was", "so  it was")
    assert without(texts, [words[4]]) == ("the film was good", "it was")
    assert without(texts, [words[3], words[0], words[5]]) == ("film was", "so  was")
    assert without(texts, []) == texts


def test_the_only_word_leaves_an_empty_text() -> None:
    assert without(("alone", "a b"), words_of(("alone",))) == ("", "a b")
    assert without((" alone ",), words_of((" alone ",))) == ("",)
    assert words_of(("", " ")) == []


@settings(deadline=None)  # processors may be busy
@given(
    st.lists(st.text(alphabet="ab. é", max_size=12), min_size=1, max_size=2),
    st.sets(st.integers(0, 11), max_size=6),
)
def test_leaving_out_is_leaving_out_of_the_list_of_words(texts: list[str], places: set[int]) -> None:
    words = words_of(texts)
    gone = [words[place] for place in places if place < len(words)]
    left = without(texts, gone)
    for column, text in enumerate(left):
        kept = [w.text for w in words if w.column == column and w not in gone]
        assert text.split() == kept
        if len(kept) == len([w for w in words if w.column == column]):
            assert text == texts[column]


def test_words_are_spread_over_the_whole_text() -> None:
    words = words_of((" ".join("abcdefghij"),))
    assert "".join(w.text for w in spread_out(words, 4)) == "adgj"
    assert "".join(w.text for w in spread_out(words, 9)) == "abcdefghj"
    assert spread_out(words, 10) == words
    assert [w.text for w in spread_out(words, 1)] == ["a"]


def test_a_token_belongs_to_the_word_it_shares_most_with() -> None:
    texts = ("an unseen film", "so it")
    words = words_of(texts)
    columns = [None, 0, 0, 0, 0, None, 1, 1, 1, None]
    # an | un | seen | " film" with the space counted in | so | " " alone | "o it" mostly of "it".
    offsets = [(0, 0), (0, 2), (3, 5), (5, 9), (9, 14), (0, 0), (0, 2), (2, 3), (1, 5), (0, 0)]
    assert owners(words, columns, offsets).tolist() == [-1, 0, 1, 1, 2, -1, 3, -1, 4, -1]


def test_of_equal_shares_the_first_word_counts() -> None:
    words = [Word(0, 0, 0, 2, "ab"), Word(0, 1, 3, 5, "cd")]
    assert owners(words, [0], [(1, 4)]).tolist() == [0]
    assert owners([], [0], [(0, 1)]).tolist() == [-1]


def test_a_real_tokenizers_pieces(tmp_path: Path) -> None:
    """WordPiece splits letters and punctuation; every piece of a word finds its word, in both texts."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert(tmp_path, ["a", "b"]))
    texts = ("The  film, x-good?", "Awful actor.")
    words = words_of(texts)
    encoded = tokenizer(*([text] for text in texts), return_offsets_mapping=True)
    found = owners(words, encoded.sequence_ids(0), encoded["offset_mapping"][0])
    by_word: dict[int, list[str]] = {}
    for token, place in zip(encoded.tokens(0), found.tolist(), strict=True):
        by_word.setdefault(place, []).append(token)
    assert by_word == {
        -1: ["[CLS]", "[SEP]", "[SEP]"],
        0: ["the"],
        1: ["film", ","],
        2: ["x", "[UNK]", "good", "?"],
        3: ["awful"],
        4: ["actor", "."],
    }


@pytest.mark.parametrize("add_prefix_space", [True, False])
def test_byte_level_and_sentence_pieces(add_prefix_space: bool) -> None:
    """Tokenizers that write the space into the piece, as RoBERTa's and DeBERTa's do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = {"Ġa": 0, "a": 1, "Ġf": 2, "ilm": 3, "Ġ": 4, "f": 5, "i": 6, "l": 7, "m": 8, "il": 9}
    roberta = Tokenizer(models.BPE(vocab=pieces, merges=[("Ġ", "a"), ("Ġ", "f"), ("i", "l"), ("il", "m")]))
    roberta.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    roberta.decoder = decoders.ByteLevel()
    unigram = [("<unk>", -9.0), ("▁a", -1.0), ("▁f", -1.0), ("ilm", -1.0), ("▁", -3.0), ("a", -3.0)]
    deberta = Tokenizer(models.Unigram(unigram, unk_id=0))
    deberta.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if add_prefix_space else "never")
    text = "a film a"
    words = words_of((text,))
    for tokenizer in (roberta, deberta):
        encoded = tokenizer.encode(text)
        found = owners(words, encoded.sequence_ids, encoded.offsets)
        assert [place for place in found.tolist() if place >= 0] == [0, 1, 1, 2], (
            encoded.tokens,
            encoded.offsets,
        )
