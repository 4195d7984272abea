"""What a suite needs: told without a network, fetched from a hub and from files on the loopback."""

from __future__ import annotations

import hashlib
import io
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import counter_fitted
import pytest
import yaml
from file_server import serve
from hub import COMMIT, HubServer, environment, parquet

from asa_bench.attacks.sources import PLACES, VECTORS
from asa_bench.cli import main

STOP_WORDS = "nltk:corpora/stopwords"
ATTACKS = ["deepwordbug", "pwws", "pwws+oewn2024", "textfooler+neighbours+nouse", "iga"]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Several attacks on a model and a data set of the hub."""
    path = tmp_path / "several.yaml"
    profile = {
        "source": "hub",
        "models": ["owner/encoder"],
        "train": ["sst2", "qqp"],
        "challenges": ["paws_qqp"],
        "attacks": ATTACKS,
    }
    path.write_text(
        yaml.safe_dump(
            {
                "schema": 1,
                "name": "several",
                "title": "Several attacks",
                "description": "For a test.",
                "default_profile": "small",
                "profiles": {"small": profile},
            }
        )
    )
    return path


def wordnet(said: str = "WordNet 3.0 Copyright 2006") -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        packed.writestr("wordnet/data.adj", f"  1 {said}\n")
    return sink.getvalue()


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0), capsys.readouterr().out.splitlines()


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Every attempt to reach anybody, refused; an empty home."""
    import nltk

    attempts: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        attempts.append(arguments[-1])
        raise OSError("the network is blocked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("ASA_BENCH_RESOURCES", str(tmp_path / "fetched"))
    monkeypatch.setenv("TA_CACHE_DIR", str(tmp_path / "textattack"))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
    return attempts


def test_doctor_asks_nobody(suite: Path, blocked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, "doctor", "--suite", str(suite))
    assert (code, blocked) == (1, [])
    missing = [line for line in lines if line.startswith("MISSING")]
    for what, where in (
        ("model owner/encoder", "`asa-bench fetch` gets it from the hub, owner/encoder"),
        ("data sst2 train", "`asa-bench fetch` gets it from the hub, nyu-mll/glue, sst2/train-*.parquet"),
        ("data paws_qqp test", "give --data-dir FOLDER with its files"),
        ("attack deepwordbug: nltk:corpora/stopwords", "nltk/nltk_data/"),
        ("attack pwws: nltk:corpora/wordnet", "10,775,600 bytes"),
        ("attack textfooler+neighbours+nouse: file:counterfitting/", "counterfitted_neighbors.json"),
        ("attack iga: file:vectors/paragramcf.safetensors", "word_embeddings/paragramcf"),
    ):
        (line,) = (line for line in missing if line.startswith(f"MISSING {what}"))
        assert where in line
    (line,) = (line for line in missing if "pwws+oewn2024: nltk:corpora/wordnet" in line)
    assert "asa-bench fetch" not in line
    assert any(line.startswith("ok      attack pwws: textattack") for line in lines)


def test_doctor_tells_of_masked_language_models(
    suite: Path, blocked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["bae+sbert", "bertattack+mlm+sbert+stopwords"]
    content = yaml.safe_load(suite.read_text())
    content["profiles"]["small"]["attacks"] = names
    suite.write_text(yaml.safe_dump(content))
    here = tmp_path / "data" / "masked_language_model"
    here.parent.mkdir()
    code, lines = told(capsys, "doctor", "--suite", str(suite), "--data-dir", str(here.parent))
    assert (code, blocked) == (1, [])
    (hub,) = (line for line in lines if "attack bae+sbert: hub:bert-base-uncased" in line)
    assert hub.startswith("MISSING") and "`asa-bench fetch` gets it from the hub, bert-base-uncased" in hub
    assert str(tmp_path / "hub") in hub
    (own,) = (line for line in lines if f"{names[1]}: file:masked_language_model" in line)
    assert own.startswith("MISSING") and str(here) in own and "asa-bench fetch" not in own
    assert "put a masked language model of your choice there" in own
    here.mkdir()
    snapshot = tmp_path / "hub" / "models--bert-base-uncased"
    (snapshot / "refs").mkdir(parents=True)
    (snapshot / "refs" / "main").write_text(COMMIT)
    for name in ("config.json", "model.safetensors"):
        (snapshot / "snapshots" / COMMIT).mkdir(parents=True, exist_ok=True)
        (snapshot / "snapshots" / COMMIT / name).write_text(name)
        _, lines = told(capsys, "doctor", "--suite", str(suite), "--data-dir", str(here.parent))
        assert any(
            line.startswith("MISSING") and str(here) in line and f"no {name} in it" in line for line in lines
        )
        (here / name).write_text(name)
    _, lines = told(capsys, "doctor", "--suite", str(suite), "--data-dir", str(here.parent))
    present = [line for line in lines if line.startswith("ok")]
    assert any(f"hub:bert-base-uncased: {snapshot / 'snapshots' / COMMIT}" in line for line in present)
    assert any(f"{names[1]}: file:masked_language_model: {here}" in line for line in present)


def test_fetch_without_a_network_ends_and_says_what_is_left(
    suite: Path, blocked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = told(capsys, "fetch", "--suite", str(suite), "--dry-run")
    assert (code, blocked) == (1, [])
    begun = [line for line in lines if line.startswith("would fetch")]
    assert sum("corpora/stopwords" in line for line in begun) == 1  # three attacks need it
    code, lines = told(capsys, "fetch", "--suite", str(suite))
    assert code == 1 and blocked
    assert sum(line.startswith("FAILED") for line in lines) == len(begun)
    assert "MISSING data paws_qqp test" in "\n".join(lines)


@pytest.mark.parametrize("came", ["WordNet 3.0 Copyright 2006", "WordNet 3.1 Copyright 2011"])
def test_fetch_over_a_wordnet_of_another_edition(
    suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    came: str,
) -> None:
    """The one that is meant is fetched and found beside it; what came and is not found is told."""
    import nltk

    settings = yaml.safe_load(suite.read_text())
    settings["profiles"]["small"] |= {
        "source": "laboratory",
        "models": ["laboratory"],
        "train": ["laboratory/sentiment"],
        "challenges": [],
        "attacks": ["pwws"],
    }
    suite.write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("ASA_BENCH_RESOURCES", str(tmp_path / "fetched"))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
    own = tmp_path / "nltk" / "corpora"
    own.mkdir(parents=True)
    (own / "wordnet.zip").write_bytes(wordnet("Open English WordNet 2024"))
    files = {}
    for need, content in (
        ("nltk:corpora/wordnet", wordnet(came)),
        ("nltk:corpora/stopwords", b"words"),
    ):
        sha256 = hashlib.sha256(content).hexdigest()
        monkeypatch.setitem(PLACES, need, PLACES[need]._replace(sha256=sha256))
        files[PLACES[need].path] = content
    right = "3.0" in came
    with serve(files) as place:
        monkeypatch.setenv("ASA_BENCH_GITHUB_URL", place)
        code, lines = told(capsys, "fetch", "--suite", str(suite))
    assert code == (0 if right else 1)
    assert [line for line in lines if line.startswith("MISSING")] == (
        []
        if right
        else [
            f"MISSING attack pwws: nltk:corpora/wordnet: {tmp_path / 'fetched'}/nltk_data/corpora/wordnet.zip is "
            "Princeton WordNet 3.1, not Princeton WordNet 3.0, although it was fetched"
        ]
    )
    assert told(capsys, "doctor", "--suite", str(suite))[0] == code


@pytest.fixture
def with_vectors(suite: Path) -> Path:
    """A suite on the laboratory's data whose one attack reads counter-fitted vectors."""
    settings = yaml.safe_load(suite.read_text())
    settings["profiles"]["small"] |= {
        "source": "laboratory",
        "models": ["laboratory"],
        "train": ["laboratory/sentiment"],
        "challenges": [],
        "attacks": ["iga"],
    }
    suite.write_text(yaml.safe_dump(settings))
    return suite


def test_what_nobody_publishes_a_checksum_of_is_accepted_by_the_user(
    with_vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the machine's first question to the converted file."""
    import nltk

    monkeypatch.setenv("ASA_BENCH_RESOURCES", str(tmp_path / "fetched"))
    monkeypatch.setenv("TA_CACHE_DIR", str(tmp_path / "textattack"))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
    archive = counter_fitted.archive(counter_fitted.files())
    files, digest = {PLACES[VECTORS].path: archive}, hashlib.sha256(archive).hexdigest()
    monkeypatch.setitem(
        PLACES, STOP_WORDS, PLACES[STOP_WORDS]._replace(sha256=hashlib.sha256(b"w").hexdigest())
    )
    files[PLACES[STOP_WORDS].path] = b"w"
    fetch = ("fetch", "--suite", str(with_vectors))
    with serve(files) as place:
        monkeypatch.setenv("ASA_BENCH_GITHUB_URL", place)
        monkeypatch.setenv("ASA_BENCH_TEXTATTACK_URL", place)
        for asked in (("doctor", "--suite", str(with_vectors)), (*fetch, "--dry-run")):
            code, lines = told(capsys, *asked)
            assert code == 1 and sum("given with --accept" in line for line in lines) == 1
        code, lines = told(capsys, *fetch)
        (line,) = (line for line in lines if line.startswith("FAILED"))
        assert code == 1 and digest in line and "--accept SHA256" in line
        kept = tmp_path / "fetched" / "vectors" / "paragramcf.zip"
        assert kept.read_bytes() == archive
        _, lines = told(capsys, *fetch, "--dry-run")
        assert any(f"from {kept}, which was downloaded" in line for line in lines)
        code, lines = told(capsys, *fetch, "--accept", "a" * 64)
        (line,) = (line for line in lines if line.startswith("FAILED"))
        assert code == 1 and f"sha256 {digest}, not the accepted {'a' * 64}" in line
        code, lines = told(capsys, *fetch, "--accept", digest)
        assert code == 0 and not kept.exists()
        assert any(line.startswith("fetched") and "as accepted" in line for line in lines)
    code, lines = told(capsys, "doctor", "--suite", str(with_vectors))
    assert code == 0


def test_an_accepted_checksum_that_nothing_asked_for_is_told(
    with_vectors: Path, blocked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, reason in (
        (("--suite", "robustness", "--profile", "embedded"), "nothing that was fetched asks for it"),
        (("--suite", str(with_vectors), "--dry-run"), "--dry-run fetches nothing"),
    ):
        with pytest.raises(SystemExit):
            main(["fetch", *arguments, "--accept", "b" * 64])
        assert capsys.readouterr().err == f"--accept {'b' * 64}: not used, since {reason}\n"
    with pytest.raises(SystemExit) as ended:
        main(["fetch", "--suite", str(with_vectors), "--accept", "bbb"])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "") and "--accept 'bbb': expected a sha256" in err


@pytest.mark.slow
def test_fetch_gets_all_and_doctor_then_needs_no_network(tmp_path: Path, suite: Path) -> None:
    """As a user, with an empty home, a hub, NLTK's and TextAttack's places on the loopback."""
    rows = {"sentence": ["a fine film", "an awful film"] * 4, "label": [1, 0] * 4, "idx": list(range(8))}
    data = parquet(rows, ["negative", "positive"])
    names = ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001")
    glue = {f"sst2/{name}.parquet": data for name in names}
    files = {}
    pins = "from asa_bench.attacks.sources import PLACES"
    for need, place in PLACES.items():
        content = counter_fitted.archive(counter_fitted.files())
        if "vectors" not in need:
            content = wordnet() if need.endswith("wordnet") else f"what is at {need}".encode()
            pin = hashlib.sha256(content).hexdigest()
            pins += f"\nPLACES[{need!r}] = PLACES[{need!r}]._replace(sha256={pin!r})"
        else:
            accepted = hashlib.sha256(content).hexdigest()
        files[place.path] = content
    settings = yaml.safe_load(suite.read_text())
    settings["profiles"]["small"] |= {
        "train": ["sst2"],
        "challenges": [],
        "attacks": [a for a in ATTACKS if "oewn" not in a],
    }
    suite.write_text(yaml.safe_dump(settings))
    home = tmp_path / "home"
    home.mkdir()
    model = {"config.json": b"{}", "model.safetensors": b"weights", "pytorch_model.bin": b"pickle"}
    with serve(files) as place, HubServer({"nyu-mll/glue": glue}, models={"owner/encoder": model}) as hub:
        given = {
            **environment(hub.endpoint, home / "hf"),
            "HOME": str(home),
            "ASA_BENCH_GITHUB_URL": place,
            "ASA_BENCH_TEXTATTACK_URL": place,
        }

        def run(*command: str, **changes: str) -> subprocess.CompletedProcess[str]:
            code = f"{pins}\nfrom asa_bench.cli import main\nmain({[*command, '--suite', str(suite)]!r})"
            return subprocess.run(
                [sys.executable, "-c", code],
                env={**given, **changes},
                capture_output=True,
                text=True,
                check=False,
            )

        done = run("fetch", "--accept", accepted)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "pytorch_model.bin" not in " ".join(hub.requests)
        assert COMMIT in done.stdout and "as pinned" in done.stdout
    after = run("doctor", HF_HUB_OFFLINE="1")
    assert after.returncode == 0, after.stdout + after.stderr
    assert "MISSING" not in after.stdout
    (half,) = home.rglob("snapshots/*/sst2/train-00001-of-00002.parquet")
    half.unlink()
    after = run("doctor", HF_HUB_OFFLINE="1")
    assert after.returncode == 1
    (line,) = (line for line in after.stdout.splitlines() if line.startswith("MISSING"))
    assert line.startswith("MISSING data sst2 train: 1 of 2 files in ")
    assert "not sst2/train-00001-of-00002.parquet; `asa-bench fetch` gets it" in line
