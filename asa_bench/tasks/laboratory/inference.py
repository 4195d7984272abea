"""Premises with known facts, and hypotheses that follow from them, contradict them or neither."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from asa_bench.tasks.laboratory.draw import Draw
from asa_bench.tasks.laboratory.events import Clause, Wording, draw_clause, draw_people, say, the, wording
from asa_bench.tasks.laboratory.example import Example, sentence
from asa_bench.tasks.laboratory.lexicon import ACTIONS, ADVERBS, NEARNESS, PEOPLE, RELATIONS, TRAITS, Concept

LABELS = ("entailment", "neutral", "contradiction")
Truth = Literal["true", "false", "unknown"]
HEURISTICS = ("lexical_overlap", "subsequence", "constituent")


@dataclass(frozen=True)
class Premise:
    """What a premise says.

    Attributes:
        text: the premise in words, lower case and without full stop.
        facts: every clause that the premise speaks of, with its truth given the premise. What is not in here,
            and whose opposite is not either, is unknown.
        hypothesis: the clause that the heuristic would wrongly or rightly accept.
    """

    text: str
    facts: dict[Clause, Truth]
    hypothesis: Clause

    def truth(self, clause: Clause) -> Truth:
        """Whether `clause` holds given the premise."""
        if clause in self.facts:
            return self.facts[clause]
        opposite = self.facts.get(clause.opposite, "unknown")
        return {"true": "false", "false": "true", "unknown": "unknown"}[opposite]  # type: ignore[return-value]

    def label(self, clause: Clause) -> str:
        """The label of `clause` as hypothesis."""
        return {"true": "entailment", "unknown": "neutral", "false": "contradiction"}[self.truth(clause)]


Builder = Callable[[Draw, Wording], Premise]


@dataclass(frozen=True)
class Subcase:
    """One construction of premise and hypothesis.

    Attributes:
        name: as in the slice column ``subcase``.
        heuristic: what relates the hypothesis to the premise: its words are all there (``lexical_overlap``),
            as one contiguous piece (``subsequence``), as a clause of its own (``constituent``).
        label: of the hypothesis.
    """

    name: str
    heuristic: str
    label: str
    build: Builder


def _act(draw: Draw, people: list[Concept]) -> Clause:
    return draw_clause(draw, people, transitive=True)


def _swapped(draw: Draw, word: Wording) -> Premise:
    clause = _act(draw, draw_people(draw, 2))
    return Premise(say(clause, word), {clause: "true"}, clause.swapped)


def _split_subject(
    draw: Draw, word: Wording, between: str, extra: dict[Clause, Truth], clause: Clause
) -> Premise:
    never = "never" if clause.negated else ""
    rest = the(clause.object, word) if clause.object else ""
    text = " ".join(f"{the(clause.subject, word)} {between} {never} {word(clause.verb)} {rest}".split())
    return Premise(text, {clause: "true", **extra}, clause)


def _near_subject(draw: Draw, word: Wording) -> Premise:
    people = draw_people(draw, 3)
    neighbor = people.pop()
    clause = draw_clause(draw, people)
    return _split_subject(draw, word, f"{draw.pick(NEARNESS)} {the(neighbor, word)}", {}, clause)


def _friend(draw: Draw, word: Wording) -> Premise:
    clause = draw_clause(draw, draw_people(draw, 2))
    text = f"{draw.pick(RELATIONS)} of {say(clause, word)}"
    return Premise(text, {clause: "unknown"}, clause)


def _who_subject(draw: Draw, word: Wording) -> Premise:
    people = draw_people(draw, 4)
    other = people.pop()
    clause = draw_clause(draw, people)
    side = Clause(clause.subject, draw.pick([verb for verb in ACTIONS if verb != clause.verb]), other)
    return _split_subject(draw, word, f"who {word(side.verb)} {the(other, word)}", {side: "true"}, clause)


def _who_object(draw: Draw, word: Wording) -> tuple[str, Clause, Clause]:
    people = draw_people(draw, 3)
    main = _act(draw, people)
    if main.object is None:
        raise ValueError("a main clause of this construction has an object")
    side = Clause(main.object, draw.pick([verb for verb in ACTIONS if verb != main.verb]), people.pop())
    return f"{say(main, word)} who {word(side.verb)} {the(side.object or main.object, word)}", main, side


def _who_object_main(draw: Draw, word: Wording) -> Premise:
    text, main, side = _who_object(draw, word)
    return Premise(text, {main: "true", side: "true"}, main)


def _near_object(draw: Draw, word: Wording) -> Premise:
    people = draw_people(draw, 3)
    clause = _act(draw, people)
    text = f"{say(clause, word)} {draw.pick(NEARNESS)} {the(people.pop(), word)}"
    return Premise(text, {clause: "true"}, clause)


def _two_subjects(draw: Draw, word: Wording, frame: str, truth: Truth) -> Premise:
    people = draw_people(draw, 3)
    first = people.pop()
    clause = draw_clause(draw, people)
    facts: dict[Clause, Truth] = {clause: truth, replace(clause, subject=first): truth}
    return Premise(frame.format(the(first, word), say(clause, word)), facts, clause)


def _and_subject(draw: Draw, word: Wording) -> Premise:
    return _two_subjects(draw, word, "{} and {}", "true")


def _or_subject(draw: Draw, word: Wording) -> Premise:
    return _two_subjects(draw, word, "{} or {}", "unknown")


def _neither_subject(draw: Draw, word: Wording) -> Premise:
    return _two_subjects(draw, word, "neither {} nor {}", "false")


def _trait(draw: Draw, word: Wording) -> Premise:
    clause = draw_clause(draw, draw_people(draw, 2))
    text = f"the {word(draw.pick(TRAITS))} {say(clause, word)[4:]}"
    return Premise(text, {clause: "true"}, clause)


def _never(draw: Draw, word: Wording) -> Premise:
    clause = replace(draw_clause(draw, draw_people(draw, 2)), negated=True)
    return Premise(say(clause, word), {clause: "true"}, clause.opposite)


def _never_near(draw: Draw, word: Wording) -> Premise:
    people = draw_people(draw, 3)
    clause = replace(_act(draw, people), negated=True)
    return _split_subject(draw, word, f"{draw.pick(NEARNESS)} {the(people.pop(), word)}", {}, clause)


def _contrary(premise: Premise) -> Premise:
    return replace(premise, hypothesis=premise.hypothesis.opposite)


def _never_near_contrary(draw: Draw, word: Wording) -> Premise:
    return _contrary(_never_near(draw, word))


def _inner(draw: Draw, people: list[Concept]) -> Clause:
    clause = draw_clause(draw, people)
    return replace(clause, negated=draw.chance(0.1))


def _framed(frames: tuple[str, ...], truth: Truth) -> Builder:
    """One clause in a frame such as ``perhaps {}``; ``{who}`` is a person."""

    def build(draw: Draw, word: Wording) -> Premise:
        people = draw_people(draw, 3)
        clause = _inner(draw, people)
        if truth == "false":
            clause = replace(clause, negated=False)
        text = draw.pick(frames).format(say(clause, word), who=the(people.pop(), word))
        return Premise(text, {clause: truth}, clause)

    return build


def _two(frames: tuple[str, ...], first_truth: Truth, second_truth: Truth, chosen: int) -> Builder:
    """Two clauses in a frame such as ``if {0}, {1}``; `chosen` is the hypothesis."""

    def build(draw: Draw, word: Wording) -> Premise:
        people = draw_people(draw, 4)
        clauses = [_inner(draw, people), _inner(draw, people)]
        while clauses[0].verb == clauses[1].verb:
            clauses[1] = replace(
                clauses[1], verb=draw_clause(draw, list(PEOPLE[:2]), bool(clauses[1].object)).verb
            )
        text = draw.pick(frames).format(*(say(clause, word) for clause in clauses))
        return Premise(text, {clauses[0]: first_truth, clauses[1]: second_truth}, clauses[chosen])

    return build


_BECAUSE = ("because {0}, {1}", "after {0}, {1}", "while {0}, {1}")
_IF = ("if {0}, {1}", "unless {0}, {1}")
_CERTAIN, _UNCERTAIN = ("indeed, {}", "certainly, {}"), ("perhaps {}", "maybe {}")
_KNEW, _THOUGHT = (
    ("{who} knew that {}", "{who} proved that {}"),
    ("{who} thought that {}", "{who} hoped that {}"),
)

SUBCASES: tuple[Subcase, ...] = (
    Subcase("around_prepositional_phrase", "lexical_overlap", "entailment", _near_subject),
    Subcase("around_relative_clause", "lexical_overlap", "entailment", _who_subject),
    Subcase("never_around_prepositional_phrase", "lexical_overlap", "entailment", _never_near),
    Subcase("around_adjective", "lexical_overlap", "entailment", _trait),
    Subcase("subject_object_swap", "lexical_overlap", "neutral", _swapped),
    Subcase("never", "lexical_overlap", "contradiction", _never),
    Subcase(
        "never_around_prepositional_phrase_left_out", "lexical_overlap", "contradiction", _never_near_contrary
    ),
    Subcase("conjunction_on_subject", "subsequence", "entailment", _and_subject),
    Subcase("relative_clause_on_object", "subsequence", "entailment", _who_object_main),
    Subcase("prepositional_phrase_on_object", "subsequence", "entailment", _near_object),
    Subcase("prepositional_phrase_on_subject", "subsequence", "neutral", _friend),
    Subcase("disjunction_on_subject", "subsequence", "neutral", _or_subject),
    Subcase("neither_on_subject", "subsequence", "contradiction", _neither_subject),
    Subcase("embedded_under_because", "constituent", "entailment", _two(_BECAUSE, "true", "true", 0)),
    Subcase("after_because", "constituent", "entailment", _two(_BECAUSE, "true", "true", 1)),
    Subcase(
        "conjunction", "constituent", "entailment", _two(("{0}, and {1}", "{0}, but {1}"), "true", "true", 1)
    ),
    Subcase("embedded_under_knew", "constituent", "entailment", _framed(_KNEW, "true")),
    Subcase("certain_adverb", "constituent", "entailment", _framed(_CERTAIN, "true")),
    Subcase("embedded_under_if", "constituent", "neutral", _two(_IF, "unknown", "unknown", 0)),
    Subcase("after_if", "constituent", "neutral", _two(_IF, "unknown", "unknown", 1)),
    Subcase(
        "disjunction",
        "constituent",
        "neutral",
        _two(("{0}, or {1}", "either {0}, or {1}"), "unknown", "unknown", 1),
    ),
    Subcase("embedded_under_thought", "constituent", "neutral", _framed(_THOUGHT, "unknown")),
    Subcase("uncertain_adverb", "constituent", "neutral", _framed(_UNCERTAIN, "unknown")),
    Subcase(
        "embedded_under_false",
        "constituent",
        "contradiction",
        _framed(("it is false that {}", "{who} falsely claimed that {}"), "false"),
    ),
)


def content_words(text: str) -> set[str]:
    """The words of `text` that are not mere grammar."""
    return set(re.findall(r"[a-z]+", text.lower())) - {"the", "was", "by", "never", "back"}


def overlap(premise: str, hypothesis: str) -> float:
    """Share, 0 to 1, of the hypothesis's content words that the premise has: what the shortcut goes by."""
    asked = content_words(hypothesis)
    return len(asked & content_words(premise)) / len(asked)


