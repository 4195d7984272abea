"""Fails when the embedded main job's scores are not what the laboratory promises. Usage: floor.py OUTPUT_FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def means(folder: Path, table: str) -> dict[str, dict[str, tuple[float, int]]]:
    """Method -> column -> (mean, number of seeds), of the rows that are methods."""
    content = json.loads((folder / "tables" / f"{table}.json").read_text("utf-8"))
    keys = [column["key"] for column in content["columns"]]
    return {
        row["method"]: {
            key: (cell["mean"], cell["n_seeds"])
            for key, cell in zip(keys, row["cells"], strict=True)
            if cell["state"] == "value"
        }
        for row in content["rows"]
        if row["kind"] == "method"
    }


def main(folder: Path) -> int:
    """Prints every check; 1 if one fails."""
    failed = 0

    def check(what: str, value: float, low: float, high: float) -> None:
        nonlocal failed
        fine = low <= value <= high
        failed += not fine
        print(
            f"{'ok  ' if fine else 'FAIL'} {what}: {100 * value:.1f} (between {100 * low:.0f} and {100 * high:.0f})"
        )

    reliance, scores, attacks = (means(folder, name) for name in ("reliance", "main", "attacks"))
    for family in ("sentiment", "paraphrase", "inference"):
        check(f"naive, {family}, shortcut agrees", reliance["naive"][f"{family}/agrees"][0], 0.95, 1.0)
        check(f"naive, {family}, shortcut reversed", reliance["naive"][f"{family}/reversed"][0], 0.10, 0.90)
    for method in ("naive", "asa"):
        for key, (mean, seeds) in scores[method].items():
            if seeds < 3:
                failed += 1
                print(f"FAIL {method}, {key}: {seeds} seeds, 3 were asked for")
            if key.startswith("average/Generalization"):
                check(f"{method}, generalization", mean, 0.85, 1.0)
    if not attacks["naive"] or set(scores["naive"]) != set(scores["asa"]):
        failed += 1
        print("FAIL there are holes in the tables")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
