"""The command line: one command a file, nothing but arguments and printing.

Heavy imports happen inside the commands, so that ``asa-bench --help`` is quick.
"""

from __future__ import annotations

import sys

import typer

# typer carries its own copy of click from 0.20 on and uses the installed one before; this is the base class
# of its usage errors in either.
ClickException: type[Exception] = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)

app = typer.Typer(
    name="asa-bench",
    help="Does a training method make a Transformer encoder generalize better and lean less on shortcuts? "
    "Trains or loads models, runs them through adversarial test sets and attacks, and writes comparison tables.\n\n"
    "Example: asa-bench run --suite robustness",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _register() -> None:
    from asa_bench.cli import (
        annotate,
        baseline,
        compare,
        doctor,
        explain,
        fetch,
        gate,
        listing,
        overlap,
        plan,
        pretrain,
        replay,
        report,
        run,
        score,
        show,
        validate,
        verify,
        version,
    )

    app.command("run")(run.command)
    app.command("plan")(plan.command)
    app.command("pretrain")(pretrain.command)
    app.add_typer(listing.app, name="list")
    app.command("show")(show.command)
    app.command("validate")(validate.command)
    app.command("report")(report.command)
    app.command("compare")(compare.command)
    app.add_typer(replay.app, name="replay")
    app.add_typer(annotate.app, name="annotate")
    app.command("score")(score.command)
    app.command("overlap")(overlap.command)
    app.command("explain")(explain.command)
    app.command("verify")(verify.command)
    app.add_typer(baseline.app, name="baseline")
    app.command("gate")(gate.command)
    app.command("doctor")(doctor.command)
    app.command("fetch")(fetch.command)
    app.command("version")(version.command)


_register()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``asa-bench`` command; exits with 0, 1 (cells failed) or 2 (bad input)."""
    from asa_bench.errors import AsaBenchError

    try:
        code = app(args=arguments, standalone_mode=False, prog_name="asa-bench")
    except AsaBenchError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except ClickException as error:
        if (
            type(error).__name__ == "NoArgsIsHelpError"
        ):  # a command that was called without anything explains itself
            print(error)
            sys.exit(0)
        _complain(f"{error}; see --help" if str(error) else "wrong usage; see --help")
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        _complain("interrupted; what is recorded stays, run the same command again to go on")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> None:
    """One line on stderr, with nothing in it that a terminal would obey."""
    from asa_bench.errors import one_line

    print(f"asa-bench: {one_line(' '.join(message.split()))}", file=sys.stderr)
