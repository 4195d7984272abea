"""The search for one example, from its texts to the columns of its record."""

from __future__ import annotations

import json
import random
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.attacks import adapter
from asa_bench.attacks.base import BF16_QUERIES, BF16_STATUS, FLOAT32_STATUS, GRADIENT_NORM, Status
from asa_bench.attacks.budget import BudgetLog, Intervals, Piece, merged
from asa_bench.attacks.labels import pool
from asa_bench.attacks.lanes import TimeLimitReached
from asa_bench.victims import threads_apart

if TYPE_CHECKING:
    from asa_bench.tasks.base import Task

textattack = adapter.textattack

# Beyond these a search makes candidates by the gigabyte; such an example is recorded as errored.
MAX_CHARACTERS = 10_000
MAX_WORD = 200
# textattack joins the texts of a pair by this and splits what it made again, so no text may contain it.
_SEPARATOR = "<SPLIT>"
_NOT_CONFIRMED = "not confirmed: asked alone, the victim is right"


class Searcher:
    """A recipe of its own for one lane: goal function, search, caches and all that it remembers of an example.

    Args:
        built: the recipe, bound to `wrapper` (see `asa_bench.attacks.adapter.prepare`).
        wrapper: how it asks the victim.
        task: what the texts are.
        quick: answers in bf16; the search asks it first. None for a search in float32 alone.
        alone: whether what bf16 finds nothing against counts as robust, and is searched again only where it is drawn.
    """

    def __init__(
        self,
        built: Any,
        wrapper: adapter.VictimWrapper,
        task: Task,
        quick: adapter.Answer | None = None,
        alone: bool = False,
    ) -> None:
        self.built = built
        self.wrapper = wrapper
        self.task = task
        self.quick = quick
        self.alone = alone
        self.log = BudgetLog(built)
        wrapper.remembers = self.log.runs_again and quick is None

    def __call__(self, text: tuple[str, ...], label: int, drawn: bool = False) -> dict[str, Any]:
        """The outcome of one example: the columns of the record that the attack decides.

        Args:
            drawn: whether a failure of a search in bf16 alone is searched again, to see whether float32 agrees.
        """
        return self._outcome(text, label) if self.quick is None else self._in_bf16(text, label, drawn)

    def _in_bf16(self, text: tuple[str, ...], label: int, drawn: bool) -> dict[str, Any]:
        """The outcome in bf16 where it is a success that float32 confirms, else that of a search in float32.

        The second search draws the same random numbers, so it is the one of the attack in float32, to the last query. Whether the
        victim is right about the original, float32 has said from the start. Where bf16 is `alone`, a failure stands.
        """
        state, numpy_state = random.getstate(), np.random.get_state()

        def in_float32() -> dict[str, Any]:
            random.setstate(state)
            np.random.set_state(numpy_state)
            return self._outcome(text, label)

        self.wrapper.quick = self.quick
        try:
            outcome = self._outcome(text, label)
        finally:
            self.wrapper.quick = None
        tried = "denied" if outcome["error"] == _NOT_CONFIRMED else outcome["status"]
        told = {BF16_STATUS: tried, BF16_QUERIES: outcome["queries"]}
        if not self.alone:
            if tried not in ("successful", "skipped", "timed_out"):
                outcome = in_float32()
            # With a smaller budget float32 might be asked where bf16 was enough here, so nothing is said of it.
            return outcome | told | {"success_budgets": ""}
        pieces, asked = self.log.pieces, self.log.asked
        budgets, again = outcome["success_budgets"], ""
        if tried == "failed":
            again = in_float32()["status"] if drawn else ""
        elif tried in ("denied", "errored"):
            outcome = in_float32()
        if budgets:
            found = self._alone_budgets(pieces, asked, tried, label, outcome["success_budgets"], in_float32)
            budgets = "" if found is None else json.dumps(found)
        return outcome | told | {"success_budgets": budgets, FLOAT32_STATUS: again}

    def _alone_budgets(
        self,
        pieces: list[Piece],
        asked: int,
        tried: str,
        label: int,
        repeated: str,
        in_float32: Callable[[], dict[str, Any]],
    ) -> Intervals | None:
        """At which query budgets a search in bf16 alone would have ended with a success; None where time was up.

        With a smaller budget it may have another success, which float32 is asked about here, too; where that denies one, the
        search in float32 decides. An error counts for all budgets behind the question that raised it.

        Args:
            pieces: of the search in bf16.
            asked: its queries before the last question.
            tried: what it came to.
            repeated: the budgets of the search in float32, where one was made.
            in_float32: makes one.
        """
        repeats: list[Intervals] = (
            [json.loads(repeated)] if tried in ("denied", "errored") and repeated else []
        )
        found: list[tuple[int, int | None]] = []
        if tried == "errored":
            pieces = [*(piece for piece in pieces if piece.start <= asked), Piece(asked + 1, None, None)]
        try:
            for start, end, candidate in pieces:
                if tried == "successful" if end is None else self._holds(candidate, label):
                    found.append((start, end))
                    continue
                if not repeats:
                    outcome = in_float32()
                    if outcome["status"] == "timed_out":
                        return None
                    repeats.append(json.loads(outcome["success_budgets"]))
                for first, last in repeats[0]:
                    least = max(start, first or 1)
                    most = min((edge for edge in (end, last) if edge is not None), default=None)
                    if most is None or least < most:
                        found.append((least, most))
        except TimeLimitReached:
            return None
        return merged(found)

    def _holds(self, candidate: Any, label: int) -> bool:
        """Whether float32 confirms a success of bf16."""
        try:
            return not _verify(self.wrapper, adapter.texts_of(candidate), label)[1]
        except (Exception, SystemExit):
            return False

    def _outcome(self, text: tuple[str, ...], label: int) -> dict[str, Any]:
        """What becomes of one example in one search."""
        # Caches hold texts of other examples, whose equality ignores what was changed to get there.
        self.built.clear_cache()
        drawing = random.getstate(), np.random.get_state()
        self.wrapper.reset()
        self.log.reset()
        goal = self.built.goal_function
        goal.num_queries = 0
        status: Status = "errored"
        perturbed: tuple[str, ...] = ()
        logits: list[float] = []
        error = ""
        try:
            status, error, perturbed = _search(self.built, self.task, text, label)
            if status == "successful":
                logits, error = _verify(self.wrapper, perturbed, label)
                if error:
                    status = "errored"
        except TimeLimitReached:
            status, error = "timed_out", "the time limit was reached"
        except (Exception, SystemExit) as caught:
            # A victim or a recipe may raise anything; the other examples go on.
            status, error = "errored", _one_line(f"{type(caught).__name__}: {caught}")
        budgets = self._budgets(text, label, status, drawing)
        self.built.clear_cache()
        won = status == "successful"
        return {
            "status": status,
            "perturbed": json.dumps(perturbed) if won else "",
            "queries": int(goal.num_queries),
            "success_budgets": "" if budgets is None else json.dumps(budgets),
            "original_logits": [] if self.wrapper.first is None else self.wrapper.first.tolist(),
            "perturbed_logits": logits if won else [],
            **({} if self.wrapper.gradient_norm is None else {GRADIENT_NORM: self.wrapper.gradient_norm}),
            "error": error,
        }

    def _budgets(
        self, text: tuple[str, ...], label: int, status: Status, drawing: tuple[Any, Any]
    ) -> Intervals | None:
        """At which query budgets the search that has just ended would have succeeded; None where nobody knows.

        A population's search is run again with smaller budgets, from the same random numbers, on the answers that it had: as
        a separate search would run, but for the victim's passes. One that raises an error then is not robust, so it counts
        as a success here.

        Args:
            drawing: the states of both random generators at the search's start.
        """
        if not self.log.runs_again:
            return self.log.budgets(False, lambda budget: False)
        if self.quick is not None:
            return None
        if status not in ("successful", "failed"):
            return []  # counts as not robust at every budget
        goal = self.built.goal_function
        queries, most = goal.num_queries, goal.query_budget

        def succeeds_at(budget: int) -> bool:
            random.setstate(drawing[0])
            np.random.set_state(drawing[1])
            goal.query_budget = budget
            try:
                return _search(self.built, self.task, text, label)[0] != "failed"
            except (Exception, SystemExit):
                return True

        if not self.log.drawing:
            # Candidates are the same again, and the library would forget them after every run.
            self.built.clear_cache = lambda *_: None
        try:
            with self.log.at_rest():
                return self.log.budgets(status == "successful", succeeds_at)
        except TimeLimitReached:
            return None  # of what came to its end, the outcome stands
        finally:
            vars(self.built).pop("clear_cache", None)
            goal.num_queries, goal.query_budget = queries, most


