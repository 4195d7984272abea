"""``asa-bench explain TEXT``: what models attend to, what the adversary takes away, and what each word is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    text: Annotated[list[str], typer.Argument(metavar="TEXT [TEXT]", help="A text, or a pair of texts.")],
    model: Annotated[
        list[str],
        typer.Option(metavar="NAME=PATH", help="A fine-tuned checkpoint and what to call it. Repeatable."),
    ],
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
    """
    from asa_bench.errors import BadInput
    from asa_bench.reports.figures.canvas import FORMATS

    models: dict[str, str] = {}
    for given in model:
        name, equals, where = given.partition("=")
        if not (equals and name.strip() and where.strip()):
            raise BadInput(f"--model {given!r}: expected NAME=PATH, such as asa=out/model")
        if name.strip() in models:
            raise BadInput(f"--model {given!r}: the name {name.strip()!r} is given twice")
        models[name.strip()] = where.strip()
    for path in output or []:
        if path.suffix[1:].lower() not in FORMATS:
            raise BadInput(f"--output {path}: expected a file that ends in .pdf or .png")

    from asa_bench.explainer import explain
    from asa_bench.reports import explanation_text
    from asa_bench.reports.figures import mechanism
    from asa_bench.store import write_atomically

    found = explain(models, text, layer=layer, label=label)
    for path in output or []:
        write_atomically(path, mechanism.render(found, path.suffix[1:].lower()))
    typer.echo(found.to_json().rstrip() if as_json else explanation_text.render(found))
    for path in output or []:
        typer.echo(f"written: {path}", err=True)
