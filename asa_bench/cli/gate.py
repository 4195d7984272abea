"""``asa-bench gate DIR``: fails where robustness regressed against a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a run.")],
    baseline: Annotated[Path, typer.Option(metavar="FILE", help="Made by asa-bench baseline save.")],
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML; a sensible default where there is none.")
    ] = None,
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="Write Markdown to this file.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML to this file.")] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write JSON to this file.")
    ] = None,
    annotations: Annotated[
        bool | None,
        typer.Option(
            "--annotations/--no-annotations",
            help="Print annotations of GitHub. [default: where GITHUB_ACTIONS is set]",
        ),
    ] = None,
) -> None:
    """Hold a run against a baseline, score by score: pass, fail, or cannot tell.

    Exit code 1 if a score fails (by the adjusted interval of its paired difference, by a floor, or because it is
    missing), 2 if run and baseline cannot be compared, 0 otherwise. What nobody can tell does what the policy says.

    The Markdown goes to $GITHUB_STEP_SUMMARY, too, where that is set.

    Example: asa-bench gate reports/runs/ci-embedded --baseline baseline.json --policy gate.yaml
    """
    import os

    from asa_bench.disk import storage_errors, write_atomically
    from asa_bench.gating import baseline as baselines
    from asa_bench.gating import collect, decide, outputs
    from asa_bench.gating import policy as policies
    from asa_bench.stores import open_store

    rules = policies.load(policy)
    stored = baselines.read(baseline)
    decision = decide(collect(open_store(folder)), stored, rules)
    typer.echo(outputs.text(decision), nl=False)
    for path, content in (
        (summary, outputs.markdown),
        (junit, outputs.junit),
        (json_, outputs.as_json),
    ):
        if path is not None:
            write_atomically(path, content(decision).encode())
    step = os.environ.get("GITHUB_STEP_SUMMARY")
    if step:
        with storage_errors(step), Path(step).open("a", encoding="utf-8") as stream:
            stream.write(outputs.markdown(decision))
    if annotations or (annotations is None and os.environ.get("GITHUB_ACTIONS") == "true"):
        for line in outputs.workflow_commands(decision):
            typer.echo(line)
    if decision.failed:
        raise typer.Exit(1)
