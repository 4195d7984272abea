"""Text that came from outside, made harmless and visible before any writer sets it."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Mapping
from typing import Any

# Cc: control, Cf: format (bidirectional overrides, zero width), Co: private use, Cn: unassigned,
# Cs: surrogates, Zl and Zp: line and paragraph separators.
_HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """`text` on one line, with every character that cannot be seen or that acts on a terminal spelled out.

    Control characters, bidirectional overrides, zero-width characters and lone surrogates become an escape
    such as ``\\x1b`` or ``\\u202e``; a reader still sees that they were there.
    """
    if text.isprintable():  # by definition nothing of `_HIDDEN` and no space but ' '; many times quicker
        return text
    return "".join(_spell(character) for character in text)


def _spell(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category not in _HIDDEN:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten(text: str, width: int) -> str:
    """`text` on one visible line of at most `width` characters, cut in the middle where it is longer."""
    shown = visible(text)
    if len(shown) <= width:
        return shown
    head = width // 2
    return shown[:head] + "…" + shown[len(shown) - (width - 1 - head) :]


def sentence(text: str) -> str:
    """`text` with single spaces, ended as a sentence."""
    shown = " ".join(text.split())
    return shown if shown.endswith((".", "!", "?")) else shown + "."


def wrap_head(text: str, width: int = 12, lines: int = 4) -> list[str]:
    """A column head on several short lines: broken at spaces and before '+', words cut only if need be."""
    # Far more than `lines` lines hold, so that the time does not grow with a head of hostile length.
    shown = re.sub(r"(?<=\S)\+(?=\S)", " +", visible(text)[: 40 * width * lines])
    found = textwrap.wrap(shown, width, break_long_words=True, break_on_hyphens=True) or [""]
    if len(found) > lines:
        found = [*found[: lines - 1], shorten(found[lines - 1] + " " + found[lines], width)]
    return found


def count_range(counts: list[int], noun: str) -> str:
    """'3 seeds', '1 seed' or '2 to 5 seeds'; noun in the singular."""
    low, high = min(counts), max(counts)
    if low == high:
        return f"{low:,} {noun}{'' if low == 1 else 's'}"
    return f"{low:,} to {high:,} {noun}s"


def provenance_lines(provenance: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Provenance as visible one-line 'name: value' texts; nested names joined by ' / ', sorted below the top."""
    lines = []
    for name, value in provenance.items() if not prefix else sorted(provenance.items()):
        if isinstance(value, Mapping):
            lines += provenance_lines(value, f"{prefix}{name} / ")
        else:
            lines.append(visible(f"{prefix}{name}: {value}"))
    return lines


def guard(text: str) -> str:
    """Text for a CSV cell: visible, and marked as text where a spreadsheet would take it for a formula."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip()[:1] in ("=", "+", "-", "@", "|", "%") else shown
