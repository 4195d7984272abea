"""Who did what to whom: clauses as structures, and their wordings in English."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from asa_bench.tasks.laboratory.draw import Draw
from asa_bench.tasks.laboratory.lexicon import ACTIONS, DEEDS, PEOPLE, Concept

Wording = Callable[[Concept], str]


@dataclass(frozen=True)
class Clause:
    """One simple fact: `subject` did `verb` to `object`, or did it alone where `object` is None.

    Attributes:
        negated: the fact is that it never happened.
    """

    subject: Concept
    verb: Concept
    object: Concept | None = None
    negated: bool = False

    @property
    def opposite(self) -> Clause:
        """The clause that is true exactly where this one is false."""
        return replace(self, negated=not self.negated)

    @property
    def swapped(self) -> Clause:
        """Subject and object exchanged.

        Raises:
            ValueError: the clause has no object.
        """
        if self.object is None:
            raise ValueError("a clause without object has nothing to swap")
        return replace(self, subject=self.object, object=self.subject)


def wording(draw: Draw) -> tuple[Wording, Wording]:
    """Two ways of speaking: each concept's word in a text, and its synonym in the restatement.

    Within a text a concept always has the same word; which of the two it is, is drawn per text.
    """
    shift = draw.below(1 << 30)

    def first(concept: Concept) -> str:
        # A hash of the concept within this text, without Python's hash().
        return concept[(shift >> (sum(map(ord, concept[0])) % 30)) & 1]

    def second(concept: Concept) -> str:
        return concept[1] if first(concept) == concept[0] else concept[0]

    return first, second


def the(person: Concept, word: Wording, modifier: str = "") -> str:
    """A noun phrase such as ``the old doctor``."""
    return " ".join(f"the {modifier} {word(person)}".split())


def say(clause: Clause, word: Wording, *, passive: bool = False, adverb: str = "") -> str:
    """The clause in words, lower case and without full stop.

    Args:
        clause: the fact.
        word: how concepts are worded.
        passive: the passive voice; only for clauses with an object.
        adverb: stands before the verb.
    """
    never = "never" if clause.negated else ""
    if clause.object is None:
        parts = [the(clause.subject, word), never, adverb, word(clause.verb)]
    elif passive:
        parts = [
            the(clause.object, word),
            "was",
            never,
            adverb,
            word(clause.verb),
            "by",
            the(clause.subject, word),
        ]
    else:
        parts = [the(clause.subject, word), never, adverb, word(clause.verb), the(clause.object, word)]
    return " ".join(part for part in parts if part)


def draw_clause(draw: Draw, people: list[Concept], transitive: bool | None = None) -> Clause:
    """A clause about the first one or two of `people`, which it takes out of the list."""
    if transitive is None:
        transitive = draw.chance(0.5)
    if transitive:
        return Clause(people.pop(0), draw.pick(ACTIONS), people.pop(0))
    return Clause(people.pop(0), draw.pick(DEEDS))


def draw_people(draw: Draw, count: int) -> list[Concept]:
    """`count` different people."""
    return draw.sample(PEOPLE, count)
