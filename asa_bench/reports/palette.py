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
