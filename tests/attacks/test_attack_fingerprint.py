"""A recipe's fingerprint changes with every constructor argument of its components, with word lists and files."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import counter_fitted
import numpy as np
import pytest
import tiny_resources
import torch
from attack_victims import WITHOUT_RANDOMNESS
from tiny_resources import OPEN_ENGLISH, PRINCETON, data_folder

from asa_bench.attacks import (
    ATTACKS,
    Attack,
    control,
    encoders,
    infilling,
    library,
    resources,
    vectors,
    white_box,
)
from asa_bench.attacks.adapter import VictimWrapper, build, describe, textattack
from asa_bench.attacks.builders import CounterFitted, NeighbourLists
from asa_bench.attacks.engine import fingerprint, resolve

transformations = textattack.transformations
constraints = textattack.constraints
before = constraints.pre_transformation
searches = textattack.search_methods
semantics = constraints.semantics
WRAPPER = VictimWrapper(None, np.arange(2))


class Together(dict[str, Any]):
    """Values of several arguments of which none can be changed alone."""


def embedding(*words: str) -> Any:
    """Word vectors, the same ones whatever the words are."""
    numbers = {word: number for number, word in enumerate(words)}
    return textattack.shared.WordEmbedding(np.eye(len(words)), numbers, dict(enumerate(words)))


def masked(name: str) -> Any:
    """What a transformation keeps of a masked language model; its files have a checksum of their own."""
    return SimpleNamespace(name=name, written="bert", tokenizer=object(), max_length=64)


FILLED = {
    "shared": masked("OtherForMaskedLM"),
    "window_size": 5,
    "max_candidates": 7,
    "min_confidence": 0.5,
    "batch_size": 3,
}
GENETIC = {
    "pop_size": 10,
    "max_iters": 3,
    "temp": 0.5,
    "give_up_if_no_improvement": True,
    "post_crossover_check": False,
    "max_crossover_retries": 3,
}
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
    (searches.ParticleSwarmOptimization, {}, {"pop_size": 10, "max_iters": 3, "post_turn_check": False}),
    (searches.AlzantotGeneticAlgorithm, {}, GENETIC),
    (searches.ImprovedGeneticAlgorithm, {}, {**GENETIC, "max_replace_times_per_index": 2}),
    (searches.GreedySearch, {}, {}),
    (control.RandomWalks, {"per_word": 5}, {"per_word": 4}),
    (white_box.GradientRanked, {"gradients": None}, {}),
    (
        white_box.GradientSwap,
        {"gradients": None, "top_n": 1, "min_cos_sim": 0.5, "max_neighbours": 50},
        {"top_n": 2, "min_cos_sim": 0.4, "max_neighbours": 40},
    ),
    (before.RepeatModification, {}, {}),
    (constraints.overlap.MaxWordsPerturbed, {"max_num_words": 2}, {"max_num_words": 3, "max_percent": 0.5}),
    (
        semantics.WordEmbeddingDistance,
        {"embedding": embedding("film", "movie"), "min_cos_sim": 0.5},
        {
            "embedding": embedding("film", "plot"),
            "include_unknown_words": False,
            "min_cos_sim": 0.6,
            "max_mse_dist": Together(min_cos_sim=None, max_mse_dist=0.5),
            "cased": True,
            "compare_against_original": False,
        },
    ),
    (
        encoders.EncoderSimilarity,
        {"wrapper": WRAPPER, "encoder": None},
        {
            "threshold": 0.9,
            "metric": "angular",
            "compare_against_original": False,
            "window_size": 15,
            "skip_text_shorter_than_window": True,
        },
    ),
    (transformations.WordSwapWordNet, {}, {"language": "fra"}),
    (
        transformations.WordSwapEmbedding,
        {"embedding": embedding("film", "movie")},
        {"max_candidates": 8, "embedding": embedding("film", "plot"), **LETTERS},
    ),
    (
        transformations.CompositeTransformation,
        {"transformations": [transformations.WordSwapQWERTY()]},
        {"transformations": [transformations.WordSwapQWERTY(random_one=False)]},
    ),
    (
        infilling.SharedSwap,
        {"wrapper": WRAPPER, "shared": masked("BertForMaskedLM")},
        {**FILLED, "method": "bert-attack", **LETTERS},
    ),
    (infilling.SharedInsertion, {"wrapper": WRAPPER, "shared": masked("BertForMaskedLM")}, FILLED),
    (infilling.SharedMerge, {"wrapper": WRAPPER, "shared": masked("BertForMaskedLM")}, FILLED),
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
# These change no answer: how much is remembered; who is asked, which is recorded on its own; retries, which the library
# sets to 20 whatever is said. PartOfSpeech's taggers other than NLTK's are models that are not here.
WITHOUT_EFFECT = {"model_cache_size", "model_wrapper", "max_turn_retries", "tagger_type"}
# Of some classes alone: whom they ask, and whose checksum is recorded on its own; what the shared model decides; what the
# library refuses to change; the language of stop words that are given.
ALSO_WITHOUT_EFFECT: dict[Any, set[str]] = {
    encoders.EncoderSimilarity: {"wrapper", "encoder"},
    before.StopwordModification: {"language"},
    white_box.GradientRanked: {"gradients"},
    white_box.GradientSwap: {"gradients"},
    constraints.overlap.MaxWordsPerturbed: {"compare_against_original"},
    **{
        kind: {"wrapper", "masked_language_model", "tokenizer", "max_length"}
        for kind in (infilling.SharedSwap, infilling.SharedInsertion, infilling.SharedMerge)
    },
}


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
    return found - WITHOUT_EFFECT - ALSO_WITHOUT_EFFECT.get(kind, set())


@pytest.fixture(autouse=True)
def _no_nltk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's WordNet swap downloads when it is made, and asks which languages there are."""
    import nltk

    monkeypatch.setattr(nltk, "download", lambda *_, **__: False)
    module = sys.modules[transformations.WordSwapWordNet.__module__]
    monkeypatch.setattr(module, "wordnet", SimpleNamespace(langs=lambda: ["eng", "fra"]))


