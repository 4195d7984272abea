"""``asa-bench fetch``: gets what a suite needs and this machine has not."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from asa_bench.cli import options as o

if TYPE_CHECKING:
    from asa_bench.fetching import Progress


def command(
    suite: o.SuiteOption = "robustness",
    profile: o.ProfileOption = None,
    data_dir: o.RunDataDirOption = None,
    model: o.ModelOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be fetched, and whence.")
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHA256",
            help="Convert what has this checksum, which you compared, where nobody publishes one. Repeatable.",
        ),
    ] = None,
) -> None:
    """Fetch what a suite needs and is not here: data sets, models, files of attacks; each with its checksum.

    Hub files go where the hub's client keeps them, the rest to ASA_BENCH_RESOURCES (~/.cache/asa-bench/data). What nobody
    publishes a checksum of is kept unread until its checksum is given with --accept. Exit code 1 if something is still missing.

    Examples:

    asa-bench fetch --suite robustness --profile laptop

    asa-bench fetch --suite robustness --profile laptop --dry-run

    asa-bench fetch --suite mine.yaml --accept SHA256
    """
    from asa_bench import needs
    from asa_bench.attacks.sources import Accepted
    from asa_bench.errors import AsaBenchError, one_line
    from asa_bench.suite import source_of

    accepted = Accepted(accept or ())
    _, _, settings = o.request(suite, profile=profile, model=model, data_dir=data_dir).settings()
    source = source_of(settings, data_dir)
    o.tell_of_folder(settings, source)
    missing = [need for need in needs.of(settings, source, accepted) if not need.present]
    left, done, failed = 0, dict[str, bool](), ""
    if not missing:
        typer.echo("nothing is missing")
    for need in missing:
        if need.fetch is None:
            left += 1
            typer.echo(f"MISSING {one_line(f'{need.what}: {need.where}; it cannot be fetched')}")
            continue
        if need.key in done:
            left += not done[need.key]
            continue
        typer.echo(
            f"{'would fetch' if dry_run else 'fetching'} {one_line(f'{need.what}, from {need.source}')}"
        )
        done[need.key] = False
        if not dry_run:
            try:
                with _bar() as progress:
                    told = need.fetch(progress)
            except AsaBenchError as error:
                failed += f"{error}\n"
                typer.echo(f"FAILED  {error}")
            else:
                done[need.key] = True
                typer.echo(f"fetched {one_line(told)}")
        left += not done[need.key]
    if any(done.values()):
        # What came is looked for once more, since something else may stand before it.
        for need in needs.of(settings, source):
            if done.get(need.key) and not need.present:
                left += 1
                typer.echo(f"MISSING {one_line(f'{need.what}: {need.where}, although it was fetched')}")
    for digest in accepted:
        if digest not in accepted.used and digest not in failed:
            reason = "--dry-run fetches nothing" if dry_run else "nothing that was fetched asks for it"
            typer.echo(f"--accept {digest}: not used, since {reason}", err=True)
    if left:
        raise typer.Exit(1)


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    """Progress in bytes on a terminal; elsewhere the lines of `command` are enough."""
    if not sys.stderr.isatty():
        yield lambda have, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        bar = bars.add_task("", start=False, visible=False)

        def shown(have: int, total: int) -> None:
            bars.start_task(bar)
            bars.update(bar, completed=have, total=total or None, visible=True)

        yield shown
