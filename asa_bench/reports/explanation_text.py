"""An explanation as plain text for a terminal of 80 columns."""

from __future__ import annotations

from rich.cells import cell_len

from asa_bench.reports.explanation import Explanation, View
from asa_bench.reports.tables import format_number
from asa_bench.reports.text import shorten

_WORD = 28


def render(found: Explanation) -> str:
    """One block per model: a line per word with its worth, the attention it receives, and how much the mask leaves."""
    return "\n\n".join("\n".join(_block(view, found.layer)) for view in found.views)


def _block(view: View, layer: int) -> list[str]:
    name, prediction = _fitting(view.model), _fitting(view.prediction)
    lines = [f"{name}: {prediction} ({view.probabilities[view.prediction]:.3f}), layer {layer}"]
    lines.append(f"  fall: of p('{_fitting(view.label)}') without the word, in points")
    received, kept = view.received(), _kept(view)
    head = f"  {'':<{_WORD}}{'fall':>8}{'attention':>12}" + (f"{'kept':>9}" if kept else "")
    lines.append(head)
    for at, word in enumerate(view.words):
        shown = _fitting(word)
        line = f"  {shown}{' ' * (_WORD - cell_len(shown))}{format_number(view.importances[at], 'points'):>8}"
        line += f"{'n/a' if received is None else f'{100 * received[at]:.1f} %':>12}"
        lines.append(line + (f"{100 * kept[at]:.0f} %".rjust(9) if kept else ""))
    if view.kept is not None:
        lines.append(f"  The adversary keeps {100 * view.kept:.0f} % of the layer's attention.")
    reasons = (("No attention", view.attention_missing), ("No mask", view.mask_missing))
    lines += [f"  {what}: {_fitting(reason, 64)}" for what, reason in reasons if reason]
    return lines


def _fitting(text: str, width: int = _WORD - 1) -> str:
    """The text in at most `width` columns, of which some letters take two."""
    shown = shorten(text, width)
    return shown if cell_len(shown) <= width else shorten(text, width // 2)


def _kept(view: View) -> list[float]:
    """(words,) the share of the attention to each word's tokens that the mask leaves; [] without a mask."""
    if view.mask is None:
        return []
    found = []
    for place in range(len(view.words)):
        keys = [key for key, owner in enumerate(view.owners) if owner == place]
        units = [row[key] for row in view.mask for key in keys]
        found.append(sum(units) / len(units))
    return found
