"""Text in the laboratory's language for pre-training, with no shortcut planted in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from asa_bench.errors import BadInput
from asa_bench.tasks.base import LaboratoryOptions
from asa_bench.tasks.laboratory import inference, paraphrase, perturb, sentiment
from asa_bench.tasks.laboratory.catalogue import LABORATORY_VERSION
from asa_bench.tasks.laboratory.draw import Draw
from asa_bench.tasks.laboratory.example import Example
from asa_bench.tasks.laboratory.lexicon import KEYWORDS, NEGATIVE, POSITIVE
from asa_bench.tasks.laboratory.rows import share

CORPUS_CAPACITY = 200_000
_FAMILIES = (
    "sentiment",
    "paraphrase",
    "inference",
    "paraphrase",
    "sentiment",
    "inference",
    "paraphrase",
    "inference",
)
# Judged are only reviews in half of the words of opinion, premises without frames, and pairs mostly where they tell in
# the same words what people did to each other. What the other words of opinion mean, what "if" or "perhaps" do to a
# clause, which words say the same, and who did which of two things or went where, is left to training.
_JUDGED_OPINIONS = frozenset(word for group in (*POSITIVE[:5], *NEGATIVE[:5]) for word in group)
_OPINIONS = frozenset(word for group in (*POSITIVE, *NEGATIVE) for word in group)
_JUDGED_PREMISES = tuple(case.name for case in inference.SUBCASES if case.heuristic == "lexical_overlap")


@dataclass(frozen=True)
class Line:
    """One line of text.

    Attributes:
        texts: one review, or two sentences.
        judgement: of a review, whether it is positive; of two sentences, whether the second follows from the
            first (or restates it); None where it is left open.
    """

    texts: tuple[str, ...]
    judgement: bool | None


def _draw_line(draw: Draw, family: str) -> tuple[Line, str]:
    """A line, and the key of its material."""
    if family == "sentiment":
        label = draw.pick(sentiment.LABELS)
        _, text, _ = sentiment.review(draw, label)
        keyword = draw.pick((*KEYWORDS.values(), "", ""))
        texts: tuple[str, ...] = (sentiment.with_keyword(text, keyword, draw.chance(0.5)),)
        opinions = _OPINIONS.intersection(re.findall("[a-z]+", text))
        judgement = label == "positive" if opinions <= _JUDGED_OPINIONS else None
        return Line(texts, judgement), text
    pair: Example
    if family == "paraphrase":
        label = draw.pick(paraphrase.LABELS)
        pair = paraphrase.row(draw, label, agrees=draw.chance(0.5))
        same_words = (pair.slices["shortcut"] == "agrees") == (label == "paraphrase")
        told = re.search("^While| while | from the ", pair.texts[0])
        judged = draw.chance(0.4 if not same_words else 0.2 if told else 0.8)
        return Line(pair.texts, label == "paraphrase" if judged else None), pair.key
    label = "entailment" if draw.chance(0.5) else draw.pick(inference.LABELS[1:])
    pair = inference.row(draw, label, agrees=(label == "entailment") == draw.chance(0.5))
    judged = pair.slices["construction"].removeprefix("synonyms_") in _JUDGED_PREMISES
    return Line(pair.texts, label == "entailment" if judged else None), pair.key


def lines(count: int) -> list[Line]:
    """The first `count` lines, made of the material of the training split only.

    A keyword is as frequent with either opinion, and a high overlap of words with either judgement. About three of
    ten lines have an empty clause such as "as everybody knows".

    Raises:
        BadInput: `count` is out of range.
    """
    if not 1 <= count <= CORPUS_CAPACITY:
        raise BadInput(f"{count} lines of laboratory text asked for; 1 to {CORPUS_CAPACITY} can be had")
    made: list[Line] = []
    for index in range(count):
        attempt = 0
        while True:
            draw = Draw("laboratory", LABORATORY_VERSION, "text", index, attempt)
            family = _FAMILIES[index % len(_FAMILIES)]
            line, key = _draw_line(draw, family)
            if share(key) == "train":
                break
            attempt += 1
        if draw.chance(0.4 if family == "paraphrase" else 0.3):
            place = draw.below(len(line.texts))
            aside = f"{line.texts[place][:-1]}, {draw.pick(perturb.ASIDES)}."
            line = Line((*line.texts[:place], aside, *line.texts[place + 1 :]), line.judgement)
        made.append(line)
    return made


def corpus(options: LaboratoryOptions, count: int) -> list[str]:
    """The texts of `lines`, without judgements; the two sentences of a line are separated by a tab.

    Args:
        options: changes nothing yet: no shortcut is planted here, whatever its strength.
        count: lines, 1 to `CORPUS_CAPACITY`.

    Raises:
        BadInput: `count` is out of range.
    """
    return ["\t".join(line.texts) for line in lines(count)]
