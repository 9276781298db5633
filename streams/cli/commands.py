"""The command group, and how errors reach a person: in one line, without a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from streams import __version__
from streams.cli import (
    archive,
    backfill,
    broker,
    check,
    compare,
    console,
    dashboards,
    dlq,
    evaluate,
    golden,
    imports,
    incidents,
    missed,
    notify,
    promises,
    replay,
    report,
    run,
    simulate,
    status,
    table,
    topics,
    tune,
    unlearn,
    worker,
)
from streams.cli.settings import Settings
from streams.errors import DaybookError

INTERRUPTED = 130


class Commands(click.Group):
    """A group whose failures are told in one line: exit status 2 for a mistake, 130 after Ctrl-C."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        try:
            result = super().main(args, prog_name, complete_var, False, **extra)
        except DaybookError as error:
            for line in str(error).splitlines() or [type(error).__name__]:
                click.echo(f"daybook: {line}", err=True)
            sys.exit(2)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        except BrokenPipeError:  # the reader of our output went away: head, less
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        sys.exit(result if isinstance(result, int) else 0)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with: daybook run",
)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="The configuration file.")
@click.option("--namespace", help="What all topic names start with.")
@click.version_option(__version__, prog_name="daybook")
@click.pass_context
def cli(context: click.Context, config: Path | None, namespace: str | None) -> None:
    """Daybook: live KPIs from a shop's orders, deliveries and support contacts."""
    context.obj = Settings(config, namespace)


for command in (
    run.run,
    table.top,
    status.status,
    incidents.incidents,
    notify.notify,
    promises.promises,
    dashboards.dashboards,
    imports.import_,
    archive.archive,
    replay.replay,
    report.report,
    backfill.backfill,
    tune.tune,
    compare.compare,
    missed.missed,
    golden.golden,
    unlearn.unlearn,
    simulate.simulate,
    evaluate.evaluate,
    worker.worker,
    console.console,
    topics.topics,
    dlq.dlq,
    check.config,
    broker.kafka,
):
    cli.add_command(command)


def main() -> None:
    """The entry point."""
    cli(prog_name="daybook")
