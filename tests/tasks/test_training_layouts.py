"""Tiny training sets in the layouts in which they are distributed: the rest of GLUE, choices, entities, reviews."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tiny import folder, loaded, rows, tsv, unpublished, write

from asa_bench.errors import BadInput, Unavailable
from asa_bench.tasks import TASKS
from asa_bench.tasks.loading import identify, load


def json_lines(path: Path, *records: object) -> Path:
    return write(path, "".join(f"{json.dumps(record)}\n" for record in records))


def test_cola_has_no_header_and_may_be_cut_in_two(tmp_path: Path) -> None:
    cola = TASKS.get("cola")
    write(tmp_path / "CoLA" / "train.tsv", "gj04\t1\t\tIt goes.\n\ngj04\t0\t*\tGo it goes.\n")
    whole = [("Go it goes.", "unacceptable"), ("It goes.", "acceptable")]
    assert loaded(cola, "train", tmp_path) == whole
    assert list(identify(cola, "train", folder(tmp_path))["files"]) == ["CoLA/train.tsv"]
    write(tmp_path / "CoLA" / "train_val_part.tsv", "gj04\t1\t\tIt stays.\n")
    assert loaded(cola, "train", tmp_path) == [*whole, ("It stays.", "acceptable")]
    told = identify(cola, "train", folder(tmp_path))["files"]
    assert list(told) == ["CoLA/train.tsv", "CoLA/train_val_part.tsv"]
    assert len(set(told.values())) == 2


def test_mrpc_as_glue_writes_it_and_as_a_table_with_quotes(tmp_path: Path) -> None:
    mrpc = TASKS.get("mrpc")
    header = ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String")
    write(
        tmp_path / "1" / "MRPC" / "dev.tsv",
        "\ufeff" + "\t".join(header) + '\n1\t1\t2\t"He said" so.\tShe "did.\n0\t1\t2\tA.\tB.\n',
    )
    plain = [("A.", "B.", "not_equivalent"), ('"He said" so.', 'She "did.', "equivalent")]
    assert loaded(mrpc, "dev", tmp_path / "1") == sorted(plain)
    write(
        tmp_path / "2" / "MRPC" / "glue_validation.tsv",
        'index\tlabel\tsentence1\tsentence2\n7\t1\t"""He said"" so."\t"She ""did."\n8\t0\tA.\tB.\n',
    )
    assert loaded(mrpc, "dev", tmp_path / "2") == sorted(plain)


def test_stsb_and_wnli(tmp_path: Path) -> None:
    header = (
        "index",
        "genre",
        "filename",
        "year",
        "old_index",
        "source1",
        "source2",
        "sentence1",
        "sentence2",
    )
    meta = ("0", "g", "f", "y", "0", "n", "n")
    tsv(
        tmp_path / "STS-B" / "dev.tsv",
        (*header, "score"),
        [(*meta, "A.", "B.", "3.800"), (*meta, 'C "x', "D", "0.000")],
    )
    assert loaded(TASKS.get("stsb"), "dev", tmp_path) == [("A.", "B.", "3.8"), ('C "x', "D", "0")]
    tsv(tmp_path / "WNLI" / "dev.tsv", ("index", "sentence1", "sentence2", "label"), [("0", "A.", "B.", "0")])
    assert loaded(TASKS.get("wnli"), "dev", tmp_path) == [("A.", "B.", "not_entailment")]


def test_mnli_mismatched_is_a_set_of_its_own(tmp_path: Path) -> None:
    for name, text in (("dev_matched", "A."), ("dev_mismatched", "M.")):
        tsv(
            tmp_path / "MNLI" / f"{name}.tsv",
            ("sentence1", "sentence2", "gold_label"),
            [(text, "B", "neutral")],
        )
    assert loaded(TASKS.get("mnli-mm"), "dev", tmp_path) == [("M.", "B", "neutral")]
    assert loaded(TASKS.get("mnli"), "dev", tmp_path) == [("A.", "B", "neutral")]


