"""``asa-bench list``: suites, tasks, methods, attacks, models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="List suites, tasks, methods, attacks or models.\n\nExample: asa-bench list suites",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _print(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(list(rows), indent=1))
        return
    width = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        typer.echo(f"{row['name']:<{width}}  {row['summary']}")


@app.command("suites")
def suites(as_json: JsonOption = False) -> None:
    """The built-in suites.

    Example: asa-bench list suites
    """
    from asa_bench import suite

    found = [suite.load(path.stem) for path in suite.suite_files()]
    rows = [
        {
            "name": one.name,
            "summary": f"{one.file.title} (profiles: {', '.join(one.profile_names())})",
            "description": one.file.description.strip(),
            "profiles": one.profile_names(),
            "default_profile": one.file.default_profile,
        }
        for one in found
    ]
    _print(rows, as_json)


@app.command("tasks")
def tasks(as_json: JsonOption = False) -> None:
    """The data sets: what models are trained on, and what they face.

    Example: asa-bench list tasks --json
    """
    from asa_bench.tasks import TASKS

    rows = []
    for task in map(TASKS.get, TASKS.names()):
        how = "train on it" if task.role == "train" else f"faced by models of {', '.join(task.train_tasks)}"
        what = (
            task.family if task.kind == "classification" else f"{task.family}, {task.kind.replace('_', ' ')}"
        )
        scored = ", ".join(metric.replace("_", " ") for metric in task.metrics)
        rows.append({"summary": f"{task.title}: {what}, {how}; {scored}", **task.model_dump(mode="json")})
    _print(rows, as_json)


@app.command("methods")
def methods(as_json: JsonOption = False) -> None:
    """The training methods.

    Example: asa-bench list methods
    """
    from asa_bench.methods import METHODS

    rows = []
    for name in METHODS.names():
        method = METHODS.get(name)
        source = f" ({method.citation})" if method.citation else ""
        rows.append(
            {
                "name": name,
                "summary": f"{method.title}: {method.summary}{source}",
                "citation": method.citation,
                "options": method.Options.model_json_schema().get("properties", {}),
            }
        )
    _print(rows, as_json)


@app.command("attacks")
def attacks(as_json: JsonOption = False) -> None:
    """The attacks, and all recipes of TextAttack, with what each one's state is here.

    Example: asa-bench list attacks
    """
    from asa_bench.attacks import ATTACKS
    from asa_bench.attacks.catalogue import RECIPES

    rows = []
    for attack in map(ATTACKS.get, ATTACKS.names()):
        needs = f"; needs {', '.join(attack.needs)}" if attack.needs else ""
        rows.append(
            {
                "summary": f"{attack.title} ({attack.paper}), {attack.box} box{needs}",
                **attack.model_dump(mode="json"),
            }
        )
    recipes = []
    for recipe in RECIPES:
        state = f"{recipe.status}: {recipe.why}" if recipe.why else recipe.status
        if recipe.given:
            state += f"{', given' if recipe.status == 'runs' else '; reads'} {', '.join(recipe.given)}"
        offered = f"; here as {', '.join(recipe.attacks)}" if recipe.attacks else ""
        texts = " or ".join(map(str, recipe.inputs))
        recipes.append(
            {
                "summary": f"{recipe.paper}; {recipe.box} box; texts: {texts}; {state}{offered}",
                **recipe.model_dump(mode="json"),
            }
        )
    if as_json:
        typer.echo(json.dumps({"attacks": rows, "recipes": recipes}, indent=1))
        return
    _print(rows, False)
    typer.echo("\nThe recipes of textattack 0.3.11, as they come:")
    _print(recipes, False)


@app.command("models")
def models(as_json: JsonOption = False) -> None:
    """The model families that methods can train, and the laboratory's own encoder.

    Example: asa-bench list models
    """
    from asa_bench.models.architectures import FAMILIES

    rows = [{"name": "laboratory", "summary": "the embedded laboratory's small BERT; no download"}]
    for name in (name for family in FAMILIES for name in family.model_types):
        rows.append(
            {
                "name": name,
                "summary": f"any encoder with model_type {name!r} in its config: a folder or a hub id",
            }
        )
    _print(rows, as_json)
