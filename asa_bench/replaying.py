"""Replaying: faces a model with stored adversarial sets. That is evaluating only; it knows no attack library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.adversarial_sets import AdversarialSet, check_task
from asa_bench.attacks.labels import label_groups, probabilities
from asa_bench.measures import Share, share

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from asa_bench.judging import Judged
    from asa_bench.tasks.base import Task
    from asa_bench.victims import Victim

_PART = 1024  # texts asked at once, which bounds the memory and paces the progress

# Columns of a replay's rows.
COLUMNS = ("id", "text_hash", "label", "status", "prediction", "perturbed_prediction", "outcome")


@dataclass(frozen=True)
class Replay:
    """What became of one model before one adversarial set.

    Attributes:
        rows: one row per example of the set, in its order: `COLUMNS`. ``status`` is what became of it in the attack;
            ``outcome`` what becomes of it here:

            - ``wrong``: the model is wrong about the original text;
            - ``fooled``: it is right about the original and wrong about the perturbed text;
            - ``robust``: it is right about both, or about the original where the attack found no perturbation;
            - ``unknown``: the attack's search broke off (``errored``, ``timed_out``), and the model is right about the
              original: there is no text to face, and surviving nothing is no robustness.

            ``perturbed_prediction`` is "" where there is no perturbed text.
        judged: how good the perturbed texts are, if that was measured.
    """

    source: AdversarialSet
    rows: pd.DataFrame
    judged: Judged | None = None

    def count(self, *outcomes: str) -> int:
        """How many examples ended so."""
        return int(self.rows["outcome"].isin(outcomes).sum())

    @property
    def clean(self) -> Share:
        """Accuracy on the original texts, over all ids."""
        return share((self.rows["outcome"] != "wrong").to_numpy(dtype=bool))

    @property
    def robust(self) -> Share:
        """Robust accuracy: outcome ``robust``, over all ids."""
        return share((self.rows["outcome"] == "robust").to_numpy(dtype=bool))

    @property
    def gated(self) -> Share | None:
        """Robust accuracy where being fooled counts only if the perturbed text passes the quality gate; None: not judged."""
        survives = self.survives(by_gate=True)
        return None if survives is None else share(survives)

    def survives(self, by_gate: bool = False) -> NDArray[np.bool_] | None:
        """(examples,) outcome ``robust``, or, by the gate, also ``fooled`` by a text that does not pass it.

        None where the gate is asked for and nothing was judged.
        """
        outcome = self.rows["outcome"].to_numpy(object)
        robust = np.asarray(outcome == "robust", dtype=np.bool_)
        if not by_gate:
            return robust
        return None if self.judged is None else robust | ((outcome == "fooled") & ~self.judged.passes)

    @property
    def transfer(self) -> Share | None:
        """Fooled, over the ids with a perturbed text whose original the model gets right; None where there is none."""
        faced = self.rows[(self.rows["status"] == "successful") & (self.rows["outcome"] != "wrong")]
        return share((faced["outcome"] == "fooled").to_numpy(dtype=bool)) if len(faced) else None

    def to_json(self) -> dict[str, Any]:
        """As plain dictionaries, lists and numbers, every example included."""
        return {
            "set": {
                "address": self.source.address,
                "title": self.source.title,
                **self.source.header.model_dump(mode="json"),
            },
            "examples": len(self.rows),
            "clean_accuracy": asdict(self.clean),
            "robust_accuracy": asdict(self.robust),
            "gated_robust_accuracy": None if self.gated is None else asdict(self.gated),
            "quality": None if self.judged is None else self.judged.to_json(),
            "transfer_rate": None if self.transfer is None else asdict(self.transfer),
            "outcomes": {name: self.count(name) for name in ("robust", "fooled", "wrong", "unknown")},
            "rows": self.rows.to_dict(orient="records"),
        }


def replay(
    found: AdversarialSet,
    victim: Victim,
    task: Task,
    progress: Callable[[int, int], None] | None = None,
    judged: Judged | None = None,
) -> Replay:
    """Faces `victim` with an adversarial set: every original and every perturbed text once.

    The model's logits depend on each text alone (`Victim.steady_logits`), as they did in the search. So a replay of the
    model that was attacked, on the same machine with as many threads, gives its robust accuracy exactly.

    Args:
        found: the set.
        victim: whom it faces; its labels are mapped to the task's as an attack maps them.
        task: the task that the set was made of.
        progress: called with (texts asked, all texts).
        judged: the quality of the set's texts, if it was measured; it changes no outcome.

    Raises:
        BadInput: the set is of another task, or the victim's labels are not the task's.
    """
    import pandas as pd

    check_task(found, task)
    groups = label_groups(victim.labels, task)
    originals = [example.original for example in found.examples]
    perturbed = [example.perturbed for example in found.examples if example.perturbed]
    texts = list(dict.fromkeys([*originals, *perturbed]))
    # Texts of like length share passes.
    texts.sort(key=lambda text: sum(map(len, text)))
    said: dict[tuple[str, ...], str] = {}
    for start in range(0, len(texts), _PART):
        part = texts[start : start + _PART]
        best = probabilities(victim.steady_logits(part), groups).argmax(axis=1)
        said.update(zip(part, (task.labels[int(index)] for index in best), strict=True))
        if progress is not None:
            progress(len(said), len(texts))
    rows = []
    for example in found.examples:
        clean = said[example.original]
        faced = said[example.perturbed] if example.perturbed else ""
        if clean != example.label:
            outcome = "wrong"
        elif example.status in ("errored", "timed_out"):
            outcome = "unknown"
        else:
            outcome = "fooled" if faced and faced != example.label else "robust"
        rows.append(
            (example.id, example.text_hash, example.label, example.status, clean, faced, outcome),
        )
    return Replay(found, pd.DataFrame.from_records(rows, columns=list(COLUMNS)), judged)


def worst_case(replays: Sequence[Replay], by_gate: bool = False) -> Share:
    """Robust accuracy over several sets of the same ids: an example must survive every one.

    Args:
        by_gate: being fooled counts only if the text passes the quality gate.

    Raises:
        ValueError: there are no replays, their ids or texts differ, or a gate is asked for and a set was not judged.
    """
    if not replays:
        raise ValueError("there is nothing to take the worst case of")
    keys = [tuple(zip(one.rows["id"], one.rows["text_hash"], strict=True)) for one in replays]
    if any(sorted(key) != sorted(keys[0]) for key in keys):
        raise ValueError("the sets are of different examples; a worst case needs the same ids in all of them")
    survived = []
    for one in replays:
        survives = one.survives(by_gate)
        if survives is None:
            raise ValueError("the quality of a set was not judged")
        survived.append(set(one.rows["id"][survives]))
    everywhere = set.intersection(*survived)
    return share(replays[0].rows["id"].isin(everywhere).to_numpy(dtype=bool))
