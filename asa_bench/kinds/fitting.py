"""Cells that make models: pre-training and fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.cell import Cell, derived_seed
from asa_bench.kinds.common import (
    Outcome,
    Progress,
    chosen,
    data_result,
    texts_of,
)
from asa_bench.methods import METHODS
from asa_bench.record import Record
from asa_bench.tasks.base import Source, row_hash

if TYPE_CHECKING:
    from asa_bench.parallel import Crew


def pretrain(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    from asa_bench.models import laboratory

    summary = laboratory.pretrain(
        scratch / "model",
        seed=derived_seed("pretrain", cell.spec["model"], cell.spec["seed"]),
        precision=cell.spec["precision"],
        progress=progress,
        options=laboratory.Pretraining(**cell.spec["pretraining"]),
        masked=scratch / "masked",
    )
    return Outcome(result={"training": summary})


def _masked_model(cell: Cell, where: str | None) -> tuple[Any, Any]:
    """Model and tokenizer that a further pre-training begins with; `where` is None for a fresh laboratory model."""
    from asa_bench.models import laboratory, masked
    from asa_bench.models.loading import load_tokenizer

    spec, revision = cell.spec, cell.context.get("revision")
    # The method is no part of the seed: for one seed all methods begin with the same weights.
    seed = derived_seed("weights", spec["model"], spec["seed"])
    if where is None:
        size = laboratory.Pretraining(**spec["laboratory"])
        model = masked.build_masked(laboratory.configuration(size), spec["from_scratch"], seed)
        return model, laboratory.tokenizer(size)
    tokenizer = load_tokenizer(where, revision)
    if spec["from_scratch"] is not None:
        config = masked.load_config(where, revision)
        return masked.build_masked(config, spec["from_scratch"], seed), tokenizer
    return masked.load_masked(where, seed, revision), tokenizer


def check_pretraining(cell: Cell) -> None:
    """Read the text, and load the model where it exists already, so that what is wrong is told before any work."""
    from asa_bench import corpus, pretraining

    corpus.load(cell.context["corpus"])
    if cell.waits:
        return
    model, tokenizer = _masked_model(cell, cell.context.get("model"))
    pretraining.check_fit(model, tokenizer, cell.spec["pretraining"]["block_length"])
    method = METHODS.get(cell.spec["method"])(cell.spec["method_options"])
    if method.reads_record_of is None:
        method.attach(model, 0)
        method.detach()


def pretrain_masked(
    cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress, partial: Any
) -> Outcome:
    from asa_bench import corpus, pretraining
    from asa_bench.models.masked import pooler_weights
    from asa_bench.pretraining_trainer import Saving

    spec, revision = cell.spec, cell.context.get("revision")
    where = str(waits["encoder"].model_folder()) if "encoder" in waits else cell.context.get("model")
    text = corpus.load(cell.context["corpus"])
    model, tokenizer = _masked_model(cell, where)
    fresh = where is None or spec["from_scratch"] is not None
    machine = pretraining.Machine(
        seed=derived_seed("pretrain", spec["model"], spec["seed"]),
        precision=spec["precision"],
        device=spec["device"],
        threads=spec["threads"],
    )
    method = METHODS.get(spec["method"])(spec["method_options"])
    if "measured" in waits:
        method.read(waits["measured"].manifest["result"]["pretraining"]["losses"])
    summary = pretraining.pretrain(
        text,
        method,
        model,
        tokenizer,
        pretraining.PretrainingOptions(**spec["pretraining"]),
        machine,
        scratch / "model",
        saving=Saving(partial, **cell.context.get("saving", {})),
        pooler={} if fresh else pooler_weights(model, str(where), revision),
        progress=progress,
    )
    return Outcome(
        result={
            "fingerprint": text.fingerprint,
            "origin": {**cell.reads["corpus"], **text.origin},
            "corpus": cell.context["corpus"].title,
            "method_title": method.title,
            "pretraining": summary.as_json(),
        },
        timings={"tokens_per_second": round(summary.tokens_per_second, 1)},
    )


def train(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    import pandas as pd

    from asa_bench import parallel

    task, data, rows = chosen(cell, "train", "train")
    where = str(waits["encoder"].model_folder()) if "encoder" in waits else cell.context["model"]
    measured = waits["measured"].manifest["result"]["training"]["losses"] if "measured" in waits else None
    processes = cell.spec.get("processes", 1)
    if processes == 1:
        summary = _trained(cell, where, measured, scratch / "model", progress, parallel.ALONE)
    else:
        request = {
            "spec": dict(cell.spec),
            "source": cell.context["source"].model_dump(mode="json"),
            "where": where,
            "revision": cell.context.get("revision"),
            "measured": measured,
            "output": str(scratch.absolute() / "model"),
        }
        summary = parallel.launch(request, processes, progress)
    # What was trained on, so that test rows among it are found.
    hashes = pd.DataFrame({"text_hash": [row_hash(text)[:16] for text in texts_of(rows, task)]})
    return Outcome(hashes, {**data_result(data, len(rows)), "training": summary})


def train_together(request: Mapping[str, Any], crew: Crew, progress: Progress) -> dict[str, Any]:
    """One process's part of a training that several share; see `asa_bench.parallel.launch`.

    Args:
        request: JSON; spec of the cell, source of its rows, where its model is and of which revision, what another
            training measured (or null), and the output folder.
    """
    context = {"source": Source.model_validate(request["source"]), "revision": request["revision"]}
    cell = Cell("train", request["spec"], {}, {}, None, context)
    return _trained(cell, request["where"], request["measured"], Path(request["output"]), progress, crew)


def _trained(
    cell: Cell,
    where: str,
    measured: Mapping[str, float] | None,
    output: Path,
    progress: Progress,
    crew: Crew,
) -> dict[str, Any]:
    """The summary of a training whose model is saved in `output`."""
    from asa_bench import training

    spec, revision = cell.spec, cell.context.get("revision")
    task, _, rows = chosen(cell, "train", "train")
    # The method is no part of the seed: for one seed all methods share initial weights and order of examples.
    seed = derived_seed("train", spec["task"], spec["seed"])
    options = training.TrainingOptions(
        **spec["training"],
        precision=spec["precision"],
        seed=seed,
        threads=spec["threads"],
        device=spec["device"],
    )
    model = training.load_model(where, task, seed, revision)
    tokenizer = training.load_tokenizer(where, revision)
    method = METHODS.get(spec["method"])(spec["method_options"])
    if measured is not None:
        method.read(measured)
    return training.train(rows, task, method, model, tokenizer, options, output, progress, crew).as_json()
