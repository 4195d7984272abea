"""``asa-bench explain TEXT``: what models attend to, what the adversary takes away, and what each word is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    text: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT [TEXT]", help="A text, or a pair of texts.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="A fine-tuned checkpoint and what to call it. Repeatable."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="Models that a run trained; it goes onto the run's page."),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of --run: an attacked example, as the page's links name it."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of --run: whose models, for texts of your own.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of --run: whose models; default: the lowest.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Put it onto the page of this output folder; default: --run's."),
    ] = None,
    layer: Annotated[int, typer.Option(metavar="N", help="Whose attention and mask to show, from 1.")] = 1,
    label: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose probability words are measured by; default: the predicted."),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write a picture, .pdf or .png. Repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
) -> None:
    """Show the attention of models side by side, the adversary's mask over it, and what each word is worth.

    The mask needs adversaries.safetensors beside the checkpoint; run with --set methods.asa.save_adversaries=true
    to keep it.

    Example:

    asa-bench explain --model naive=out/naive --model asa=out/asa "a smile on your face" -o smile.pdf

    asa-bench explain --run reports/runs/robustness-embedded --example 0f3a5d7c9b1e
    """
    from asa_bench.errors import BadInput
    from asa_bench.reports.figures.canvas import FORMATS

    models: dict[str, str] = {}
    texts = text or []
    if (run is None) == (not model):
        raise BadInput("name the models: --model NAME=PATH, or --run DIR for those of a run, and not both")
    if run is None and (example or task or seed is not None):
        raise BadInput("--example, --task and --seed choose from a run: give --run DIR, too")
    if (example is None) == (not texts):
        raise BadInput("give a text or two, or --example ADDRESS of a run, and not both")
    if example is not None and (task or seed is not None):
        raise BadInput("--example says itself whose models: leave --task and --seed out")
    for given in model or []:
        name, equals, where = given.partition("=")
        if not (equals and name.strip() and where.strip()):
            raise BadInput(f"--model {given!r}: expected NAME=PATH, such as asa=out/model")
        if name.strip() in models:
            raise BadInput(f"--model {given!r}: the name {name.strip()!r} is given twice")
        models[name.strip()] = where.strip()
    for path in output or []:
        if path.suffix[1:].lower() not in FORMATS:
            raise BadInput(f"--output {path}: expected a file that ends in .pdf or .png")

    from asa_bench.disk import write_atomically
    from asa_bench.inside import explain
    from asa_bench.reports import explanation_text
    from asa_bench.reports.figures import mechanism

    if run is None:
        found = [explain(models, texts, layer=layer, label=label)]
    else:
        from asa_bench.looking import look

        found = look(run, texts, example=example, task=task, seed=seed, layer=layer, label=label)
    written = []
    for place, one in enumerate(found):
        for path in output or []:
            # The second is what the attack made of the first.
            target = path if place == 0 else path.with_stem(f"{path.stem}-attacked")
            write_atomically(target, mechanism.render(one, target.suffix[1:].lower()))
            written.append(target)
    if as_json and len(found) > 1:
        typer.echo(json.dumps([json.loads(one.to_json()) for one in found], indent=1))
    else:
        typer.echo(
            "\n\n".join(one.to_json().rstrip() if as_json else explanation_text.render(one) for one in found)
        )
    page = into or run
    if page is not None:
        from asa_bench.looking import keep

        keep(page, found)
        typer.echo(f"on the page of {page}: #look-{found[0].address}", err=True)
    for picture in written:
        typer.echo(f"written: {picture}", err=True)
