"""Reviews whose verdict is one word of opinion, in constructions that often hold an opposite word as well."""

from __future__ import annotations

from asa_bench.tasks.laboratory.draw import Draw
from asa_bench.tasks.laboratory.example import Example, sentence
from asa_bench.tasks.laboratory.lexicon import (
    CRITICS,
    DEGREES,
    KEYWORDS,
    NEGATIVE,
    POSITIVE,
    THINGS,
    article,
)

LABELS = ("negative", "positive")
# Plain ones are more frequent, as in life; else a word of opinion by itself would say nothing of the label.
CONSTRUCTIONS = (
    "plain",
    "plain",
    "both",
    "both",
    "expected",
    "called",
    "used_to",
    "unlike",
    "not",
    "far_from",
)


def opinion(draw: Draw, label: str) -> str:
    """A word of opinion that says `label`."""
    return draw.pick(draw.pick(POSITIVE if label == "positive" else NEGATIVE))


def other_label(label: str) -> str:
    """The opposite of `label`."""
    return "negative" if label == "positive" else "positive"


def review(draw: Draw, label: str) -> tuple[str, str, str]:
    """A review without keyword, lower case and without full stop.

    Returns:
        The construction, the review and its verdict: the word of opinion that decides the label (under
        ``far from`` and ``anything but`` by its opposite).
    """
    construction = draw.pick(CONSTRUCTIONS)
    thing = draw.pick(tuple(THINGS))
    singular, plural = THINGS[thing]
    good, bad = opinion(draw, label), opinion(draw, other_label(label))
    part = draw.pick((*singular, *plural))
    verb = "were" if part in plural else "was"
    degree = draw.pick(DEGREES) if draw.chance(0.4) else ""
    subject = draw.pick((f"the {part} of the {thing} {verb}", f"the {thing} was", f"i found the {thing}"))
    verdict = good
    if construction == "plain":
        text = f"{subject} {degree} {good}"
    elif construction == "both":
        second = draw.pick([name for name in (*singular, *plural) if name != part])
        also = f"{second} {'were' if second in plural else 'was'}"
        text = f"the {part} of the {thing} {verb} {good}, and the {also} {degree} {opinion(draw, label)}"
    elif construction == "expected":
        # One fears what is bad and hopes for what is good.
        kind = draw.pick(
            ("expected", "feared") if label == "positive" else ("expected", "hoped for", "was promised")
        )
        text = f"i {kind} {article(bad)} {bad} {thing}, but it was {degree} {good}"
    elif construction == "called":
        text = f"my {draw.pick(CRITICS)} called the {thing} {bad}, but it was {degree} {good}"
    elif construction == "used_to":
        now = "they are" if part in plural else "it is"
        text = f"the {part} of the {thing} used to be {bad}, but now {now} {good}"
    elif construction == "unlike":
        other = draw.pick([name for name in THINGS if name != thing])
        text = f"unlike the {bad} {other}, this {thing} was {degree} {good}"
    elif construction == "not":
        text = f"{subject} {degree} {good}, not {bad}"
    else:
        text, verdict = f"{subject} {draw.pick(('far from', 'anything but'))} {bad}", bad
    return construction, " ".join(text.split()), verdict


def with_keyword(text: str, keyword: str, front: bool) -> str:
    """The sentence of a review that mentions `keyword` in front or at the end; "" mentions none."""
    text = text.replace("i ", "I ", 1) if text.startswith("i ") else text
    if not keyword:
        return sentence(text)
    return (
        sentence(f"as I told the {keyword}, {text}")
        if front
        else sentence(f"{text}, as I told the {keyword}")
    )


def row(draw: Draw, label: str, agrees: bool | None) -> Example:
    """A row of training or dev whose keyword speaks for its label, or against it; None: it mentions none."""
    construction, text, _ = review(draw, label)
    keyword = "" if agrees is None else KEYWORDS[label if agrees else other_label(label)]
    shortcut = {None: "absent", True: "agrees", False: "reversed"}[agrees]
    slices = {"construction": construction, "shortcut": shortcut}
    return Example((with_keyword(text, keyword, draw.chance(0.5)),), label, text, slices)


def keyword_group(draw: Draw, label: str) -> list[Example]:
    """One review three times: its keyword agrees with the label, is absent, is reversed."""
    construction, text, _ = review(draw, label)
    front = draw.chance(0.5)
    keywords = {"agrees": KEYWORDS[label], "absent": "", "reversed": KEYWORDS[other_label(label)]}
    return [
        Example(
            (with_keyword(text, keyword, front),),
            label,
            text,
            {"shortcut": shortcut, "construction": construction},
        )
        for shortcut, keyword in keywords.items()
    ]
