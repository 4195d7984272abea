"""That textattack is imported without a network and without traces, and what a recipe resolves to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nltk
import pytest
from attack_records import records
from attack_victims import SINGLE, WITHOUT_RANDOMNESS, KeywordVictim, single_rows

from asa_bench.attacks import ATTACKS, Attack
from asa_bench.attacks.adapter import textattack
from asa_bench.attacks.engine import attack_rows, resolve
from asa_bench.attacks.library import requirements, stop_words, words_sha256
from asa_bench.errors import BadInput, Unavailable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_both_recipes_run_with_nothing_at_hand(tmp_path: Path) -> None:
    for folder in ("home", "nothing"):
        (tmp_path / folder).mkdir()
    output = python(
        str(HERE / "offline_process.py"),
        HOME=str(tmp_path / "home"),
        NLTK_DATA=str(tmp_path / "nothing"),
        MPLCONFIGDIR=str(tmp_path / "matplotlib"),
        PYTHONHASHSEED="12345",
    )
    seen = json.loads(output.splitlines()[-1])
    assert seen["attempts"] == []
    assert set(seen["unchanged"].values()) == {True}, seen["unchanged"]
    assert seen["home"] == []
    assert seen["modules"] == []
    assert '"successful"' in seen["records"]["pruthi+stopwords pair"]
    # The same in this process, with another hash seed, other imports and whatever NLTK data there is.
    assert seen["records"] == records()


def test_listing_is_cheap() -> None:
    code = (
        "import sys; from asa_bench.attacks import ATTACKS; [ATTACKS.get(name) for name in ATTACKS.names()];"
        "print([m for m in ('textattack','torch','transformers','pandas','numpy','nltk') if m in sys.modules])"
    )
    assert python("-c", code).strip() == "[]"


@pytest.mark.parametrize("name", ATTACKS.names())
def test_descriptions_say_what_a_reader_needs(name: str) -> None:
    attack = ATTACKS.get(name)
    assert attack.name == name
    assert attack.recipe and attack.note
    assert any(year in attack.paper for year in ("2018", "2019", "2020", "2021", "2023"))
    assert bool(attack.substitutes) == ("+" in name)
    titles = [ATTACKS.get(other).title for other in ATTACKS.names()]
    assert titles.count(attack.title) == 1


def test_what_cuts_chinese_into_words_does_not_talk(capfd: pytest.CaptureFixture[str]) -> None:
    assert textattack.shared.utils.words_from_text("中国 film") == ["中国", "film"]
    assert capfd.readouterr().err == ""


def test_resolved_recipe() -> None:
    found = resolve(ATTACKS.get("deepwordbug+stopwords"))
    assert found["textattack"] == "0.3.11"
    assert found["search_method"]["wir_method"] == "unk"
    assert found["goal_function"]["class"].endswith(".UntargetedClassification")
    transformations = found["transformation"]["transformations"]
    assert [part["class"].rpartition(".")[2] for part in transformations] == [
        "WordSwapNeighboringCharacterSwap",
        "WordSwapRandomCharacterSubstitution",
        "WordSwapRandomCharacterDeletion",
        "WordSwapRandomCharacterInsertion",
    ]
    # What the library's own repr leaves out.
    assert transformations[3]["letters_to_insert"].startswith("abc")
    assert transformations[0]["skip_first_char"] is False
    assert {part.get("max_edit_distance") for part in found["constraints"]} == {None, 30}
    assert found["stop_words_sha256"] == words_sha256(stop_words())
    json.dumps(found)
    pruthi = resolve(ATTACKS.get("pruthi+stopwords"))
    assert {part.get("min_length") for part in pruthi["constraints"]} == {None, 4}
    assert pruthi["stop_words_sha256"] == found["stop_words_sha256"]


def test_stop_words_are_known() -> None:
    words = stop_words()
    assert words == sorted(words)
    assert len(words) == 318
    assert {"the", "whenever", "not"} <= set(words)
    assert words_sha256(words) == "40e0a284c5b9a220efffd18d4d739fbd3270091d6ce2c75b6effe289d3be5487"
    assert words_sha256(words[1:]) != words_sha256(words)
    assert words_sha256(words[::-1]) == words_sha256(words)


@pytest.fixture
def nltk_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty NLTK data folder, the only one that NLTK looks into, and a corpus reader that has read nothing."""
    from nltk.corpus.reader import WordListCorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    fresh = LazyCorpusLoader("stopwords", WordListCorpusReader, r"(?!README|\.).*", encoding="utf8")
    monkeypatch.setattr(nltk.corpus, "stopwords", fresh)
    return tmp_path


def test_a_recipe_without_its_stop_words(nltk_folder: Path) -> None:
    attack = ATTACKS.get("deepwordbug")
    (package, corpus) = requirements(attack)
    assert package.name == "textattack" and package.present and "0.3.11" in package.where
    assert corpus.name == "nltk:corpora/stopwords" and not corpus.present
    assert str(nltk_folder) in corpus.where
    with pytest.raises(Unavailable, match="'deepwordbug' needs nltk:corpora/stopwords"):
        attack_rows(attack, KeywordVictim(), SINGLE, single_rows("a film"), seed=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("packed", [False, True])
def test_a_recipe_with_its_stop_words(nltk_folder: Path, packed: bool) -> None:
    folder = nltk_folder / "corpora" / "stopwords"
    folder.mkdir(parents=True)
    (folder / "english").write_text("the\nfilm\n")
    if packed:
        shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
        shutil.rmtree(folder)
    attack = ATTACKS.get("deepwordbug")
    assert [need.present for need in requirements(attack)] == [True, True]
    assert resolve(attack)["stop_words_sha256"] == words_sha256(["film", "the"])
    # The substitute is used wherever its name is, data or none.
    assert resolve(ATTACKS.get("deepwordbug+stopwords"))["stop_words_sha256"] == words_sha256(stop_words())


def test_requirements_of_the_substitute() -> None:
    needs = requirements(ATTACKS.get("pruthi+stopwords"))
    assert [need.name for need in needs] == ["textattack", "scikit-learn"]
    assert all(need.present and need.where for need in needs)


def changed(**values: Any) -> Attack:
    return WITHOUT_RANDOMNESS.model_copy(update=values)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (changed(recipe="DeepWordBug"), "did you mean 'DeepWordBugGao2018'"),
        (changed(recipe="attack_victims:nothing"), "cannot import its recipe 'attack_victims:nothing'"),
        (changed(recipe="no_such_module:build"), "cannot import its recipe 'no_such_module:build'"),
        (changed(recipe="Pruthi2019", name="pruthi+lexicon"), "unknown substitute 'lexicon'"),
        (changed(recipe="InputReductionFeng2018", name="reduce+stopwords"), "pursues InputReduction"),
    ],
)
def test_recipes_that_cannot_be_measured(attack: Attack, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        resolve(attack)


def test_a_recipe_whose_files_are_missing() -> None:
    with pytest.raises(Unavailable, match="'textbugger' cannot load what it needs"):
        resolve(changed(recipe="attack_victims:build_from_missing_file", name="textbugger"))
