"""Reads off one search at which query budgets it would have succeeded, so that no budget needs questions of its own."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from asa_bench.attacks import adapter, control, white_box
from asa_bench.attacks.base import TABLE_BUDGETS

textattack = adapter.textattack
_searches = textattack.search_methods

# Searches that, in every step, ask for all candidates, take the first one of the best score and end with it if it
# succeeds. The value says whether it is taken only if it is better than the step before.
_STEPWISE = {
    _searches.GreedyWordSwapWIR: True,
    _searches.BeamSearch: False,
    _searches.GreedySearch: False,
    control.RandomWalks: False,
    white_box.GradientRanked: True,
}
# Searches of whose answers to one question only the first one of the best score decides. What they do then, and how they
# draw random numbers, follows no such rule, so they are run again, on answers that are known.
_POPULATIONS = (
    _searches.ParticleSwarmOptimization,
    _searches.ParticleSwarmOptimizationLEAP,
    _searches.AlzantotGeneticAlgorithm,
    _searches.ImprovedGeneticAlgorithm,
)
# So often at most they are run again for one example, or else at these budgets alone.
_MOST_RUNS = 32
_LANDMARKS = sorted(
    {*TABLE_BUDGETS, 15, 75, 150, 300, 750, 1500, 3000, 5000, 10_000, 20_000, 50_000, 100_000}
)
_SUCCEEDED = textattack.goal_function_results.GoalFunctionResultStatus.SUCCEEDED

# Budgets [from, to); to is None for all further ones.
Intervals = list[list[int | None]]


def merged(pieces: Iterable[tuple[int, int | None]]) -> Intervals:
    """Pieces [from, to) in ascending order as few intervals; pieces that touch become one."""
    found: Intervals = []
    for start, end in pieces:
        if found and found[-1][1] == start:
            found[-1][1] = end
        else:
            found.append([start, end])
    return found


class Piece(NamedTuple):
    """Budgets [start, end) at which a search ends with one and the same success; end is None for all further ones."""

    start: int
    end: int | None
    text: Any  # textattack's


class BudgetLog:
    """Watches the steps of a recipe's search.

    A budget cuts off the candidates of the step in which it ends, and the search then takes the best of the rest. So a
    search of budget B succeeds if the best of the candidates up to query B is a success. With two labels that holds
    from the first successful candidate on. With more it may hold for a while and then not: a later candidate that lowers
    the label's probability further, without being a success, is preferred. Importance probes are never taken.

    Where candidates come from gradients, these are queries, too, and those of a step come before its first candidate. A
    budget that ends among them takes no further gradient, since one question must be left, and asks about the first
    candidate alone (see `asa_bench.attacks.white_box.Gradients`).

    Args:
        built: a `textattack.Attack`, whose search is watched from now on.

    Attributes:
        runs_again: whether `budgets` needs runs of the search on answers that are known: a population's.
        pieces: of a search in steps, what it succeeds with at which budgets, ascending.
        asked: queries before the last question, which may have ended in an error.
        drawing: whether candidates were made with random numbers since `reset`, so that making them again is part of a run;
            looked at where `runs_again`.
    """

    def __init__(self, built: Any) -> None:
        search = built.search_method
        self._stepwise = type(search) in _STEPWISE
        self.runs_again = type(search) in _POPULATIONS
        self.reset()
        if not (self._stepwise or self.runs_again):
            return
        self._improving = _STEPWISE.get(type(search), False)
        self._goal = built.goal_function
        self._ask, self._perform = search.get_goal_results, search.perform_search
        search.get_goal_results, search.perform_search = self._asked, self._performed
        self._transform = search.get_transformations
        search.get_transformations = self._transformed
        if hasattr(search, "_get_index_order"):
            self._order = search._get_index_order
            search._get_index_order = self._probed

    def reset(self) -> None:
        """Forgets the last example."""
        self._probing = False
        self._best = float("-inf")
        self._resting = False
        self.drawing = False
        self._first: int | None = None  # queries behind which a budget leaves the step a candidate
        self.pieces: list[Piece] = []
        self.asked = 0
        self._decisive: list[int] = []
        self._first_success: int | None = None

    def budgets(self, succeeded: bool, succeeds_at: Callable[[int], bool]) -> Intervals | None:
        """[from, to) of the budgets at which the search succeeds, ascending; None where this kind of search does not tell.

        Where more runs would be needed than `_MOST_RUNS`, they are exact at `_LANDMARKS` and at the last query, and between two
        of these as at the smaller one.

        Args:
            succeeded: what the search that was watched came to.
            succeeds_at: runs the search again with a budget; called where `runs_again` alone.
        """
        if self._stepwise:
            return merged(piece[:2] for piece in self.pieces)
        if not self.runs_again:
            return None
        if self._first_success is None:
            return []
        # Between these a further answer changes nothing, and without a success among the answers there is none.
        queries = self._goal.num_queries
        decisive = [number for number in self._decisive if number >= self._first_success]
        if len(decisive) > _MOST_RUNS:
            # The last query may be the search's own budget, at which it came to what it came to.
            decisive = [number for number in _LANDMARKS if self._first_success <= number < queries]
            decisive.append(queries)
        ends = [*decisive, queries + 1][1:]
        told: list[tuple[int, int | None]] = [
            piece for piece in zip(decisive, ends, strict=True) if succeeds_at(piece[0])
        ]
        return merged([*told, (queries + 1, None)] if succeeded else told)

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """While inside, what the search does is not watched."""
        self._resting = True
        try:
            yield
        finally:
            self._resting = False

    def _performed(self, initial_result: Any) -> Any:
        self._best = float(initial_result.score)
        return self._perform(initial_result)

    def _probed(self, *arguments: Any, **options: Any) -> Any:
        self._probing = True
        try:
            return self._order(*arguments, **options)
        finally:
            self._probing = False

    def _transformed(self, *arguments: Any, **options: Any) -> Any:
        before = self._random_state() if self.runs_again and not self.drawing else None
        candidates = self._transform(*arguments, **options)
        if before is not None:
            self.drawing = before != self._random_state()
        if candidates and self._first is None:
            self._first = self._goal.num_queries
        return candidates

    @staticmethod
    def _random_state() -> tuple[Any, ...]:
        kind, keys, *rest = np.random.get_state()
        return random.getstate(), kind, np.asarray(keys).tobytes(), *rest

    def _asked(self, texts: Any, *arguments: Any, **options: Any) -> Any:
        before = self.asked = self._goal.num_queries
        first = before if self._first is None else self._first
        self._first = None
        results, over = self._ask(texts, *arguments, **options)
        if not (self._probing or self._resting):
            numbers = [first + 1, *range(before + 2, before + 1 + len(results))][: len(results)]
            if self._stepwise:
                self._step(numbers, results)
            else:
                self._question(numbers, results)
        return results, over

    def _step(self, numbers: list[int], results: list[Any]) -> None:
        threshold, best = self._best, float("-inf")
        piece: Piece | None = None
        for number, result in zip(numbers, results, strict=True):
            score = float(result.score)
            if score <= best:
                continue
            best = score
            if piece is not None:
                self.pieces.append(piece._replace(end=number))
            taken = result.goal_status == _SUCCEEDED and not (self._improving and score <= threshold)
            piece = Piece(number, None, result.attacked_text) if taken else None
        if piece is not None:
            self.pieces.append(piece)
        if not self._improving or best > self._best:
            self._best = best

    def _question(self, numbers: list[int], results: list[Any]) -> None:
        best = float("-inf")
        for number, result in zip(numbers, results, strict=True):
            if result.goal_status == _SUCCEEDED and self._first_success is None:
                self._first_success = number
            if float(result.score) >= best:
                best = float(result.score)
                self._decisive.append(number)
