"""``daybook import``: a shop's own exports as events."""

from __future__ import annotations

import json
from pathlib import Path

import click

from streams.cli.settings import Settings, configured, example


@click.command(
    "import",
    epilog=example(
        "daybook import orders.csv --mapping shop.yaml --dry-run",
        "daybook --namespace past import orders.csv lines.parquet --mapping shop.yaml",
        "daybook import --list-mappings",
    ),
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--mapping", metavar="NAME|FILE", help="Which column is what: a mapping's name, or a YAML file.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, send nothing.")
@click.option("--limit", type=click.IntRange(1), metavar="ROWS", help="Only so many rows.")
@click.option("--json", "as_json", is_flag=True, help="The report for programs.")
@click.option("--list-mappings", is_flag=True, help="List the mappings that come with Daybook, and end.")
@configured
def import_(
    settings: Settings,
    files: tuple[Path, ...],
    mapping: str | None,
    dry_run: bool,
    limit: int | None,
    as_json: bool,
    list_mappings: bool,
) -> None:
    """Import a shop's own exports (CSV or Parquet), in the order of their times.

    Rows that cannot become events are left out and reported, with the reason and their numbers.
    """
    if list_mappings:
        from streams.ingest.imports import load_mapping, mapping_names

        for name in mapping_names():
            click.echo(f"{name:16} {load_mapping(name).description}")
        return
    if not files or mapping is None:
        raise click.UsageError("name the files and the --mapping (see --list-mappings, docs/importing.md)")
    config = settings.load() if dry_run else settings.attach()
    from streams.ingest.imports import discard, load_mapping, run_import
    from streams.runtime.logs import configure_logging

    configure_logging()
    report = run_import(
        files,
        load_mapping(mapping),
        config,
        sink=discard if dry_run else None,
        progress=not as_json,
        limit=limit,
    )
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
        return
    from rich.console import Console

    Console(highlight=False).print(report.table())
    click.echo("nothing was sent" if dry_run else f"sent to {config.kafka.bootstrap}, namespace {config.namespace}")
