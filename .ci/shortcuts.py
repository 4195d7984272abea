"""Fails when the laboratory's shortcuts are not there to be leaned upon, which no gate on scores tells.

Usage: shortcuts.py OUTPUT_FOLDER, of the embedded main job.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FAMILIES = ("sentiment", "paraphrase", "inference")
#: Percent of naive training: nearly all where the shortcut agrees, clearly less where it is reversed.
BOUNDS = {"agrees": (95, 100), "reversed": (10, 90)}


def main(folder: Path) -> int:
    """Prints every check; 1 if one fails."""
    content = json.loads((folder / "tables" / "reliance.json").read_text("utf-8"))
    keys = [column["key"] for column in content["columns"]]
    (naive,) = [row for row in content["rows"] if row["kind"] == "method" and row["method"] == "naive"]
    means = {key: cell["mean"] for key, cell in zip(keys, naive["cells"], strict=True)}
    failed = 0
    for family in FAMILIES:
        for side, (low, high) in BOUNDS.items():
            value = 100 * means[f"{family}/{side}"]
            fine = low <= value <= high
            failed += not fine
            print(
                f"{'ok  ' if fine else 'FAIL'} {family}, shortcut {side}: {value:.1f} (between {low} and {high})"
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
