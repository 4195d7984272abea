"""Every fault of a data folder is one line that names the file, and the line in it."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import folder, tsv, unpublished, write

from asa_bench.errors import AsaBenchError, BadInput, Unavailable
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source
from asa_bench.tasks.loading import identify, load

HEADER = ("sentence", "label")


def fault(root: Path, name: str = "sst2", split: str = "dev") -> AsaBenchError:
    """The error of loading, which must be one printable line."""
    with pytest.raises(AsaBenchError) as caught:
        load(unpublished(TASKS.get(name)), split, folder(root))
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1000
    return caught.value


def test_a_missing_file_is_told_with_what_provides_it(tmp_path: Path) -> None:
    error = fault(tmp_path)
    assert isinstance(error, Unavailable)
    for part in ("'sst2'", "dev.tsv", str(tmp_path), "gluebenchmark.com", "nyu-mll/glue"):
        assert part in str(error)
    with pytest.raises(Unavailable, match=r"dev\.tsv"):
        identify(TASKS.get("sst2"), "dev", folder(tmp_path))


def test_paws_qqp_says_that_it_must_be_generated(tmp_path: Path) -> None:
    assert "qqp_generate_data.py" in str(fault(tmp_path, "paws_qqp", "test"))
    with pytest.raises(Unavailable, match=r"not on the Hugging Face hub.*--data-dir"):
        load(TASKS.get("paws_qqp"), "test", Source(kind="hub"))


def test_no_such_folder_or_no_folder(tmp_path: Path) -> None:
    assert isinstance(fault(tmp_path / "nowhere"), Unavailable)
    file = write(tmp_path / "file", "x")
    assert "is not a folder" in str(fault(file))
    with pytest.raises(BadInput, match="needs the folder's path"):
        load(TASKS.get("sst2"), "dev", Source(kind="folder"))


def spoiled(content: bytes, name: str = "dev.tsv") -> Callable[[Path], None]:
    def write_it(root: Path) -> None:
        (root / "SST-2").mkdir()
        (root / "SST-2" / name).write_bytes(content)

    return write_it


GOOD = b"sentence\tlabel\nfine\t1\n"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (spoiled(b""), "the file is empty"),
        (spoiled(b"\n \n"), "the file is empty"),
        (spoiled(b"sentence\tlabel\n"), "no rows"),
        (spoiled(GOOD + b"cut of"), "line 3: too few columns"),
        (spoiled(GOOD + b"cut off\t"), "line 3: unknown label ''; known: 0, 1, negative, positive"),
        (spoiled(GOOD + b"odd\t2\n"), "line 3: unknown label '2'"),
        (spoiled(GOOD + b"hostile\t\x1b[31m\r\n"), "line 3: unknown label '\\x1b[31m'"),
        (spoiled(GOOD + b"caf\xe9\t1\n"), "line 3: not UTF-8 (byte 0xe9)"),
        (spoiled(b"text\tlabel\nfine\t1\n"), "line 1: no column 'sentence' in the header"),
        (spoiled(GOOD, "dev.tsv.xz"), "cannot be unpacked"),
        (spoiled(GOOD, "dev.tsv.gz"), "cannot be unpacked"),
        (spoiled(lzma.compress(GOOD * 50)[:-20], "dev.tsv.xz"), "cannot be unpacked"),
    ],
)
def test_a_spoiled_file(tmp_path: Path, spoil: Callable[[Path], None], expected: str) -> None:
    spoil(tmp_path)
    text = str(fault(tmp_path))
    assert expected in text
    assert "dev.tsv" in text


def test_wrong_counts(tmp_path: Path) -> None:
    tsv(tmp_path / "SST-2" / "dev.tsv", HEADER, [("a", "1")] * 871)
    with pytest.raises(BadInput, match="871 rows, but SST-2 dev was published with 872"):
        load(TASKS.get("sst2"), "dev", folder(tmp_path))
    tsv(tmp_path / "SST-2" / "dev.tsv", HEADER, [("a", "1")] * 872)
    with pytest.raises(BadInput, match="0 rows with label 'negative', but SST-2 dev was published with 428"):
        load(TASKS.get("sst2"), "dev", folder(tmp_path))


def test_a_qqp_file_that_is_cut_off_is_not_mistaken_for_the_published_one(tmp_path: Path) -> None:
    header = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
    tsv(tmp_path / "QQP" / "train.tsv", header, [("1", "1", "2", "A?", "B?", "0"), ("2", "1", "2", "A?")])
    with pytest.raises(
        BadInput, match=r"1 rows \(1 more have too few columns, the first in line 3\), but QQP"
    ):
        load(TASKS.get("qqp"), "train", folder(tmp_path))


def test_a_malformed_row_of_a_sample_is_refused(tmp_path: Path) -> None:
    header = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
    good = [(str(n), "1", "2", f"A{n}?", "B?", "0") for n in range(20)]
    tsv(tmp_path / "QQP" / "train_sample_x.tsv", header, [*good, ("2", "1", "2", "A?")])
    with pytest.raises(BadInput, match="line 22: too few columns"):
        load(TASKS.get("qqp"), "train", folder(tmp_path))


def test_too_few_rows_to_hold_dev_out(tmp_path: Path) -> None:
    tsv(tmp_path / "SST-2" / "train_sample_x.tsv", HEADER, [("a", "1")] * 9)
    assert "9 rows are too few" in str(fault(tmp_path))


def test_two_samples_to_choose_from(tmp_path: Path) -> None:
    for name in ("train_sample_1.tsv", "train_sample_2.tsv"):
        tsv(tmp_path / "SST-2" / name, HEADER, [("a", "1")])
    text = str(fault(tmp_path, split="train"))
    assert "several samples" in text
    assert "train_sample_2.tsv" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "no list 'sst2'"),
        ('{"sst2": 3}', "no list 'sst2'"),
        ('{"sst2": [4]}', "row 1 of 'sst2': expected a JSON object"),
        ('{"sst2": [{"label": 1}]}', "row 1 of 'sst2': no field 'sentence'"),
        ('{"sst2": [{"sentence": "a", "label": true}]}', "no field 'label'"),
        ('{"sst2": [{"sentence": "a", "label": 7}]}', "row 1 of 'sst2': unknown label '7'"),
    ],
)
def test_a_spoiled_advglue_file(tmp_path: Path, content: str, expected: str) -> None:
    write(tmp_path / "advglue" / "dev.json", content)
    assert expected in str(fault(tmp_path, "advglue/sst2"))


def test_a_spoiled_anli_file(tmp_path: Path) -> None:
    write(tmp_path / "R1" / "test.jsonl", '{"context": "a", "hypothesis": "b", "label": "e"}\nnonsense\n')
    assert "line 2: not JSON" in str(fault(tmp_path, "anli/r1", "test"))


def test_a_wrapper_that_is_not_utf8(tmp_path: Path) -> None:
    tsv(
        tmp_path / "paws" / "paws_qqp_dev_and_test.tsv",
        ("id", "sentence1", "sentence2", "label"),
        [("1", "b'\\xff'", "b'b'", "0")],
    )
    assert "line 2: a text in a b'...' wrapper" in str(fault(tmp_path, "paws_qqp", "test"))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be allowed everything, so the refusal is played."""
    path = tsv(tmp_path / "SST-2" / "dev.tsv", HEADER, [("a", "1")])

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        assert "dev.tsv': no permission to read it" in str(fault(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refuse)
        assert "cannot be read: no permission" in str(fault(tmp_path))


def test_an_unknown_split_and_count() -> None:
    with pytest.raises(BadInput, match="no split 'dew'; did you mean 'dev'"):
        load(TASKS.get("sst2"), "dew", Source(kind="hub"))
    with pytest.raises(BadInput, match="cannot take 0 rows"):
        load(TASKS.get("sst2"), "dev", Source(kind="hub"), count=0)
