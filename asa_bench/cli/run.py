"""``asa-bench run``: train or load, evaluate, attack, and write the tables."""

from __future__ import annotations

from typing import Annotated

import typer

from asa_bench.cli import options as o


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
    executor: o.ExecutorOption = "local",
    ray_address: o.RayAddressOption = None,
    cpus_per_cell: o.CpusOption = None,
    gpus_per_cell: o.GpusOption = 0.0,
    memory_per_cell: o.MemoryOption = None,
    attack_shards: o.ShardsOption = 1,
    ray_silence: o.SilenceOption = o.SILENCE,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do only what failed before, and what waited for it.")
    ] = False,
) -> None:
    """Run a suite: train or load models, evaluate and attack them, and write comparison tables.

    What is already recorded in the output folder is not done again, so an interrupted run goes on
    where it stopped. What failed is tried again. Exit code 1 if something failed, 2 if the input was wrong.

    Examples:

    asa-bench run --suite robustness

    asa-bench run --suite robustness --profile laptop --model FOLDER --data-dir FOLDER --seeds 2

    asa-bench run --suite robustness --executor ray --ray-address auto --output s3://bucket/robustness

    asa-bench run --methods none --profile laptop --load mine@sst2=FOLDER --data-dir FOLDER
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
    place = o.executor(
        executor, ray_address, cpus_per_cell, gpus_per_cell, memory_per_cell, attack_shards, ray_silence
    )

    from asa_bench import runner
    from asa_bench.cli.progress import make_watcher
    from asa_bench.stores import open_store

    store = open_store(folder)
    if retry_failed and not runner.failed_before(plan.cells, store):
        typer.echo(f"{folder}: nothing has failed; without --retry-failed, run does what is left", err=True)
    with make_watcher(store) as watcher:
        summary = runner.execute(plan, store, place, watcher, only_failed=retry_failed)

    from asa_bench.cli import printing

    printing.summary(summary)
    if summary.failures:
        raise typer.Exit(1)
