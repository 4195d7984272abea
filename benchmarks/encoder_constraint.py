"""How often the sentence encoder of ``textfooler+neighbours+sbert`` rejects a candidate that the other constraints let pass.

    python benchmarks/encoder_constraint.py --data-dir DATA [--encoder FOLDER] [--task sst2] [--examples 60]

DATA has the task's rows, `nltk_data/` and `counterfitting/`; the encoder is its `sentence_encoder/`, or FOLDER. No victim is
asked: of every text each word is replaced by each of its neighbours in turn, which are the candidates of a search's first
step, and later steps compare a candidate with the text before it in the same way.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from asa_bench import provenance
from asa_bench.attacks import ATTACKS, adapter, library
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source, choose
from asa_bench.tasks.loading import load

ATTACK = "textfooler+neighbours+sbert"
QUANTILES = (1, 5, 25, 50)


def similarities(data_dir: Path, texts: list[str]) -> tuple[list[np.ndarray], float, int]:
    """Per text the angular similarity of every candidate, (candidates,); the threshold; words of a window.

    Texts shorter than a window come with NaN: the constraint lets all of their candidates pass and asks nobody.
    """
    attack = ATTACKS.get(ATTACK)
    built = adapter.build(attack, adapter.VictimWrapper(None, np.arange(2), data_dir=data_dir))
    encoder = built.constraints.pop()
    with library.offline_nltk(False, data_dir, attack.needs):
        found = [_of_one(built, encoder, text) for text in texts]
    return found, float(encoder.threshold), int(encoder.window_size)


def _of_one(built: Any, encoder: Any, text: str) -> np.ndarray:
    original = adapter.textattack.shared.AttackedText(text)
    candidates = built.get_transformations(original, original)
    if len(original.words) < encoder.window_size or not candidates:
        return np.full(len(candidates), np.nan)
    scores: np.ndarray = encoder._score_list(original, candidates).numpy().astype(np.float64)
    return scores


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--task", default="sst2")
    parser.add_argument("--examples", type=int, default=60)
    given = parser.parse_args()
    task = TASKS.get(given.task)
    source = Source(kind="folder", root=given.data_dir)
    rows = choose(load(task, task.evaluation_split, source).frame, task.columns, given.examples, "attack")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.data_dir
        if given.encoder is not None:
            folder = Path(temporary)
            for name in ("nltk_data", "counterfitting"):
                (folder / name).symlink_to((given.data_dir / name).resolve())
            (folder / "sentence_encoder").symlink_to(given.encoder.resolve())
        title = (folder / "sentence_encoder").resolve().name
        found, threshold, window = similarities(folder, rows[task.attack_column].tolist())
    every = np.concatenate(found)
    asked = every[~np.isnan(every)]
    short = sum(bool(np.isnan(each).all()) for each in found)
    cosines = np.cos((1 - asked) * np.pi)
    machine = provenance.machine()
    print(
        f"`{ATTACK}` with {title} on {len(found)} examples of {task.title}: {machine['processor']}, "
        f"{machine['processors']} processors, Python {platform.python_version()}, torch {provenance.versions()['torch']}.\n"
    )
    lines = {
        f"examples of fewer than {window} words, of which nobody is asked": f"{short} of {len(found)}",
        "candidates that the other constraints let pass": f"{len(every):,}",
        "of these, the encoder was asked about": f"{len(asked):,}",
        f"rejected (angular similarity below {threshold:.4f}, cosine {np.cos((1 - threshold) * np.pi):.3f})": (
            f"{np.mean(asked < threshold):.1%} of those asked about, {np.sum(asked < threshold) / len(every):.1%} of all"
        ),
        f"cosine at quantiles {', '.join(f'{one} %' for one in QUANTILES)}": ", ".join(
            f"{value:.3f}" for value in np.percentile(cosines, QUANTILES)
        ),
    }
    print("| | |\n| --- | --- |")
    for name, value in lines.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
