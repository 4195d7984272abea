"""What all figures share: a font that comes with matplotlib, text that is shown as it is, bytes without a clock."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput
from asa_bench.reports.text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png")
_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so no machine's own fonts decide
    "font.size": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,  # TrueType: submission systems refuse Type 3
    "text.usetex": False,
}


def settings() -> Any:
    """A context in which figures look alike, whatever the user's own matplotlibrc says."""
    import matplotlib

    rules: dict[Any, Any] = {**matplotlib.rcParamsDefault, **_SETTINGS, "backend": "agg"}
    return matplotlib.rc_context(rules)


def save(figure: Figure, form: str) -> bytes:
    """The figure as a file of one of `FORMATS`; call it within `settings`.

    Raises:
        BadInput: another format.
    """
    if form not in FORMATS:
        raise BadInput(f"a figure cannot be written as {form!r}; known: {', '.join(FORMATS)}")
    metadata = (
        {"CreationDate": None, "Producer": None, "Creator": None} if form == "pdf" else {"Software": None}
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=200, metadata=metadata)
    return buffer.getvalue()


def shown(text: str, width: int = 24) -> str:
    """`text` on one line, short, and with every character that the font lacks spelled as its code point."""
    drawable = _drawable()
    spelled = "".join(c if ord(c) in drawable else f"[U+{ord(c):04X}]" for c in shorten(text, width))
    return shorten(spelled, width)


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def plain_text(axes: Axes) -> None:
    """Takes every text of the axes as it is: a '$' begins no formula."""
    from matplotlib.text import Text

    for text in axes.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
