"""Tiny files in the layouts in which the data sets are distributed are found and read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import folder, loaded, rows, tsv, unpublished, write

from asa_bench.errors import BadInput
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source
from asa_bench.tasks.loading import identify, load

SST2 = TASKS.get("sst2")


@pytest.mark.parametrize("place", ["glue/SST-2", "SST-2", "GLUE/SST-2", "glue_data/SST-2"])
@pytest.mark.parametrize("ending", ["", ".xz", ".gz"])
def test_sst2_wherever_glue_lies_and_however_it_is_packed(tmp_path: Path, place: str, ending: str) -> None:
    tsv(
        tmp_path / place / f"dev.tsv{ending}",
        ("sentence", "label"),
        [("a  fine\u00a0 film . ", "1"), ('a "poor one', "0")],
    )
    assert loaded(SST2, "dev", tmp_path) == [('a "poor one', "negative"), ("a fine film .", "positive")]


def test_quotes_mean_nothing_in_glue_files(tmp_path: Path) -> None:
    tsv(
        tmp_path / "RTE" / "dev.tsv",
        ("index", "sentence1", "sentence2", "label"),
        [("0", '"One', "two", "entailment"), ("1", "three", 'four"', "not_entailment")],
    )
    assert loaded(TASKS.get("rte"), "dev", tmp_path) == [
        ('"One', "two", "entailment"),
        ("three", 'four"', "not_entailment"),
    ]


def test_mnli_as_glue_distributes_it(tmp_path: Path) -> None:
    train = "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse "
    train += "sentence2_parse sentence1 sentence2 label1 gold_label"
    row = ["0", "1", "1n", "fiction", "( a )", "( b )", "(S a)", "(S b)", "A .", "B .", "neutral", "neutral"]
    tsv(tmp_path / "MNLI" / "train.tsv", train.split(), [row])
    dev = train.replace("label1", "label1 label2 label3 label4 label5")
    row = [*row[:10], "neutral", "entailment", "entailment", "entailment", "neutral", "entailment"]
    tsv(tmp_path / "MNLI" / "dev_matched.tsv", dev.split(), [row])
    tsv(tmp_path / "MNLI" / "dev_mismatched.tsv", dev.split(), [[*row[:8], "C .", *row[9:]]])
    mnli = TASKS.get("mnli")
    assert loaded(mnli, "train", tmp_path) == [("A .", "B .", "neutral")]
    assert loaded(mnli, "dev", tmp_path) == [("A .", "B .", "entailment")]
    assert loaded(mnli, "dev_mismatched", tmp_path) == [("C .", "B .", "entailment")]


def test_qqp_and_qnli(tmp_path: Path) -> None:
    tsv(
        tmp_path / "glue" / "QQP" / "dev.tsv",
        ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
        [("7", "1", "2", "Why?", "How?", "0"), ("8", "3", "4", "Who?", "Who is it?", "1")],
    )
    tsv(
        tmp_path / "glue" / "QNLI" / "dev.tsv",
        ("index", "question", "sentence", "label"),
        [("0", "Why?", "So.", "not_entailment")],
    )
    assert loaded(TASKS.get("qqp"), "dev", tmp_path) == [
        ("Who?", "Who is it?", "duplicate"),
        ("Why?", "How?", "not_duplicate"),
    ]
    assert loaded(TASKS.get("qnli"), "dev", tmp_path) == [("Why?", "So.", "not_entailment")]


def test_qqp_rows_that_every_reader_skips(tmp_path: Path) -> None:
    text = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    text += "1\t1\t2\tWhy?\tHow\n broken?\t0\n2\t3\t4\tA?\tB?\t1\n"
    write(tmp_path / "QQP" / "train.tsv", text)
    data = load(unpublished(TASKS.get("qqp")), "train", folder(tmp_path))
    assert rows(data) == [("A?", "B?", "duplicate")]
    assert data.origin["malformed_rows_skipped"] == 2


@pytest.mark.parametrize("place", ["advglue/", ""])
def test_advglue_plain_and_annotated(tmp_path: Path, place: str) -> None:
    plain = {
        "sst2": [{"idx": 0, "sentence": "fine", "label": 1}],
        "mnli-mm": [{"idx": 0, "premise": "A", "hypothesis": "B", "label": 2}],
    }
    write(tmp_path / f"{place}dev.json", json.dumps(plain))
    task = TASKS.get("advglue/sst2")
    assert loaded(task, "dev", tmp_path) == [("fine", "positive", "", "")]
    assert loaded(TASKS.get("advglue/mnli-mm"), "dev", tmp_path) == [("A", "B", "contradiction", "", "")]
    plain["sst2"][0] |= {"method": "TextBugger", "data_construction": "word", "original_sentence": "good"}
    write(tmp_path / f"{place}dev_ann.json", json.dumps(plain))
    assert loaded(task, "dev", tmp_path) == [("fine", "positive", "TextBugger", "word")]


@pytest.mark.parametrize(
    "path",
    [
        "paws/paws_wiki_test.tsv.xz",
        "final/test.tsv",
        "paws/final/test.tsv",
        "paws_wiki_labeled_final/final/test.tsv",
    ],
)
def test_paws_wiki(tmp_path: Path, path: str) -> None:
    tsv(tmp_path / path, ("id", "sentence1", "sentence2", "label"), [("1", "a b", "b a", "0")])
    assert loaded(TASKS.get("paws_wiki"), "test", tmp_path) == [("a b", "b a", "not_duplicate")]


def test_paws_qqp_wears_its_wrapper_or_not(tmp_path: Path) -> None:
    tsv(
        tmp_path / "paws_qqp" / "output" / "dev_and_test.tsv",
        ("id", "sentence1", "sentence2", "label"),
        [("1", "b'caf\\xc3\\xa9 ?'", 'b"it \'s so ?"', "1"), ("2", "plain ?", "b'only a start", "0")],
    )
    assert loaded(TASKS.get("paws_qqp"), "test", tmp_path) == [
        ("café ?", "it 's so ?", "duplicate"),
        ("plain ?", "b'only a start", "not_duplicate"),
    ]


@pytest.mark.parametrize("path", ["anli/anli_v1.0/R2/test.jsonl", "anli_v1.0/R2/test.jsonl", "R2/test.jsonl"])
def test_anli_as_its_authors_distribute_it(tmp_path: Path, path: str) -> None:
    row = {"uid": "u", "context": "A.", "hypothesis": "B.", "label": "c", "reason": "", "tag": "r2:test"}
    write(tmp_path / path, json.dumps(row) + "\n")
    data = load(unpublished(TASKS.get("anli/r2")), "test", folder(tmp_path))
    assert rows(data) == [("A.", "B.", "contradiction")]
    assert "form" not in data.origin


def test_a_reconstructed_file_says_so(tmp_path: Path) -> None:
    row = {"uid": "u", "premise": "A.", "hypothesis": "B.", "label": "e"}
    write(tmp_path / "anli" / "anli_r1_test_reconstructed.jsonl.xz", json.dumps(row))
    data = load(unpublished(TASKS.get("anli/r1")), "test", folder(tmp_path))
    assert data.origin["form"] == "reconstructed"


@pytest.mark.parametrize("place", ["hans", ""])
def test_hans_as_its_authors_distribute_it(tmp_path: Path, place: str) -> None:
    parses = [f"sentence{n}_{kind}" for kind in ("binary_parse", "parse") for n in (1, 2)]
    header = ["gold_label", *parses, "sentence1", "sentence2", "pairID", "heuristic", "subcase", "template"]
    row = ["non-entailment", "( A )", "( B )", "(A)", "(B)", "A .", "B .", "ex0"]
    tsv(
        tmp_path / place / "heuristics_evaluation_set.txt",
        header,
        [[*row, "lexical_overlap", "ln_subject/object_swap", "temp1"]],
    )
    assert loaded(TASKS.get("hans"), "evaluation", tmp_path) == [
        ("A .", "B .", "non-entailment", "lexical_overlap", "ln_subject/object_swap")
    ]


def test_equal_data_give_equal_frames_whatever_the_file(tmp_path: Path) -> None:
    """Order, ids, packing, white space and Unicode form of a file leave no trace; multiplicity does."""
    header = ("index", "sentence1", "sentence2", "label")
    one = [
        ("0", "caf\u00e9", "b", "entailment"),
        ("1", "c", "d", "not_entailment"),
        ("2", "c", "d", "not_entailment"),
    ]
    other = [
        ("9", "c ", "d", "not_entailment"),
        ("8", "c", "d", "not_entailment"),
        ("7", "cafe\u0301", "b", "entailment"),
    ]
    tsv(tmp_path / "1" / "RTE" / "dev.tsv", header, one)
    tsv(tmp_path / "2" / "RTE" / "dev.tsv.gz", header, other)
    tsv(tmp_path / "3" / "RTE" / "dev.tsv", header, one[:2])
    task = unpublished(TASKS.get("rte"))
    first, second, third = (load(task, "dev", folder(tmp_path / name)) for name in "123")
    assert first.frame.equals(second.frame)
    assert first.frame["id"].is_unique
    assert first.fingerprint == second.fingerprint != third.fingerprint


def test_a_count_takes_the_same_rows_from_every_order(tmp_path: Path) -> None:
    sentences = [(f"sentence number {n}", str(n % 2)) for n in range(40)]
    tsv(tmp_path / "1" / "SST-2" / "train.tsv", ("sentence", "label"), sentences)
    tsv(tmp_path / "2" / "SST-2" / "train.tsv", ("sentence", "label"), sentences[::-1])
    task = unpublished(SST2)
    few = load(task, "train", folder(tmp_path / "1"), count=5)
    assert len(few.frame) == few.origin["rows"] == 5
    assert few.frame.equals(load(task, "train", folder(tmp_path / "2"), count=5).frame)
    more = load(task, "train", folder(tmp_path / "1"), count=9)
    assert more.frame["id"].tolist()[:5] == few.frame["id"].tolist()


def test_identify_tells_bytes_and_no_paths(tmp_path: Path) -> None:
    path = tsv(tmp_path / "glue" / "SST-2" / "dev.tsv", ("sentence", "label"), [("a", "1")])
    told = identify(SST2, "dev", folder(tmp_path))
    assert told["kind"] == "folder"
    assert list(told["files"]) == ["glue/SST-2/dev.tsv"]
    assert str(tmp_path) not in json.dumps(told)
    tsv(path, ("sentence", "label"), [("ab", "1")])
    assert identify(SST2, "dev", folder(tmp_path))["files"] != told["files"]


def test_a_sample_is_read_without_the_published_counts(tmp_path: Path) -> None:
    tsv(tmp_path / "SST-2" / "train_sample_2.tsv", ("sentence", "label"), [("a", "1"), ("b", "0")])
    tsv(tmp_path / "SST-2" / "dev.tsv", ("sentence", "label"), [("c", "1")])
    data = load(SST2, "train", folder(tmp_path))
    assert data.origin["sample"] is True
    assert len(data.frame) == 2
    with pytest.raises(BadInput, match=r"1 rows, but SST-2 dev was published with 872.*_sample"):
        load(SST2, "dev", folder(tmp_path))


def test_dev_is_held_out_of_a_training_sample(tmp_path: Path) -> None:
    header = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
    pairs = [(str(n), "0", "0", f"Question {n // 2}?", "Other?", str(n % 2)) for n in range(60)]
    tsv(tmp_path / "1" / "QQP" / "train_sample_60.tsv", header, pairs)
    tsv(tmp_path / "2" / "QQP" / "train_sample_60.tsv", header, pairs[::-1])
    qqp = TASKS.get("qqp")
    train, dev = (load(qqp, split, folder(tmp_path / "1")) for split in ("train", "dev"))
    assert dev.origin["held_out_of"] == "train"
    assert train.origin["holds_out"] == "dev"
    assert dev.origin["sample"] is True
    assert len(dev.frame) == dev.origin["held_out_rows"] == train.origin["held_out_rows"] == 6
    assert len(train.frame) == 54
    # Equal texts with different labels stay on one side.
    assert not set(train.frame["question1"]) & set(dev.frame["question1"])
    assert load(qqp, "dev", folder(tmp_path / "2")).frame.equals(dev.frame)
    assert identify(qqp, "train", folder(tmp_path / "1")) != identify(qqp, "dev", folder(tmp_path / "1"))
    tsv(tmp_path / "1" / "QQP" / "dev_sample_1.tsv", header, pairs[:1])
    assert len(load(qqp, "train", folder(tmp_path / "1")).frame) == 60


def test_nothing_is_held_out_of_a_whole_training_file(tmp_path: Path) -> None:
    tsv(tmp_path / "SST-2" / "train.tsv", ("sentence", "label"), [("a", "1")] * 20)
    with pytest.raises(Exception, match=r"no dev\.tsv"):
        load(unpublished(SST2), "dev", folder(tmp_path))


def test_the_laboratory_is_no_source_for_real_tasks() -> None:
    with pytest.raises(BadInput, match="--data-dir"):
        load(SST2, "dev", Source())
