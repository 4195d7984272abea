"""The colours of every picture, told apart by colour-blind readers as well: one place for figures and pages.

Source: Okabe and Ito 2008, "Color Universal Design", https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8C8C8C"

#: Of weights from none to all: the paper, then ever darker.
SEQUENTIAL = ("#FFFFFF", SKY_BLUE, BLUE, "#00304D")
#: What speaks for a prediction, and what against it.
FOR, AGAINST = BLUE, VERMILLION

#: A method's colour by its number, on paper and on a dark ground: Okabe and Ito's, darkened or lightened to be read.
METHODS = ("#4D5562", BLUE, VERMILLION, GREEN, "#B2568F", "#B07800", "#3A8FC2")
METHODS_ON_DARK = ("#AEB6C2", SKY_BLUE, "#FF8A3D", "#2FCF9F", "#DD91BF", "#E6A91F", "#8CCBF0")
#: A method's mark and dashes by its number modulo four: circle, diamond, square, triangle.
MARKS = ("circle", "diamond", "square", "triangle")
DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 3), (9, 3, 2, 3))
#: Shares from 0 to 1 in tenths, after matplotlib's viridis, and the ink that is read on each.
SHADES = (
    *(
        "#440154",
        "#482878",
        "#3E4A89",
        "#31688E",
        "#26728E",
        "#1F8A8C",
        "#29AF7F",
        "#6CCD5A",
        "#B4DE2C",
        "#FDE725",
    ),
)
INKS = (*("#FFFFFF",) * 5, *("#000000",) * 5)


def shade_of(share: float) -> int:
    """The place of a share in `SHADES`."""
    return int(min(max(share, 0.0), 0.999) * 10)


def css() -> str:
    """The colours as the page's style uses them: `--c0` and so on, `.h0` and so on, `.d0` and so on."""
    light, dark = (
        " ".join(f"--c{at}: {colour};" for at, colour in enumerate(colours))
        for colours in (METHODS, METHODS_ON_DARK)
    )
    lines = [
        f":root {{ {light} }}",
        f':root[data-theme="dark"] {{ {dark} }}',
        f'@media (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ {dark} }} }}',
        f'@media print {{ :root, :root[data-theme="dark"] {{ {light} }} }}',
    ]
    lines += [
        f".d{at} {{ stroke-dasharray: {' '.join(map(str, dash))}; }}"
        for at, dash in enumerate(DASHES)
        if dash
    ]
    pairs = zip(SHADES, INKS, strict=True)
    lines += [f".h{at} {{ background: {shade}; color: {ink}; }}" for at, (shade, ink) in enumerate(pairs)]
    return "\n".join(lines) + "\n"