@pytest.mark.parametrize("place", ["anli/anli_v1.0/", "anli_v1.0/", ""])
def test_anli_is_trained_on_a_round_or_on_all(tmp_path: Path, place: str) -> None:
    for n in (1, 2, 3):
        row = {"uid": "u", "context": f"Round {n}.", "hypothesis": "H.", "label": "enc"[n - 1]}
        json_lines(tmp_path / f"{place}R{n}" / "train.jsonl", row)
    anli, second = TASKS.get("anli"), TASKS.get("anli/r2-trained")
    assert loaded(second, "train", tmp_path) == [("Round 2.", "H.", "neutral")]
    data = load(unpublished(anli), "train", folder(tmp_path))
    assert rows(data) == [
        ("Round 1.", "H.", "entailment", "R1"),
        ("Round 2.", "H.", "neutral", "R2"),
        ("Round 3.", "H.", "contradiction", "R3"),
    ]
    assert list(data.origin["files"]) == [f"{place}R{n}/train.jsonl" for n in (1, 2, 3)]
    (tmp_path / f"{place}R2" / "train.jsonl").unlink()
    with pytest.raises(Unavailable, match=r"R1/train.jsonl with R2/train.jsonl with R3/train.jsonl"):
        load(unpublished(anli), "train", folder(tmp_path))


