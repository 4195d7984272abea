"""Measures: pure functions from arrays to numbers. No torch, no files, no tables; randomness is passed in."""

from __future__ import annotations

from asa_bench.measures.accuracy import (
    HANS_CELLS,
    Proportion,
    accuracy,
    f1,
    hans_cells,
    macro_average,
    precision_recall_area,
    shortcut_reliance,
    slice_accuracies,
)
from asa_bench.measures.attacks import AttackMeasures, attack_measures
from asa_bench.measures.behaviour import failure_rates
from asa_bench.measures.paired import McNemar, mcnemar
from asa_bench.measures.scores import METRICS, Metric, Scored
from asa_bench.measures.seeds import Summary, paired_differences, summarize, t_interval, wilson_interval

__all__ = [
    "HANS_CELLS",
    "METRICS",
    "AttackMeasures",
    "McNemar",
    "Metric",
    "Proportion",
    "Scored",
    "Summary",
    "accuracy",
    "attack_measures",
    "f1",
    "failure_rates",
    "hans_cells",
    "macro_average",
    "mcnemar",
    "paired_differences",
    "precision_recall_area",
    "shortcut_reliance",
    "slice_accuracies",
    "summarize",
    "t_interval",
    "wilson_interval",
]
