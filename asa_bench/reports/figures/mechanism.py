"""Several models' attention side by side, the adversary's mask over it, and under it what each word is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asa_bench.reports.explanation import Explanation, View
from asa_bench.reports.figures.canvas import plain_text, save, settings, shown
from asa_bench.reports.palette import AGAINST, FOR, GREY, SEQUENTIAL, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TOKEN, _LABELS, _BARS = 0.17, 1.0, 0.95  # inches: of a token, of the names beside, of the bars
_LEAST, _TITLE, _LETTERS = 2.2, 0.55, 11


def render(found: Explanation, form: str) -> bytes:
    """The picture as PDF or PNG.

    Colours of all models share one scale. A cross says that the adversary takes this attention away.

    Args:
        form: "pdf" or "png".
    """
    with settings():
        return save(_draw(found), form)


def _draw(found: Explanation) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    views = found.views
    side = max(_LEAST, max(len(view.tokens) for view in views) * _TOKEN)
    wide = len(views) * (side + _LABELS + 0.2) + 0.75
    high = _TITLE + side + _LABELS + _BARS + _LABELS
    figure = Figure(figsize=(wide, high), facecolor="white")
    colours = LinearSegmentedColormap.from_list("attention", SEQUENTIAL)
    most = max((max(map(max, view.attention)) for view in views if view.attention), default=1.0)
    scale = Normalize(0.0, most)
    reach = max((abs(value) for view in views for value in view.importances), default=0.0) or 1.0
    for place, view in enumerate(views):
        left = (0.15 + _LABELS + place * (side + _LABELS + 0.2)) / wide
        box = figure.add_axes((left, (high - _TITLE - side) / high, side / wide, side / high))
        image = _attention(box, view, colours, scale, found.layer)
        bars = figure.add_axes((left, _LABELS / high, side / wide, _BARS / high))
        _importances(bars, view, reach, first=place == 0)
        if place == 0 and view.attention is not None:
            box.set_ylabel("attends ...", fontsize=7)
            box.set_xlabel("... to", fontsize=7, labelpad=1)
        if image is not None and place == len(views) - 1:
            beside = figure.add_axes(
                (left + (side + 0.1) / wide, (high - _TITLE - side) / high, 0.09 / wide, side / high)
            )
            bar = figure.colorbar(image, cax=beside)
            bar.ax.tick_params(labelsize=6, width=0.5)
            bar.set_label("attention, mean over heads", fontsize=6.5)
        plain_text(box)
        plain_text(bars)
    return figure


def _attention(box: Axes, view: View, colours: Any, scale: Any, layer: int) -> Any:
    said = f"{shown(view.model)}: {shown(view.prediction)} ({view.probabilities[view.prediction]:.2f})"
    box.set_title(said, fontsize=9, fontweight="bold", pad=18)
    under = (
        f"layer {layer}"
        if view.kept is None
        else f"layer {layer}; × taken away, {100 * view.kept:.0f} % kept"
    )
    box.annotate(
        under,
        (0.5, 1.0),
        (0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=7,
        color="#404040",
    )
    if view.attention is None:
        box.set_axis_off()
        box.text(
            0.5, 0.5, shown(view.attention_missing, 44), transform=box.transAxes, ha="center", fontsize=6
        )
        return None
    image = box.imshow(view.attention, cmap=colours, norm=scale, aspect="auto", interpolation="nearest")
    names = [shown(token, _LETTERS) for token in view.tokens]
    box.set_xticks(range(len(names)), names, rotation=90, fontsize=6.5)
    box.set_yticks(range(len(names)), names, fontsize=6.5)
    box.tick_params(length=2, width=0.5)
    if view.mask is not None:
        gone = [(q, k) for q, row in enumerate(view.mask) for k, unit in enumerate(row) if not unit]
        if gone:
            queries, keys = zip(*gone, strict=True)
            box.scatter(keys, queries, marker="x", s=14, linewidths=0.8, color=VERMILLION)
    return image


def _importances(bars: Axes, view: View, reach: float, first: bool) -> None:
    """Bars of one scale in all models: up where the word speaks for the label, down where against it."""
    places = range(len(view.words))
    colours = [FOR if value >= 0 else AGAINST for value in view.importances]
    bars.bar(places, [100 * value for value in view.importances], color=colours, width=0.7)
    bars.axhline(0, color=GREY, linewidth=0.6)
    bars.set_xlim(-0.6, len(view.words) - 0.4)
    bars.set_ylim(-110 * reach, 110 * reach)
    bars.set_xticks(places, [shown(word, _LETTERS) for word in view.words], rotation=90, fontsize=6.5)
    bars.tick_params(length=2, width=0.5, axis="x")
    bars.tick_params(labelsize=6, length=2, width=0.5, axis="y")
    bars.set_title(f"fall of p({shown(view.label)}) without the word", fontsize=7, pad=3)
    if first:
        bars.set_ylabel("points", fontsize=7, labelpad=2)