@pytest.mark.parametrize(
    ("kind", "needed", "others"), COMPONENTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_every_argument_counts(kind: Any, needed: dict[str, Any], others: dict[str, Any]) -> None:
    assert set(others) == arguments(kind)
    usual = fingerprint({"component": describe(kind(**needed))})
    assert fingerprint({"component": describe(kind(**needed))}) == usual
    seen = {usual}
    for name, value in others.items():
        changed = value if isinstance(value, Together) else {name: value}
        seen.add(fingerprint({"component": describe(kind(**{**needed, **changed}))}))
        assert len(seen) == 1 + list(others).index(name) + 1, name


def classes(told: Any) -> set[tuple[str, bool]]:
    """Every class in a description, and whether anything is told of it."""
    parts = told.values() if isinstance(told, dict) else told if isinstance(told, list) else ()
    found = {pair for part in parts for pair in classes(part)}
    return found | ({(told["class"], len(told) > 1)} if isinstance(told, dict) and "class" in told else set())


@pytest.mark.parametrize("edition", [OPEN_ENGLISH, PRINCETON])
def test_every_component_of_every_attack_is_among_those_whose_arguments_count(
    edition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    for name in ("BERT", "DISTILROBERTA"):
        monkeypatch.setattr(infilling, name, resources.MASKED)
    wrapper = VictimWrapper(None, np.arange(2), data_dir=data_folder(tmp_path, edition))
    tested = {f"{kind.__module__}.{kind.__qualname__}": bool(others) for kind, _, others in COMPONENTS}
    tested |= {f"{kind.__module__}.{kind.__qualname__}": True for kind in (NeighbourLists, CounterFitted)}
    attacks = [attack for attack in map(ATTACKS.get, ATTACKS.names()) if suits(attack, edition)]
    assert len(attacks) > len(ATTACKS.names()) / 2
    try:
        for attack in attacks:
            for corpus in (nltk.corpus.stopwords, nltk.corpus.wordnet):
                corpus._unload()
            built = build(attack, wrapper)
            parts = [built.goal_function, built.search_method, built.transformation]
            parts += [*built.pre_transformation_constraints, *built.constraints]
            for kind, told in classes(describe(parts)):
                assert kind in tested, f"{attack.name}: add {kind} to COMPONENTS"
                assert told or not tested[kind], f"{attack.name}: nothing is told of {kind}"
    finally:
        for corpus in (nltk.corpus.stopwords, nltk.corpus.wordnet):
            corpus._unload()


def suits(attack: Attack, edition: str) -> bool:
    """Whether a folder with a WordNet of that edition has what an attack needs."""
    meant = OPEN_ENGLISH if library.wordnet_of(attack) == resources.OPEN_ENGLISH else PRINCETON
    return meant == edition or "nltk:corpora/wordnet" not in attack.needs


def test_vectors_count_by_content(tmp_path: Path) -> None:
    def of(*words: str) -> set[str]:
        path = tmp_path / "-".join(words) / "vectors.safetensors"
        vectors.convert(counter_fitted.files(words), path, "a test")
        held = CounterFitted(path)
        parts = (
            transformations.WordSwapEmbedding(embedding=held),
            semantics.WordEmbeddingDistance(embedding=held, min_cos_sim=0.5),
        )
        return {fingerprint({"component": describe(part)}) for part in parts}

    assert of("film", "movie") == of("film", "movie")
    assert not of("film", "movie") & of("film", "plot")


def test_the_files_of_an_encoder_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom a constraint asks is not among its attributes, but the checksum of its files is recorded beside."""
    folder = data_folder(tmp_path, OPEN_ENGLISH)
    attack = ATTACKS.get("textfooler+neighbours+sbert")
    attack = attack.model_copy(update={"needs": (resources.ENCODER,)})
    seen = [resolve(attack, folder)]
    (folder / "sentence_encoder" / "tokenizer_config.json").open("a").write("\n")
    library.resources._sha256.cache_clear()
    seen.append(resolve(attack, folder))
    assert seen[0]["constraints"] == seen[1]["constraints"]
    assert seen[0]["resources"] != seen[1]["resources"] and seen[0]["fingerprint"] != seen[1]["fingerprint"]


WORDS = [f"word{number}" for number in range(100)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (WORDS, WORDS[::-1]),
        (WORDS, [*WORDS[:-1], "another"]),
        (tuple(WORDS), tuple(WORDS[::-1])),
        (dict.fromkeys(WORDS, 1), {word: 1 + (word == "word7") for word in WORDS}),
        (["a", "b"], ["b", "a"]),
        (np.float32(1), np.float32(2)),
        (b"one", b"two"),
        (torch.tensor([1.0, 2.0]), torch.tensor([2.0, 1.0])),
        (torch.tensor(1.0, dtype=torch.bfloat16), torch.tensor(2.0, dtype=torch.bfloat16)),
        (transformations.WordSwapQWERTY(), transformations.WordSwapQWERTY(random_one=False)),
        ([transformations.WordSwapQWERTY()] * 65, [transformations.WordSwapQWERTY(random_one=False)] * 65),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_component_holds_counts(one: Any, other: Any) -> None:
    """In public attributes of anybody's component, and in private ones of somebody else's."""
    for name in ("words", "_words"):

        class Holds(transformations.WordSwap):  # type: ignore[misc]
            def __init__(self, value: Any, name: str = name) -> None:
                super().__init__()
                setattr(self, name, value)

        told = [json.dumps(describe(Holds(value)), sort_keys=True) for value in (one, one, other)]
        assert told[0] == told[1] != told[2]
        assert len(told[0]) < 1000 and "0x" not in told[0]


def test_the_order_of_a_set_does_not_count_and_that_of_a_list_does() -> None:
    words = set(WORDS)
    before = describe(words)
    assert before == {"count": 100, "sha256": library.words_sha256(WORDS)}
    assert describe(frozenset(WORDS)) == before
    assert describe(WORDS) not in (before, describe(WORDS[::-1]))


def test_components_that_know_each_other_are_described() -> None:
    outer, inner = transformations.WordSwapQWERTY(), transformations.WordSwapQWERTY()
    outer.part, inner.whole = inner, outer
    told = describe(outer)
    assert told["part"]["whole"] == {"class": told["class"]}


def test_neighbour_lists_count_by_content(tmp_path: Path) -> None:
    def lists(content: dict[str, list[str]]) -> Any:
        held = NeighbourLists(tiny_resources.neighbours(tmp_path, content))
        swap = transformations.WordSwapEmbedding(max_candidates=8, embedding=held)
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
