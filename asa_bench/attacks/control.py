"""Controls of attacks: the same candidates and as many queries, without a look at the victim's scores."""

from __future__ import annotations

import random
from typing import Any

from asa_bench.attacks import adapter

textattack = adapter.textattack

# mypy sees the library as Any.
_Search: Any = textattack.search_methods.SearchMethod
_SUCCEEDED = textattack.goal_function_results.GoalFunctionResultStatus.SUCCEEDED


class RandomWalks(_Search):  # type: ignore[misc]
    """From the original text again and again: words in random order, each changed to a random candidate and left so.

    It ends with the first success. Whether a change brought the victim nearer to one is not looked at.

    Args:
        per_word: queries for each word that may be changed.
    """

    def __init__(self, per_word: int) -> None:
        self.per_word = per_word

    @property
    def is_black_box(self) -> bool:
        """It sees answers alone."""
        return True

    def perform_search(self, initial_result: Any) -> Any:
        """Called by textattack with the result of the original text."""
        original = initial_result.attacked_text
        _, words = self.get_indices_to_order(original)
        left, last = self.per_word * len(words), initial_result
        while left > 0:
            current, moved = original, False
            for index in random.sample(list(words), len(words)):
                candidates = self.get_transformations(
                    current, original_text=original, indices_to_modify=[index]
                )
                if not candidates:
                    continue
                (current,) = random.sample(candidates, 1)
                moved, left = True, left - 1
                results, over = self.get_goal_results([current])
                last = results[0] if results else last
                if last.goal_status == _SUCCEEDED or over or left <= 0:
                    return last
            if not moved:
                break
        return last

    def extra_repr_keys(self) -> list[str]:
        """What textattack prints of it."""
        return ["per_word"]


def deepwordbug_random(wrapper: adapter.VictimWrapper) -> Any:
    """DeepWordBug with `RandomWalks`: one query to rank each word and one for each of its four candidates."""
    built = textattack.attack_recipes.DeepWordBugGao2018.build(wrapper)
    return textattack.Attack(
        built.goal_function,
        [*built.pre_transformation_constraints, *built.constraints],
        built.transformation,
        RandomWalks(per_word=5),
    )
