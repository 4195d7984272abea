"""Does the work of one cell: pre-train, train, evaluate, probe, attack, judge, replay. All it needs: cell and store."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench import calibrating, checkpoints, memory, provenance
from asa_bench.attacks import ATTACKS, CALIBRATED, described
from asa_bench.attacks.base import AttackOptions
from asa_bench.cell import VERSIONS, Cell, derived_seed
from asa_bench.errors import StoreError
from asa_bench.methods import METHODS
from asa_bench.store import Record, Store
from asa_bench.tasks import TASKS, loading
from asa_bench.tasks.base import Kind, Source, Task, TaskData, choose, row_hash

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.models.fluency import MaskedScorer
    from asa_bench.models.similarity import SentenceEncoder
    from asa_bench.parallel import Crew
    from asa_bench.victims import Victim

# progress(done, total) in units of the cell's own: steps, batches or examples.
Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """What the work of a cell gives.

    Attributes:
        rows: per-example rows, if any.
        result: JSON; fingerprints, counts and summaries for the manifest.
        timings: JSON; what differs from run to run.
    """

    rows: pd.DataFrame | None = None
    result: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)


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
            outcome = _pretrain_masked(cell, waits, scratch, progress, store.partial(cell.address))
        elif cell.kind == "attack":
            store.fetch_partial(cell.address)
            outcome = _attack(cell, waits, progress, store.partial(cell.address))
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
        _attacked(cell, _inputs(cell, store), progress, store.partial(cell.address), part, parts)
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
        BadInput: a file is damaged, a checkpoint or model cannot be used, or a method does not know its family.
        Unavailable: something is not here and cannot be fetched.
    """
    models: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    for cell in cells:
        if "corpus" in cell.context:
            _check_pretraining(cell)
        if "data" in cell.reads and "source" in cell.context:
            if cell.kind == "calibrate":
                _held_out(cell)
            else:
                split = "train" if cell.kind == "train" else cell.spec["split"]
                _rows(cell.spec["task"], split, cell.context["source"], cell.spec["examples"])
        if cell.kind == "train" and "model" in cell.context:
            key = (cell.context["model"], cell.context.get("revision"), cell.spec["task"])
            models.setdefault(key, {})[cell.spec["method"]] = cell.spec["method_options"]
        elif cell.kind != "quality" and cell.subject is not None and cell.subject.loaded:
            _asked(cell, {})
        if "similarity" in cell.spec and "encoder" not in cell.waits:
            _judges(cell, None)
    for (where, revision, task_name), methods in models.items():
        from asa_bench import training

        training.load_tokenizer(where, revision)
        model = training.load_model(where, TASKS.get(task_name), 0, revision)
        for name, options in sorted(methods.items()):
            method = METHODS.get(name)(options)
            if method.reads_record_of is None:
                method.attach(model, 0)
                method.detach()


@lru_cache(maxsize=64)
def _rows(task: str, split: str, source: Source, count: int | None) -> TaskData:
    return loading.load(TASKS.get(task), split, source, count)


def _chosen(cell: Cell, split: str, purpose: str) -> tuple[Task, TaskData, pd.DataFrame]:
    """The task, the rows of its split, and the fixed sample of them that this cell works on."""
    task = TASKS.get(cell.spec["task"])
    source: Source = cell.context["source"]
    data = _rows(task.name, split, source, cell.spec["examples"])
    frame = data.frame.iloc[: max(0, len(data.frame) - cell.spec.get("held_out", 0))]
    return task, data, choose(frame, task.columns, cell.spec["examples"], purpose)


