"""Resources of attacks are fetched once, pinned, and found in the folder they are fetched to."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import counter_fitted
import numpy as np
import pytest
from file_server import serve
from tiny_resources import OPEN_ENGLISH, PRINCETON, wordnet

from asa_bench.attacks import ATTACKS, library, resources, sources, vectors
from asa_bench.errors import BadInput, Unavailable

STOP_WORDS = "nltk:corpora/stopwords"
NEIGHBOURS = "file:counterfitting/counterfitted_neighbors.json.xz"
VECTORS = sources.VECTORS


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for what is fetched, and NLTK with no folder of its own."""
    import nltk

    monkeypatch.setenv(sources.FOLDER, str(tmp_path / "fetched"))
    monkeypatch.setenv("TA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "own")])
    return tmp_path / "fetched"


def stop_words(*words: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        packed.writestr("stopwords/english", "\n".join(words) + "\n")
    return sink.getvalue()


def pin(monkeypatch: pytest.MonkeyPatch, need: str, content: bytes) -> str:
    """Pins what the server has, as the real place's bytes are pinned; gives the path to serve it at."""
    place = sources.PLACES[need]._replace(sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(sources.PLACES, need, place)
    return place.path


def test_an_nltk_package_is_fetched_and_found(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    content = stop_words("the", "film")
    path = pin(monkeypatch, STOP_WORDS, content)
    assert resources.find(STOP_WORDS, None).path is None
    with serve({path: content}) as url:
        monkeypatch.setenv("ASA_BENCH_GITHUB_URL", f"{url}/")
        told = sources.fetch(STOP_WORDS)
    assert hashlib.sha256(content).hexdigest() in told
    assert resources.find(STOP_WORDS, None).path == fetched / "nltk_data" / "corpora" / "stopwords.zip"
    with library.offline_nltk(False, None, [STOP_WORDS]):
        assert nltk.data.find("corpora/stopwords.zip/stopwords/english").open().read() == b"the\nfilm\n"


def test_other_bytes_than_the_pinned_are_not_kept(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sources.PLACES[STOP_WORDS].path
    with serve({path: stop_words("planted")}) as url:
        monkeypatch.setenv("ASA_BENCH_GITHUB_URL", url)
        with pytest.raises(Unavailable, match=r"15c94179887425ca.* was expected"):
            sources.fetch(STOP_WORDS)
    assert resources.find(STOP_WORDS, None).path is None
    assert [path for path in fetched.rglob("*") if path.is_file()] == []


def test_neighbour_lists_are_packed_as_in_a_data_folder(
    fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.dumps({"film": ["movie"]}).encode()
    with serve({pin(monkeypatch, NEIGHBOURS, content): content}) as url:
        monkeypatch.setenv("ASA_BENCH_GITHUB_URL", url)
        sources.fetch(NEIGHBOURS)
    assert lzma.decompress(library.resource(NEIGHBOURS, None).read_bytes()) == content


@pytest.mark.slow
def test_packing_gives_the_bytes_of_the_data_folder(
    shared: Path, fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = (shared / "data" / NEIGHBOURS.removeprefix("file:")).read_bytes()
    content = lzma.decompress(packed)
    assert hashlib.sha256(content).hexdigest() == sources.PLACES[NEIGHBOURS].sha256
    with serve({sources.PLACES[NEIGHBOURS].path: content}) as url:
        monkeypatch.setenv("ASA_BENCH_GITHUB_URL", url)
        sources.fetch(NEIGHBOURS)
    assert library.resource(NEIGHBOURS, None).read_bytes() == packed


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """TextAttack's place with its archive: the archive's sha256, and what was asked for."""
    content, asked = counter_fitted.archive(counter_fitted.files()), list[str]()
    with serve({sources.PLACES[VECTORS].path: content}, asked) as url:
        monkeypatch.setenv("ASA_BENCH_TEXTATTACK_URL", url)
        yield hashlib.sha256(content).hexdigest(), asked


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


CONVERTED = {"paragramcf.safetensors", "paragramcf.safetensors.sha256"}


def test_the_archive_of_vectors_waits_unread_until_its_checksum_is_accepted(
    fetched: Path, bucket: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, asked = bucket
    with monkeypatch.context() as closed:
        closed.setattr(vectors, "raw_files", lambda place: pytest.fail(f"{place} was opened"))
        for _ in range(2):
            with pytest.raises(
                Unavailable, match=rf"has sha256 {digest}; .*nothing of it was read.*--accept SHA256"
            ):
                sources.fetch(VECTORS)
            assert files_in(fetched) == {"paragramcf.zip"}
        other = sources.Accepted(["a" * 64])
        with pytest.raises(BadInput, match=rf"has sha256 {digest}, not the accepted {'a' * 64}"):
            sources.fetch(VECTORS, accepted=other)
        assert files_in(fetched) == {"paragramcf.zip"} and not other.used
    assert len(asked) == 1
    accepted = sources.Accepted(["b" * 64, digest.upper()])
    told = sources.fetch(VECTORS, accepted=accepted)
    assert f"archive sha256 {digest}, as accepted" in told and accepted.used == {digest}
    assert tuple(vectors.load(library.resource(VECTORS, None)).words) == counter_fitted.WORDS
    assert files_in(fetched) == CONVERTED and len(asked) == 1


def test_an_accepted_archive_is_downloaded_and_converted_at_once(
    fetched: Path, bucket: tuple[str, list[str]]
) -> None:
    sources.fetch(VECTORS, accepted=sources.Accepted([bucket[0]]))
    assert files_in(fetched) == CONVERTED


def test_an_archive_that_changed_while_it_waited_is_refused(
    fetched: Path, bucket: tuple[str, list[str]]
) -> None:
    digest, _ = bucket
    with pytest.raises(Unavailable):
        sources.fetch(VECTORS)
    with sources.unread().open("ab") as archive:
        archive.write(b"more")
    with pytest.raises(BadInput, match=rf"not the accepted {digest}"):
        sources.fetch(VECTORS, accepted=sources.Accepted([digest]))
    assert files_in(fetched) == {"paragramcf.zip"}


def test_an_accepted_archive_is_still_not_executed(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checksum says which bytes they are, not that they are good."""
    bad = {**counter_fitted.files(), "wordlist.pickle": b"cos\nsystem\n(S'true'\ntR."}
    content = counter_fitted.archive(bad)
    with serve({sources.PLACES[VECTORS].path: content}) as url:
        monkeypatch.setenv("ASA_BENCH_TEXTATTACK_URL", url)
        with pytest.raises(BadInput, match="nothing of it was executed"):
            sources.fetch(VECTORS, accepted=sources.Accepted([hashlib.sha256(content).hexdigest()]))
    assert not CONVERTED & files_in(fetched)


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, "a" * 63, "a" * 65, f"{'a' * 64}\n"])
def test_what_is_accepted_must_be_a_checksum(digest: str) -> None:
    with pytest.raises(BadInput, match="expected a sha256, 64 hexadecimal digits"):
        sources.Accepted([digest])


def put(folder: Path, content: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return folder


def sum_of_sums(folder: Path) -> str:
    """As the documentation tells a user to make it."""
    command = "sha256sum nn.npy paragram.npy wordlist.pickle | sha256sum"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def test_vectors_of_the_librarys_own_cache_must_be_accepted_too(
    fetched: Path, tmp_path: Path, bucket: tuple[str, list[str]]
) -> None:
    own = put(tmp_path / "cache" / "word_embeddings" / "paragramcf", counter_fitted.files())
    digest = sum_of_sums(own)
    with pytest.raises(
        Unavailable, match=rf"{own} .*has sha256 {digest}; asa-bench knows of no published one"
    ):
        sources.fetch(VECTORS)
    assert files_in(fetched) == set() and bucket[1] == []
    assert str(own) in sources.fetch(VECTORS, accepted=sources.Accepted([digest]))
    assert fetched / vectors.NAME == library.resource(VECTORS, None)
    assert bucket[1] == [] and files_in(own) == set(vectors.FILES)


def test_half_a_cache_hides_no_archive(fetched: Path, tmp_path: Path, bucket: tuple[str, list[str]]) -> None:
    own = put(tmp_path / "cache" / "word_embeddings" / "paragramcf", counter_fitted.files())
    (own / vectors.WORDS).unlink()
    with pytest.raises(Unavailable, match=rf"{vectors.WORDS}: cannot be read: .*passed over"):
        sources.fetch(VECTORS)
    assert len(bucket[1]) == 1 and library.resources.find(VECTORS, None).path is None


def test_whoever_accepts_the_archive_gets_it_beside_a_cache_of_other_files(
    fetched: Path, tmp_path: Path, bucket: tuple[str, list[str]]
) -> None:
    own = put(tmp_path / "cache" / "word_embeddings" / "paragramcf", counter_fitted.files(("one", "two")))
    with pytest.raises(BadInput) as refused:
        sources.fetch(VECTORS, accepted=sources.Accepted(["a" * 64]))
    assert all(digest in str(refused.value) for digest in (sum_of_sums(own), bucket[0], "a" * 64))
    sources.fetch(VECTORS, accepted=sources.Accepted([bucket[0]]))
    assert tuple(vectors.load(library.resource(VECTORS, None)).words) == counter_fitted.WORDS


def test_a_folder_that_the_user_names_is_his_own_word(
    fetched: Path, tmp_path: Path, bucket: tuple[str, list[str]]
) -> None:
    own = put(tmp_path / "data" / "paragramcf", counter_fitted.files())
    assert str(own) == sources.whence(VECTORS, tmp_path / "data")
    assert str(own) in sources.fetch(VECTORS, tmp_path / "data")
    assert files_in(fetched) == CONVERTED and bucket[1] == []


def test_a_resource_that_nobody_publishes(fetched: Path) -> None:
    with pytest.raises(Unavailable, match="give --data-dir FOLDER that has it"):
        sources.fetch("nltk:corpora/none")


def test_every_need_has_a_place_or_none_for_a_reason() -> None:
    needs = {need for attack in map(ATTACKS.get, ATTACKS.names()) for need in attack.needs}
    hub = {need for need in needs if need.startswith("hub:")}  # models of the hub come by its own client
    assert hub and needs - hub == set(sources.PLACES) | set(sources.CHOSEN)
    assert not set(sources.PLACES) & set(sources.CHOSEN)
    pwws, other = ATTACKS.get("pwws"), ATTACKS.get("pwws+oewn2024")
    assert library.fetching_helps(pwws, "nltk:corpora/wordnet")
    assert not library.fetching_helps(other, "nltk:corpora/wordnet")


WORDNET = "nltk:corpora/wordnet"


def wordnet_of(name: str, data_dir: Path) -> library.Requirement:
    needed = library.requirements(ATTACKS.get(name), data_dir)
    return next(need for need in needed if need.name == WORDNET)


@pytest.mark.parametrize(
    "head", [OPEN_ENGLISH, PRINCETON, PRINCETON.replace("3.0", "3.1"), "  1 This software\n"]
)
def test_the_wrong_wordnet_is_told_before_work(fetched: Path, tmp_path: Path, head: str) -> None:
    wordnet(tmp_path, head)
    own, other = (wordnet_of(name, tmp_path) for name in ("pwws", "pwws+oewn2024"))
    assert (own.present, other.present) == (head == PRINCETON, head == OPEN_ENGLISH)
    assert own.present or own.where.endswith(", not Princeton WordNet 3.0")


def test_a_wordnet_that_is_none_is_told(fetched: Path, tmp_path: Path) -> None:
    wordnet(tmp_path, OPEN_ENGLISH).write_bytes(b"PK\x03\x04 and no more")
    told = wordnet_of("pwws", tmp_path)
    assert not told.present and "wordnet.zip is not a WordNet" in told.where


def test_a_wordnet_of_another_edition_does_not_hide_the_one_that_is_meant(
    fetched: Path, tmp_path: Path
) -> None:
    """Neither on the disk nor in NLTK, which keeps the first that it reads."""
    import nltk

    places = {"pwws+oewn2024": wordnet(tmp_path / "data", OPEN_ENGLISH), "pwws": wordnet(fetched, PRINCETON)}
    try:
        for name in ("pwws", "pwws+oewn2024", "pwws"):
            attack = ATTACKS.get(name)
            assert wordnet_of(name, tmp_path / "data").where == str(places[name])
            assert library.identify(attack.model_copy(update={"needs": (WORDNET,)}), tmp_path / "data") == {
                WORDNET: resources.checksum(places[name])
            }
            with library.offline_nltk(False, tmp_path / "data", [WORDNET], library.wordnet_of(attack)):
                assert nltk.corpus.wordnet.get_version() == ("3.0" if name == "pwws" else None)
                assert resources.edition_that_nltk_read() == library.wordnet_of(attack)
    finally:
        nltk.corpus.wordnet._unload()


@pytest.mark.parametrize("name", ["pwws", "leap"])
def test_an_attack_is_built_with_the_wordnet_that_it_means_alone(
    fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import nltk

    from asa_bench.attacks import adapter, builders

    monkeypatch.setattr(nltk.data, "path", [])
    build = {
        (name, PRINCETON): getattr(builders, name),
        (f"{name}+oewn2024", OPEN_ENGLISH): getattr(builders, f"{name}_open_english_wordnet"),
    }

    def forget() -> None:
        nltk.corpus.wordnet._unload()
        nltk.corpus.stopwords._unload()

    try:
        for (attack, meant), builder in build.items():
            assert ATTACKS.get(attack).recipe == f"{builders.__name__}:{builder.__name__}"
            for head in (PRINCETON, OPEN_ENGLISH):
                folder = tmp_path / f"{attack}-{head == PRINCETON}"
                wordnet(folder, head)
                (folder / "nltk_data" / "corpora" / "stopwords.zip").write_bytes(stop_words("the"))
                wrapper = adapter.VictimWrapper(None, np.arange(2), data_dir=folder)
                forget()
                if head == meant:
                    adapter.build(ATTACKS.get(attack), wrapper)
                    continue
                with (
                    library.offline_nltk(False, folder),
                    pytest.raises(Unavailable, match=f"'{re.escape(attack)}'.*another attack"),
                ):
                    builder(wrapper)
    finally:
        forget()


def test_what_nltk_prefers_does_not_hide_the_data_folder(fetched: Path, tmp_path: Path) -> None:
    """NLTK takes an unpacked corpus of any folder before a packed one of the first."""
    import nltk

    for folder, content in ((tmp_path / "own", "theirs\n"), (tmp_path / "data" / "nltk_data", "ours\n")):
        (folder / "corpora" / "stopwords").mkdir(parents=True)
        (folder / "corpora" / "stopwords" / "english").write_text(content)
    packed = tmp_path / "data" / "nltk_data" / "corpora"
    (packed / "stopwords.zip").write_bytes(stop_words("ours"))
    (packed / "stopwords" / "english").unlink()
    (packed / "stopwords").rmdir()
    data = tmp_path / "data"
    assert resources.find(STOP_WORDS, data).path == packed / "stopwords.zip"
    with library.offline_nltk(False, data, [STOP_WORDS]):
        assert nltk.data.find("corpora/stopwords/english").open().read() == b"ours\n"


@pytest.mark.parametrize("packed", [False, True])
def test_nltk_folders_that_others_may_write_to(
    fetched: Path, tmp_path: Path, packed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    import nltk

    folder = tmp_path / "own" / "corpora"
    folder.mkdir(parents=True)
    if packed:
        (folder / "stopwords.zip").write_bytes(stop_words("ours"))
    else:
        (folder / "stopwords").mkdir()
        (folder / "stopwords" / "english").write_text("ours\n")
    (tmp_path / "own").chmod(0o775)
    attack = ATTACKS.get("deepwordbug")
    told = library.requirements(attack)[-1]
    assert told.present and f"others may write to {tmp_path / 'own'}; a private copy is read" in told.note
    with library.offline_nltk(False, None, [STOP_WORDS]):
        assert nltk.data.find("corpora/stopwords/english").open().read() == b"ours\n"
    assert "NLTK would not read" in caplog.text
    assert library.identify(attack) == {STOP_WORDS: resources.checksum(Path(told.where))}