def _search(built: Any, task: Task, text: tuple[str, ...], label: int) -> tuple[Status, str, tuple[str, ...]]:
    """Status, error and, if successful, the perturbed texts."""
    example = textattack.shared.AttackedText(
        OrderedDict(zip(task.columns, text, strict=True)) if len(text) > 1 else text[0]
    )
    goal = built.goal_function
    refusal = _refusal(text)
    if refusal or goal.query_budget <= 1:
        # Only the look at the original: a search that may ask nothing more crashes in some search methods.
        first, _ = goal.init_attack_example(example, label)
        if first.goal_status == textattack.goal_function_results.GoalFunctionResultStatus.SKIPPED:
            return "skipped", "", ()
        return ("errored", refusal, ()) if refusal else ("failed", "", ())
    result = built.attack(example, label)
    results = textattack.attack_results
    if isinstance(result, results.SkippedAttackResult):
        return "skipped", "", ()
    if not isinstance(result, results.SuccessfulAttackResult):
        return "failed", "", ()
    return "successful", "", adapter.texts_of(result.perturbed_result.attacked_text)


def _refusal(text: tuple[str, ...]) -> str:
    """Why these texts cannot be searched, or nothing."""
    if any(_SEPARATOR in part for part in text):
        return f"the text contains {_SEPARATOR}, which the library uses as its own mark"
    length = sum(map(len, text))
    if length > MAX_CHARACTERS:
        return f"the text has {length} characters; at most {MAX_CHARACTERS} are searched"
    longest = max((len(word) for part in text for word in part.split()), default=0)
    if longest > MAX_WORD:
        return f"the text has a word of {longest} characters; at most {MAX_WORD} are searched"
    return ""


def _verify(
    wrapper: adapter.VictimWrapper, perturbed: tuple[str, ...], label: int
) -> tuple[list[float], str]:
    """Logits of a fresh forward pass of this text alone, and why they do not confirm, or nothing.

    A search's logits are those of a batch of four or more (see `asa_bench.victims.Victim.steady_logits`); these are those
    of a batch of one, by one thread like those.
    """
    if wrapper.victim is None:
        raise RuntimeError("there is no victim to verify with")
    with threads_apart():
        logits = wrapper.victim.logits([perturbed], batch_size=1)
    if int(pool(logits, wrapper.groups).argmax()) == label:
        return [], _NOT_CONFIRMED
    return logits[0].tolist(), ""


def _one_line(message: str) -> str:
    """A message that fits any file: one line, no lone surrogates, not long."""
    return " ".join(message.encode("utf-8", "backslashreplace").decode().split())[:500]
