"""White-box attacks: they look at the gradient of the victim's loss, and every gradient counts as one query."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from asa_bench.attacks import adapter, builders
from asa_bench.gradients import LossQuestion, OwnWords, TextGradient, gains, text_gradients

textattack = adapter.textattack

# mypy sees the library as Any.
_WordSwap: Any = textattack.transformations.WordSwap
_Ranked: Any = textattack.search_methods.GreedyWordSwapWIR

# One table of words for all lanes of a victim, and whom they ask for gradients, by temperature.
_WORDS: weakref.WeakKeyDictionary[Any, OwnWords] = weakref.WeakKeyDictionary()
_ANSWERS: weakref.WeakKeyDictionary[Any, dict[float, adapter.Answer]] = weakref.WeakKeyDictionary()


def own_words(victim: Any) -> OwnWords:
    """The words of a victim, found once."""
    if victim not in _WORDS:
        _WORDS[victim] = OwnWords(victim)
    return _WORDS[victim]


def _answers(victim: Any, temperature: float) -> adapter.Answer:
    """Who answers with gradients at texts, each with a text more: per label of the victim, 1 if it is the true one, else 0."""
    known = _ANSWERS.setdefault(victim, {})
    if temperature not in known:
        asked: Any = weakref.ref(victim)  # the victim is the key, which must not be held by its value

        def answer(texts: Sequence[tuple[str, ...]]) -> np.ndarray:
            questions = [
                LossQuestion(tuple(rest), tuple(bit == "1" for bit in gold)) for *rest, gold in texts
            ]
            found = np.empty(len(texts), dtype=object)
            found[:] = text_gradients(asked(), questions, temperature)
            return found

        known[temperature] = answer
    return known[temperature]


def places(text: Any) -> list[tuple[int, int, int]]:
    """For each word of a textattack text: its column, and where in that column's text it begins and ends."""
    columns = adapter.texts_of(text)
    found: list[tuple[int, int, int]] = []
    column, cursor = 0, 0
    for number, word in enumerate(text.words):
        while number >= sum(map(len, text.words_per_input[: column + 1])):
            column, cursor = column + 1, 0
        start = columns[column].find(word, cursor)
        if start < 0:
            raise ValueError(f"word {number} of the text does not stand in its column")
        cursor = start + len(word)
        found.append((column, start, cursor))
    return found


class Gradients:
    """Takes gradients for one search, and counts each as a query of its goal function."""

    def __init__(self, wrapper: adapter.VictimWrapper, goal_function: Any) -> None:
        self._wrapper = wrapper
        self._goal = goal_function

    @property
    def victim(self) -> Any:
        """Whose gradients they are."""
        return self._wrapper.victim

    def __call__(self, text: Any) -> TextGradient | None:
        """The gradient at a textattack text; None where the query budget leaves no question to ask behind it."""
        if self._goal.num_queries + 1 >= self._goal.query_budget:
            return None
        self._goal.num_queries += 1
        gold = "".join(
            "1" if group == self._goal.ground_truth_output else "0" for group in self._wrapper.groups
        )
        answers = _answers(self.victim, self._wrapper.temperature)
        found: TextGradient = self._wrapper.ask([(*adapter.texts_of(text), gold)], answers)[0]
        if self._wrapper.gradient_norm is None:
            self._wrapper.gradient_norm = float(np.linalg.norm(found.values))
        return found


