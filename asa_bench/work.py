"""Does the work of one cell and records it. All it needs is in the cell and the store; `kinds/` knows each kind."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asa_bench import memory, provenance
from asa_bench.cell import VERSIONS, Cell
from asa_bench.errors import StoreError
from asa_bench.kinds import asking, attacking, fitting
from asa_bench.kinds.common import Outcome, Progress, asked, held_out, rows_of
from asa_bench.methods import METHODS
from asa_bench.record import Record
from asa_bench.store import Store
from asa_bench.tasks import TASKS


def perform(cell: Cell, store: Store, progress: Progress) -> Record:
    """Do one cell and record it.

    Raises:
        AsaBenchError: the input cannot be used, or the record cannot be written.
        Exception: whatever the work raises; the caller records it as the cell's failure.
    """
    import torch

    torch.set_num_threads(int(cell.spec["threads"]))
    waits = _inputs(cell, store)
    scratch = store.scratch(cell.address)
    started = time.monotonic()
    with memory.watched() as cuts:
        if "corpus" in cell.context:
            outcome = fitting.pretrain_masked(cell, waits, scratch, progress, store.partial(cell.address))
        elif cell.kind == "attack":
            store.fetch_partial(cell.address)
            outcome = attacking.attack_examples(cell, waits, progress, store.partial(cell.address))
        else:
            outcome = _WORK[cell.kind](cell, waits, scratch, progress)
    seconds = time.monotonic() - started
    manifest = {
        "version": VERSIONS[cell.kind],
        "label": cell.label,
        "spec": dict(cell.spec),
        "reads": dict(cell.reads),
        "waits": dict(cell.waits),
        "result": outcome.result,
        **({"memory": {"batch_parts": cuts.most}} if cuts.most > 1 else {}),
        "packages": dict(provenance.versions()),
        "git": dict(provenance.git_state()),
        "machine": dict(provenance.machine()),
    }
    timings = {
        "seconds": round(seconds, 3),
        "peak_memory_mib": provenance.peak_memory_mib(),
        **outcome.timings,
    }
    _give_back_memory(cell.kind)
    return store.write(cell.kind, cell.address, manifest, outcome.rows, timings, scratch)


def perform_part(cell: Cell, store: Store, progress: Progress, part: int, parts: int) -> None:
    """Attack every `parts`-th example of an attack's cell, for `perform` to find in its journal.

    Outcomes do not depend on who attacks which example with which others, so the record is the same.

    Raises:
        AsaBenchError: the input cannot be used, or the journal cannot be written.
    """
    import torch

    torch.set_num_threads(int(cell.spec["threads"]))
    store.fetch_partial(cell.address)
    with memory.watched():
        attacking.attacked(cell, _inputs(cell, store), progress, store.partial(cell.address), part, parts)
    store.share_partial(cell.address)


def in_parts(cell: Cell) -> bool:
    """Whether the cell can be done in parts: an attack, where an example's outcome depends on no other."""
    return cell.kind == "attack"


def _inputs(cell: Cell, store: Store) -> dict[str, Record]:
    """Role -> record of what the cell waits for."""
    found = {}
    for role, at in cell.waits.items():
        kind = {
            "encoder": "pretrain",
            "measured": cell.kind,
            "set": "attack",
            "calibration": "calibrate",
        }.get(role, "train")
        record = store.find(kind, at)
        if record is None:
            raise StoreError(
                f"{store.where}: the record {at} that '{cell.label}' needs is missing or damaged; run again"
            )
        found[role] = record
    return found


def _give_back_memory(kind: str) -> None:
    """Return freed memory to the system.

    Only trainings leave objects that refer to each other; to look for these takes a quarter of a second.

    Batches of many lengths leave glibc's heap in pieces: after a training of MiniLM two thirds of the process were
    free memory that the next training did not reuse. Other C libraries have no such call, and need none.
    """
    if kind in ("pretrain", "train"):
        gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def check(cells: Sequence[Cell]) -> None:
    """Load all the data and models that `cells` read from outside, so that what is wrong is told before any work.

    What is loaded is kept for the cells that follow in this process.

    Raises:
        BadInput: a file is damaged, a checkpoint, model or recipe cannot be used, or a method does not know its family.
        Unavailable: something is not here and cannot be fetched.
    """
    models: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    attacks: set[str] = set()
    for cell in cells:
        if "corpus" in cell.context:
            fitting.check_pretraining(cell)
        if "data" in cell.reads and "source" in cell.context:
            if cell.kind == "calibrate":
                held_out(cell)
            else:
                split = "train" if cell.kind == "train" else cell.spec["split"]
                rows_of(cell.spec["task"], split, cell.context["source"], cell.spec["examples"])
        if cell.kind == "train" and "model" in cell.context:
            key = (cell.context["model"], cell.context.get("revision"), cell.spec["task"])
            models.setdefault(key, {})[cell.spec["method"]] = cell.spec["method_options"]
        elif cell.kind != "quality" and cell.subject is not None and cell.subject.loaded:
            asked(cell, {})
        if cell.kind == "attack" and cell.spec["attack"] not in attacks:
            attacks.add(cell.spec["attack"])
            attacking.recipe(cell)
        if "similarity" in cell.spec and "encoder" not in cell.waits:
            attacking.judging_models(cell, None)
    for (where, revision, task_name), methods in models.items():
        from asa_bench import training

        training.load_tokenizer(where, revision)
        model = training.load_model(where, TASKS.get(task_name), 0, revision)
        for name, options in sorted(methods.items()):
            method = METHODS.get(name)(options)
            if method.reads_record_of is None:
                method.attach(model, 0)
                method.detach()


_WORK: dict[str, Callable[[Cell, Mapping[str, Record], Any, Progress], Outcome]] = {
    "pretrain": fitting.pretrain,
    "train": fitting.train,
    "evaluate": asking.evaluate,
    "reliance": asking.probe_reliance,
    "calibrate": asking.calibrate,
    "quality": attacking.judge_quality,
    "replay": attacking.replay,
}
