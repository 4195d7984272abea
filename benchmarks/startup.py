"""How long the first commands take, over the time of importing textattack alone.

Run it from a checkout, on an otherwise quiet machine::

    python benchmarks/startup.py [--rounds 7]

Every round runs each command once, one after the other, as processes of their own, so that a slow moment of the machine
meets all of them. Printed are medians, quartiles and the ratio of medians. textattack is imported as asa-bench does
it, without its downloads, and without what asa-bench itself imports before.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import textattack": "from asa_bench.attacks.library import load_textattack; load_textattack()",
    "asa-bench --help": "from asa_bench.cli import main; main(['--help'])",
    "asa-bench list suites": "from asa_bench.cli import main; main(['list', 'suites'])",
    "asa-bench plan": "from asa_bench.cli import main; main(['plan'])",
}


def seconds(program: str) -> float:
    """Elapsed seconds of one fresh interpreter that runs `program`."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for program in COMMANDS.values():  # files come into the disk cache
        seconds(program)
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, program in COMMANDS.items():
            taken[name].append(seconds(program))
    base = statistics.median(taken["import textattack"])
    for name, times in taken.items():
        low, middle, high = statistics.quantiles(times, n=4)
        print(
            f"{name:<24} {middle:6.2f} s ({low:.2f} to {high:.2f})   1/{base / middle:.0f} of import textattack"
        )


if __name__ == "__main__":
    main()
