"""Where the time of an attack goes: every moment is booked to one of a few accounts, across all greenlets."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from asa_bench import victims
from asa_bench.attacks import adapter, engine, lanes, search

textattack = adapter.textattack

FORWARD = "forward passes of the model"
ENCODER = "forward passes of the sentence encoder"
CONFIRM = "forward passes of single texts, which confirm successes"
TOKENS = "tokenization"
BATCHES = "grouping of questions, packing of weights"
TRANSFORM = "TextAttack: transformations"
CONSTRAIN = "TextAttack: constraints"
GOAL = "TextAttack: goal function"
SEARCH = "TextAttack: search and the rest of it"
VERIFY = "confirming successes, beside these passes"
LANES = "lanes: greenlets, random states, gathering"
BUILD = "building a recipe per lane"
REST = "records, lists of words, all else"


class Ledger:
    """Books processor time; one account is open at a time.

    Entering a booked function closes the account that was open and opens the function's; leaving it opens the former one
    again. A lane that asks leaves by the booked `Lanes.ask`, and comes back through the same call, so its account is open
    again whatever ran meanwhile.

    Attributes:
        seconds: account -> seconds.
        calls: account -> how often a function of it was entered.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._open, self._since = REST, time.process_time()

    def open(self, account: str) -> str:
        """Opens an account; returns the one that was open."""
        now = time.process_time()
        self.seconds[self._open] += now - self._since
        before, self._open, self._since = self._open, account, now
        return before

    def _booked(self, function: Any, account: Any) -> Any:
        @functools.wraps(function)
        def booked(*arguments: Any, **options: Any) -> Any:
            name = account(*arguments) if callable(account) else account
            self.calls[name] += 1
            before = self.open(name)
            try:
                return function(*arguments, **options)
            finally:
                self.open(before)

        return booked

    @contextlib.contextmanager
    def kept(self, model: Any) -> Iterator[None]:
        """While inside, everything is booked; passes of another model than `model` are those of an encoder."""

        def whose(victim: Any) -> str:
            return FORWARD if victim.model is model else ENCODER

        places = [
            (victims.Victim, "_unpadded_logits", lambda victim, *_: whose(victim)),
            (
                victims.Victim,
                "_forward",
                lambda victim, batch: CONFIRM if len(batch["input_ids"]) == 1 else whose(victim),
            ),
            (victims.Victim, "steady_logits", BATCHES),
            (victims, "encode", TOKENS),
            (textattack.transformations.Transformation, "__call__", TRANSFORM),
            (textattack.Attack, "filter_transformations", CONSTRAIN),
            (textattack.goal_functions.GoalFunction, "get_results", GOAL),
            (search.Searcher, "__call__", SEARCH),
            (search, "_verify", VERIFY),
            (lanes.Lanes, "run", LANES),
            (lanes.Lanes, "ask", LANES),
            (adapter, "prepare", BUILD),
            (engine.Journal, "write", REST),
        ]
        before = [vars(owner)[name] for owner, name, _ in places]
        for (owner, name, account), function in zip(places, before, strict=True):
            setattr(owner, name, self._booked(function, account))
        self._open, self._since = REST, time.process_time()
        try:
            yield
        finally:
            self.open(REST)
            for (owner, name, _), function in zip(places, before, strict=True):
                setattr(owner, name, function)

    def shares(self) -> list[tuple[str, float, int]]:
        """Account, share of all seconds and calls, the largest first."""
        total = sum(self.seconds.values())
        return [
            (name, seconds / total, self.calls[name])
            for name, seconds in sorted(self.seconds.items(), key=lambda item: -item[1])
        ]
