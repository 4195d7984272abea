"""``asa-bench annotate``: sheets on which people judge adversarial texts, and what they judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Have people judge adversarial texts: export a blinded sheet, import it when it is filled in.\n\n"
    "Example: asa-bench annotate export reports/runs/robustness-embedded -o sheet.csv",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a run.")]


@app.command("export")
def export(
    folder: FolderArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The sheet, a .csv file.")],
    examples: Annotated[int, typer.Option(metavar="N", min=1, help="Pairs of texts, at most.")] = 100,
    attack: Annotated[str | None, typer.Option(metavar="NAME", help="Only this attack.")] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="Only this task.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="METHOD", help="Only texts made against this method.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Only against this training seed.")] = None,
) -> None:
    """Write a sheet: pairs of an original and a perturbed text, in random order, without a word of model or attack.

    Example: asa-bench annotate export reports/runs/robustness-embedded --task laboratory/sentiment -o sheet.csv
    """
    from asa_bench import annotating, facing
    from asa_bench.errors import BadInput
    from asa_bench.store import Store

    if output.suffix != ".csv":
        raise BadInput(f"--output {output}: a sheet is a file that ends in .csv")
    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder")
    if Store.of_record(folder) is not None:
        raise BadInput(
            f"{folder}: is one record; give the output folder, and choose with --attack and --task"
        )
    store = Store(folder)
    found = facing.find(folder, facing.Which(attack, task, source, seed))
    chosen = annotating.export(store, [one.made for one in found], output, examples)
    typer.echo(
        f"{output}: {len(chosen):,} pairs of texts. Copy it once for each person, named after who fills it in."
    )
    typer.echo(
        f"label_1, label_2: what the text means, one of the row's labels or '{annotating.UNCLEAR}'; grammar_1, grammar_2: 1 "
        "(no sentence at all) to 5 (faultless). Nothing else is changed."
    )
    typer.echo(f"Which text is which is kept in {store.shown}; keep that from those who judge.")


@app.command("import")
def import_(
    folder: FolderArgument,
    sheets: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Filled-in copies of one sheet, one per person.")
    ],
) -> None:
    """Read filled-in copies of one sheet, say how far people agree, and write the tables again with what they judged.

    Example: asa-bench annotate import reports/runs/robustness-embedded ann.csv bob.csv
    """
    from asa_bench import annotating, reporting
    from asa_bench.errors import BadInput
    from asa_bench.reports.people import agreement_text
    from asa_bench.reports.text import shorten
    from asa_bench.store import Store

    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder")
    store = Store(folder)
    found = annotating.read(store, sheets)
    people = ", ".join(shorten(name, 40) for name in found.people)
    told = found.agreement
    typer.echo(f"sheet {told.name}: {told.items:,} pairs, judged by {told.people} ({people})")
    for what, one in (("labels", told.labels), ("label kept", told.kept), ("grammar", told.grammar)):
        typer.echo(f"  {what:<11} {agreement_text(one)}")
    written = reporting.report([folder])
    typer.echo(f"tables with what people judged: {written.parts[0].shown}")
