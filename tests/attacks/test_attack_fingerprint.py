"""A recipe's fingerprint changes with every constructor argument of its components, with word lists and files."""

from __future__ import annotations

import inspect
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attack_victims import WITHOUT_RANDOMNESS

from asa_bench.attacks import ATTACKS
from asa_bench.attacks.adapter import VictimWrapper, describe, textattack
from asa_bench.attacks.builders import NeighbourLists
from asa_bench.attacks.engine import fingerprint, resolve

transformations = textattack.transformations
constraints = textattack.constraints
before = constraints.pre_transformation
searches = textattack.search_methods
ENDS = {"skip_first_char": True, "skip_last_char": True}
LETTERS = {"letters_to_insert": "xyz"}

# Class, arguments without which it cannot be made, and another value for every argument.
COMPONENTS: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (transformations.WordSwapNeighboringCharacterSwap, {}, {"random_one": False, **ENDS, **LETTERS}),
    (transformations.WordSwapRandomCharacterDeletion, {}, {"random_one": False, **ENDS, **LETTERS}),
    (transformations.WordSwapRandomCharacterInsertion, {}, {"random_one": False, **ENDS, **LETTERS}),
    (transformations.WordSwapRandomCharacterSubstitution, {}, {"random_one": False, **LETTERS}),
    (transformations.WordSwapQWERTY, {}, {"random_one": False, **ENDS, **LETTERS}),
    (before.StopwordModification, {"stopwords": ["the", "a"]}, {"stopwords": ["the", "an"]}),
    (before.MinWordLength, {"min_length": 4}, {"min_length": 3}),
    (before.MaxModificationRate, {"max_rate": 0.1}, {"max_rate": 0.2, "min_threshold": 4}),
    (before.MaxNumWordsModified, {"max_num_words": 1}, {"max_num_words": 2}),
    (
        before.InputColumnModification,
        {"matching_column_labels": ["a", "b"], "columns_to_ignore": {"a"}},
        {"matching_column_labels": ["a", "c"], "columns_to_ignore": {"b"}},
    ),
    (
        constraints.overlap.LevenshteinEditDistance,
        {"max_edit_distance": 30},
        {"max_edit_distance": 29, "compare_against_original": False},
    ),
    (
        constraints.grammaticality.PartOfSpeech,
        {},
        {
            "tagset": "brown",
            "allow_verb_noun_swap": False,
            "compare_against_original": False,
            "language_nltk": "rus",
            "language_stanza": "fr",
        },
    ),
    (
        searches.GreedyWordSwapWIR,
        {},
        {"wir_method": "delete", "unk_token": "[MASK]", "truncate_words_to": 9},
    ),
    (searches.BeamSearch, {}, {"beam_width": 3}),
    (
        searches.ParticleSwarmOptimizationLEAP,
        {},
        {"pop_size": 10, "max_iters": 3, "post_turn_check": False},
    ),
    (
        textattack.goal_functions.UntargetedClassification,
        {"model_wrapper": VictimWrapper(None, np.arange(2))},
        {
            "target_max_score": 0.3,
            "maximizable": True,
            "query_budget": 50,
            "use_cache": False,
            "allow_skip": False,
            "model_batch_size": 7,
        },
    ),
]
# These change no answer: how much is remembered; who is asked, which is recorded on its own; the language of stop words
# that are given; retries, which the library sets to 20 whatever is said. PartOfSpeech's taggers other than NLTK's are
# models that are not here.
WITHOUT_EFFECT = {"model_cache_size", "model_wrapper", "language", "max_turn_retries", "tagger_type"}


def arguments(kind: Any) -> set[str]:
    """Every constructor argument of a class, those passed on to its parents too."""
    found: set[str] = set()
    for parent in kind.__mro__:
        if "__init__" in vars(parent) and parent is not object:
            signature = inspect.signature(parent.__init__).parameters.values()
            found |= {
                one.name for one in signature if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
            } - {"self"}
            if not any(one.kind is one.VAR_KEYWORD for one in signature):
                break
    return found - WITHOUT_EFFECT