def test_published_counts_are_those_of_all_files_together(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        row = {"context": "C", "hypothesis": "H", "label": "e"}
        json_lines(tmp_path / f"R{n}" / "dev.jsonl", *[row] * 1000)
    with pytest.raises(BadInput, match=r"R1/dev.jsonl' with '.*R3/dev.jsonl': 3,000 rows, but .* with 3,200"):
        load(TASKS.get("anli"), "dev", folder(tmp_path))


@pytest.mark.parametrize("paws", ["paws/paws_qqp_train.tsv", "paws/paws_qqp/output/train.tsv"])
@pytest.mark.parametrize("qqp", ["glue/QQP/train.tsv", "QQP/train_sample_clean.tsv.xz"])
def test_qqp_and_paws_are_trained_on_together(tmp_path: Path, qqp: str, paws: str) -> None:
    header = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
    tsv(tmp_path / qqp, header, [("1", "1", "2", "b'kept?'", "B?", "1")])
    tsv(
        tmp_path / paws,
        ("id", "sentence1", "sentence2", "label"),
        [("1", "b'A ?'", "b'caf\\xc3\\xa9 ?'", "0")],
    )
    task = TASKS.get("paws_qqp+qqp")
    data = load(unpublished(task), "train", folder(tmp_path))
    assert rows(data) == [("A ?", "café ?", "not_duplicate"), ("b'kept?'", "B?", "duplicate")]
    assert list(data.origin["files"]) == [qqp, paws]
    assert data.origin.get("sample", False) is ("sample" in qqp)


def test_rows_that_break_are_skipped_in_qqp_and_refused_in_paws(tmp_path: Path) -> None:
    header = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
    paws = tmp_path / "paws" / "paws_qqp_train.tsv"
    tsv(tmp_path / "QQP" / "train.tsv", header, [("1", "1", "2", "A?", "B?", "1"), ("2", "1", "2", "C")])
    tsv(paws, ("id", "sentence1", "sentence2", "label"), [("1", "b'A ?'", "b'B ?'", "0")])
    task = unpublished(TASKS.get("paws_qqp+qqp"))
    assert load(task, "train", folder(tmp_path)).origin["malformed_rows_skipped"] == 1
    write(paws, "id\tsentence1\tsentence2\tlabel\n1\tb'A ?'\tb'B")
    with pytest.raises(BadInput, match=r"paws_qqp_train.tsv', line 2: too few columns"):
        load(task, "train", folder(tmp_path))


def test_paws_alone_or_qqp_alone_is_not_the_joint_set(tmp_path: Path) -> None:
    tsv(
        tmp_path / "paws" / "paws_qqp_train.tsv",
        ("id", "sentence1", "sentence2", "label"),
        [("1", "a", "b", "0")],
    )
    with pytest.raises(Unavailable, match=r"glue/QQP/train.tsv with paws/paws_qqp_train.tsv"):
        load(unpublished(TASKS.get("paws_qqp+qqp")), "train", folder(tmp_path))


DIALOGUE = [
    ["W: Is it late?", "M:  Very."],
    [
        {"question": "When?", "choice": ["Early.", "Late.", "Now."], "answer": "Late."},
        {"question": "Who?", "choice": ["W.", "M.", "Both."], "answer": "Both."},
    ],
    "1-2",
]


def test_dream_gives_every_question(tmp_path: Path) -> None:
    write(tmp_path / "dream" / "test.json.xz", json.dumps([DIALOGUE]))
    assert loaded(TASKS.get("dream"), "test", tmp_path) == [
        ("W: Is it late? M: Very.", "When?", "Early.", "Late.", "Now.", "1"),
        ("W: Is it late? M: Very.", "Who?", "W.", "M.", "Both.", "2"),
    ]


def test_swag_is_a_quoted_table(tmp_path: Path) -> None:
    header = ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label"
    write(
        tmp_path / "swag" / "val.csv",
        f'{header}\n0,v,1,"A, b. He","A, b.",He,gold,"runs, then\nstops.",sits.,"says ""no"".",waits.,2\n',
    )
    assert loaded(TASKS.get("swag"), "dev", tmp_path) == [
        ("A, b.", "He", "runs, then stops.", "sits.", 'says "no".', "waits.", "2")
    ]


def test_hellaswag_plain_and_re_keyed(tmp_path: Path) -> None:
    task = TASKS.get("hellaswag")
    item = {
        "ctx_a": "A man cooks.",
        "ctx_b": "he",
        "endings": ["eats.", "runs.", "sits.", "flies."],
        "label": 0,
        "split_type": "indomain",
        "source_id": "activitynet~v_1",
    }
    json_lines(
        tmp_path / "1" / "hellaswag" / "hellaswag_val.jsonl", item, {**item, "ctx_b": "", "label": "3"}
    )
    endings = ("eats.", "runs.", "sits.", "flies.")
    assert loaded(task, "dev", tmp_path / "1") == [
        ("A man cooks.", "", *endings, "3", "indomain", "activitynet"),
        ("A man cooks.", "he", *endings, "0", "indomain", "activitynet"),
    ]
    keyed = {"question": "A man cooks. he", "choices": dict(zip("ABCD", endings, strict=True)), "answer": "D"}
    parts = {"dev": [keyed], "test": [{**keyed, "domain": "zeroshot"}]}
    write(tmp_path / "2" / "hellaswag_val_sample.json", json.dumps(parts))
    data = load(task, "dev", folder(tmp_path / "2"))
    assert data.origin["sample"] is True
    assert rows(data) == [
        ("A man cooks. he", "", *endings, "3", "", ""),
        ("A man cooks. he", "", *endings, "3", "zeroshot", ""),
    ]


def test_wnut_sentences_end_with_a_blank_line_that_may_hold_a_tab(tmp_path: Path) -> None:
    text = "New\tB-location\nYork\tI-location\n\t\n1\u00a0000\tO\r\n\u00a0\tO\n\n\nlast\tO"
    write(tmp_path / "wnut17" / "emerging.test.annotated", text)
    assert loaded(TASKS.get("wnut17"), "test", tmp_path) == [
        ("1_000 _", "O O"),
        ("New York", "B-location I-location"),
        ("last", "O"),
    ]


def test_conll_in_its_original_tags_and_in_those_of_today(tmp_path: Path) -> None:
    task = TASKS.get("conll2003")
    old = "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nBonn NNP I-NP I-LOC\nRome NNP I-NP B-LOC\n\n. . O O\n"
    new = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nBonn NNP B-NP B-LOC\nRome NNP B-NP B-LOC\n\n. . O O\n"
    write(tmp_path / "1" / "conll2003" / "eng.testb", old)
    write(tmp_path / "2" / "conll2003" / "test.txt", new)
    expected = [(".", "O"), ("EU Bonn Rome", "B-ORG B-LOC B-LOC")]
    assert loaded(task, "test", tmp_path / "1") == loaded(task, "test", tmp_path / "2") == expected


def tarball(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


REVIEWS = {
    "aclImdb/train/pos/0_9.txt": "Great caf\u00e9.<br />Yes".encode(),
    "aclImdb/train/neg/1_2.txt": b"Poor.",
    "aclImdb/train/unsup/2_0.txt": b"Nothing.",
    "aclImdb/test/pos/0_10.txt": b"Fine.",
    "aclImdb/README": b"read me",
}


def test_imdb_from_the_archive_as_it_is_and_from_json_lines(tmp_path: Path) -> None:
    imdb = TASKS.get("imdb")
    tarball(tmp_path / "1" / "aclImdb_v1.tar.gz", REVIEWS)
    expected = [("Great café.<br />Yes", "positive"), ("Poor.", "negative")]
    assert loaded(imdb, "train", tmp_path / "1") == expected
    assert loaded(imdb, "test", tmp_path / "1") == [("Fine.", "positive")]
    records = [{"text": text, "label": int(label == "positive"), "rating": 9} for text, label in expected]
    json_lines(tmp_path / "2" / "imdb" / "train.jsonl.xz", *records)
    assert loaded(imdb, "train", tmp_path / "2") == expected


def sentences(label: str) -> list[str]:
    return [f"{label} sentence {n} ." for n in range(20)]


@pytest.mark.parametrize("form", ["original", "utf-8", "zip"])
def test_rotten_tomatoes_is_split_by_the_order_of_its_files(tmp_path: Path, form: str) -> None:
    texts = {label: "".join(f"{line} \n" for line in sentences(label)) for label in ("neg", "pos")}
    texts["pos"] = texts["pos"].replace("pos sentence 19", "caf\u00e9")
    data = {
        label: text.encode("iso-8859-1" if form == "original" else "utf-8") for label, text in texts.items()
    }
    if form == "zip":
        with zipfile.ZipFile(tmp_path / "sentence_polarity.zip", "w") as archive:
            for label, content in data.items():
                archive.writestr(f"sentence_polarity/rt-polarity.{label}", content)
    else:
        place = tmp_path / "rt-polaritydata"
        place.mkdir()
        for label, content in data.items():
            (place / f"rt-polarity.{label}").write_bytes(content)
    task = TASKS.get("rotten_tomatoes")
    parts = {split: loaded(task, split, tmp_path) for split in ("train", "dev", "test")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 32, "dev": 4, "test": 4}
    assert parts["test"] == [
        ("café .", "positive"),
        ("neg sentence 18 .", "negative"),
        ("neg sentence 19 .", "negative"),
        ("pos sentence 18 .", "positive"),
    ]
    assert ("neg sentence 16 .", "negative") in parts["dev"]


def test_ag_news_published_and_as_descriptions(tmp_path: Path) -> None:
    task = TASKS.get("ag_news")
    write(
        tmp_path / "1" / "ag_news_csv" / "test.csv",
        '"3","Wall St. ""Bears""","Reuters - Short, \\sellers."\n"4","T","D"\n',
    )
    assert loaded(task, "test", tmp_path / "1") == [
        ("T D", "Sci/Tech"),
        ('Wall St. "Bears" Reuters - Short, \\sellers.', "Business"),
    ]
    write(tmp_path / "2" / "ag_news" / "dev.tsv", 'Said "yes.\tWorld\nD\tSci/Tech\n')
    data = load(task, "train", folder(tmp_path / "2"))
    assert rows(data) == [("D", "Sci/Tech"), ('Said "yes.', "World")]
    assert data.origin["sample"] is True, "10,001 rows of train are not mistaken for the 120,000"


def test_boolq(tmp_path: Path) -> None:
    record = {"question": "is it so", "title": "It", "answer": True, "passage": "It is so."}
    json_lines(tmp_path / "BoolQ" / "dev.jsonl", record, {**record, "answer": False})
    assert loaded(TASKS.get("boolq"), "dev", tmp_path) == [
        ("is it so", "It is so.", "false"),
        ("is it so", "It is so.", "true"),
    ]


@pytest.mark.parametrize(
    ("name", "split", "path", "content", "expected"),
    [
        ("cola", "dev", "CoLA/dev.tsv", "gj04\t1\tcut", "line 1: too few columns"),
        ("cola", "dev", "CoLA/dev.tsv", "gj04\t2\t\tX.", "line 1: unknown label '2'"),
        (
            "stsb",
            "dev",
            "STS-B/dev.tsv",
            "sentence1\tsentence2\tscore\na\tb\t6",
            "line 2: label '6' is no number",
        ),
        (
            "mrpc",
            "dev",
            "MRPC/glue_validation.tsv",
            'label\tsentence1\tsentence2\n1\t"a\tb\n',
            "line 2: its quotes",
        ),
        ("dream", "test", "dream/test.json", "{}", "expected a list of dialogues"),
        ("dream", "test", "dream/test.json", "[[1, 2]]", "dialogue 1: expected a list of turns"),
        ("dream", "test", "dream/test.json", '[\n[["a"], [{]]]', "line 2: not JSON"),
        (
            "dream",
            "test",
            "dream/test.json",
            '[[["a"], [{"question": "q"}]]]',
            "'choice' must be a list of 3 texts",
        ),
        ("swag", "dev", "swag/val.csv", "sent1,sent2\na,b\n", "no column 'ending0' in the header"),
        ("hellaswag", "dev", "hellaswag_val.jsonl", "[]\n", "line 1: 'endings' must be a list of 4 texts"),
        (
            "hellaswag",
            "dev",
            "hellaswag_val_sample.json",
            '{"dev": [{}]}',
            "item 1 of 'dev': no field 'answer'",
        ),
        (
            "wnut17",
            "dev",
            "wnut17/emerging.dev.conll",
            "a\tO\nb O\n",
            "line 2: expected a word, a tab and a tag",
        ),
        ("wnut17", "dev", "wnut17/emerging.dev.conll", "a\tO\nb\t\n", "line 2: expected a word"),
        (
            "wnut17",
            "dev",
            "wnut17/emerging.dev.conll",
            "a\tO\n\nb\tX\n",
            "sentence from line 3: unknown label 'X'",
        ),
        ("conll2003", "dev", "conll2003/eng.testa", "a B\n", "line 1: expected a word, its part of speech"),
        ("imdb", "test", "imdb/test.jsonl", '{"text": "a", "label": 3}', "line 1: unknown label '3'"),
        ("imdb", "test", "aclImdb_v1.tar.gz", "no archive", "cannot be unpacked"),
        ("rotten_tomatoes", "dev", "sentence_polarity.zip", "no archive", "cannot be unpacked"),
        ("ag_news", "test", "ag_news/test.csv", '"1","T"\n', "line 1: too few columns"),
        ("ag_news", "test", "ag_news/test.csv", '"5","T","D"\n', "line 1: unknown label '5'"),
        (
            "boolq",
            "dev",
            "boolq/dev.jsonl",
            '{"answer": "true"}',
            "line 1: no field 'answer' that is true or false",
        ),
        ("boolq", "dev", "boolq/dev.jsonl", '{"answer": true, "question": "q"}', "no field 'passage'"),
    ],
)
def test_spoiled_files_are_told_with_file_and_place(
    tmp_path: Path, name: str, split: str, path: str, content: str, expected: str
) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(content.encode())
    with pytest.raises(BadInput) as caught:
        load(unpublished(TASKS.get(name)), split, folder(tmp_path))
    message = str(caught.value)
    assert expected in message
    assert Path(path).name in message
    assert message.isprintable()


def cut(path: Path, keep: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def test_cut_off_archives_are_told(tmp_path: Path) -> None:
    cut(tarball(tmp_path / "aclImdb_v1.tar.gz", {**REVIEWS, "aclImdb/x": bytes(range(256)) * 99}), 0.8)
    with pytest.raises(BadInput, match=r"aclImdb_v1.tar.gz': cannot be unpacked"):
        load(unpublished(TASKS.get("imdb")), "train", folder(tmp_path))


def test_a_review_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    tarball(tmp_path / "aclImdb_v1.tar.gz", {"aclImdb/test/pos/0_7.txt": b"caf\xe9"})
    with pytest.raises(BadInput, match=r"aclImdb_v1.tar.gz', 'aclImdb/test/pos/0_7.txt': not UTF-8"):
        load(unpublished(TASKS.get("imdb")), "test", folder(tmp_path))


def test_one_of_two_files_without_rows_is_told(tmp_path: Path) -> None:
    header: Sequence[str] = ("sentence1", "sentence2", "gold_label")
    tsv(tmp_path / "NLI" / "original" / "dev.tsv", header, [("a", "b", "neutral")])
    tsv(tmp_path / "NLI" / "revised_combined" / "dev.tsv", header, [])
    with pytest.raises(BadInput, match=r"revised_combined/dev.tsv': no rows"):
        load(unpublished(TASKS.get("cad/inference")), "dev", folder(tmp_path))
