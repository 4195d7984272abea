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
from asa_bench.measures.agreement import Agreement, agreement
from asa_bench.measures.attacks import (
    UNDECIDED,
    AttackMeasures,
    Disagreement,
    attack_measures,
    disagreement,
    robust_at,
    robust_by_budget,
)
from asa_bench.measures.behaviour import failure_rates
from asa_bench.measures.bootstrap import BootstrapInterval, bootstrap_interval, resampled_totals
from asa_bench.measures.calibration import (
    Calibration,
    RiskCoverage,
    Temperature,
    calibration,
    calibration_error,
    calibration_error_values,
    fit_temperature,
    risk_coverage,
    risk_coverage_values,
    softmax,
)
from asa_bench.measures.choosing import Pair
from asa_bench.measures.combining import Combination, Part
from asa_bench.measures.comparison import Comparison, compare, compare_all
from asa_bench.measures.components import Component, VarianceSplit, variance_split
from asa_bench.measures.crossed import CrossedMean, crossed_mean, difference_of_means
from asa_bench.measures.flags import Flag
from asa_bench.measures.linearized import (
    f1_values,
    matthews_values,
    pearson_values,
    ratio_values,
    spearman_values,
)
from asa_bench.measures.margin import AgainstMargin, against_margins, findings
from asa_bench.measures.multiple import Holm, holm
from asa_bench.measures.paired import (
    FlipOdds,
    exact_interval,
    flip_odds,
    mcnemar_p,
    score_interval,
)
from asa_bench.measures.power import mcnemar_detectable, mcnemar_power, t_detectable, t_power
from asa_bench.measures.quality import Change, change, gated, gated_robust, within
from asa_bench.measures.sampling import clusters_of
from asa_bench.measures.scores import METRICS, Metric, Scored
from asa_bench.measures.seeds import Summary, paired_differences, summarize, t_interval, wilson_interval
from asa_bench.measures.shares import Share, share

__all__ = [
    "HANS_CELLS",
    "METRICS",
    "UNDECIDED",
    "AgainstMargin",
    "Agreement",
    "AttackMeasures",
    "BootstrapInterval",
    "Calibration",
    "Change",
    "Combination",
    "Comparison",
    "Component",
    "CrossedMean",
    "Disagreement",
    "Flag",
    "FlipOdds",
    "Holm",
    "Metric",
    "Pair",
    "Part",
    "Proportion",
    "RiskCoverage",
    "Scored",
    "Share",
    "Summary",
    "Temperature",
    "VarianceSplit",
    "accuracy",
    "against_margins",
    "agreement",
    "attack_measures",
    "bootstrap_interval",
    "calibration",
    "calibration_error",
    "calibration_error_values",
    "change",
    "clusters_of",
    "compare",
    "compare_all",
    "crossed_mean",
    "difference_of_means",
    "disagreement",
    "exact_interval",
    "f1",
    "f1_values",
    "failure_rates",
    "findings",
    "fit_temperature",
    "flip_odds",
    "gated",
    "gated_robust",
    "hans_cells",
    "holm",
    "macro_average",
    "matthews_values",
    "mcnemar_detectable",
    "mcnemar_p",
    "mcnemar_power",
    "paired_differences",
    "pearson_values",
    "precision_recall_area",
    "ratio_values",
    "resampled_totals",
    "risk_coverage",
    "risk_coverage_values",
    "robust_at",
    "robust_by_budget",
    "score_interval",
    "share",
    "shortcut_reliance",
    "slice_accuracies",
    "softmax",
    "spearman_values",
    "summarize",
    "t_detectable",
    "t_interval",
    "t_power",
    "variance_split",
    "wilson_interval",
    "within",
]
