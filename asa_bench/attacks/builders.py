"""Recipes that textattack has but cannot build from what is at hand, built with substitutes that their names tell."""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from asa_bench.attacks import adapter, library, resources, vectors
from asa_bench.errors import BadInput, Unavailable

textattack = adapter.textattack

# mypy sees the library as Any.
_WordEmbedding: Any = textattack.shared.AbstractWordEmbedding

_Vectors: Any = textattack.shared.WordEmbedding

COUNTER_FITTED = f"file:{vectors.NAME}"
_LOADED = "textattack_counterfitted_GLOVE_embedding"  # where the library keeps its own
NEIGHBOURS = "file:counterfitting/counterfitted_neighbors.json.xz"


class NeighbourLists(_WordEmbedding):  # type: ignore[misc]
    """An embedding of which only the lists of neighbours are known, nearest first: no vectors and no distances.

    Attributes:
        sha256: of the file, hex.
        words: how many words have a list.
        longest: how many neighbours a word has at most.
    """

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        self.sha256 = hashlib.sha256(content).hexdigest()
        try:
            lists: dict[str, list[str]] = json.loads(lzma.decompress(content))
            self._lists = {str(word): [str(other) for other in others] for word, others in lists.items()}
        except (lzma.LZMAError, ValueError, AttributeError, TypeError) as error:
            raise BadInput(
                f"{path}: must be a JSON object, word -> list of neighbours, packed with xz: {error}"
            ) from error
        vocabulary = dict.fromkeys(
            [*self._lists, *(word for others in self._lists.values() for word in others)]
        )
        self._words = list(vocabulary)
        self._numbers = {word: number for number, word in enumerate(self._words)}
        self.words = len(self._lists)
        self.longest = max(map(len, self._lists.values()), default=0)

    def word2index(self, index: str) -> int:
        """The number of a word; KeyError if there is none."""
        return self._numbers[index]

    def index2word(self, index: int) -> str:
        """The word of a number."""
        return self._words[index]

    def nearest_neighbours(self, index: int, topn: int) -> list[int]:
        """Numbers of at most `topn` neighbours, nearest first."""
        return [self._numbers[word] for word in self._lists.get(self._words[index], [])[:topn]]

    def __getitem__(self, index: Any) -> None:
        """There are no vectors."""
        return None

    def get_mse_dist(self, a: Any, b: Any) -> float:
        """Raises Unavailable: lists of neighbours tell no distance."""
        raise Unavailable("lists of neighbours tell no distance between words")

    def get_cos_sim(self, a: Any, b: Any) -> float:
        """Raises Unavailable: lists of neighbours tell no similarity."""
        raise Unavailable("lists of neighbours tell no similarity of words")

    def extra_repr_keys(self) -> list[str]:
        """What textattack prints of it."""
        return ["sha256", "words", "longest"]


@lru_cache(maxsize=2)
def neighbour_lists(data_dir: Path | None) -> NeighbourLists:
    """The counter-fitted neighbours of a data folder; read once, since nothing changes them."""
    return NeighbourLists(library.resource(NEIGHBOURS, data_dir))


class CounterFitted(_Vectors):  # type: ignore[misc]
    """Counter-fitted vectors as the library uses them, from a safetensors file; distances are computed when asked for.

    Attributes:
        sha256: of the file, hex.
    """

    def __init__(self, path: Path) -> None:
        found = vectors.load(path)
        self.sha256 = found.sha256
        numbers = {word: number for number, word in enumerate(found.words)}
        super().__init__(found.matrix, numbers, dict(enumerate(found.words)), found.neighbours)


@lru_cache(maxsize=1)
def counter_fitted(data_dir: Path | None) -> CounterFitted:
    """The vectors of a data folder, or those that were fetched; read once, since nothing changes them."""
    return CounterFitted(library.resource(COUNTER_FITTED, data_dir))


@contextlib.contextmanager
def _with_vectors(data_dir: Path | None) -> Iterator[None]:
    """While inside, the library's recipes find the vectors loaded already, so that they load no pickle."""
    known = textattack.shared.utils.GLOBAL_OBJECTS
    before = known.get(_LOADED)
    known[_LOADED] = counter_fitted(data_dir)
    try:
        yield
    finally:
        if before is None:
            del known[_LOADED]
        else:
            known[_LOADED] = before


def iga(wrapper: adapter.VictimWrapper) -> Any:
    """The improved genetic algorithm, as the library builds it."""
    with _with_vectors(wrapper.data_dir):
        return textattack.attack_recipes.IGAWang2019.build(wrapper)


