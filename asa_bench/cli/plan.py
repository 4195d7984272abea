"""``asa-bench plan``: what `run` would do, what is recorded already, and how long the rest may take."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from asa_bench.cli import options as o


def command(
    suite: o.SuiteOption = "robustness",
    profile: o.ProfileOption = None,
    model: o.ModelOption = None,
    data_dir: o.DataDirOption = None,
    methods: o.MethodsOption = None,
    tasks: o.TasksOption = None,
    seeds: o.SeedsOption = None,
    train_examples: o.TrainExamplesOption = None,
    eval_examples: o.EvalExamplesOption = None,
    attacks: o.AttacksOption = None,
    attack_examples: o.AttackExamplesOption = None,
    output: o.OutputOption = None,
    device: o.DeviceOption = None,
    precision: o.PrecisionOption = None,
    threads: o.ThreadsOption = None,
    set_: o.SetOption = None,
    load: o.LoadOption = None,
    label_map: o.LabelMapOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cells as JSON.")] = False,
) -> None:
    """Show what `run` would do with the same options: its cells, what is recorded, and an estimate.

    Nothing is trained, loaded or written.

    Example:

    asa-bench plan --suite robustness --seeds 5
    """
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
        output=output,
        device=device,
        precision=precision,
        threads=threads,
        set_=set_,
        load=load,
        label_map=label_map,
    )
    plan, folder = request.plan()

    from asa_bench.estimate import estimate
    from asa_bench.store import Store

    store = Store(folder)
    todo = [cell for cell in plan.cells if store.find(cell.kind, cell.address) is None]
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

    printing.plan(plan, todo, folder, estimate(todo, store))