class GradientSwap(_WordSwap):  # type: ignore[misc]
    """Exchanges a word for the one that raises the loss most to first order, among those near it.

    Both words are one token of the victim, and the new one is among the nearest by the cosine of the victim's own input
    embeddings. All words of a text share one gradient.

    Args:
        gradients: takes them.
        top_n: how many candidates a word gets.
        min_cos_sim: the least cosine.
        max_neighbours: how many of the nearest words are considered.
    """

    def __init__(self, gradients: Gradients, top_n: int, min_cos_sim: float, max_neighbours: int) -> None:
        super().__init__()
        self.top_n = top_n
        self.min_cos_sim = min_cos_sim
        self.max_neighbours = max_neighbours
        self._gradients = gradients

    @property
    def is_black_box(self) -> bool:
        """It looks into the victim."""
        return False

    def _get_transformations(self, current_text: Any, indices_to_modify: Any) -> list[Any]:
        if not indices_to_modify:
            return []
        gradient = self._gradients(current_text)
        if gradient is None:
            return []
        where = places(current_text)
        return [
            current_text.replace_word_at_index(index, word)
            for index in sorted(indices_to_modify)
            for word in self.replacements(current_text.words[index], gradient, where[index])
        ]

    def replacements(self, word: str, gradient: TextGradient, place: tuple[int, int, int]) -> list[str]:
        """Of the words near `word` those that raise the loss most, the best first; none that lowers it."""
        tokens = gradient.at(*place)
        if len(tokens) != 1:
            return []
        own = own_words(self._gradients.victim)
        token = int(gradient.tokens[tokens[0]])
        near = own.near(token, self.min_cos_sim, self.max_neighbours)
        gained = gains(gradient.values[tokens[0]], own.vectors, token, near)
        best: list[str] = []
        for number in np.lexsort((near, -gained)):
            if gained[number] <= 0 or len(best) == self.top_n:
                break
            spelt = own.spelt(int(near[number]), word)
            if spelt is not None and spelt != word:
                best.append(spelt)
        return best

    def extra_repr_keys(self) -> list[str]:
        """What textattack prints of it."""
        return ["top_n", "min_cos_sim", "max_neighbours"]


class GradientRanked(_Ranked):  # type: ignore[misc]
    """The library's greedy search over ranked words; a word's importance is its gradient's l1 norm (Yoo and Qi, 2021).

    The gradient of a word is the mean of those of its tokens. A word that the victim does not see comes last. Of equally
    important words the first one comes first.
    """

    def __init__(self, gradients: Gradients) -> None:
        super().__init__(wir_method="gradient")
        self._gradients = gradients

    def _get_index_order(self, initial_text: Any, max_len: int = -1) -> tuple[np.ndarray, bool]:
        _, found = self.get_indices_to_order(initial_text)
        indices = sorted(found)
        gradient = self._gradients(initial_text) if indices else None
        if gradient is None:
            return np.array([], dtype=np.int64), True
        where = places(initial_text)
        importance = []
        for index in indices:
            tokens = gradient.at(*where[index])
            importance.append(np.abs(gradient.values[tokens].mean(0)).sum() if len(tokens) else -1.0)
        order = np.argsort(-np.array(importance), kind="stable")
        return np.array(indices)[order], False


def hotflip_gradient_swap(wrapper: adapter.VictimWrapper) -> Any:
    """HotFlip's word-level attack on a transformer: as `HotFlipEbrahimi2017`, but for the swap and its constraints.

    The library's swap takes its own LSTM only. The cosine of two words is that of the victim's input embeddings instead
    of counter-fitted vectors, and 0.5 instead of 0.8, since a transformer's embeddings lie farther apart; no tagger compares
    parts of speech.
    """
    constraints = textattack.constraints
    goal = textattack.goal_functions.UntargetedClassification(wrapper)
    return textattack.Attack(
        goal,
        [
            constraints.pre_transformation.RepeatModification(),
            constraints.pre_transformation.StopwordModification(),
            constraints.overlap.MaxWordsPerturbed(max_num_words=2),
        ],
        GradientSwap(Gradients(wrapper, goal), top_n=1, min_cos_sim=0.5, max_neighbours=50),
        textattack.search_methods.BeamSearch(beam_width=10),
    )


def a2t_neighbours(wrapper: adapter.VictimWrapper) -> Any:
    """A2T over lists of neighbours, without a sentence encoder: otherwise as `A2TYoo2021`."""
    constraints = textattack.constraints
    goal = textattack.goal_functions.UntargetedClassification(wrapper)
    return textattack.Attack(
        goal,
        [
            constraints.pre_transformation.RepeatModification(),
            constraints.pre_transformation.StopwordModification(),
            constraints.pre_transformation.InputColumnModification(["premise", "hypothesis"], {"premise"}),
            constraints.grammaticality.PartOfSpeech(allow_verb_noun_swap=False),
            constraints.pre_transformation.MaxModificationRate(max_rate=0.1, min_threshold=4),
        ],
        textattack.transformations.WordSwapEmbedding(
            max_candidates=20, embedding=builders.neighbour_lists(wrapper.data_dir)
        ),
        GradientRanked(Gradients(wrapper, goal)),
    )
