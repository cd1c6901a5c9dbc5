"""The command line `runbook`: a verb per module under commands/, one place where errors become a line and a status."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType

import click

from runbook_lib.commands import (
    generate,
    lab,
    live,
    open_change,
    plan,
    rehearse,
    report,
    rollback,
    run,
    status,
    terminal,
)
from runbook_lib.commands.at_work import endings
from runbook_lib.errors import RunbookError
from runbook_lib.redaction import RedactingFilter, redact

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="migration-runbook")
def cli() -> None:
    """Carry out a migration step by step, measured, gated and recorded."""


for command in (
    rehearse.rehearse,
    plan.plan,
    run.run,
    status.status,
    live.pause,
    live.go,
    live.abort,
    rollback.rollback,
    open_change.open_change,
    report.report,
    lab.lab,
    generate.generate,
):
    cli.add_command(command)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """Treat a request to end as Ctrl-C: what was started is ended, the record is kept."""
    if number == signal.SIGHUP:
        terminal.gone()
        signal.signal(number, signal.SIG_IGN)  # it comes twice, and what was started is being ended
    raise KeyboardInterrupt


def _mask_logs() -> None:
    """Let libraries' warnings through, their secrets masked."""
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def main() -> None:
    """Run the command line; every known error is one line on standard error and its own exit status."""
    for number in set(endings()) - {signal.SIGINT}:
        signal.signal(number, _interrupt)
    _mask_logs()
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except RunbookError as error:
        click.echo(redact(f"runbook: {error}"), err=True)
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("runbook: interrupted; what was started has been ended, the record is kept", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
