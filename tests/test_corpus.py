"""Text for pre-training: forms of files, what is held out, what decides an address, and what is told on bad input."""

from __future__ import annotations

import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest
from hub import COMMIT, HubServer, environment, parquet

from asa_bench.corpus import Corpus, CorpusSettings, identify, load, read_file
from asa_bench.errors import BadInput, Unavailable

DOCUMENTS = [f"This is document number {i} of them all.\nIt has a second line." for i in range(200)]


def written(path: Path, documents: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(documents) + "\n", "utf-8")
    return path


def loaded(source: Path, **settings: object) -> Corpus:
    return load(identify(CorpusSettings(source=str(source), **settings), "--corpus"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("plain.txt", "a b\n c \n\n\n\nd\r\n\r\ne", ["a b\nc", "d", "e"]),
        (
            "wiki.txt",
            '<doc id="1" title="T">\nT\n\none\n\ntwo\n\n</doc>\n<doc id="2">\nU\n\n\n</doc>\n',
            ["T\none\ntwo", "U"],
        ),
        (
            "wiki.tokens",
            " \n = A = \n \n first \n = = Part = = \n second \n = B = \n third \n",
            ["= A =\nfirst\n= = Part = =\nsecond", "= B =\nthird"],
        ),
        ("lines.jsonl", '{"text": "one two", "label": 1}\n\n{"text": "three"}\n', ["one two", "three"]),
    ],
)
def test_documents_by_the_form_of_a_file(tmp_path: Path, name: str, text: str, expected: list[str]) -> None:
    (tmp_path / name).write_bytes(text.encode())
    (tmp_path / f"{name}.xz").write_bytes(lzma.compress(text.encode()))
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    for ending in ("", ".xz", ".gz"):
        assert list(read_file(tmp_path / f"{name}{ending}")) == expected


def test_every_document_is_learned_from_or_held_out(tmp_path: Path) -> None:
    corpus = loaded(written(tmp_path / "a.txt", [*DOCUMENTS, "too short"]), held_out=0.2)
    assert sorted(corpus.train + corpus.held_out) == sorted(DOCUMENTS)
    assert 20 <= len(corpus.held_out) <= 60  # 200 documents at 20 %: four standard deviations
    assert corpus.origin == {
        "documents": len(corpus.train),
        "held_out_documents": len(corpus.held_out),
        "too_short": 1,
    }


def test_names_and_order_of_files_do_not_count(tmp_path: Path) -> None:
    one = loaded(written(tmp_path / "one.txt", DOCUMENTS), held_out=0.2)
    written(tmp_path / "many" / "b.txt", DOCUMENTS[:50])
    (tmp_path / "many" / "sub").mkdir()
    (tmp_path / "many" / "sub" / "a.txt.xz").write_bytes(
        lzma.compress("\n\n".join(reversed(DOCUMENTS[50:])).encode())
    )
    (tmp_path / "many" / "readme.md").write_text("Not a text to learn from, whatever it says.")
    assert loaded(tmp_path / "many", held_out=0.2) == one


def test_equal_documents_are_on_one_side(tmp_path: Path) -> None:
    corpus = loaded(written(tmp_path / "a.txt", DOCUMENTS + DOCUMENTS[:90]), held_out=0.3)
    assert not set(corpus.train) & set(corpus.held_out)
    assert len(corpus.train) + len(corpus.held_out) == 290


