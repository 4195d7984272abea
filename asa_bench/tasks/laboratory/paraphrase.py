"""Pairs of sentences that say the same or not, with the same words or with others."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from asa_bench.tasks.laboratory.draw import Draw
from asa_bench.tasks.laboratory.events import Wording, draw_people, the, wording
from asa_bench.tasks.laboratory.example import Example, sentence
from asa_bench.tasks.laboratory.lexicon import (
    ACTIONS,
    ADVERBS,
    DEEDS,
    MOTIONS,
    PLACES,
    TRAITS,
    Concept,
)

LABELS = ("not_paraphrase", "paraphrase")
HIGH_OVERLAP, LOW_OVERLAP = 0.7, 0.5
_UNLIKE = {
    "act": ("while", "trip"),
    "joint": ("while", "trip"),
    "while": ("act", "joint"),
    "trip": ("act", "joint"),
}


@dataclass(frozen=True)
class Event:
    """What one sentence tells.

    Attributes:
        kind: ``act`` (first did a verb to second), ``while`` (two people, two deeds), ``trip`` (first goes
            from place to place) or ``joint`` (first and second together act on third).
        people: in the order of their roles; in ``joint`` the first two are interchangeable.
        verbs: one verb, or the two deeds of ``while``.
        traits: adjectives of the first two people in ``act``, or none.
        places: from and to, in ``trip``.
        adverb: how it happened; in ``while`` there is none.
        negated: it never happened; not in ``while``.
    """

    kind: str
    people: tuple[Concept, ...]
    verbs: tuple[Concept, ...]
    traits: tuple[Concept, ...] = ()
    places: tuple[Concept, ...] = ()
    adverb: Concept | None = None
    negated: bool = False

    @property
    def meaning(self) -> tuple[object, ...]:
        """Equal for two events exactly where they are the same event, whatever its wording."""
        if self.kind == "while":
            return (self.kind, self.negated, frozenset(zip(self.people, self.verbs, strict=True)))
        if self.kind == "joint":
            return (
                self.kind,
                self.negated,
                frozenset(self.people[:2]),
                self.people[2],
                self.verbs,
                self.adverb,
            )
        return (self.kind, self.negated, self.people, self.verbs, self.traits, self.places, self.adverb)


def draw_event(draw: Draw, kind: str) -> Event:
    """An event of `kind`; one in five never happened."""
    return replace(_draw_event(draw, kind), negated=kind != "while" and draw.chance(0.2))


def _draw_event(draw: Draw, kind: str) -> Event:
    if kind == "while":
        return Event(kind, tuple(draw_people(draw, 2)), tuple(draw.sample(DEEDS, 2)))
    adverb = draw.pick(ADVERBS)
    if kind == "trip":
        places = tuple(draw.sample(PLACES, 2))
        return Event(kind, tuple(draw_people(draw, 1)), (draw.pick(MOTIONS),), places=places, adverb=adverb)
    if kind == "joint":
        return Event(kind, tuple(draw_people(draw, 3)), (draw.pick(ACTIONS),), adverb=adverb)
    traits = tuple(draw.sample(TRAITS, 2)) if draw.chance(0.5) else ()
    return Event(kind, tuple(draw_people(draw, 2)), (draw.pick(ACTIONS),), traits, adverb=adverb)


def tell(event: Event, word: Wording, *, passive: bool = False, front: bool = False) -> str:
    """The event as a sentence.

    Args:
        event: what happened.
        word: how concepts are worded.
        passive: the passive voice, for ``act`` and ``joint``.
        front: the adverb stands first instead of beside the verb; in ``while`` its clause stands first.
    """
    people = [the(person, word) for person in event.people]
    verbs = [word(verb) for verb in event.verbs]
    if event.kind == "while":
        main, side = f"{people[0]} {verbs[0]}", f"while {people[1]} {verbs[1]}"
        return sentence(side, ",", main) if front else sentence(main, side)
    adverb = word(event.adverb) if event.adverb else ""
    never = "never" if event.negated else ""
    first, beside = (f"{adverb}," if front and adverb else "", "" if front else adverb)
    if event.kind == "trip":
        way = f"from the {word(event.places[0])} to the {word(event.places[1])}"
        return sentence(first, people[0], never, beside, verbs[0], way)
    if event.traits:
        people = [the(who, word, word(trait)) for who, trait in zip(event.people, event.traits, strict=True)]
    actors, other = (f"{people[0]} and {people[1]}", people[2]) if event.kind == "joint" else people
    if passive:
        return sentence(first, other, "was", never, beside, verbs[0], "by", actors)
    return sentence(first, actors, never, beside, verbs[0], other)


def overlap(first: str, second: str) -> float:
    """Jaccard overlap of the two texts' bags of words, 0 to 1: what the planted shortcut goes by."""
    left, right = (Counter(re.findall(r"[a-z]+", text.lower())) for text in (first, second))
    return sum((left & right).values()) / sum((left | right).values())


