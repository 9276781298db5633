"""``python -m dashboards.grafana check``: are the committed dashboards those of the code? ``write`` writes them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dashboards.grafana.files import GENERATED, drifted, write
from streams.config import PACKAGED, load_config
from streams.errors import ConfigError

_COMMAND = "python -m dashboards.grafana"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 1 where ``check`` finds a difference."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Write or check the Grafana dashboards.")
    parser.add_argument("action", choices=("write", "check"))
    parser.add_argument(
        "--config", type=Path, default=PACKAGED, help="whose KPIs they show (the default configuration's)"
    )
    parser.add_argument(
        "--folder", type=Path, default=GENERATED, help=f"where they are ({GENERATED.name}, beside the code)"
    )
    options = parser.parse_args(arguments)
    try:
        # The environment is of a machine, and what is committed is not.
        config = load_config(options.config, {})
        if options.action == "write":
            for path in write(options.folder, config):
                print(path)
            return 0
        wrong = drifted(options.folder, config)
    except (ConfigError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for name in wrong:
        print(f"{options.folder / name} is missing or not what the code gives (run: {_COMMAND} write)", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
