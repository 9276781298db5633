"""``daybook topics``: create them, list them."""

from __future__ import annotations

import json

import click

from streams.cli.settings import Settings, configured, example


@click.group(epilog=example("daybook topics create", "daybook --namespace trial topics list"))
def topics() -> None:
    """Create or list the topics of a namespace."""


@topics.command(epilog=example("daybook topics create"))
@configured
def create(settings: Settings) -> None:
    """Create the topics that do not exist yet; what exists is left as it is."""
    config = settings.attach()
    from streams.runtime.topics import create_topics

    created = create_topics(config)
    for name in created:
        click.echo(f"created {name}")
    if not created:
        click.echo(f"nothing to do: all topics of {config.namespace} exist on {config.kafka.bootstrap}")


@topics.command("list", epilog=example("daybook topics list", "daybook topics list --json"))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@configured
def list_(settings: Settings, as_json: bool) -> None:
    """List the topics: partitions, records, how long they are kept."""
    config = settings.attach()
    from streams.runtime.topics import describe_topics

    found = describe_topics(config)
    if as_json:
        rows = [
            {
                "name": topic.name,
                "partitions": topic.partitions,
                "records": topic.records,
                "retention_ms": topic.retention_ms,
                "cleanup": topic.cleanup or None,
            }
            for topic in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    if not found:
        click.echo(f"no topics of {config.namespace} on {config.kafka.bootstrap}; create them: daybook topics create")
        return
    from rich.console import Console
    from rich.table import Table

    from streams.kpis.units import span

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, right in (("Topic", False), ("Partitions", True), ("Records", True), ("Kept", False)):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for topic in found:
        if not topic.cleanup:
            kept = "unknown"
        elif topic.retention_ms is None:
            kept = "newest of each key" if "compact" in topic.cleanup else "for ever"
        else:
            kept = span(topic.retention_ms)
        table.add_row(topic.name, f"{topic.partitions}", f"{topic.records:,}", kept)
    Console(highlight=False).print(table)
