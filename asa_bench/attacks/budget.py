"""Reads off one search at which query budgets it would have succeeded, so that no budget needs a search of its own."""

from __future__ import annotations

from typing import Any

from asa_bench.attacks import adapter

textattack = adapter.textattack

# Searches that, in every step, ask for all candidates, take the first one of the best score and end with it if it
# succeeds. The value says whether it is taken only if it is better than the step before.
_STEPWISE = {
    textattack.search_methods.GreedyWordSwapWIR: True,
    textattack.search_methods.BeamSearch: False,
    textattack.search_methods.GreedySearch: False,
}
_SUCCEEDED = textattack.goal_function_results.GoalFunctionResultStatus.SUCCEEDED


class BudgetLog:
    """Watches the steps of a recipe's search.

    A budget cuts off the candidates of the step in which it ends, and the search then takes the best of the rest. So a
    search of budget B succeeds if the best of the candidates up to query B is a success. With two labels that holds
    from the first successful candidate on. With more it may hold for a while and then not: a later candidate that lowers
    the label's probability further, without being a success, is preferred. Importance probes are never taken.

    Args:
        built: a `textattack.Attack`, whose search is watched from now on.

    Attributes:
        known: whether this kind of search is understood; else `budgets` is None.
    """

    def __init__(self, built: Any) -> None:
        search = built.search_method
        self.known = type(search) in _STEPWISE
        self.reset()
        if not self.known:
            return
        self._improving = _STEPWISE[type(search)]
        self._goal = built.goal_function
        self._ask, self._perform = search.get_goal_results, search.perform_search
        search.get_goal_results, search.perform_search = self._asked, self._performed
        if hasattr(search, "_get_index_order"):
            self._order = search._get_index_order
            search._get_index_order = self._probed

    def reset(self) -> None:
        """Forgets the last example."""
        self._probing = False
        self._best = float("-inf")
        self._intervals: list[list[int | None]] = []

    @property
    def budgets(self) -> list[list[int | None]] | None:
        """[from, to) of the budgets at which the search succeeds, ascending; to is None for all further ones."""
        return self._intervals if self.known else None

    def _performed(self, initial_result: Any) -> Any:
        self._best = float(initial_result.score)
        return self._perform(initial_result)

    def _probed(self, *arguments: Any, **options: Any) -> Any:
        self._probing = True
        try:
            return self._order(*arguments, **options)
        finally:
            self._probing = False

    def _asked(self, texts: Any, *arguments: Any, **options: Any) -> Any:
        before = self._goal.num_queries
        results, over = self._ask(texts, *arguments, **options)
        if not self._probing:
            self._step(before, results)
        return results, over

    def _step(self, before: int, results: list[Any]) -> None:
        threshold, best, succeeds = self._best, float("-inf"), False
        start: int | None = None
        for number, result in enumerate(results, start=before + 1):
            score = float(result.score)
            if score > best:
                best = score
                succeeds = result.goal_status == _SUCCEEDED and not (self._improving and score <= threshold)
            if succeeds and start is None:
                start = number
            elif not succeeds and start is not None:
                self._intervals.append([start, number])
                start = None
        if start is not None:
            self._intervals.append([start, None])
        if not self._improving or best > self._best:
            self._best = best
