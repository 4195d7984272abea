"""Small changes that keep a label right: typos, synonyms and clauses that say nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from asa_bench.tasks.laboratory import inference, paraphrase, sentiment
from asa_bench.tasks.laboratory.draw import Draw
from asa_bench.tasks.laboratory.example import Example
from asa_bench.tasks.laboratory.lexicon import (
    ACTIONS,
    ADVERBS,
    DEEDS,
    MOTIONS,
    NEGATIVE,
    NEUTRAL,
    PEOPLE,
    PLACES,
    POSITIVE,
    TRAITS,
    article,
    words,
)

KINDS = ("typo", "synonym", "distraction")

# Clauses that are true of every world, or about the telling alone.
ASIDES = (
    "and true is true",
    "and a day is a day",
    "as everybody knows",
    "to tell the truth",
    "so to speak",
)


# Words outside the laboratory that a slip of the finger would make of one inside it.
# fmt: off
OTHER_WORDS = (
    "bring", "boing", "cain", "charing", "chid", "coat", "cost", "cred", "diver", "drier", "fond", "fund",
    "framer", "forrest", "forst", "gad", "grat", "hated", "lovey", "jude", "layer", "let", "manger",
    "marvellous", "peasant", "plot", "pot", "prefect", "prion", "reigned", "sacred", "scarred", "sept",
    "shoe", "shoed", "shoop", "signer", "sim", "soppy", "sop", "sore", "sopped", "tied", "tin", "ticked",
    "travelled", "trebled", "tried", "waked", "waned", "wary", "wet", "woos",
)
# fmt: on

_OPINIONS = (*POSITIVE, *NEGATIVE)
_EVENTS = (*PEOPLE, *ACTIONS, *DEEDS, *MOTIONS, *PLACES, *TRAITS, *ADVERBS)


@lru_cache(maxsize=2)
def _synonyms(family: str) -> dict[str, tuple[str, ...]]:
    """Word -> the other words of its group. By family, since "I found it bad" is not "I located it bad"."""
    groups = [
        group
        for group in (_OPINIONS if family == "sentiment" else _EVENTS)
        if all(" " not in word for word in group)
    ]
    return {word: tuple(other for other in group if other != word) for group in groups for word in group}


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset((*words(), *OTHER_WORDS))


def typos(word: str) -> list[str]:
    """Every mistyping of `word`: inner letters exchanged, one left out or one doubled; never another word.

    First and last letters stay, as they mostly do when people mistype; so "smiled" never becomes "smile".
    """
    inner = range(1, len(word) - 1)
    swapped = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inner if i + 2 < len(word)]
    dropped = [word[:i] + word[i + 1 :] for i in inner if len(word) > 3]
    doubled = [word[:i] + word[i] + word[i:] for i in inner]
    found = dict.fromkeys((*swapped, *dropped, *doubled))
    return [typo for typo in found if typo != word and typo.lower() not in _known()]


def _targets(text: str, synonyms: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Words that a change may touch: those with synonyms, of at least three letters."""
    return [word for word in re.findall(r"[A-Za-z]+", text) if word.lower() in synonyms and len(word) >= 3]


def _replace_word(text: str, old: str, new: str) -> str:
    """`text` with one word exchanged, capital and indefinite article kept right."""
    new = new[0].upper() + new[1:] if old[0].isupper() else new
    text = re.sub(rf"\ban? {old}\b", f"{article(new)} {new}", text)
    return re.sub(rf"\b{old}\b", new, text)


def with_aside(draw: Draw, example: Example) -> Example:
    """`example` with an empty clause at the end of one of its texts."""
    place = draw.below(len(example.texts))
    texts = list(example.texts)
    texts[place] = f"{texts[place][:-1]}, {draw.pick(ASIDES)}."
    return replace(example, texts=tuple(texts))


def perturb_text(draw: Draw, text: str, kind: str, family: str) -> str:
    """`text` with one perturbation of `kind` that leaves its meaning alone.

    Raises:
        ValueError: the text has no word that this kind can change.
    """
    if kind == "distraction":
        return f"{text[:-1]}, {draw.pick(ASIDES)}."
    targets = _targets(text, _synonyms(family))
    if kind == "typo" and family == "sentiment":
        # People mistype any word; in the other families every content word has synonyms and is a target already.
        targets = [
            word for word in re.findall(r"[A-Za-z]+", text) if word in _synonyms(family) or word in NEUTRAL
        ]
    if not targets:
        raise ValueError(f"no word of {text!r} can be changed")
    word = draw.pick(targets)
    if kind == "typo":
        return re.sub(rf"\b{word}\b", draw.pick(typos(word)), text, count=1)
    return _replace_word(text, word, draw.pick(_synonyms(family)[word.lower()]))


def _base(draw: Draw, family: str, label: str) -> Example:
    if family == "sentiment":
        construction, text, _ = sentiment.review(draw, label)
        return Example((sentiment.with_keyword(text, "", True),), label, text, {"construction": construction})
    agrees = draw.chance(0.5)
    return (
        paraphrase.row(draw, label, agrees) if family == "paraphrase" else inference.row(draw, label, agrees)
    )


def perturbed_row(draw: Draw, family: str, label: str, kind: str) -> Example:
    """A row of an AdvGLUE-like set, with its clean texts as a JSON list in column ``original``.

    The shortcut is absent (sentiment) or independent of the label (paraphrase, inference).
    """
    base = _base(draw, family, label)
    place = draw.below(len(base.texts))
    texts = list(base.texts)
    texts[place] = perturb_text(draw, texts[place], kind, family)
    original = json.dumps(list(base.texts), ensure_ascii=False)
    slices = {"perturbation": kind, "original": original}
    return Example(tuple(texts), label, base.key, slices)
