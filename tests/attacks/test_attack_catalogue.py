"""The catalogue of textattack's recipes says what trying each of them gives, and why."""

from __future__ import annotations

import contextlib
import inspect
import io
import pickle
import re
import shutil
import socket
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from attack_victims import KeywordVictim
from test_attack_resources import Graded

from asa_bench.attacks import ATTACKS, Attack, library
from asa_bench.attacks.adapter import VictimWrapper, build, textattack
from asa_bench.attacks.catalogue import RECIPES, Recipe

TEXT = "A wonderful film about the 3 people of London, which isn't dull ."
WORDS = ["wonderful", "great", "fine", "film", "movie", "people", "persons", "dull", "dreary"]
BY_NAME = {recipe.name: recipe for recipe in RECIPES}
Patch = pytest.MonkeyPatch


class Asked:
    """Stands between every library and the network: keeps the addresses asked for, and fetches none."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def send(self, _: Any, request: Any, *__: Any, **___: Any) -> Any:
        self.urls.append(str(request.url))
        raise OSError(f"not fetched: {request.url}")


@pytest.fixture
def asked(monkeypatch: Patch, tmp_path: Path) -> Asked:
    """No network and no cache: whatever a recipe does not bring along it has to ask for."""
    import flair
    import httpx
    import huggingface_hub
    import requests
    import transformers

    found = Asked()
    for kind in (requests.Session, httpx.Client):
        monkeypatch.setattr(kind, "send", lambda *each, **options: found.send(*each, **options))

    def blocked(*_: Any, **__: Any) -> None:
        raise OSError("the network is blocked")

    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    # Offline, the clients would not even ask.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(transformers.utils.hub, "_is_offline_mode", False)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setattr(huggingface_hub.constants, name, str(tmp_path / "hub"))
    monkeypatch.setattr(transformers.utils.hub, "TRANSFORMERS_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(flair, "cache_root", tmp_path / "flair")
    monkeypatch.setattr(
        sys.modules["textattack.shared.utils.install"], "TEXTATTACK_CACHE_DIR", str(tmp_path / "cache")
    )
    for name in ("GLOBAL_OBJECTS", "_flair_taggers"):
        module: Any = sys.modules[
            "textattack.shared.utils.misc" if name.isupper() else "textattack.shared.utils.strings"
        ]
        held: dict[str, Any] = getattr(module, name)
        for key in list(held):
            monkeypatch.delitem(held, key)
    return found


@pytest.fixture
def only(shared: Path, tmp_path: Path, monkeypatch: Patch) -> Iterator[Callable[..., Path]]:
    """Makes a data folder whose NLTK data are exactly those named; nothing else is found, or was read before."""
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])

    def forget() -> None:
        for corpus in (nltk.corpus.stopwords, nltk.corpus.wordnet):
            if not isinstance(corpus, nltk.corpus.util.LazyCorpusLoader):
                corpus._unload()
        nltk.tag.mapping._MAPPINGS.clear()
        nltk.tag._get_tagger.cache_clear()
        nltk.data.clear_cache()

    def made(needs: Iterable[str]) -> Path:
        forget()
        shutil.rmtree(tmp_path / "nltk_data", ignore_errors=True)
        for need in needs:
            at = Path("nltk_data", need.removeprefix("nltk:"))
            source = shared / "data" / at
            (tmp_path / at).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, tmp_path / at)
            else:
                shutil.copyfile(f"{source}.zip", f"{tmp_path / at}.zip")
        return tmp_path

    yield made
    forget()


def tried(recipe: str, data_dir: Path | None, asked: Asked) -> str:
    """What comes of building and running a recipe: "runs", or every exception on the way and every address asked for."""
    attack = Attack(name="tried", title="tried", recipe=recipe, paper="none")
    wrapper = VictimWrapper(Graded(), np.array([1, 0]), data_dir=data_dir)  # type: ignore[arg-type]
    asked.urls.clear()
    try:
        built = build(attack, wrapper)
        built.goal_function.query_budget = 40
        with library.offline_nltk(False, data_dir):
            result = built.attack(TEXT, 1)
    except Exception as error:
        told, cause = [], error
        while cause is not None:
            told.append(f"{type(cause).__name__}: {cause}")
            cause = cause.__cause__  # type: ignore[assignment]
        return "\n".join([*told, *asked.urls])
    return "runs" if result.num_queries > 1 else "nothing was tried"


# What a recipe asks for, and what stands in for it, so that it may go on to what it asks for next.


def vectors(monkeypatch: Patch, _: Path) -> None:
    values = np.eye(len(WORDS), 4, dtype=np.float32) * 0.01 + 1
    numbers = {word: number for number, word in enumerate(WORDS)}
    near = np.array([[n, *(m for m in range(len(WORDS)) if m != n)] for n in range(len(WORDS))])
    held = textattack.shared.WordEmbedding(values, numbers, dict(enumerate(WORDS)), near)
    known = sys.modules["textattack.shared.utils.misc"].GLOBAL_OBJECTS
    monkeypatch.setitem(known, "textattack_counterfitted_GLOVE_embedding", held)


def masked(kind: str, *autos: str) -> Callable[[Patch, Path], None]:
    def given(monkeypatch: Patch, folder: Path) -> None:
        import transformers
        from test_infilling import tiny

        model = str(tiny(folder / kind, kind) / "masked_language_model")
        local = {auto: getattr(transformers, auto).from_pretrained(model) for auto in autos}
        for auto in autos:
            monkeypatch.setattr(
                getattr(transformers, auto), "from_pretrained", lambda *_, auto=auto, **__: local[auto]
            )

    return given


def gpt2(monkeypatch: Patch, _: Path) -> None:
    import transformers

    config = transformers.GPT2Config(vocab_size=32, n_embd=8, n_layer=1, n_head=1)
    model = transformers.GPT2LMHeadModel(config)
    tokenizer = SimpleNamespace(encode=lambda text: [len(text) % 32])
    monkeypatch.setattr(transformers.GPT2LMHeadModel, "from_pretrained", lambda *_, **__: model)
    monkeypatch.setattr(transformers.GPT2Tokenizer, "from_pretrained", lambda *_, **__: tokenizer)


def stand_in(where: str, name: str, **held: Any) -> Callable[[Patch, Path], None]:
    """A package that is not installed, in the place where a module of the library loads it from."""

    def given(monkeypatch: Patch, _: Path) -> None:
        monkeypatch.setattr(sys.modules[f"textattack.constraints.{where}"], name, SimpleNamespace(**held))

    return given


def _not_loaded(what: str, **_: Any) -> Any:
    raise OSError(f"not loaded: {what}")


def _encoder(_: str) -> Any:
    return lambda sentences: torch.ones(len(sentences), 4)


class _Sentences:
    def __init__(self, _: str) -> None:
        pass

    def to(self, _: Any) -> None:
        pass

    def encode(self, sentences: list[str]) -> np.ndarray:
        return np.ones((len(sentences), 4), dtype=np.float32)


class _Anything:
    """Stands for a package that does nothing at all."""

    def __getattr__(self, _: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self


def tensorflow(monkeypatch: Patch, _: Path) -> None:
    where = "textattack.constraints.grammaticality.language_models.google_language_model.alzantot_goog_lm"
    monkeypatch.setattr(sys.modules[where], "tf", _Anything())


def tagger(name: str, kind: str, tag: Callable[[str], str]) -> Callable[[Patch, Path], None]:
    def predict(sentence: Any, **_: Any) -> None:
        for token in sentence.tokens:
            token.add_label(kind, tag(token.text), 1.0)

    def given(monkeypatch: Patch, _: Path) -> None:
        taggers = sys.modules["textattack.shared.utils.strings"]._flair_taggers
        monkeypatch.setitem(taggers, name, SimpleNamespace(predict=predict))

    return given


def _part(word: str) -> str:
    return {"wonderful": "ADJ", "A": "DET", "dull": "ADJ"}.get(word, "NOUN")


def _entity(word: str) -> str:
    return {"London": "S-LOC"}.get(word, "O")


def candidates(_: Patch, folder: Path) -> None:
    path = folder / "cache" / "transformations" / "hownet" / "word_candidates_sense.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({"film": {"noun": ["movie"]}, "wonderful": {"adj": ["great", "fine"]}}))


def homoglyphs(monkeypatch: Patch, _: Path) -> None:
    name = "textattack.transformations.word_swaps.word_swap_homoglyph_swap"
    monkeypatch.setattr(sys.modules[name], "open", lambda *_, **__: io.StringIO(""), raising=False)


def multilingual(_: Patch, folder: Path) -> None:
    """The open multilingual WordNet, in the edition that the library fetches and in the one that NLTK reads."""
    for edition in ("omw-1.4", "omw-2.0"):
        for name in ("fra", "spa"):
            path = folder / "nltk_data" / "corpora" / edition / name / f"wn-data-{name}.tab"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# Wordnet\t{name}\n02084442-n\tlemma\tchien\n")


def multilingual_read(_: Patch, folder: Path) -> None:
    """NLTK has been asked about another language than English once."""
    import nltk

    with library.offline_nltk(False, folder), contextlib.suppress(LookupError):
        nltk.corpus.wordnet.add_omw()


def transformer(monkeypatch: Patch, _: Path) -> None:
    """The victim is a transformer, which its wrapper has, with its tokenizer."""
    import transformers

    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=16, **size))
    monkeypatch.setattr(Graded, "model", model)
    monkeypatch.setattr(VictimWrapper, "tokenizer", SimpleNamespace(pad_token_id=0), raising=False)


def gradients(monkeypatch: Patch, folder: Path) -> None:
    """The victim's wrapper is like the library's own: it tokenizes, and tells gradients."""
    transformer(monkeypatch, folder)
    told = {
        "max_length": 64,
        "tokenize": lambda _, texts, **__: [text.split() for text in texts],
        "get_grad": lambda _, text: {"gradient": np.ones((64, 4))},
    }
    for name, value in told.items():
        monkeypatch.setattr(VictimWrapper, name, value, raising=False)


Step = tuple[str, Callable[[Patch, Path], None] | None]
_USE = "semantics.sentence_encoders.universal_sentence_encoder.universal_sentence_encoder"
_SBERT = "semantics.sentence_encoders.sentence_bert.sbert"
USE: list[Step] = [
    ("No module named 'tensorflow_hub'", stand_in(_USE, "hub", load=_not_loaded)),
    (
        "not loaded: https://tfhub.dev/google/universal-sentence-encoder/3",
        stand_in(_USE, "hub", load=_encoder),
    ),
]
SBERT: list[Step] = [
    (
        "No module named 'sentence_transformers'",
        stand_in(_SBERT, "sentence_transformers", SentenceTransformer=_not_loaded),
    ),
    (
        "not loaded: stsb-distilbert-base",
        stand_in(_SBERT, "sentence_transformers", SentenceTransformer=_Sentences),
    ),
]
VECTORS: Step = ("https://textattack.s3.amazonaws.com/word_embeddings/paragramcf", vectors)
BERT: Step = (
    "https://huggingface.co/bert-base-uncased/",
    masked("bert", "AutoModelForMaskedLM", "AutoTokenizer"),
)
ROBERTA: Step = (
    "https://huggingface.co/distilroberta-base/",
    masked("roberta", "AutoModelForCausalLM", "AutoTokenizer"),
)
TAGGER: Step = ("https://huggingface.co/flair/upos-english-fast/", tagger("upos-fast", "pos", _part))
# What trying a recipe gives: a part of the error or of the address asked for, and what is then given so that it is tried
# again. A recipe that is given everything must run; nothing is given where the library cannot go on.
EXPECTED: dict[str, list[Step]] = {
    "A2TYoo2021": [*SBERT, VECTORS, ("'VictimWrapper' object has no attribute 'tokenizer'", gradients)],
    "BAEGarg2019": [BERT, *USE],
    "BERTAttackLi2020": [BERT, *USE],
    "BadCharacters2021": [("missing 1 required positional argument: 'goal_function_type'", None)],
    "CLARE2020": [ROBERTA, TAGGER, *USE],
    "CheckList2020": [("https://huggingface.co/flair/ner-english/", tagger("ner", "ner", _entity))],
    "ChineseRecipe": [
        (
            "https://huggingface.co/xlm-roberta-base/",
            masked("roberta", "AutoModelForMaskedLM", "AutoTokenizer"),
        ),
        ("Specified '\\n' as separator or delimiter, but a line terminator cannot be used", None),
    ],
    "DeepWordBugGao2018": [],
    "FasterGeneticAlgorithmJia2019": [
        VECTORS,
        (
            "https://textattack.s3.amazonaws.com/constraints/grammaticality/language-models/learning-to-write",
            None,
        ),
    ],
    "FrenchRecipe": [
        ("Language fra not one of ['eng']", multilingual),
        ("Language fra not one of ['eng']", multilingual_read),
        ("https://huggingface.co/flair/ner-french/", tagger("flair/ner-french", "ner", _entity)),
    ],
    "GeneticAlgorithmAlzantot2018": [
        VECTORS,
        ("No module named 'tensorflow'", tensorflow),
        ("https://textattack.s3.amazonaws.com/constraints/semantics/language-models/alzantot-goog-lm", None),
    ],
    "HotFlipEbrahimi2017": [
        ("'VictimWrapper' object has no attribute 'tokenizer'", transformer),
        ("Cannot perform GradientBasedWordSwap on model BertFor", None),
    ],
    "IGAWang2019": [VECTORS],
    "InputReductionFeng2018": [("pursues InputReduction;", None)],
    "Kuleshov2017": [VECTORS, ("https://huggingface.co/gpt2/", gpt2)],
    "LEAP2023": [],
    "MorpheusTan2020": [("pursues MinimizeBleu;", None)],
    "PSOZang2020": [
        ("https://textattack.s3.amazonaws.com/transformations/hownet/word_candidates_sense.pkl", candidates),
        TAGGER,
    ],
    "PWWSRen2019": [],
    "Pruthi2019": [],
    "Seq2SickCheng2018BlackBox": [VECTORS, ("pursues NonOverlappingOutput;", None)],
    "SpanishRecipe": [
        ("Language esp not one of ['eng']", multilingual),
        ("Language esp not one of ['eng']", multilingual_read),
        ("Language esp not one of ['eng', 'fra', 'spa']", None),
    ],
    "TextBuggerLi2018": [
        ("No such file or directory: '.../textattack/shared/intentional_homoglyphs.txt'", homoglyphs),
        VECTORS,
        *USE,
    ],
    "TextFoolerJin2019": [VECTORS, *USE],
}


def test_the_catalogue_names_every_recipe() -> None:
    known = {
        name
        for name, value in vars(textattack.attack_recipes).items()
        if isinstance(value, type) and name != "AttackRecipe"
    }
    assert set(BY_NAME) == known == set(EXPECTED)
    offered = [name for recipe in RECIPES for name in recipe.attacks]
    assert sorted(offered) == sorted(ATTACKS.names())
    for recipe in RECIPES:
        assert bool(recipe.why) == (recipe.status != "runs")
        pursued = [said for said, _ in EXPECTED[recipe.name] if said.startswith("pursues")]
        assert bool(pursued) == (recipe.status == "other goal")


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_status_of_a_recipe_is_what_trying_it_gives(
    recipe: Recipe, asked: Asked, only: Callable[..., Path], monkeypatch: Patch
) -> None:
    folder = only(recipe.given)
    steps = EXPECTED[recipe.name]
    assert bool(steps) == (recipe.status != "runs")
    for said, gift in steps:
        assert_said(said, tried(recipe.name, folder, asked))
        if gift is not None:
            gift(monkeypatch, folder)
    if not steps or steps[-1][1] is not None:
        assert tried(recipe.name, folder, asked) == "runs"
    # All that the catalogue says is given has to be: without any one of these, the library says that it lacks it.
    for need in recipe.given:
        folder = only(other for other in recipe.given if other != need)
        for _, gift in steps:
            if gift is not None:
                gift(monkeypatch, folder)
        assert_said(f"Resource '{need.rpartition('/')[2]}' not found", tried(recipe.name, folder, asked))


def assert_said(part: str, found: str) -> None:
    """A part of what was said; `...` stands for anything, and colours count for nothing."""
    pattern = ".*".join(map(re.escape, part.split("...")))
    assert re.search(pattern, re.sub(r"\x1b\[\d*m", "", found).replace("\n", " ").replace("  ", " ")), found


@pytest.mark.parametrize("language", ["french", "spanish"])
def test_the_status_of_a_recipe_tells_that_its_stop_words_are_letters(language: str) -> None:
    """What these recipes mean to be a language is taken for the words."""
    modification = textattack.constraints.pre_transformation.StopwordModification
    assert modification(language).stopwords == set(language)
    module = getattr(textattack.attack_recipes, f"{language}_recipe")
    assert f'StopwordModification("{language}")' in inspect.getsource(module)
    assert f"letters of '{language}'" in BY_NAME[f"{language.capitalize()}Recipe"].why


GOALS = {
    "targeted_classification": "TargetedClassification",
    "targeted_strict": "TargetedStrict",
    "targeted_bonus": "TargetedBonus",
    "logit_sum": "LogitSum",
    "named_entity_recognition": "'Tensor' object is not a mapping",
    "minimize_bleu": "Invalid text_input type <class 'torch.Tensor'>",
    "maximize_levenshtein": "object of type 'int' has no len",
    "untargeted": "Invalid goal_function_type!",
}


def bad_characters(goal: str, kind: str | None, budget: float = float("inf")) -> str:
    """The goal of a variant that runs, or what is wrong."""
    wrapper = VictimWrapper(Graded(), np.array([1, 0]))  # type: ignore[arg-type]
    options = {"target_suffix": "PER"} if goal == "named_entity_recognition" else {}
    try:
        built = textattack.attack_recipes.BadCharacters2021.build(
            wrapper, goal, perturbation_type=kind, popsize=4, maxiter=2, **options
        )
        built.goal_function.query_budget = budget
        built.attack(TEXT, 1)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return type(built.goal_function).__name__


def lengths_asked(goal: str, kind: str) -> set[int]:
    """Of how many texts the examples are that a victim is asked about in an attack on a pair."""
    victim = Graded()
    wrapper = VictimWrapper(victim, np.array([1, 0]))  # type: ignore[arg-type]
    recipe = textattack.attack_recipes.BadCharacters2021
    built = recipe.build(wrapper, goal, perturbation_type=kind, popsize=4, maxiter=1)
    built.attack(OrderedDict(premise="a film", hypothesis="a wonderful film"), 1)
    return {len(text) for texts, _ in victim.asked for text in texts}


@pytest.mark.parametrize("goal", GOALS)
def test_the_status_of_bad_characters_is_what_trying_its_variants_gives(goal: str) -> None:
    for kind in ("invisible", "deletions", "reorderings"):
        found = bad_characters(goal, kind)
        assert GOALS[goal] in found and "UntargetedClassification" not in found
        if " " not in found:
            assert lengths_asked(goal, kind) == {1, 2}  # of a pair, it makes one text
            assert bad_characters(goal, kind, 5) == "IndexError: list index out of range"
    for homoglyphic in (None, "homoglyphs"):
        lacks = "Invalid goal" if goal == "untargeted" else "shared/intentional_homoglyphs.txt"
        assert lacks in bad_characters(goal, homoglyphic)


def test_bad_characters_asks_on_after_a_success() -> None:
    wrapper = VictimWrapper(KeywordVictim(), np.array([1, 0]))  # type: ignore[arg-type]
    recipe = textattack.attack_recipes.BadCharacters2021
    options = {"perturbation_type": "reorderings", "target_class": 1, "popsize": 4, "maxiter": 2}
    built = recipe.build(wrapper, "targeted_classification", **options)
    found = built.attack("the film is wonderful", 1)  # is of the target before anything is changed
    assert isinstance(found, textattack.attack_results.SuccessfulAttackResult) and found.num_queries > 2


def test_invisible_characters_are_none_to_a_tokenizer_of_words(tmp_path: Path) -> None:
    """Which is among the reasons why BadCharacters is not offered: most of the victims drop what one of its variants puts in."""
    from transformers import BertTokenizerFast

    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "wonderful", "film"])
    )
    tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    recipe = textattack.attack_recipes.BadCharacters2021
    wrapper = VictimWrapper(None, np.array([1, 0]))
    swap = recipe.build(wrapper, "targeted_classification", perturbation_type="invisible").transformation
    text = textattack.shared.AttackedText("wonderful film")
    changed = [swap.apply_perturbation(text, [kind, at], None).text for kind in range(3) for at in range(14)]
    assert len(set(changed)) == 42 and text.text not in changed
    assert {tuple(tokenizer.tokenize(each)) for each in changed} == {("wonderful", "film")}
