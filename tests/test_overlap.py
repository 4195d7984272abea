"""Overlap of training and test rows: planted copies are counted, strangers are not."""

from __future__ import annotations

import lzma
import random
from pathlib import Path

import pytest

from asa_bench.overlap import overlap
from asa_bench.tasks.likeness import normalized

SENTENCE = (
    "river paper golden teacher walked slowly under window bright garden seven letters carried morning coffee "
    "doctor quiet train station winter yellow bottle forgot answer music silver bridge island captain planted"
)
WORDS = SENTENCE.split()


def rows(seed: int, count: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    return [
        (" ".join(draw.choices(WORDS, k=9)) + ".", " ".join(draw.choices(WORDS, k=7)) + ".")
        for _ in range(count)
    ]


def test_planted_overlaps_are_counted() -> None:
    training, test = rows(0, 400), rows(1, 100)
    premise, hypothesis = test[3]
    training[10] = (
        premise.upper().replace(" ", "  "),
        hypothesis.replace(".", " !"),
    )  # the same without case etc.
    training[11] = test[5]
    training[12] = (test[7][0].replace(test[7][0].split()[4], "robin", 1), test[7][1])  # one word of sixteen
    training[13] = (test[9][0], training[13][1])  # one text alone
    found = overlap(training, test)
    assert (found.tested, found.trained) == (100, 400)
    assert found.exact_rows == (3, 5)
    assert found.near_rows == (7,)
    assert (found.exact, found.near) == (2, 1)
    assert found.shared_text == 4  # 3, 5, 7 (its hypothesis) and 9
    assert [match.training for match in found.examples] == [10, 11, 12]
    assert found.examples[0].similarity == 1.0
    assert 0.8 <= found.examples[2].similarity < 1


def test_strangers_do_not_overlap() -> None:
    found = overlap(rows(0, 400), rows(1, 100))
    assert (found.exact, found.near, found.shared_text) == (0, 0, 0)
    assert found.examples == ()


def test_similarity_is_that_of_the_shingles() -> None:
    training, test = [("abcdefghijklmnop",)], [("abcdefghijklmnoq",)]
    # 12 shingles of 5 characters each, 11 shared, 13 in all.
    found = overlap(training, test, threshold=0.8)
    assert found.examples[0].similarity == pytest.approx(11 / 13)
    assert overlap(training, test, threshold=0.9).near == 0


def test_near_duplicates_are_found_whatever_their_place() -> None:
    """With the threshold of 0.8 and one word of sixteen changed, LSH finds all of 200."""
    test = rows(2, 200)
    training = [(first, second.rsplit(" ", 1)[0] + " robin.") for first, second in test]
    found = overlap(training, test)
    assert found.exact == 0
    assert found.near >= 190  # long last words fall below 0.8
    assert found.shared_text == 200


def test_equal_test_rows_are_each_counted() -> None:
    assert overlap([("a b c d e f",)], [("A b c d e f!",), ("a b c d e f",)]).exact == 2


def test_odd_texts() -> None:
    assert normalized("It's  FINE,\n really…") == "itsfinereally" == normalized("it 's fine really")
    assert normalized("?!") == "?!"
    assert normalized("ﬁne") == "fine"
    assert overlap([("?!",), ("",), ("\ud800",)], [("!?",), ("",), ("\ud800",)]).exact == 2
    with pytest.raises(ValueError, match="no test rows"):
        overlap([("a",)], [])
    with pytest.raises(ValueError, match="threshold"):
        overlap([("a",)], [("a",)], threshold=0.2)


def test_the_result_does_not_depend_on_the_order_of_training_rows() -> None:
    training, test = rows(0, 200), rows(1, 50)
    training[5], training[80] = test[3], test[4]
    forward, backward = overlap(training, test), overlap(training[::-1], test)
    assert (forward.exact_rows, forward.near_rows) == (backward.exact_rows, backward.near_rows)


@pytest.mark.slow
def test_real_overlaps_agree_with_another_count(shared: Path) -> None:
    """Counts that were measured when the data were collected, by comparing texts without case and punctuation."""

    def lines(*parts: str) -> list[str]:
        data = shared.joinpath("data", *parts).read_bytes()
        text = (lzma.decompress(data) if parts[-1].endswith(".xz") else data).decode("utf-8", "replace")
        return [line for line in text.split("\n") if line]

    reviews = [(line.split(" ", 1)[1],) for line in lines("textfooler", "mr.xz")]
    sst2 = [(line.rsplit("\t", 1)[0],) for line in lines("glue", "SST-2", "train.tsv.xz")[1:]]
    assert overlap(sst2, reviews).exact == 527
    paws = [line.split("\t")[1:3] for line in lines("paws", "paws_qqp_dev_and_test.tsv")[1:]]
    qqp = [line.split("\t")[3:5] for line in lines("glue", "QQP", "train_sample_23497.tsv.xz")]
    found = overlap(qqp, [[text[2:-1] for text in row] for row in paws])  # b'...' as the file has it
    assert (found.tested, found.shared_text) == (677, 111)