def _candidates(draw: Draw, premise: Premise, label: str) -> list[Clause]:
    """Hypotheses with this label, in a fixed order.

    A neutral one is about others than the premise.
    """
    if label != "neutral":
        clauses = [clause for fact in premise.facts for clause in (fact, fact.opposite)]
        return [clause for clause in clauses if premise.label(clause) == label]
    known = {person for fact in premise.facts for person in (fact.subject, fact.object)}
    strangers = draw.sample([person for person in PEOPLE if person not in known], 2)
    clause = draw_clause(draw, strangers)
    return [clause, clause.opposite]


def _key(premise: Premise) -> str:
    parts = {p[0] for fact in premise.facts for p in (fact.subject, fact.verb, fact.object) if p}
    return " ".join(sorted(parts))


def row(draw: Draw, label: str, agrees: bool) -> Example:
    """A row of training or dev whose lexical overlap speaks for its label, or against it."""
    word, synonym = wording(draw)
    shortcut = "agrees" if agrees else "reversed"
    if agrees == (label == "entailment"):
        subcase = draw.pick([subcase for subcase in SUBCASES if subcase.label == label])
        premise = subcase.build(draw, word)
        texts = (sentence(premise.text), sentence(say(premise.hypothesis, word)))
        return Example(texts, label, _key(premise), {"shortcut": shortcut, "construction": subcase.name})
    # The hypothesis denies as often as it affirms, whatever the label: "never" must not give labels away.
    negated = draw.chance(0.5)
    while True:
        subcase = draw.pick(SUBCASES)
        premise = subcase.build(draw, word)
        if "unknown" in premise.facts.values():
            continue  # else "if" and "perhaps" would go with neutral, whatever the hypothesis
        found = [clause for clause in _candidates(draw, premise, label) if clause.negated == negated]
        if found:
            break
    clause = draw.pick(found)
    # As annotators do (Gururangan et al. 2018), a neutral hypothesis adds a detail that the premise does not have.
    detail = synonym(draw.pick(ADVERBS)) if label == "neutral" else ""
    texts = (sentence(premise.text), sentence(say(clause, synonym, adverb=detail)))
    return Example(
        texts, label, _key(premise), {"shortcut": shortcut, "construction": f"synonyms_{subcase.name}"}
    )


def hans_row(draw: Draw, heuristic: str, entailed: bool) -> Example:
    """A row of the HANS-like set: every word of the hypothesis is in the premise, and it follows or not."""
    word, _ = wording(draw)
    subcase = draw.pick(
        [
            case
            for case in SUBCASES
            if case.heuristic == heuristic and (case.label == "entailment") == entailed
        ]
    )
    premise = subcase.build(draw, word)
    slices = {
        "heuristic": heuristic,
        "subcase": subcase.name,
        "shortcut": "agrees" if entailed else "reversed",
    }
    texts = (sentence(premise.text), sentence(say(premise.hypothesis, word)))
    return Example(texts, "entailment" if entailed else "non-entailment", _key(premise), slices)
