"""asa-bench: does a training method make an encoder generalize better and lean less on shortcuts?

The public Python interface is `run`, `evaluate`, `replay`, `compare`, `report`, `explain`, `gate` and `save_baseline`;
importing this package imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Results",
    "__version__",
    "compare",
    "evaluate",
    "explain",
    "gate",
    "replay",
    "report",
    "run",
    "save_baseline",
]

if TYPE_CHECKING:
    from asa_bench.api import Results, compare, evaluate, gate, replay, report, run, save_baseline
    from asa_bench.inside import explain


def __getattr__(name: str) -> Any:
    if name == "explain":
        from asa_bench import inside

        return inside.explain
    if name in {"Results", "compare", "evaluate", "gate", "replay", "report", "run", "save_baseline"}:
        from asa_bench import api

        return getattr(api, name)
    raise AttributeError(f"module 'asa_bench' has no attribute {name!r}")
