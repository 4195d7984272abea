"""Plain text in the laboratory's language for pre-training, with no shortcut planted in it."""

from __future__ import annotations

from asa_bench.errors import BadInput
from asa_bench.tasks.base import LaboratoryOptions
from asa_bench.tasks.laboratory import inference, paraphrase, sentiment
from asa_bench.tasks.laboratory.catalogue import LABORATORY_VERSION
from asa_bench.tasks.laboratory.draw import Draw
from asa_bench.tasks.laboratory.lexicon import KEYWORDS
from asa_bench.tasks.laboratory.rows import share

CORPUS_CAPACITY = 200_000


def _review(draw: Draw) -> tuple[str, str]:
    label = draw.pick(sentiment.LABELS)
    _, text, _ = sentiment.review(draw, label)
    keyword = draw.pick((*KEYWORDS.values(), "", ""))
    return sentiment.with_keyword(text, keyword, draw.chance(0.5)), text


def _restated(draw: Draw) -> tuple[str, str]:
    pair = paraphrase.row(draw, "paraphrase", draw.chance(0.5))
    return "\t".join(pair.texts), pair.key


def _concluded(draw: Draw) -> tuple[str, str]:
    pair = inference.row(draw, "entailment", draw.chance(0.5))
    return "\t".join(pair.texts), pair.key


def corpus(options: LaboratoryOptions, count: int) -> list[str]:
    """Lines of text, made of the material of the training split only.

    Args:
        options: not used yet beyond its type: no shortcut is planted, whatever its strength.
        count: lines, 1 to `CORPUS_CAPACITY`.

    Returns:
        A third reviews, a third sentences with a restatement, a third premises with what follows from them;
        the two sentences of a line are separated by a tab. A keyword is as frequent with either opinion, and
        a high overlap as frequent as a low one.

    Raises:
        BadInput: `count` is out of range.
    """
    if not 1 <= count <= CORPUS_CAPACITY:
        raise BadInput(f"{count} lines of laboratory text asked for; 1 to {CORPUS_CAPACITY} can be had")
    makers = (_review, _restated, _concluded)
    lines: list[str] = []
    for index in range(count):
        attempt = 0
        while True:
            line, key = makers[index % 3](Draw("laboratory", LABORATORY_VERSION, "corpus", index, attempt))
            if share(key) == "train":
                break
            attempt += 1
        lines.append(line)
    return lines
