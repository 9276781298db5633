"""``daybook console``: the web page."""

from __future__ import annotations

import click

from streams.cli.settings import Settings, configured, example


@click.command(epilog=example("daybook console", "DAYBOOK_CONSOLE_PORT=8081 daybook console"))
@configured
def console(settings: Settings) -> None:
    """Serve the web page: what is now, how it was, what is wrong, and what to do about it."""
    config = settings.attach()
    from dashboards.console.address import address_of, listen
    from dashboards.console.server import serve
    from dashboards.console.service import Service
    from streams.runtime.logs import configure_logging

    configure_logging()
    service = Service(config, settings.environment)
    listening, port = listen(config.console)
    if port != config.console.port:
        click.echo(f"port {config.console.port} is in use: the console takes {port}")
    click.echo(f"console    {address_of(config.console.host, port)}")
    serve(service, listening)