def _held_out(cell: Cell) -> tuple[Task, TaskData, pd.DataFrame]:
    """The task, its training data, and the rows of them that neither its trainings nor any report looks at."""
    spec, source = cell.spec, cell.context["source"]
    task, trained, count = TASKS.get(spec["task"]), spec["trained_on"], spec["examples"]
    if trained is None:  # the trainings leave so many out, see `_chosen`
        data = _rows(task.name, "train", source, None)
        learned = data.frame.iloc[: max(0, len(data.frame) - count)]
    else:
        # Some to spare, since a few rows may stand in the evaluation data, too.
        data = _rows(task.name, "train", source, trained + count + count // 4)
        learned = _rows(task.name, "train", source, trained).frame
    reported = _rows(task.name, task.evaluation_split, source, spec["reported"]).frame
    hashes = set(calibrating.text_hashes(reported, task))
    return task, data, calibrating.held_out(task, data.frame, learned, hashes, count)


def _data_result(data: TaskData, used: int) -> dict[str, Any]:
    return {"fingerprint": data.fingerprint, "origin": dict(data.origin), "examples": used}


def _pretrain(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
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


def _check_pretraining(cell: Cell) -> None:
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


def _pretrain_masked(
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


def _train(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    import pandas as pd

    from asa_bench import parallel

    task, data, rows = _chosen(cell, "train", "train")
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
    hashes = pd.DataFrame({"text_hash": [row_hash(text)[:16] for text in _texts(rows, task)]})
    return Outcome(hashes, {**_data_result(data, len(rows)), "training": summary})


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
    task, _, rows = _chosen(cell, "train", "train")
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


@lru_cache(maxsize=1)
def _victim(
    where: str,
    revision: str | None,
    labels: tuple[str, ...],
    kind: Kind,
    max_length: int,
    device: str,
    said: str,
) -> Victim:
    return checkpoints.load_victim(
        where, revision, labels, kind=kind, max_length=max_length, device=device, said=said
    )


def _asked(cell: Cell, waits: Mapping[str, Record]) -> Victim:
    """The model of this cell; kept from the cell before where it is the same one."""
    spec = cell.spec
    loaded = "model" not in waits
    if loaded:
        where, revision = cell.context["model"], cell.context.get("revision")
    else:
        where, revision = str(waits["model"].model_folder()), None
    said = f"--load {cell.subject.method}" if loaded and cell.subject else "the trained model"
    labels = tuple(spec["model_labels"])
    victim = _victim(where, revision, labels, spec["kind"], spec["max_length"], spec["device"], said)
    if loaded and cell.subject:
        task = TASKS.get(cell.subject.train_task)
        # A text entails itself; a question (QNLI) does not answer itself.
        if task.family == "inference" and task.columns[0] != "question":
            _probe(
                task.name,
                cell.context["source"],
                where,
                revision,
                labels,
                spec["max_length"],
                spec["device"],
                said,
            )
    return victim


@lru_cache(maxsize=64)
def _probe(
    task_name: str,
    source: Source,
    where: str,
    revision: str | None,
    labels: tuple[str, ...],
    max_length: int,
    device: str,
    said: str,
) -> None:
    """Refuses an inference model that denies that premises entail themselves; each model is asked once."""
    task = TASKS.get(task_name)
    data = _rows(task_name, task.evaluation_split, source, None)
    sample = choose(data.frame, task.columns, 64, "probe")
    victim = _victim(where, revision, labels, task.kind, max_length, device, said)
    checkpoints.probe_inference(victim, sample[task.columns[0]].tolist(), said)


def _texts(rows: pd.DataFrame, task: Task) -> list[tuple[str, ...]]:
    return list(zip(*(rows[column].tolist() for column in task.columns), strict=True))


def _evaluate(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    import pandas as pd

    task, data, rows = _chosen(cell, cell.spec["split"], "evaluate")
    victim = _asked(cell, waits)
    texts = _texts(rows, task)
    if task.kind == "token_classification":
        per_word = victim.token_logits(texts, progress=progress)
        logits = [array.reshape(-1) for array in per_word]
        said = [" ".join(map(victim.said, array)) for array in per_word]
    else:
        logits = list(victim.logits(texts, progress=progress))
        said = [victim.said(array) for array in logits]
    frame = pd.DataFrame(
        {
            "id": rows["id"].astype(str),
            "text_hash": [row_hash(text)[:16] for text in texts],
            **{name: rows[name].astype(str) for name in task.extra_columns},
            "label": rows["label"].astype(str),
            "prediction": [task.label_map.get(label, label) for label in said],
            "logits": [[float(value) for value in array] for array in logits],
        }
    ).sort_values(["id"], kind="stable", ignore_index=True)
    seen = {} if "model" not in waits else _seen(waits["model"], frame["text_hash"].tolist())
    return Outcome(frame, {**_data_result(data, len(rows)), **seen, "task": task.model_dump(mode="json")})


def _seen(trained: Record, hashes: list[str]) -> dict[str, int]:
    """How many of these texts a training learned from; nothing where its record does not tell."""
    if not trained.has_rows:
        return {}
    known = set(trained.rows()["text_hash"].tolist())
    return {"seen_in_training": sum(text in known for text in hashes)}


def _attack(cell: Cell, waits: Mapping[str, Record], progress: Progress, partial: Any) -> Outcome:
    from asa_bench.attacks import engine

    data, frame = _attacked(cell, waits, progress, partial)
    name = cell.spec["attack"]
    attack = described(name)
    result = {
        **_data_result(data, len(frame)),
        **({"temperature": _temperature(waits)} if attack.raw else {}),
        "task": TASKS.get(cell.spec["task"]).model_dump(mode="json"),
        "attack": attack.model_dump(mode="json"),
        # The same search whoever is asked, so the same recipe.
        "recipe": engine.resolve(ATTACKS.get(name.removesuffix(CALIBRATED)), cell.context["source"].root),
    }
    return Outcome(frame, result)


def _attacked(
    cell: Cell, waits: Mapping[str, Record], progress: Progress, partial: Any, part: int = 0, parts: int = 1
) -> tuple[TaskData, pd.DataFrame]:
    """The data of an attack's cell, and its outcomes on every `parts`-th example, in order of ids."""
    from asa_bench.attacks import engine
    from asa_bench.attacks.journal import Journal

    task, data, rows = _chosen(cell, cell.spec["split"], "attack")
    frame = engine.attack_rows(
        ATTACKS.get(cell.spec["attack"].removesuffix(CALIBRATED)),
        _asked(cell, waits),
        task,
        rows.iloc[part::parts],
        seed=cell.spec["attack_seed"],
        options=AttackOptions(**cell.spec["attack_options"], lanes=cell.context["lanes"]),
        data_dir=cell.context["source"].root,
        progress=progress,
        journal=Journal(partial, _circumstances(), f"{part}-of-{parts}" if parts > 1 else ""),
        temperature=_temperature(waits),
    )
    return data, frame.sort_values(["id"], kind="stable", ignore_index=True)


def _temperature(waits: Mapping[str, Record]) -> float:
    """By which the logits of the victim are divided before a search sees them."""
    return float(waits["calibration"].manifest["result"]["temperature"]) if "calibration" in waits else 1.0


def _calibrate(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    import pandas as pd

    task, data, rows = _held_out(cell)
    logits, fitted = calibrating.calibrate(_asked(cell, waits), task, rows, progress)
    frame = pd.DataFrame(
        {
            "id": rows["id"].astype(str),
            "text_hash": [row_hash(text)[:16] for text in _texts(rows, task)],
            "label": rows["label"].astype(str),
            "logits": [[float(value) for value in array] for array in logits],
        }
    ).sort_values(["id"], kind="stable", ignore_index=True)
    return Outcome(frame, {**_data_result(data, len(rows)), **fitted, "task": task.model_dump(mode="json")})


def _circumstances() -> dict[str, Any]:
    """What outcomes of an attack may depend on beside its address; half an attack from another place is not continued."""
    return {
        "packages": dict(provenance.versions()),
        "git": dict(provenance.git_state()),
        "machine": dict(provenance.machine()),
    }


def _replay(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    from asa_bench import adversarial_sets, replaying

    if "set" not in waits:
        return _replay_stored(cell, waits, progress)
    source = waits["set"]
    found = adversarial_sets.of_record(source)
    victim = _asked(cell, waits)
    replayed = replaying.replay(found, victim, TASKS.get(cell.spec["task"]), progress)
    frame = replayed.rows.sort_values(["id"], kind="stable", ignore_index=True)
    made = source.manifest["result"]
    kept = {name: made[name] for name in ("fingerprint", "origin", "task", "attack", "recipe")}
    return Outcome(frame, {**kept, "examples": len(frame), "set": found.address})


def _replay_stored(cell: Cell, waits: Mapping[str, Record], progress: Progress) -> Outcome:
    """Face a set that was read from a file; the rows keep the texts that fooled the model, since no other record has them."""
    import json
    from pathlib import Path

    from asa_bench import adversarial_sets, judging, quality, replaying

    found = adversarial_sets.read(Path(cell.context["set"]))
    if found.address != cell.reads["set"]:
        raise StoreError(f"{cell.context['set']}: was exchanged after the run began; run again")
    task, header = TASKS.get(cell.spec["task"]), found.header
    replayed = replaying.replay(found, _asked(cell, waits), task, progress)
    fooled = replayed.rows["outcome"] == "fooled"
    measured = judging.measure(found, *_judges(cell, waits.get("encoder")))
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
    }
    return Outcome(frame, result)


def _quality(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    from asa_bench import adversarial_sets, judging, quality

    source, spec = waits["set"], cell.spec
    encoder, scorer = _judges(cell, waits.get("encoder"))
    frame = judging.measure(adversarial_sets.of_record(source), encoder, scorer, progress)
    made = source.manifest["result"]
    kept = {name: made[name] for name in ("fingerprint", "origin", "task", "attack", "recipe")}
    judges = quality.describe(spec["similarity"], spec["fluency"])
    rows = frame.sort_values(["id"], kind="stable", ignore_index=True)
    return Outcome(rows, {**kept, "examples": len(frame), "judges": judges})


def _judges(cell: Cell, own: Record | None) -> tuple[SentenceEncoder | None, MaskedScorer | None]:
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


def _reliance(cell: Cell, waits: Mapping[str, Record], scratch: Any, progress: Progress) -> Outcome:
    from asa_bench import reliance
    from asa_bench.tasks.laboratory.shortcuts import planted_word

    spec = cell.spec
    task, data, rows = _chosen(cell, spec["split"], "reliance")
    texts = _texts(rows, task)
    frame = reliance.measure(
        _asked(cell, waits),
        texts,
        rows["label"].astype(str).tolist(),
        removed=spec["removed"],
        max_words=spec["max_words"],
        label_map=task.label_map,
        shortcuts=[planted_word(task.name, text) for text in texts],
        progress=progress,
    )
    named: dict[str, Any] = {
        "id": rows["id"].astype(str),
        "text_hash": [row_hash(text)[:16] for text in texts],
        **{name: rows[name].astype(str) for name in task.slices},
    }
    for place, (name, values) in enumerate(named.items()):
        frame.insert(place, name, values)
    frame = frame.sort_values(["id"], kind="stable", ignore_index=True)
    return Outcome(frame, {**_data_result(data, len(rows)), "task": task.model_dump(mode="json")})


_WORK: dict[str, Callable[[Cell, Mapping[str, Record], Any, Progress], Outcome]] = {
    "pretrain": _pretrain,
    "train": _train,
    "evaluate": _evaluate,
    "reliance": _reliance,
    "calibrate": _calibrate,
    "quality": _quality,
    "replay": _replay,
}
