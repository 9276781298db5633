"""``daybook dlq``: what could not be processed, and why."""

from __future__ import annotations

import getpass
import json
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from streams.cli.harmless import printable_lines
from streams.cli.settings import DURATION, Settings, configured, example

if TYPE_CHECKING:
    from streams.runtime.letters import Letter

SHOWN = 16_384
"""So many characters of a value are shown."""


@click.group(epilog=example("daybook dlq list", "daybook dlq show daybook.orders.v1/2/1042"))
def dlq() -> None:
    """Read the dead letters: records that could not be processed, with the reason. Send them again."""


@dlq.command("list", epilog=example("daybook dlq list", "daybook dlq list --topic orders --since 1h --json"))
@click.option("--topic", metavar="NAME", help="Only topics whose name contains it.")
@click.option("--since", type=DURATION, default="30d", show_default=True, help="How far back to read.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@configured
def list_(settings: Settings, topic: str | None, since: int, limit: int, as_json: bool) -> None:
    """List the newest dead letters, and how often each reason occurs."""
    config = settings.attach()
    from streams.runtime.letters import read_letters

    letters = sorted(read_letters(config, topic, since), key=lambda letter: letter.at, reverse=True)
    if as_json:
        for letter in letters[:limit]:
            click.echo(json.dumps(_facts(letter), ensure_ascii=False))
        return
    if not letters:
        click.echo("no dead letters")
        return
    _print(letters, limit)


@dlq.command(epilog=example("daybook dlq show daybook.orders.v1/2/1042"))
@click.argument("place", metavar="TOPIC/PARTITION/OFFSET")
@click.option("--raw", is_flag=True, help="Only the record's value, byte for byte.")
@configured
def show(settings: Settings, place: str, raw: bool) -> None:
    """Show one dead letter in full, by where the record was (as 'list' says it)."""
    config = settings.attach()
    from streams.runtime.letters import read_letters

    topic = place.split("/")[0]
    letter = next((found for found in read_letters(config, topic, None) if found.place == place), None)
    if letter is None:
        raise click.UsageError(f"{place}: no such dead letter (places are listed by: daybook dlq list)")
    if raw:
        click.get_binary_stream("stdout").write(letter.value or b"")
        return
    for name, value in _facts(letter).items():
        if name != "value":
            click.echo(f"{name:9} {printable_lines(str(value))}")
    click.echo()
    click.echo(pretty(letter.value))


@dlq.command(
    epilog=example(
        "daybook dlq requeue daybook.orders.v1/2/1042",
        "daybook dlq requeue --code too_far_ahead --since 2h",
    )
)
@click.argument("place", metavar="[TOPIC/PARTITION/OFFSET]", required=False)
@click.option("--code", help="All that were set aside for this reason.")
@click.option("--since", type=DURATION, default="30d", show_default=True, help="How far back to read.")
@click.option("--by", help="Who does it; whoever is logged in unless given.")
@configured
def requeue(settings: Settings, place: str | None, code: str | None, since: int, by: str | None) -> None:
    """Send a dead letter to the topic it was set aside from, or all of a reason: each once, as it came."""
    if (place is None) == (code is None):
        raise click.UsageError("say which: TOPIC/PARTITION/OFFSET, or --code for all of a reason")
    config = settings.attach()
    from dashboards.console.again import send_again
    from dashboards.console.history import History, history_path
    from streams.runtime.letters import read_letters

    topic = None if place is None else place.split("/")[0]
    known = list(read_letters(config, topic, None if place else since))
    letters = [one for one in known if one.place == place or (code is not None and one.code == code)]
    if not letters:
        codes = ", ".join(sorted({one.code for one in known})) or "there are none"
        what = f"{place}: no such dead letter" if place else f"--code {code}: no dead letter has it (known are {codes})"
        raise click.UsageError(f"{what}; they are listed by: daybook dlq list")
    history = History(history_path(config))
    try:
        sent = send_again(config, history, {one.place: one for one in letters}.values(), by or getpass.getuser())
    finally:
        history.close()
    before = len({one.place for one in letters}) - sent
    click.echo(f"sent again: {sent:,}" + (f"; {before:,} had been before" if before else ""))


def _facts(letter: Letter) -> dict[str, Any]:
    return {
        "place": letter.place,
        "at": letter.time,
        "code": letter.code,
        "error": letter.error,
        "attempts": letter.attempts,
        "key": letter.key.decode("utf-8", "backslashreplace") if letter.key is not None else None,
        "bytes": letter.bytes,
        "value": letter.value.decode("utf-8", "backslashreplace") if letter.value is not None else None,
    }


def pretty(value: bytes | None) -> str:
    """A value to read: indented where it is JSON, a hex dump where it is not even text; the beginning if it
    is long."""
    if value is None:
        return "(no value)"
    try:
        text = json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            rows = range(0, min(len(value), SHOWN // 16), 16)
            text = "\n".join(f"{at:08x}  {value[at : at + 16].hex(' ')}" for at in rows)
            rest = len(value) - SHOWN // 16
            return text if rest <= 0 else f"{text}\n… {rest:,} more bytes (all of it: --raw)"
    if len(text) > SHOWN:
        text = f"{text[:SHOWN]}\n… {len(text) - SHOWN:,} more characters (all of it: --raw)"
    return printable_lines(text)


def _print(letters: list[Letter], limit: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Arrived", "Where", "Reason"):
        table.add_column(heading, overflow="fold" if heading == "Reason" else "ellipsis", no_wrap=heading != "Reason")
    for letter in islice(letters, limit):
        table.add_row(Text(letter.time), Text(printable_lines(letter.place)), Text(printable_lines(letter.error)))
    console.print(table)
    counts = Counter(letter.code for letter in letters)
    reasons = ", ".join(f"{count:,} {code}" for code, count in counts.most_common())
    shown = f"the newest {limit} of {len(letters):,}" if len(letters) > limit else f"all {len(letters):,}"
    console.print(f"{shown}: {reasons}", style="dim", markup=False)
