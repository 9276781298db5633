"""From event to KPI: contracts, the pure KPI core, the Faust shell, ways in, history."""

__version__ = "0.1.0"
