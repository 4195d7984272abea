"""``asa-bench show NAME``: everything that is known of one suite, task, method or attack."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer


def command(
    name: Annotated[str, typer.Argument(help="A suite, task, method or attack.")],
    profile: Annotated[str | None, typer.Option(help="For a suite: which profile's settings.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one suite, task, method or attack: its definition, sources, licence and options.

    Examples:

    asa-bench show hans

    asa-bench show robustness --profile laptop
    """
    from asa_bench import suite as suites
    from asa_bench.attacks import ATTACKS
    from asa_bench.errors import BadInput, nearest
    from asa_bench.methods import METHODS
    from asa_bench.tasks import TASKS

    builtin = [path.stem for path in suites.suite_files()]
    value: dict[str, Any]
    if name in builtin or name.endswith((".yaml", ".yml")):
        suite = suites.load(name)
        chosen = profile or suite.file.default_profile
        value = {
            "kind": "suite",
            "name": suite.name,
            "title": suite.file.title,
            "description": suite.file.description.strip(),
            "profile": chosen,
            "settings": suite.settings(chosen).model_dump(mode="json"),
        }
    elif name in TASKS:
        fields = TASKS.get(name).model_dump(mode="json")
        value = {"kind": "task", "task_kind": fields.pop("kind"), **fields}
        if not as_json:
            value = {key: field for key, field in value.items() if field not in ("", [], {}, None)}
    elif name in METHODS:
        method = METHODS.get(name)
        value = {
            "kind": "method",
            "name": name,
            "title": method.title,
            "summary": method.summary,
            "citation": method.citation,
            "options": method.Options().model_dump(mode="json"),
        }
    elif name in ATTACKS:
        value = {"kind": "attack", **ATTACKS.get(name).model_dump(mode="json")}
    else:
        known = [*builtin, *TASKS.names(), *METHODS.names(), *ATTACKS.names()]
        hint = nearest(name, known)
        raise BadInput(
            f"nothing is called {name!r}; {hint if hint.startswith('did') else 'see asa-bench list'}"
        )
    if as_json:
        typer.echo(json.dumps(value, indent=1))
    else:
        import yaml

        typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100).rstrip())
