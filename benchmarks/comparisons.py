"""How long, and in how much memory, all pairs of 20 methods are compared on 30,000 examples and 5 seeds.

Run it from a checkout::

    python benchmarks/comparisons.py [--methods 20] [--examples 30000] [--seeds 5]

Right answers are drawn once; each design (independent examples, strata as HANS' subcases, clusters within them) then compares
every pair in one family, with Holm's adjustment, intervals and minimum detectable effects.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time

import numpy as np

from asa_bench.measures import Pair, compare_all


def main() -> None:
    """Prints a line per design."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", type=int, default=20)
    parser.add_argument("--examples", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    shared = generator.normal(size=options.examples)
    right = [
        shared + generator.normal(size=(options.seeds, options.examples)) > -0.8 - 0.01 * method
        for method in range(options.methods)
    ]
    strata = np.arange(options.examples) * 30 // options.examples
    clusters = np.arange(options.examples) // 10
    for name, design in {
        "independent": (None, None),
        "30 strata": (None, strata),
        "clusters of 10 within 30 strata": (clusters, strata),
    }.items():
        begun, work = time.perf_counter(), time.process_time()
        pairs = itertools.combinations(range(options.methods), 2)
        found = compare_all({pair: Pair(right[pair[0]], right[pair[1]], *design) for pair in pairs})
        print(
            f"{name:<32} {len(found)} comparisons  {time.perf_counter() - begun:6.1f} s elapsed  "
            f"{time.process_time() - work:6.1f} s of processor  "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:6.0f} MiB at most"
        )


if __name__ == "__main__":
    main()
