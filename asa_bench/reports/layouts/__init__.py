"""The tables of a report, a file for each or for a few that belong together; a new one is added to `LAYOUTS`."""

from __future__ import annotations

from collections.abc import Callable

from asa_bench.errors import BadInput, nearest
from asa_bench.reports.gather import Gathered
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts.ablation import ablation
from asa_bench.reports.layouts.attacks import attacks
from asa_bench.reports.layouts.budget import budget
from asa_bench.reports.layouts.calibration import calibration_table
from asa_bench.reports.layouts.challenges import advglue, hans, reliance
from asa_bench.reports.layouts.comparisons import comparisons
from asa_bench.reports.layouts.keywords import keywords, shortcut_word
from asa_bench.reports.layouts.main import main
from asa_bench.reports.layouts.metrics import metrics
from asa_bench.reports.layouts.overlap import overlap
from asa_bench.reports.layouts.paper import paper
from asa_bench.reports.layouts.pretraining import pretraining
from asa_bench.reports.layouts.quality import quality
from asa_bench.reports.layouts.replays import replays
from asa_bench.reports.layouts.slices import attack_slices, slices
from asa_bench.reports.layouts.training import training
from asa_bench.reports.layouts.transfer import transfer
from asa_bench.reports.layouts.variance import variance
from asa_bench.reports.tables import Table

#: Name -> what makes the table, or None where the records hold nothing for it; in the order of a report.
LAYOUTS: dict[str, Callable[[Gathered], Table | None]] = {
    "main": main,
    "comparisons": comparisons,
    "variance": variance,
    "ablation": ablation,
    "paper": paper,
    "pretraining": pretraining,
    "reliance": reliance,
    "keywords": keywords,
    "shortcut_word": shortcut_word,
    "hans": hans,
    "advglue": advglue,
    "metrics": metrics,
    "attacks": attacks,
    "calibration": calibration_table,
    "quality": quality,
    "budget": budget,
    "transfer": transfer,
    "replays": replays,
    "slices": slices,
    "attack_slices": attack_slices,
    "training": training,
    "overlap": overlap,
}


def build_tables(source: ReportInput | Gathered, names: tuple[str, ...] | None = None) -> list[Table]:
    """The tables of a report, in the order of `LAYOUTS`; those without content are left out.

    Raises:
        BadInput: no such layout, or records that cannot stand in one table.
    """
    for name in names or ():
        if name not in LAYOUTS:
            raise BadInput(f"unknown table layout {name!r}; {nearest(name, LAYOUTS)}")
    data = source if isinstance(source, Gathered) else Gathered(source)
    made = [
        data.table(name, function) for name, function in LAYOUTS.items() if names is None or name in names
    ]
    return [table for table in made if table is not None]


def chosen(data: Gathered, names: tuple[str, ...]) -> list[Table]:
    """The tables of these layouts; all that there are if none is named.

    Raises:
        BadInput: no such layout, or the records hold nothing for one that is named.
    """
    found = build_tables(data, names or None)
    empty = [name for name in names if name not in {table.name for table in found}]
    if empty:
        known = ", ".join(table.name for table in build_tables(data)) or "none"
        raise BadInput(f"layout {empty[0]!r}: the records hold nothing for it; there is {known}")
    return found
