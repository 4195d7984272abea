"""``asa-bench validate FILE``: is a suite file right, in every profile?"""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    file: Annotated[str, typer.Argument(help="A suite file, or the name of a built-in suite.")],
) -> None:
    """Check a suite file: keys, types, names and every profile. The first mistake is told with its line.

    Example:

    asa-bench validate my-suite.yaml
    """
    from asa_bench import suite as suites

    suite = suites.load(file)
    for profile in suite.profile_names():
        suite.settings(profile)
    typer.echo(f"{suite.shown}: valid; profiles {', '.join(suite.profile_names())}")
