"""How long, and in how much memory, a report of 20 methods on 30,000 examples and 5 seeds tests its differences.

Run it from a checkout::

    python benchmarks/report_comparisons.py [--methods 20] [--examples 30000] [--seeds 5]

Unlike ``comparisons.py``, which measures the test alone, this starts from records as a report holds them: a HANS-like set with
three heuristics, thirty subcases, and texts of three lengths. It prints the time of making the records, and of all tables with
their tests.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import Evaluation, Subject
from asa_bench.tasks import TASKS


def records(methods: int, examples: int, seeds: int) -> ReportInput:
    """Predictions of every method and seed on the same examples."""
    task, generator = TASKS.get("hans"), np.random.default_rng(0)
    place = np.arange(examples)
    gold = np.where(place % 2 == 0, *task.labels)
    other = np.where(place % 2 == 0, *task.labels[::-1])
    common = {
        "id": np.array([f"ex{i}" for i in place], dtype=object),
        "text_hash": np.array([f"{i:016x}" for i in place], dtype=object),
        "heuristic": np.array(["lexical_overlap", "subsequence", "constituent"], dtype=object)[place % 3],
        "subcase": np.array([f"subcase {i}" for i in range(30)], dtype=object)[place * 30 // examples],
        "label": gold.astype(object),
        "word_count": 5 + place % 30,
    }
    shared = generator.normal(size=examples)
    made = []
    for method in range(methods):
        name = "naive" if method == 0 else f"method{method}"
        for seed in range(seeds):
            right = shared + generator.normal(size=examples) > -0.8 - 0.01 * method
            rows = pd.DataFrame({**common, "prediction": np.where(right, gold, other).astype(object)})
            rows["logits"] = list(np.zeros((examples, 3), np.float32))
            subject = Subject("encoder", name, name, False, "mnli", seed)
            made.append(Evaluation(subject, task, "evaluation", "f", rows))
    return ReportInput("s", "S", "p", tuple(made))


def main() -> None:
    """Prints a line per step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", type=int, default=20)
    parser.add_argument("--examples", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    begun = _clocks()
    source = records(options.methods, options.examples, options.seeds)
    _tell("records made", begun, 0)
    for names in (("main",), ("hans",), ("slices",), None):
        begun = _clocks()
        tables = build_tables(source, names)
        tests = sum(
            cell.comparison is not None for table in tables for row in table.rows for cell in row.cells
        )
        _tell(" ".join(names or ("all tables",)), begun, tests)


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _tell(what: str, begun: tuple[float, float], tests: int) -> None:
    elapsed, processor = (now - then for now, then in zip(_clocks(), begun, strict=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what:<14} {tests:5} tests  {elapsed:6.1f} s elapsed  {processor:6.1f} s of a processor  {memory:6.0f} MiB at most",
        flush=True,
    )


if __name__ == "__main__":
    main()