def test_a_sample_is_a_part_of_the_whole_with_the_same_sides(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", DOCUMENTS)
    whole, sample = loaded(path, held_out=0.3), loaded(path, held_out=0.3, documents=80)
    assert len(sample.train) + len(sample.held_out) == 80
    assert set(sample.train) < set(whole.train)
    assert set(sample.held_out) < set(whole.held_out)
    assert 12 <= len(sample.held_out) <= 40  # as likely to be held out as any other
    assert sample.fingerprint != whole.fingerprint


def test_an_address_depends_on_bytes_and_not_on_places(tmp_path: Path) -> None:
    def reads(path: Path) -> object:
        return identify(CorpusSettings(source=str(path)), "--corpus").reads

    one, two = written(tmp_path / "x" / "a.txt", DOCUMENTS), written(tmp_path / "y" / "a.txt", DOCUMENTS)
    assert reads(one) == reads(two)
    assert str(tmp_path) not in json.dumps(reads(one))
    written(two, DOCUMENTS[:-1])
    assert reads(one) != reads(two)
    assert identify(CorpusSettings(), "--corpus").reads == {"kind": "laboratory", "version": 1}


def test_the_folder_of_data_comes_first(tmp_path: Path) -> None:
    settings = CorpusSettings(source="owner/name", folder="text")
    written(tmp_path / "text" / "a.txt", DOCUMENTS)
    found = identify(settings, "--corpus", tmp_path)
    assert found.title == "text"
    assert len(load(found).train) > 150
    with pytest.raises(BadInput, match="there is no text in the data folder"):
        identify(settings, "--corpus", tmp_path / "elsewhere")


def test_the_laboratory_has_text_without_a_file() -> None:
    corpus = load(identify(CorpusSettings(lines=300), "--corpus"))
    assert 250 < len(corpus.train) + len(corpus.held_out) <= 300
    assert not any("\t" in text for text in corpus.train)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"", "the file is empty"),
        ("a.txt", b"good\n\n\xff\xfe", "line 3: not UTF-8"),
        ("a.txt.xz", b"no archive", "cannot be unpacked"),
        ("a.jsonl", b'{"text": "fine"}\n{"text"', "line 2: not JSON"),
        ("a.jsonl", b'{"review": "fine"}', "line 1: no field 'text' with a text"),
        ("a.jsonl", b'["fine"]', "line 1: no field 'text' with a text"),
        ("a.txt", b"short\n\nshorter\n", "0 documents of at least 5 words"),
        ("a.txt", b"one document alone cannot be on both sides", "more text is needed"),
    ],
)
def test_bad_files_are_told_in_one_line(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=expected) as told:
        loaded(tmp_path / name)
    assert "\n" not in str(told.value)
    assert name in str(told.value)


def test_bad_places_are_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"--corpus nowhere\.txt: there is no such file or folder"):
        identify(CorpusSettings(source="nowhere.txt"), "--corpus")
    with pytest.raises(
        BadInput, match=r"no text file in this folder; names must end in \.txt, \.tokens, \.jsonl"
    ):
        identify(CorpusSettings(source=str(tmp_path)), "--corpus")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(Unavailable, match="--corpus: the hub data set nobody/nothing-such cannot be read"):
        identify(CorpusSettings(source="nobody/nothing-such"), "--corpus")


LOADER = """
import json, sys
from asa_bench.corpus import CorpusSettings, identify, load
from asa_bench.errors import AsaBenchError
for settings in json.loads(sys.argv[1]):
    try:
        found = identify(CorpusSettings(**settings), "--corpus")
        corpus = load(found)
        print(json.dumps({"reads": found.reads, "texts": sorted(corpus.train + corpus.held_out)}))
    except AsaBenchError as error:
        print(json.dumps({"error": str(error)}))
"""


def test_a_hub_data_set_is_read_from_its_parquet_files_and_then_from_the_cache(tmp_path: Path) -> None:
    files = {
        "words/train-00000-of-00002.parquet": parquet(
            {"body": [*DOCUMENTS[:90], None, ""], "id": [*range(92)]}
        ),
        "words/train-00001-of-00002.parquet": parquet({"body": DOCUMENTS[90:], "id": [*range(110)]}),
        "words/test-00000-of-00001.parquet": parquet({"body": ["never to be read in this test"]}),
        "numbers/train-00000-of-00001.parquet": parquet({"body": [1, 2]}),
    }
    words = {"source": "owner/texts", "config": "words", "column": "body"}
    jobs = [
        words,
        {**words, "files": "words/train-00001-*.parquet"},
        {**words, "column": "text"},
        {**words, "config": "numbers"},
        {**words, "config": "absent"},
    ]

    def run(endpoint: str, offline: bool) -> list[dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-c", LOADER, json.dumps(jobs)],
            env=environment(endpoint, tmp_path, offline),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    with HubServer({"owner/texts": files}) as server:
        whole, part, column, kind, absent = run(server.endpoint, offline=False)
    assert whole == {
        "reads": {"kind": "hub", "repo": "owner/texts", "revision": COMMIT},
        "texts": sorted(DOCUMENTS),
    }
    assert part["texts"] == sorted(DOCUMENTS[90:])
    assert "no column 'text'; it has ['body', 'id']" in str(column["error"])
    assert "column 'body' holds int64, expected texts" in str(kind["error"])
    assert "no parquet file absent/train-*.parquet" in str(absent["error"])
    assert run("http://127.0.0.1:9", offline=True)[0] == whole


@pytest.mark.slow
def test_the_real_extract_of_wikipedia(shared: Path) -> None:
    path = shared / "data" / "enwiki_extract" / "enwiki_AA_00-63.txt.xz"
    corpus = loaded(path, documents=3000)
    assert len(corpus.train) + len(corpus.held_out) == 3000
    assert not any("<doc " in text or "</doc>" in text for text in corpus.train)
    # Most articles have paragraphs; what is only a title was left out.
    assert corpus.origin["too_short"] > 10_000
    assert sum("\n" in text for text in corpus.train) > 2000
