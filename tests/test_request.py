"""What ``--data-dir`` means beside data that a profile generates itself: files of attacks, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import command

from asa_bench.attacks import ATTACKS, library
from asa_bench.errors import BadInput
from asa_bench.kinds import attacking
from asa_bench.plan import Plan
from asa_bench.request import Request

STOP_WORDS = "nltk:corpora/stopwords"


def data_folder(where: Path, *words: str) -> Path:
    folder = where / "nltk_data" / "corpora" / "stopwords"
    folder.mkdir(parents=True)
    (folder / "english").write_text("\n".join(words) + "\n")
    return where


@pytest.fixture(autouse=True)
def nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine has no file of attacks, wherever it may keep some."""
    import nltk

    monkeypatch.setenv("ASA_BENCH_RESOURCES", str(tmp_path / "fetched"))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])


def planned(data_dir: Path | None, *attacks: str) -> Plan:
    overrides = {"attacks": (list(attacks), "--attacks"), "seeds": (1, "--seeds")}
    plan, _ = Request(
        "robustness", "embedded", overrides, tasks=["laboratory/sentiment"], data_dir=data_dir
    ).plan()
    return plan


def test_attacks_read_the_folder_and_the_data_stay_the_laboratorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = (
        data_folder(tmp_path / "data", "the", "a"),
        data_folder(tmp_path / "other", "the", "a", "film"),
    )
    with_it, with_other = planned(folder, "deepwordbug"), planned(other, "deepwordbug")
    assert with_it.source.kind == "laboratory" and with_it.source.root is None
    asked = [cell for cell in with_it.cells if cell.kind in ("train", "evaluate", "attack")]
    assert {cell.kind for cell in asked} == {"train", "evaluate", "attack"}
    assert {cell.reads["data"]["kind"] for cell in asked} == {"laboratory"}
    (cell, *_), (elsewhere, *_) = (
        [cell for cell in plan.cells if cell.kind == "attack"] for plan in (with_it, with_other)
    )
    assert set(cell.reads["resources"]) == {STOP_WORDS}
    assert cell.reads["resources"] == library.identify(ATTACKS.get("deepwordbug"), folder)
    # The folder is no part of an address but by the bytes that the attack reads of it.
    assert cell.address != elsewhere.address
    assert cell.address in {
        one.address for one in planned(data_folder(tmp_path / "copy", "the", "a"), "deepwordbug").cells
    }
    rest = [
        {one.address for one in plan.cells if one.kind in ("train", "evaluate")}
        for plan in (with_it, with_other)
    ]
    assert rest[0] and rest[0] == rest[1]
    # The recipe is built with that folder, too.
    built: list[object] = []
    monkeypatch.setattr("asa_bench.attacks.engine.resolve", lambda attack, data_dir: built.append(data_dir))
    attacking.recipe(cell)
    attacking.recipe(elsewhere)
    assert built == [folder, other]


@pytest.mark.parametrize("attacks", [(), ("deepwordbug+stopwords",)])
def test_a_folder_of_which_nothing_would_be_read_is_refused(tmp_path: Path, attacks: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=r"nothing of it would be read.*--profile laptop or paper"):
        planned(data_folder(tmp_path / "data", "the"), *attacks)


def test_a_folder_beside_the_hub_is_refused(tmp_path: Path) -> None:
    asked = Request("robustness", "laptop", {"source": ("hub", "--set source")}, data_dir=tmp_path)
    with pytest.raises(BadInput, match="nothing of it would be read with source 'hub'"):
        asked.plan()


SUITE = """\
schema: 1
name: misspelt
title: T
description: D
default_profile: tiny
profiles:
  tiny:
    train: [laboratory/sentiment]
    methods: [naive]
    attacks: [deepwordbug, pruthi]
    seeds: 1
"""


@pytest.mark.parametrize("arguments", [("plan",), ("doctor",), ("fetch", "--dry-run")])
def test_it_is_told_that_no_data_come_from_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    suite, folder = tmp_path / "misspelt.yaml", data_folder(tmp_path / "data", "the")
    suite.write_text(SUITE)
    asked = (*arguments, "--suite", suite, "--data-dir")
    assert command(*asked, folder) == 0
    err = capsys.readouterr().err
    said = f"--data-dir {folder}: for files of attacks alone ({STOP_WORDS}); the data are the laboratory's\n"
    assert err == said
    for wrong in (tmp_path / "absent", suite):
        assert command(*asked, wrong) == 2
        assert f"--data-dir {wrong}: there is no such folder" in capsys.readouterr().err


def test_a_folder_without_the_files_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "misspelt.yaml"
    suite.write_text(SUITE)
    assert command("doctor", "--suite", suite) == 1
    assert "--data-dir names a folder that may have it" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert command("doctor", "--suite", suite, "--data-dir", tmp_path / "empty") == 1
    out, err = capsys.readouterr()
    assert "(it has none of them)" in err
    assert f"MISSING attack deepwordbug: {STOP_WORDS}: not in {tmp_path / 'empty'}" in out
