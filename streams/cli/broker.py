"""``daybook kafka``: Apache Kafka on this machine, in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.settings import Settings, configured, example


@click.command(epilog=example("daybook kafka", "daybook kafka --port 9095 --data-dir ./kafka-data"))
@click.option("--port", type=click.IntRange(1, 65534), default=9092, show_default=True, help="Where clients connect.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Its data.  [default: DATA_DIR/kafka]",
)
@click.option("--heap", default="1g", show_default=True, help="Memory for the Java heap.")
@configured
def kafka(settings: Settings, port: int, data_dir: Path | None, heap: str) -> None:
    """Run Apache Kafka here, from Maven's jars, until Ctrl-C. Its data stays."""
    import signal

    from streams.runtime.kafka import ApacheKafka, fetch_jars
    from streams.runtime.supervisor import Supervisor

    folder = data_dir or Path(settings.load().data_dir) / "kafka"
    jars = fetch_jars()
    broker = ApacheKafka(folder, port, jars, heap=heap)
    supervisor = Supervisor([broker.part], lambda line: click.echo(line, err=True))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.ask_stop)
    try:
        broker.start()
        click.echo(f"Apache Kafka answers on {broker.bootstrap}; data in {folder}. Ctrl-C stops it.")
        click.echo(f"use it with: DAYBOOK_BOOTSTRAP={broker.bootstrap} daybook run")
        while not supervisor.wait(0.5):
            how = broker.part.ended()
            if how is not None:
                raise click.ClickException(f"Apache Kafka {how}: {broker.part.last_words()} (see {broker.log})")
    finally:
        broker.stop()
    click.echo("stopped")
