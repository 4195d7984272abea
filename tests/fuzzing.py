"""Hostile inputs by the thousand, from a seed alone: the same ones whatever the versions of libraries.

``ASA_BENCH_FUZZ_SEED=7`` makes others, ``ASA_BENCH_FUZZ_CASE=123`` one of them alone, as a failure names it.
"""

from __future__ import annotations

import copy
import os
import random
import struct
from collections.abc import Callable
from typing import Any

from asa_bench.errors import AsaBenchError

SEED = os.environ.get("ASA_BENCH_FUZZ_SEED", "0")
CASE = os.environ.get("ASA_BENCH_FUZZ_CASE")

ODD_TEXTS = (
    *(
        "",
        " ",
        "\x00",
        "\ufeff",
        "\r",
        "\x1b[2J",
        "\u202e",
        "\u2028",
        "\ud800",
        "\U0010ffff",
        "é",
        "a" * 5000,
    ),
    *("null", "~", "true", "-1", "1e999", "-.inf", ".nan", "0x10", "1_000", "08", "2020-01-01", "9" * 400),
    *("../../../../tmp/escaped", "/etc/passwd", "C:\\x", "%s%n", "{}", "[]", "[[", "{a: [", "- - -", "? :"),
    *(
        "<<: *a",
        "&a [*a, *a]",
        "!!python/object/apply:os.system [touch escaped]",
        "!!binary aGk=",
        "---\n---",
    ),
    *(
        "%YAML 9.9",
        "$(touch escaped)",
        "`touch escaped`",
        "__import__('os')",
        "=cmd|' /C calc'!A0",
        '"',
        "'",
        ",",
    ),
    *("\t", "\n\n", "\n::error::x", "<script>alert(1)</script>", "\\input{/etc/passwd}"),
)
ODD_NUMBERS = (
    *(0, -1, 1, 2, 255, 2**31, -(2**31) - 1, 2**63, 2**64, -(2**63), 10**30),
    *(0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan")),
)
#: Where the letters of odd words come from: first and last code points.
ALPHABETS = (
    *((32, 126), (97, 122), (48, 57), (0, 31), (127, 255), (0x300, 0x36F), (0x5D0, 0x64A)),
    *(
        (0x2000, 0x206F),
        (0x4E00, 0x4E40),
        (0xFE00, 0xFE0F),
        (0xFF00, 0xFFEF),
        (0x1F600, 0x1F64F),
        (0xE0000, 0xE007F),
    ),
)


class Draw(random.Random):
    """What one case is made of."""

    def text(self, longest: int = 20) -> str:
        """A word of odd letters, without surrogates."""
        length = self.randint(0, longest)
        return "".join(chr(self.randint(*self.choice(ALPHABETS))) for _ in range(length))

    def odd(self) -> str:
        return self.choice(ODD_TEXTS)

    def number(self) -> float:
        """Any number, those that are none among them."""
        if self.random() < 0.5:
            return float(self.choice(ODD_NUMBERS))
        if self.random() < 0.5:
            return self.uniform(-10, 10)
        return float(struct.unpack("<d", self.randbytes(8))[0])

    def value(self, depth: int = 2) -> Any:
        """Something that JSON can hold, or nearly."""
        kind = self.randrange(8 if depth else 6)
        if kind == 0:
            return self.choice([None, True, False])
        if kind == 1:
            return self.choice([*ODD_NUMBERS, self.randint(-300, 300)])
        if kind == 2:
            return self.number()
        if kind == 3:
            return self.text()
        if kind in (4, 5):
            return self.odd()
        size = self.randint(0, 3)
        if kind == 6:
            return [self.value(depth - 1) for _ in range(size)]
        return {self.text(8): self.value(depth - 1) for _ in range(size)}

    def damaged(self, text: str) -> bytes:
        """The text's bytes with one to three injuries."""
        data = text.encode()
        for _ in range(self.randint(1, 3)):
            at = self.randint(0, max(0, len(data) - 1))
            kind = self.choice(["flip", "cut", "drop", "insert", "repeat", "value"])
            if kind == "flip" and data:
                data = data[:at] + bytes([data[at] ^ (1 << self.randrange(8))]) + data[at + 1 :]
            elif kind == "cut":
                data = data[:at]
            elif kind == "drop":
                data = data[:at] + data[at + self.randint(1, 40) :]
            elif kind == "repeat":
                end = at + self.randint(1, 60)
                data = data[:end] + data[at:end] + data[end:]
            else:
                odd = self.odd().encode("utf-8", "surrogatepass")
                # In place of what stands behind the next colon or comma, so that a value changes and not only syntax.
                after = max(data.find(b":", at), data.find(b",", at)) + 1 if kind == "value" else at
                end = data.find(b"\n", after) if kind == "value" else after
                data = data[:after] + b" " + odd + data[max(after, end) :]
        return data

    def altered(self, value: Any) -> Any:
        """A JSON value in which one or two places hold something else."""
        value = copy.deepcopy(value)
        for _ in range(self.randint(1, 2)):
            holder, key, inside = None, None, value
            while isinstance(inside, dict | list) and inside and (holder is None or self.randrange(4)):
                holder = inside
                key = self.choice(sorted(inside) if isinstance(inside, dict) else range(len(inside)))
                inside = inside[key]
            if holder is None:
                return self.value()
            if self.random() < 0.5:
                holder[key] = self.value()
            else:
                del holder[key]
        return value


def each(cases: int, check: Callable[[Draw], None]) -> None:
    """Does so many cases.

    Raises:
        AssertionError: names the case that failed.
    """
    for number in range(cases) if CASE is None else [int(CASE)]:
        try:
            check(Draw(f"{SEED} {check.__qualname__} {number}"))
        except BaseException as error:  # a panic of a Rust library is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            raise AssertionError(f"case {number} of seed {SEED}: {error!r:.2000}") from error


def enough(told: int, least: int) -> bool:
    """Whether so many cases came that far; one case alone need not."""
    return told >= least or CASE is not None


def clear(error: AsaBenchError) -> None:
    """One line that a terminal shows as it is, of a length that one reads."""
    text = str(error)
    assert text.strip()
    assert text.isprintable(), text
    assert len(text) < 3000, text[:3000]
