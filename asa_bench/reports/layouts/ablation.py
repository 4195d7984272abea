"""The table of ablations: every other method measured against ASA."""

from __future__ import annotations

from dataclasses import replace

from asa_bench.reports.gather import Gathered
from asa_bench.reports.layouts.main import summary
from asa_bench.reports.tables import Table

_WHOLE, _PLAIN = "asa", "naive"


def ablation(data: Gathered) -> Table | None:
    """The main table with ASA as what differences are taken against: what is lost, or won, without a part of it.

    None where nothing but naive training stands beside ASA: the main table tells that difference.
    """
    trained = {row.method for row in data.rows if not row.loaded}
    if _WHOLE not in trained or data.source.baseline == _WHOLE or not trained - {_WHOLE, _PLAIN}:
        return None
    return summary(
        Gathered(replace(data.source, baseline=_WHOLE)),
        "ablation",
        "what ASA owes to its parts, every method against it",
    )