def textfooler_without_encoder(wrapper: adapter.VictimWrapper) -> Any:
    """TextFooler over counter-fitted vectors, as `TextFoolerJin2019`, but no sentence encoder checks the result."""
    embedding = counter_fitted(wrapper.data_dir)
    close = textattack.constraints.semantics.WordEmbeddingDistance(embedding=embedding, min_cos_sim=0.5)
    return _textfooler(wrapper, embedding, [close])


def textfooler_neighbours(wrapper: adapter.VictimWrapper) -> Any:
    """TextFooler over lists of neighbours, without a sentence encoder.

    As `TextFoolerJin2019`: words ranked by what deleting each costs, replaced one after the other by a neighbour of the
    same part of speech (nouns and verbs count as one), never twice, never a stop word of its own list. Not as there: the
    neighbours come from lists of at most 8 with a distance limit of their own (Jia et al., 2019) instead of the 50
    nearest vectors of cosine 0.5 or more, and no Universal Sentence Encoder checks the result.
    """
    return _textfooler(wrapper, neighbour_lists(wrapper.data_dir), [])


def _textfooler(wrapper: adapter.VictimWrapper, embedding: Any, close: list[Any]) -> Any:
    constraints = textattack.constraints
    return textattack.Attack(
        textattack.goal_functions.UntargetedClassification(wrapper),
        [
            constraints.pre_transformation.RepeatModification(),
            constraints.pre_transformation.StopwordModification(stopwords=_textfooler_stop_words()),
            constraints.pre_transformation.InputColumnModification(["premise", "hypothesis"], {"premise"}),
            *close,
            constraints.grammaticality.PartOfSpeech(allow_verb_noun_swap=True),
        ],
        textattack.transformations.WordSwapEmbedding(max_candidates=50, embedding=embedding),
        textattack.search_methods.GreedyWordSwapWIR(wir_method="delete"),
    )


class _Built(Exception):
    """Carries what was passed on, out of a recipe that cannot be built to its end."""

    def __init__(self, words: Any) -> None:
        super().__init__("stop words")
        self.words = words


@lru_cache(maxsize=1)
def _textfooler_stop_words() -> frozenset[str]:
    """The stop words that the library's own TextFooler passes on; they stand in the middle of its `build`."""
    module = textattack.attack_recipes.textfooler_jin_2019

    def passed_on(stopwords: Any) -> Any:
        raise _Built(stopwords)

    before = module.StopwordModification, module.WordSwapEmbedding
    module.StopwordModification, module.WordSwapEmbedding = passed_on, lambda **_: None
    try:
        module.TextFoolerJin2019.build(None)
    except _Built as built:
        return frozenset(built.words)
    finally:
        module.StopwordModification, module.WordSwapEmbedding = before
    raise Unavailable(f"textattack {library.VERSION} builds TextFooler in an unknown way")


def _check_wordnet(attack: str, edition: str) -> None:
    found = resources.edition_that_nltk_read()
    if found != edition:
        raise Unavailable(
            f"attack {attack!r} needs {edition} as nltk:corpora/wordnet, found {found}, "
            "with which it would be another attack"
        )


def pwws(wrapper: adapter.VictimWrapper) -> Any:
    """PWWS with Princeton WordNet, as the library builds it."""
    _check_wordnet("pwws", resources.PRINCETON)
    return textattack.attack_recipes.PWWSRen2019.build(wrapper)


def pwws_open_english_wordnet(wrapper: adapter.VictimWrapper) -> Any:
    """PWWS, as the library builds it, with Open English WordNet 2024 as WordNet."""
    _check_wordnet("pwws+oewn2024", resources.OPEN_ENGLISH)
    return textattack.attack_recipes.PWWSRen2019.build(wrapper)


def leap(wrapper: adapter.VictimWrapper) -> Any:
    """LEAP with Princeton WordNet, as the library builds it."""
    _check_wordnet("leap", resources.PRINCETON)
    return textattack.attack_recipes.LEAP2023.build(wrapper)


def leap_open_english_wordnet(wrapper: adapter.VictimWrapper) -> Any:
    """LEAP, as the library builds it, with Open English WordNet 2024 as WordNet."""
    _check_wordnet("leap+oewn2024", resources.OPEN_ENGLISH)
    return textattack.attack_recipes.LEAP2023.build(wrapper)
