"""The gate: has robustness regressed? Records and a baseline that was committed, a policy, and one verdict a score."""

from __future__ import annotations

from asa_bench.gating.baseline import Baseline
from asa_bench.gating.decision import Decision, decide
from asa_bench.gating.policy import Policy
from asa_bench.gating.scores import Collected, collect

__all__ = ["Baseline", "Collected", "Decision", "Policy", "collect", "decide"]