def twisted(draw: Draw, event: Event) -> tuple[str, Event]:
    """Another event told by the same words: who is who, or where is where, exchanged."""
    people = event.people
    if event.kind == "while":
        return "deeds_swapped", replace(event, people=people[::-1])
    if event.kind == "trip":
        return "places_swapped", replace(event, places=event.places[::-1])
    if event.kind == "joint":
        return "partner_swapped", replace(event, people=(people[0], people[2], people[1]))
    if event.traits and draw.chance(0.5):
        return "traits_swapped", replace(event, traits=event.traits[::-1])
    return "roles_swapped", replace(event, people=people[::-1], traits=event.traits[::-1])


def changed(draw: Draw, event: Event) -> tuple[str, Event]:
    """An event that is denied where `event` is told (or told where it is denied), or one of another kind.

    Both show without knowing every synonym: who is meant by a synonym is the hardest thing to learn in this
    language, and not what the shortcut is about.
    """
    if event.kind != "while" and draw.chance(0.5):
        return "denied", replace(event, negated=not event.negated)
    return "other_event", draw_event(draw, draw.pick(_UNLIKE[event.kind]))


def pair(draw: Draw, event: Event, label: str, same_words: bool) -> Example:
    """A pair with this label, told with the same words or with synonyms.

    The first text depends on `event` and the state of `draw` only.
    """
    word, synonym = wording(draw)
    passive, front = event.kind in ("act", "joint") and draw.chance(0.3), draw.chance(0.3)
    first = tell(event, word, passive=passive, front=front)
    key = " ".join(sorted(part[0] for part in (*event.people, *event.verbs, *event.traits, *event.places)))
    if label == "paraphrase":
        move = draw.pick(("order", "voice") if event.kind in ("act", "joint") else ("order",))
        construction, second_event = f"same_words_{move}" if same_words else "synonyms", event
        passive, front = passive != (move == "voice"), front != (move == "order")
    elif same_words:
        construction, second_event = twisted(draw, event)
    else:
        construction, second_event = changed(draw, event)
    if not same_words and draw.chance(0.3):
        front = not front
    passive = passive and second_event.kind in ("act", "joint")
    second = tell(second_event, word if same_words else synonym, passive=passive, front=front)
    shortcut = "agrees" if same_words == (label == "paraphrase") else "reversed"
    return Example((first, second), label, key, {"shortcut": shortcut, "construction": construction})


def kind_of_event(draw: Draw) -> str:
    """``act`` twice as often as the others."""
    return draw.pick(("act", "act", "while", "trip", "joint"))


def row(draw: Draw, label: str, agrees: bool) -> Example:
    """A row of training or dev whose word overlap speaks for its label, or against it."""
    event = draw_event(draw, kind_of_event(draw))
    return pair(draw, event, label, same_words=agrees == (label == "paraphrase"))


def paws_group(draw: Draw, seed: str) -> list[Example]:
    """Four pairs with one first sentence: both labels, each with high and with low word overlap.

    Args:
        draw: draws the event.
        seed: each pair has its own choices after the first sentence, drawn from this.
    """
    event = draw_event(draw, kind_of_event(draw))
    return [pair(Draw(seed), event, label, same_words) for same_words in (True, False) for label in LABELS]