@pytest.mark.parametrize(
    ("kind", "needed", "others"), COMPONENTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_every_argument_counts(kind: Any, needed: dict[str, Any], others: dict[str, Any]) -> None:
    assert set(others) == arguments(kind)
    usual = fingerprint({"component": describe(kind(**needed))})
    assert fingerprint({"component": describe(kind(**needed))}) == usual
    seen = {usual}
    for name, value in others.items():
        seen.add(fingerprint({"component": describe(kind(**{**needed, name: value}))}))
        assert len(seen) == 1 + list(others).index(name) + 1, name


def test_neighbour_lists_count_by_content(tmp_path: Path) -> None:
    def lists(content: dict[str, list[str]]) -> Any:
        path = tmp_path / "lists.json.xz"
        path.write_bytes(lzma.compress(json.dumps(content).encode()))
        swap = transformations.WordSwapEmbedding(max_candidates=8, embedding=NeighbourLists(path))
        return fingerprint({"component": describe(swap)})

    assert lists({"good": ["fine", "great"]}) == lists({"good": ["fine", "great"]})
    assert lists({"good": ["fine", "great"]}) != lists({"good": ["great", "fine"]})


def test_a_resolved_recipe_carries_its_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    found = resolve(ATTACKS.get("deepwordbug+stopwords"))
    rest = {key: value for key, value in found.items() if key != "fingerprint"}
    assert found["fingerprint"] == fingerprint(rest)
    assert fingerprint(dict(reversed(list(rest.items())))) == fingerprint(rest)
    assert resolve(ATTACKS.get("deepwordbug+stopwords"))["fingerprint"] == found["fingerprint"]
    prints = {found["fingerprint"], resolve(ATTACKS.get("pruthi+stopwords"))["fingerprint"]}
    prints.add(resolve(WITHOUT_RANDOMNESS)["fingerprint"])
    from asa_bench.attacks import library

    monkeypatch.setattr(library, "VERSION", "0.0.0")
    prints.add(resolve(WITHOUT_RANDOMNESS)["fingerprint"])
    monkeypatch.setattr(library, "stop_words", lambda: ["the"])
    prints.add(resolve(ATTACKS.get("deepwordbug+stopwords"))["fingerprint"])
    assert len(prints) == 5


def test_records_of_another_recipe_are_not_compared() -> None:
    from dataclasses import replace

    from attack_victims import SINGLE, KeywordVictim, single_rows

    from asa_bench.attacks.engine import attack_rows
    from asa_bench.errors import BadInput
    from asa_bench.reports.inputs import ReportInput
    from asa_bench.reports.outcomes import AttackOutcome, Subject

    attack = ATTACKS.get("pruthi+stopwords")
    rows = attack_rows(attack, KeywordVictim(), SINGLE, single_rows("a wonderful film"), seed=1)  # type: ignore[arg-type]
    naive, asa = (Subject("m", name, name, False, "toy", 1) for name in ("naive", "asa"))
    one = AttackOutcome(naive, SINGLE, "dev", "f", attack, 1, rows, None, "1" * 64)
    same = replace(one, subject=asa)

    def check(*outcomes: AttackOutcome) -> None:
        ReportInput("s", "S", "p", evaluations=(), attacks=outcomes, holes=(), provenance={}).check()

    check(one, same)
    with pytest.raises(BadInput, match="another recipe than the attack"):
        check(one, replace(same, recipe="2" * 64))


def test_files_word_lists_and_encoders_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a recipe reads is part of what it is: another byte in a file gives another fingerprint and another address."""
    import nltk

    from asa_bench.attacks import library

    monkeypatch.setattr(nltk.data, "path", [])
    need = "nltk:corpora/stopwords"
    attack = WITHOUT_RANDOMNESS.model_copy(update={"needs": (need,)})
    seen = []
    for number, content in enumerate(("the\n", "the\nfilm\n")):
        folder = tmp_path / str(number) / "nltk_data" / "corpora" / "stopwords"
        folder.mkdir(parents=True)
        (folder / "english").write_text(content)
        data = tmp_path / str(number)
        seen.append((library.identify(attack, data)[need], resolve(attack, data)["fingerprint"]))
        (folder / "README").write_text("another file of the same folder")
        library.resources._sha256.cache_clear()
        seen.append((library.identify(attack, data)[need], resolve(attack, data)["fingerprint"]))
        library.resources._sha256.cache_clear()
    assert len({one for one, _ in seen}) == len({two for _, two in seen}) == 4


PLUGIN = """
import re

import numpy as np
import textattack
from textattack.transformations import WordSwap


class Swap(WordSwap):
    def __init__(self, n, words, table, pattern):
        super().__init__()
        self.n, self.words, self.table, self.pattern = n, words, np.array(table), re.compile(pattern)

    def _get_replacement_words(self, word):
        return self.words[: self.n]


def build(wrapper):
    goal = textattack.goal_functions.UntargetedClassification(wrapper)
    swap = Swap(%r, %r, %r, %r)
    return textattack.Attack(goal, [], swap, textattack.search_methods.GreedySearch())
"""


def test_arguments_and_code_of_somebody_elses_components_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plug-in is described like the library's parts, and its file is part of a cell's address."""
    import sys

    from asa_bench.attacks import library
    from asa_bench.attacks.base import Attack

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    attack = Attack(name="own", title="Own", recipe="plugin_of_a_test:build", paper="none")
    first: tuple[Any, ...] = (1, ["film"], [1.0, 2.0], "a+")
    changed = [(2, *first[1:]), (1, ["plot"], *first[2:]), (*first[:2], [1.0, 3.0], "a+"), (*first[:3], "b+")]
    seen, components = [], []
    for values in (first, *changed, first):
        (tmp_path / "plugin_of_a_test.py").write_text(PLUGIN % values)
        sys.modules.pop("plugin_of_a_test", None)
        (code,) = library.identify(attack).values()
        assert "plugin_of_a_test" not in sys.modules  # planning imports no plug-in
        found = resolve(attack)
        seen.append((code, found["fingerprint"]))
        components.append(json.dumps(found["transformation"], sort_keys=True))
    monkeypatch.delitem(sys.modules, "plugin_of_a_test")
    assert seen[0] == seen[-1]
    assert len(set(seen[:-1])) == len({code for code, _ in seen[:-1]}) == len(set(components[:-1])) == 5
