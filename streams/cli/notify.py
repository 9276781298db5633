"""``daybook notify``: do messages arrive?"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import click

from streams.cli.settings import Settings, configured, example

if TYPE_CHECKING:
    from streams.runtime.notify.channel import Channel


@click.group(epilog=example("daybook notify test"))
def notify() -> None:
    """Who is told of incidents."""


@notify.command(epilog=example("daybook notify test", "DAYBOOK_PHONE=ntfy://my-shop daybook notify test"))
@configured
def test(settings: Settings) -> None:
    """Send everybody that notify: names a message saying that nothing is wrong, and say what became of each.

    Quiet hours and limits are not looked at. Exit status 1 if one was not taken.
    """
    from streams.runtime.notify.channels import channels_of

    config = settings.load()
    channels = channels_of(config, settings.environment)
    if not channels:
        raise click.UsageError(f"nobody is told: notify: of {config.source} has no alertmanager, apprise or webhooks")
    failed = asyncio.run(_try_all(channels))
    sys.exit(1 if failed else 0)


async def _try_all(channels: list[Channel]) -> int:
    """Tell each channel; how many did not take it."""
    outcomes = await asyncio.gather(*map(_try, channels))
    width = max(len(channel.name) for channel in channels)
    for channel, error in zip(channels, outcomes, strict=True):
        click.echo(f"{channel.name:<{width}}  {error or 'taken'}")
    return sum(bool(error) for error in outcomes)


async def _try(channel: Channel) -> str:
    """What went wrong, empty where nothing did."""
    from detectors.notification.trial import trial
    from streams.runtime.notify.channel import Undelivered
    from streams.runtime.notify.channels import ALERTMANAGER

    message = trial(channel.name, int(time.time() * 1000), alertmanager=channel.name == ALERTMANAGER)
    try:
        await channel.send(message)
    except Undelivered as error:
        return f"not taken: {error.error}"
    finally:
        await channel.close()
    return ""
