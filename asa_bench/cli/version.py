"""``asa-bench version``."""

from __future__ import annotations

import typer


def command() -> None:
    """Print the version of asa-bench.

    Example:

    asa-bench version
    """
    from asa_bench import __version__

    typer.echo(f"asa-bench {__version__}")
