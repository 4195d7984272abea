"""TextAttack's pickled word vectors: converted without executing anything, refused where they are something else."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import counter_fitted
import numpy as np
import pytest
from attack_victims import SINGLE, KeywordVictim, single_rows

from asa_bench.attacks import ATTACKS, resources, vectors
from asa_bench.attacks.adapter import describe, textattack
from asa_bench.attacks.engine import attack_rows, fingerprint
from asa_bench.errors import BadInput


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path, protocol_call: bool = True) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(6))
def test_a_dict_of_texts_to_numbers_is_read(protocol: int) -> None:
    numbers = {"": 0, "naïve": 1, "\U0001f600": 70_000, "x" * 300: 2**40, "film": -3}
    assert vectors.read_numbers(pickle.dumps(numbers, protocol), "words") == numbers


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_executes_is_refused_and_not_executed(tmp_path: Path, protocol: int) -> None:
    touched = tmp_path / "touched"
    content = pickle.dumps({"film": 0, "movie": Payload(touched)}, protocol)
    with pytest.raises(BadInput, match=r"wordlist: has the instruction .* nothing of it was executed"):
        vectors.read_numbers(content, "wordlist")
    assert not touched.exists()
    pickle.loads(content)
    assert touched.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02\x82\x01.",  # an entry of the registry of extensions
        b"Poutside\n.",
        b"\x80\x02}q\x00b.",
        pickle.dumps({"film": 0}) + b"cos\nsystem\n(S'true'\ntR.",
        pickle.dumps(["film"]),
        pickle.dumps({"film": 1.0}),
        pickle.dumps({"film": True}),
        pickle.dumps({3: 1}),
        pickle.dumps({"film": {"movie": 1}}),
        pickle.dumps({"film": 0})[:-1],
        b"",
        b"no pickle",
    ],
)
def test_other_pickles_are_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="words"):
        vectors.read_numbers(content, "words")


def test_conversion_keeps_the_vectors_and_gives_equal_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    sha256 = vectors.convert(counter_fitted.files(), first, "here")
    assert vectors.convert(counter_fitted.files(), second, "here") == sha256
    assert hashlib.sha256(first.read_bytes()).hexdigest() == sha256
    found = vectors.load(first)
    assert (tuple(found.words), found.sha256) == (counter_fitted.WORDS, sha256)
    raw = counter_fitted.files()
    assert counter_fitted.array(found.matrix) == raw["paragram.npy"]
    assert counter_fitted.array(found.neighbours.astype(np.int64)) == raw["nn.npy"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("wordlist.pickle", pickle.dumps({"film": 0, "movie": 2}), "without a gap"),
        ("wordlist.pickle", pickle.dumps({"film": 0}), "a vector for each of 1 words"),
        ("paragram.npy", counter_fitted.array(np.array([{"a": 1}], dtype=object)), "not an array of numbers"),
        ("paragram.npy", counter_fitted.array(np.full((8, 2), np.nan)), "a vector for each"),
        ("paragram.npy", b"", "not an array"),
        ("nn.npy", counter_fitted.array(np.full((8, 2), 8)), "a word that there is not"),
        ("nn.npy", counter_fitted.array(np.zeros(8)), "neighbours of each"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        vectors.convert({**counter_fitted.files(), name: content}, tmp_path / "v.safetensors", "here")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_without_a_file_is_refused(tmp_path: Path) -> None:
    content = counter_fitted.files()
    del content["nn.npy"]
    (tmp_path / "v.zip").write_bytes(counter_fitted.archive(content))
    with pytest.raises(BadInput, match=r"has no nn\.npy"):
        vectors.raw_files(tmp_path / "v.zip")
    (tmp_path / "v.zip").write_bytes(b"no archive")
    with pytest.raises(BadInput, match="cannot be read"):
        vectors.raw_files(tmp_path / "v.zip")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vectors.convert(counter_fitted.files(), tmp_path / vectors.NAME, "here")
    return tmp_path


def test_vectors_that_were_changed_are_refused(folder: Path) -> None:
    path = folder / vectors.NAME
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    for look in (vectors.load, resources.checksum):
        with pytest.raises(BadInput, match=r"not the one in paragramcf\.safetensors\.sha256"):
            look(path)


def test_the_library_uses_them_as_its_own(folder: Path) -> None:
    from asa_bench.attacks.builders import CounterFitted

    ours = CounterFitted(folder / vectors.NAME)
    raw = counter_fitted.files()
    theirs = textattack.shared.WordEmbedding(
        vectors._array(raw["paragram.npy"], ""),
        dict(zip(counter_fitted.WORDS, range(8), strict=True)),
        dict(enumerate(counter_fitted.WORDS)),
        vectors._array(raw["nn.npy"], ""),
    )
    for one in range(8):
        assert list(ours.nearest_neighbours(one, 3)) == list(theirs.nearest_neighbours(one, 3))
        assert ours.get_cos_sim(0, one) == theirs.get_cos_sim(0, one)
        assert ours.get_mse_dist(0, one) == theirs.get_mse_dist(0, one)
    print_ = fingerprint({"c": describe(textattack.transformations.WordSwapEmbedding(embedding=ours))})
    vectors.convert(counter_fitted.files(counter_fitted.WORDS[::-1]), folder / "other.safetensors", "here")
    other = CounterFitted(folder / "other.safetensors")
    assert (
        fingerprint({"c": describe(textattack.transformations.WordSwapEmbedding(embedding=other))}) != print_
    )


def test_iga_runs_over_them_without_its_own_download(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asa_bench.attacks import builders
    from asa_bench.attacks.base import AttackOptions

    def refuse(*_: Any) -> None:
        raise AssertionError("downloads")

    monkeypatch.setattr(textattack.shared.utils, "download_from_s3", refuse)
    words = folder / "nltk_data" / "corpora" / "stopwords"
    words.mkdir(parents=True)
    (words / "english").write_text("the\na\n")
    attack = ATTACKS.get("iga")
    frame = attack_rows(
        attack,
        KeywordVictim(),  # type: ignore[arg-type]
        SINGLE,
        single_rows("a wonderful film about one odd doctor and his friend"),
        seed=1,
        options=AttackOptions(query_budget=200),
        data_dir=folder,
    )
    assert frame["status"].tolist() == ["successful"]
    assert "textattack_counterfitted_GLOVE_embedding" not in textattack.shared.utils.GLOBAL_OBJECTS
    builders.counter_fitted.cache_clear()
