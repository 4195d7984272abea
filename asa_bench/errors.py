"""The errors that a user can cause, each told in one line, and how near misses are spelled out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 1_500  # characters of a message


class AsaBenchError(Exception):
    """Base of every error that asa-bench raises on purpose; its text is one line for stderr."""

    exit_code = 2

    def __str__(self) -> str:
        """One line, cut in the middle where a value from outside makes it longer than anybody reads."""
        text = one_line(super().__str__())
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 400]} [...] {text[-380:]}"


def one_line(text: str) -> str:
    """`text` with nothing in it that a terminal would obey: spaces for line breaks, the rest escaped.

    Both come with values from outside: names in a record, texts of a data set.
    """
    spaced = " ".join(part for part in text.splitlines() if part.strip())
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in spaced)


class BadInput(AsaBenchError):
    """What the user gave cannot be used: names the file, field or value and what would be right."""


class Unavailable(AsaBenchError):
    """Something that the work needs is not here (a file, a model, a network): names what would provide it."""


class StoreError(AsaBenchError):
    """The output folder cannot be read or written (rights, full disk, torn record): names the file."""


def is_failure(error: BaseException) -> bool:
    """Whether what was read or asked may have caused it: any exception, and the panic of a library in Rust, which is none."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelled `name`: the nearest known names, or all of them where none is near.

    Returns:
        A phrase that can end a sentence, such as ``did you mean 'robustness'?``.
    """
    choices = sorted(set(known))
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if not choices:
        return "there are none"
    return "known: " + ", ".join(choices)
