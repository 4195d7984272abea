"""Finds where two texts differ, word by word, in a form from which both can be had back."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

#: A part of two texts: a string that both have, or (what only the first has, what only the second has).
Part = str | tuple[str, str]

_TOKENS = re.compile(r"\s+|\w+|[^\w\s]")
# Above so many pairs of words the middle is told as one change, since comparing takes quadratic time.
_MOST_PAIRS = 1_000_000


def parts(before: str, after: str) -> list[Part]:
    """The parts of two texts, in order.

    The first text is what both share and what only the first has, joined; the second likewise. Words,
    runs of white space and other characters are compared as wholes (`difflib.SequenceMatcher`).
    """
    if before == after:
        return [before]
    old, new = _TOKENS.findall(before), _TOKENS.findall(after)
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    head, tail = "".join(old[:start]), "".join(old[len(old) - end :])
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    found: list[Part] = [head] if head else []
    if len(middle_old) * len(middle_new) > _MOST_PAIRS:
        found.append(("".join(middle_old), "".join(middle_new)))
    else:
        matcher = SequenceMatcher(None, middle_old, middle_new, autojunk=False)
        for kind, a, b, c, d in matcher.get_opcodes():
            left, right = "".join(middle_old[a:b]), "".join(middle_new[c:d])
            found.append(left if kind == "equal" else (left, right))
    return [*found, tail] if tail else found
