"""The ``cbi`` command.

Everything heavy is imported inside the command that needs it, so help answers at once. What a
user can mend ends in one line and exit code 2; a job that failed ends in exit code 1.
"""

from __future__ import annotations

import errno
import gc
import sys
import traceback

import click
import typer

from cbi_pipeline.commands import (
    archive,
    catalogue,
    commodity,
    contracts,
    data,
    feeds,
    forecast,
    ledger,
    models,
    panel,
    recipes,
)
from cbi_pipeline.commands import quarantine as quarantine_commands
from cbi_pipeline.commands.console import Refusal, errors, expected_errors, explain
from cbi_pipeline.commands.doctor import doctor
from cbi_pipeline.commands.options import describe
from cbi_pipeline.commands.rebuild import rebuild
from cbi_pipeline.commands.report import report
from cbi_pipeline.commands.run import run
from cbi_pipeline.commands.ui import ui

app = typer.Typer(
    name="cbi",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(describe)
app.command()(run)
app.command()(forecast.forecast)
app.command()(report)
app.command()(ui)
app.command()(doctor)
app.command()(rebuild)
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(commodity.app, name="commodity")
app.add_typer(recipes.app, name="recipes")
app.add_typer(models.app, name="models")
app.add_typer(data.app, name="data")
app.add_typer(feeds.app, name="feeds")
app.add_typer(quarantine_commands.app, name="quarantine")
app.add_typer(archive.app, name="archive")
app.add_typer(ledger.app, name="ledger")
app.add_typer(panel.app, name="panel")
app.add_typer(contracts.app, name="contracts")

#: What the system refuses a program for reasons that its user can mend.
MACHINE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended


def main() -> None:
    """Run the command line and leave with its exit code."""
    # The libraries are a million objects that never go: at Python's default each sweep over them
    # all costs a quarter of a second, a twelfth of a whole run.
    gc.set_threshold(50_000, 20, 20)
    try:
        code = invoke(sys.argv[1:])
    except Exception:  # a fault of the program; what it quotes may come from anywhere
        errors.print(traceback.format_exc(), end="")
        code = 1
    sys.exit(code)


def invoke(arguments: list[str]) -> int:
    """Run one command line.

    Returns:
        0 when it did what was asked, 1 when a job or a check failed, 2 when the user must act
        first, 130 when interrupted.
    """
    try:
        outcome = app(arguments, prog_name="cbi", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())  # noqa: T201
        return 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cbi"
        if isinstance(error, click.NoSuchOption) and error.option_name == "--catalogue":
            return explain("write --catalogue FILE right after cbi, before the command", code=2)
        return explain(f"{error.format_message().rstrip('.')}. See `{path} --help`.", code=2)
    except (KeyboardInterrupt, click.Abort):
        outcome = INTERRUPTED
    except Exception as error:
        if isinstance(error, (Refusal, *expected_errors())):
            return explain(str(error), code=2)
        if isinstance(error, OSError) and error.errno in MACHINE:
            where = f"{error.filename}: " if error.filename else ""
            return explain(
                f"{where}{error.strerror}; mend that, or set CBI_HOME to another folder, and run "
                "the same command again",
                code=2,
            )
        raise
    if outcome == INTERRUPTED:  # Typer turns Ctrl-C into this exit code without a word
        return explain("interrupted; run the same command again to go on", code=INTERRUPTED)
    return outcome if isinstance(outcome, int) else 0


if __name__ == "__main__":
    main()
