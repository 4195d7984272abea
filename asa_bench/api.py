"""The same from Python: run a suite, evaluate a checkpoint, replay an attack, make a report; tables come as pandas objects."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench import gathering, runner
from asa_bench.errors import BadInput
from asa_bench.plan import resolve_device
from asa_bench.request import Request
from asa_bench.runner import Watcher
from asa_bench.stores import open_store

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.facing import Faced
    from asa_bench.gating import Decision
    from asa_bench.reports.head_to_head import Compared


@dataclass(frozen=True)
class Results:
    """What a run or report gives.

    Attributes:
        folder: the output folder, with the records and the written tables.
        tables: name of a table (``main``, ``attacks``, ...) -> its numbers, one row per method.
        failures: label of each failed cell -> its error.
    """

    folder: Path
    tables: Mapping[str, pd.DataFrame]
    failures: Mapping[str, str]


def run(
    suite: str | Path = "robustness",
    *,
    profile: str | None = None,
    model: str | Sequence[str] | None = None,
    data_dir: str | Path | None = None,
    methods: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    seeds: int | Sequence[int] | None = None,
    output: str | Path | None = None,
    load: Sequence[str] = (),
    label_map: Sequence[str] = (),
    trained_on: Mapping[str, Sequence[str]] | None = None,
    replay: str | Path | Sequence[str | Path] | None = None,
    settings: Mapping[str, Any] | None = None,
    watcher: Watcher | None = None,
) -> Results:
    """Run a suite, as ``asa-bench run`` does.

    Args:
        suite: a suite's name or file.
        data_dir: folder with the data sets, instead of the hub; of a profile that generates its own data, with files that its
            attacks need.
        settings: any setting by its dotted name, e.g. ``{"train_examples": 500, "methods.asa.tau": 0.3}``.
        replay: stored adversarial sets that models of their task face: files, or folders of them.
        load: checkpoints to evaluate too, each ``NAME[@TASK][#SEED]=FOLDER_OR_HUB_ID``.
        trained_on: name of a loaded checkpoint -> tasks that it was trained on; unknown where it is not told.
        watcher: who is told how it goes; nobody if None.

    Raises:
        AsaBenchError: the input cannot be used; see its text.

    Example:
        >>> results = asa_bench.run("robustness", seeds=1)  # doctest: +SKIP
        >>> results.tables["main"]  # doctest: +SKIP
    """
    overrides: dict[str, tuple[Any, str]] = {}
    for key, value in (("methods", methods), ("seeds", seeds)):
        if value is not None:
            overrides[key] = (value if isinstance(value, int) else list(value), key)
    if model is not None:
        overrides["models"] = ([model] if isinstance(model, str) else list(model), "model")
    if replay is not None:
        places = [replay] if isinstance(replay, str | Path) else replay
        overrides["replay"] = ([str(place) for place in places], "replay")
    if trained_on is not None:
        said = {name: list(data) for name, data in trained_on.items()}
        overrides["trained_on"] = (said, "trained_on")
    for key, value in (settings or {}).items():
        overrides[key] = (value, f"settings[{key!r}]")
    request = Request(
        suite=suite,
        profile=profile,
        overrides=overrides,
        tasks=None if tasks is None else list(tasks),
        data_dir=None if data_dir is None else Path(data_dir),
        output=None if output is None else Path(output),
        load=tuple(load),
        label_map=tuple(label_map),
    )
    plan, folder = request.plan()
    summary = runner.execute(plan, open_store(folder), watcher=watcher)
    return _results(folder, summary.report, summary.failures)


def evaluate(
    model: str | Path | Any,
    suite: str | Path = "robustness",
    *,
    tokenizer: Any = None,
    name: str = "model",
    task: str | None = None,
    labels: Sequence[str] | None = None,
    output: str | Path | None = None,
    **options: Any,
) -> Results:
    """Ask one fine-tuned checkpoint everything that a suite asks a model of its task.

    Args:
        model: a folder, a hub id, or a transformers sequence classification model in memory.
        tokenizer: its tokenizer; needed for a model in memory.
        name: what tables call it.
        task: the training task that it was fine-tuned on; found by its label names where they fit only one.
        labels: what its outputs mean, in order, where its config does not say.
        options: as for `run`.

    Raises:
        BadInput: a model in memory without its tokenizer, or whatever `run` refuses.
    """
    target = f"{name}@{task}" if task else name
    maps = [f"{target}={','.join(labels)}"] if labels else []
    if isinstance(model, str | Path):
        return run(suite, methods=[], load=[f"{target}={model}"], label_map=maps, output=output, **options)
    if tokenizer is None:
        raise BadInput(
            "evaluate: a model in memory needs its tokenizer, evaluate(model, tokenizer=tokenizer)"
        )
    with tempfile.TemporaryDirectory(prefix="asa-bench-") as temporary:
        folder = Path(temporary) / name
        model.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
        return run(suite, methods=[], load=[f"{target}={folder}"], label_map=maps, output=output, **options)


def report(folder: str | Path) -> Results:
    """The tables of an output folder, from its records alone.

    Raises:
        BadInput: not an output folder.
    """
    store = open_store(folder)
    return _results(store.root, gathering.gather(store), {})


def compare(
    first: str | Path,
    second: str | Path | None = None,
    *,
    methods: tuple[str, str] | None = None,
    data_dir: str | Path | None = None,
    flips: int = 5,
) -> Compared:
    """Two output folders, or two methods or checkpoints, cell by cell, as ``asa-bench compare`` does.

    Args:
        methods: names of rows: the first of `first`, the second of `second` (or of `first`, without a second folder).
        data_dir: where the texts of flips are read from; None leaves hashes, but for the laboratory.
        flips: how many examples per cell and direction get their texts.

    Raises:
        BadInput: not an output folder, no such method, other data or recipes, or nothing in common.

    Example:
        >>> found = asa_bench.compare("reports/runs/robustness-embedded", methods=("naive", "asa"))  # doctest: +SKIP
        >>> [(cell.title, cell.verdict) for cell in found.cells]  # doctest: +SKIP
    """
    from asa_bench.comparing_folders import compare_folders

    return compare_folders(
        Path(first),
        None if second is None else Path(second),
        methods,
        data_dir=None if data_dir is None else Path(data_dir),
        flips=flips,
    )


def replay(
    adversarial_set: str | Path,
    load: Sequence[str],
    *,
    attack: str | None = None,
    task: str | None = None,
    source: str | None = None,
    seed: int | None = None,
    label_map: Sequence[str] = (),
    device: str = "cpu",
    threads: int | None = None,
    similarity: str | None = None,
    fluency: str | None = None,
    gate: Sequence[str] = (),
) -> list[Faced]:
    """Face checkpoints with stored adversarial sets, as ``asa-bench replay`` does.

    Args:
        adversarial_set: an exported file, an output folder, an attack's record or its address.
        load: who faces them, each ``NAME[@TASK][#SEED]=FOLDER_OR_HUB_ID``.
        attack, task, source, seed: which of a folder's sets; all if None.
        threads: of the processor; by default as many as the set was made with.
        similarity, fluency: models that judge the texts, folders or hub ids.
        gate: bounds of the quality gate, ``BOUND=VALUE`` each. With none of the three, a set of an output folder is judged
            as its run judged it, and any other by words and characters alone.

    Returns:
        One entry per model and set; ``entry.replay.robust`` is its robust accuracy, ``entry.replay.gated`` the gated
        one, ``entry.replay.rows`` has every example.

    Raises:
        AsaBenchError: the input cannot be used; see its text.
    """
    from asa_bench import facing
    from asa_bench.quality import quality_settings

    which = facing.Which(attack, task, source, seed)
    sets = facing.find(adversarial_set, which)
    quality = quality_settings(similarity, fluency, gate)
    return facing.face(sets, load, label_map, device=resolve_device(device), threads=threads, quality=quality)


def gate(folder: str | Path, baseline: str | Path, policy: str | Path | None = None) -> Decision:
    """Hold an output folder against a baseline, as ``asa-bench gate`` does; `Decision.failed` tells the outcome.

    Raises:
        BadInput: they cannot be compared, or a file is wrong.
    """
    from asa_bench.gating import baseline as baselines
    from asa_bench.gating import collect, decide
    from asa_bench.gating import policy as policies

    rules = policies.load(None if policy is None else Path(policy))
    return decide(collect(open_store(folder)), baselines.read(Path(baseline)), rules)


def save_baseline(folder: str | Path, path: str | Path) -> None:
    """Write the baseline of an output folder, as ``asa-bench baseline save`` and ``update`` do.

    Raises:
        BadInput: the folder is none, or lacks scores that it planned.
    """
    from asa_bench.gating import baseline as baselines
    from asa_bench.gating import collect

    baselines.of(collect(open_store(folder))).write(Path(path))


def _results(folder: Path, gathered: Any, failures: Mapping[str, str]) -> Results:
    from asa_bench.reports.write import frames

    return Results(folder, frames(gathered) if gathered is not None else {}, dict(failures))
