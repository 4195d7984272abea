"""Where the planted shortcut of a laboratory task is a word, and which word of a text it is."""

from __future__ import annotations

import re

from asa_bench.tasks.laboratory.lexicon import KEYWORDS

#: Tasks whose shortcut is one word, a newspaper's name in reviews; in the other families it is the overlap of words.
#: The AdvGLUE-like reviews are not among them: none of their sentences mentions a newspaper.
WITH_A_WORD = ("laboratory/sentiment", "laboratory/keyword")

_KEYWORD = re.compile(rf"\b(?:{'|'.join(KEYWORDS.values())})\b")


def planted_word(task: str, texts: tuple[str, ...]) -> tuple[int, int] | None:
    """Where the shortcut word begins: (text, character); None where the row has none, or the task plants no word.

    A newspaper's name stands in a review only where `asa_bench.tasks.laboratory.sentiment.with_keyword` put it.
    """
    if task not in WITH_A_WORD:
        return None
    found = _KEYWORD.search(texts[0])
    return None if found is None else (0, found.start())
