"""Cells around adversarial texts: attack, replay what was found, judge its quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench import provenance
from asa_bench.attacks import ATTACKS, described, precision_of, recipe_of
from asa_bench.attacks.base import BF16_STATUS, FLOAT32_STATUS, AttackOptions
from asa_bench.cell import Cell
from asa_bench.errors import StoreError
from asa_bench.kinds.common import (
    Outcome,
    Progress,
    asked,
    chosen,
    data_result,
    seen_in_training,
    temperature_of,
)
from asa_bench.measures import disagreement
from asa_bench.record import Record
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import TaskData

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.models.fluency import MaskedScorer
    from asa_bench.models.similarity import SentenceEncoder


def attack_examples(cell: Cell, waits: Mapping[str, Record], progress: Progress, partial: Any) -> Outcome:
    data, frame = attacked(cell, waits, progress, partial)
    name = cell.spec["attack"]
    attack = described(name)
    result = {
        **data_result(data, len(frame)),
        **({"temperature": temperature_of(waits)} if attack.raw else {}),
        "task": TASKS.get(cell.spec["task"]).model_dump(mode="json"),
        "attack": attack.model_dump(mode="json"),
        "recipe": recipe(cell),
        **(
            {"bf16": asdict(disagreement(frame["status"], frame[BF16_STATUS], frame.get(FLOAT32_STATUS)))}
            if BF16_STATUS in frame
            else {}
        ),
    }
    return Outcome(frame, result)


def recipe(cell: Cell) -> dict[str, Any]:
    """What the recipe of an attack's cell turns out to be when it is built; the same whoever is asked and however precisely.

    Raises:
        Unavailable: a resource that it loads is not here.
        BadInput: a resource is not what it should be.
    """
    from asa_bench.attacks import engine

    return engine.resolve(recipe_of(cell.spec["attack"]), cell.context["source"].attack_files)


def attacked(
    cell: Cell, waits: Mapping[str, Record], progress: Progress, partial: Any, part: int = 0, parts: int = 1
) -> tuple[TaskData, pd.DataFrame]:
    """The data of an attack's cell, and its outcomes on every `parts`-th example, in order of ids."""
    from asa_bench.attacks import engine
    from asa_bench.attacks.journal import Journal

    task, data, rows = chosen(cell, cell.spec["split"], "attack")
    name = cell.spec["attack"]
    told = {**cell.spec["attack_options"], "lanes": cell.context["lanes"]}
    told["search_precision"] = precision_of(name)
    frame = engine.attack_rows(
        recipe_of(name),
        asked(cell, waits),
        task,
        rows.iloc[part::parts],
        seed=cell.spec["attack_seed"],
        options=AttackOptions(**told),
        data_dir=cell.context["source"].attack_files,
        progress=progress,
        journal=Journal(partial, _circumstances(), f"{part}-of-{parts}" if parts > 1 else ""),
        temperature=temperature_of(waits),
    )
    return data, frame.sort_values(["id"], kind="stable", ignore_index=True)


def _circumstances() -> dict[str, Any]:
    """What outcomes of an attack may depend on beside its address; half an attack from another place is not continued."""
    return {
        "packages": dict(provenance.versions()),
        "git": dict(provenance.git_state()),
        "machine": dict(provenance.machine()),
    }


def replay(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    from asa_bench import adversarial_sets, replaying

    if "set" not in waits:
        return _replay_stored(cell, waits, progress)
    source = waits["set"]
    found = adversarial_sets.of_record(source)
    victim = asked(cell, waits)
    replayed = replaying.replay(found, victim, TASKS.get(cell.spec["task"]), progress)
    frame = replayed.rows.sort_values(["id"], kind="stable", ignore_index=True)
    made = source.manifest["result"]
    kept = {name: made[name] for name in ("fingerprint", "origin", "task", "attack", "recipe")}
    return Outcome(frame, {**kept, "examples": len(frame), "set": found.address})


def _replay_stored(cell: Cell, waits: Mapping[str, Record], progress: Progress) -> Outcome:
    """Face a set that was read from a file; the rows keep the texts that fooled the model, since no other record has them."""
    import json

    from asa_bench import adversarial_sets, judging, quality, replaying

    found = adversarial_sets.read(Path(cell.context["set"]))
    if found.address != cell.reads["set"]:
        raise StoreError(f"{cell.context['set']}: was exchanged after the run began; run again")
    task, header = TASKS.get(cell.spec["task"]), found.header
    replayed = replaying.replay(found, asked(cell, waits), task, progress)
    fooled = replayed.rows["outcome"] == "fooled"
    measured = judging.measure(found, *judging_models(cell, waits.get("encoder")))
    frame = replayed.rows.assign(
        **{name: measured[name] for name in (*judging.COUNTS, *judging.NUMBERS)},
        perturbed=[
            json.dumps(example.perturbed) if hit else ""
            for example, hit in zip(found.examples, fooled, strict=True)
        ],
    ).sort_values(["id"], kind="stable", ignore_index=True)
    attack = ATTACKS.get(header.attack).title if header.attack in ATTACKS else header.attack
    result = {
        "fingerprint": header.fingerprint,
        "task": task.model_dump(mode="json"),
        "attack": attack,
        "recipe": header.recipe,
        "examples": len(frame),
        "set": found.address,
        "judges": quality.describe(cell.spec["similarity"], cell.spec["fluency"]),
        **seen_in_training(waits, frame["text_hash"].tolist()),
    }
    return Outcome(frame, result)


def judge_quality(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    from asa_bench import adversarial_sets, judging, quality

    source, spec = waits["set"], cell.spec
    encoder, scorer = judging_models(cell, waits.get("encoder"))
    frame = judging.measure(adversarial_sets.of_record(source), encoder, scorer, progress)
    made = source.manifest["result"]
    kept = {name: made[name] for name in ("fingerprint", "origin", "task", "attack", "recipe")}
    judges = quality.describe(spec["similarity"], spec["fluency"])
    rows = frame.sort_values(["id"], kind="stable", ignore_index=True)
    return Outcome(rows, {**kept, "examples": len(frame), "judges": judges})


def judging_models(cell: Cell, own: Record | None) -> tuple[SentenceEncoder | None, MaskedScorer | None]:
    """The models that measure similarity and fluency; each is None where it is not asked for.

    Args:
        own: the laboratory's pre-training, where it serves as one of them.
    """
    from asa_bench import judging

    places = {name: cell.context[name] for name in judging.ROLES if name in cell.context}
    if own is not None:
        kept = {"similarity": own.model_folder(), "fluency": own.masked_folder()}
        for name in judging.ROLES:
            if cell.spec[name] is not None:
                places.setdefault(name, (str(kept[name]), None))
    return judging.load(places, cell.spec["device"])
