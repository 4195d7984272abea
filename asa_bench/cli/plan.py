"""``asa-bench plan``: what `run` would do, what is recorded already, and how long the rest may take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from asa_bench.cli import options as o
from asa_bench.errors import BadInput


def command(
    suite: o.SuiteOption = "robustness",
    profile: o.ProfileOption = None,
    model: o.ModelOption = None,
    data_dir: o.RunDataDirOption = None,
    methods: o.MethodsOption = None,
    tasks: o.TasksOption = None,
    seeds: o.SeedsOption = None,
    train_examples: o.TrainExamplesOption = None,
    eval_examples: o.EvalExamplesOption = None,
    attacks: o.AttacksOption = None,
    attack_examples: o.AttackExamplesOption = None,
    replay: o.ReplayOption = None,
    output: o.OutputOption = None,
    device: o.DeviceOption = None,
    precision: o.PrecisionOption = None,
    threads: o.ThreadsOption = None,
    processes: o.ProcessesOption = None,
    set_: o.SetOption = None,
    load: o.LoadOption = None,
    label_map: o.LabelMapOption = None,
    trained_on: o.TrainedOnOption = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Print hours and money by kind of cell, from recorded timings.")
    ] = False,
    timings: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="With --cost: output folders to learn from. [default: --output]"),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", help="With --cost: cells that go on at once.")] = 1,
    gpus_per_cell: Annotated[
        float, typer.Option(metavar="N", help="With --cost: share of a GPU that a cell takes.")
    ] = 1.0,
    price: Annotated[
        float | None,
        typer.Option("--price", metavar="DOLLARS", help="With --cost: of one worker for an hour."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cells, or the costs, as JSON.")] = False,
) -> None:
    """Show what `run` would do with the same options: its cells, what is recorded, and an estimate.

    Nothing is trained, loaded or written.

    Example:

    asa-bench plan --suite robustness --seeds 5

    asa-bench plan --suite robustness --seeds 5 --cost --workers 8 --price 1.20
    """
    if not cost and (timings or workers != 1 or gpus_per_cell != 1.0 or price is not None):
        raise BadInput("--timings, --workers, --gpus-per-cell and --price: need --cost")
    for option, value, right in (
        ("--workers", workers, workers >= 1),
        ("--gpus-per-cell", gpus_per_cell, gpus_per_cell > 0),
        ("--price", price, price is None or price >= 0),
    ):
        if not right:
            raise BadInput(f"{option} {value}: should be more than 0")
    request = o.request(
        suite,
        profile=profile,
        model=model,
        data_dir=data_dir,
        methods=methods,
        tasks=tasks,
        seeds=seeds,
        train_examples=train_examples,
        eval_examples=eval_examples,
        attacks=attacks,
        attack_examples=attack_examples,
        replay=replay,
        output=output,
        device=device,
        precision=precision,
        threads=threads,
        processes=processes,
        set_=set_,
        load=load,
        label_map=label_map,
        trained_on=trained_on,
    )
    plan, folder = request.plan()
    o.tell_of_folder(plan.settings, plan.source)

    from asa_bench.estimate import estimate
    from asa_bench.stores import open_store

    store = open_store(folder)
    if cost:
        from asa_bench import costing
        from asa_bench.cli import printing

        known = [record for where in (timings or [folder]) for record in open_store(where).records()]
        found = costing.cost(plan.cells, known, workers, gpus_per_cell)
        if as_json:
            typer.echo(json.dumps(costing.as_json(found, price), indent=1))
        else:
            printing.cost(plan, found, price)
        return
    todo = [cell for cell in plan.cells if not store.has(cell.kind, cell.address)]
    waiting = {cell.address for cell in todo}
    if as_json:
        cells = [
            {
                "kind": cell.kind,
                "address": cell.address,
                "label": cell.label,
                "recorded": cell.address not in waiting,
                "waits": dict(cell.waits),
                "spec": dict(cell.spec),
            }
            for cell in plan.cells
        ]
        typer.echo(json.dumps({"suite": plan.suite, "profile": plan.profile, "cells": cells}, indent=1))
        return

    from asa_bench.cli import printing

    printing.plan(plan, todo, store.shown, estimate(todo, store))
