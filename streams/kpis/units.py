"""Values in the units people read: 1.2 h, € 1,234.50, 93.1 %."""

from __future__ import annotations

NOTHING = "–"

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "BRL": "R$", "KRW": "₩", "PLN": "zł"}
# ISO 4217: the currencies whose minor unit is not a hundredth.
_EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_SPANS = ((604_800_000, "w"), (86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))


def human(value: float | None, unit: str, currency: str = "EUR") -> str:
    """``value`` in base units (seconds, ratio 0 to 1, money in minor units, or a count) as a person writes
    it."""
    if value is None:
        return NOTHING
    if unit == "money":
        return money(value, currency)
    if unit == "ratio":
        return f"{value * 100:.1f} %"
    if unit == "seconds":
        return duration(value)
    if unit == "score":
        return f"{value:.2f}"
    return number(value)


def exponent(currency: str) -> int:
    """How many decimal digits a currency's minor unit is: 2 for the euro, 0 for the yen."""
    return _EXPONENTS.get(currency, 2)


def money(minor: float, currency: str) -> str:
    """An amount in minor units, with the currency's symbol; ten millions and more are shortened."""
    digits = exponent(currency)
    major = minor / 10**digits
    symbol = _SYMBOLS.get(currency, currency)
    if abs(major) >= 10_000_000:
        return f"{symbol} {major / 1_000_000:,.2f} M"
    return f"{symbol} {major:,.{digits}f}"


def major(minor: int, currency: str) -> str:
    """An amount in minor units as a plain number in major ones, for other programs: ``1234.50``."""
    digits = exponent(currency)
    return f"{minor / 10**digits:.{digits}f}"


def duration(seconds: float) -> str:
    """A duration in the largest unit that keeps it above one, to three figures."""
    size = abs(seconds)
    # Rounded first: 59.96 s is 1.0 min, never "60.0 s".
    if size < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if size < 59.95:
        return f"{seconds:.1f} s"
    if size < 3597:
        return f"{seconds / 60:.1f} min"
    if size < 172_620:  # up to two days in hours: shops think "36 h"
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} d"


def number(value: float) -> str:
    """A count or a mean: whole numbers whole, others with two or one decimals."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.1f}"


def span(ms: int) -> str:
    """A length of time in the largest unit that divides it: 3600000 → ``1 h``."""
    for size, name in _SPANS:
        # One day reads better as 24 h, one week as 7 d.
        if ms % size == 0 and (ms > size or name not in ("d", "w")):
            return f"{ms // size} {name}"
    return f"{ms} ms"


def change(value: float | None, previous: float | None, unit: str) -> str:
    """The change from ``previous``: in percentage points for a ratio, relative for all else."""
    if value is None or previous is None:
        return NOTHING
    if unit == "ratio":
        points = round((value - previous) * 100, 1)
        return "=" if points == 0 else f"{points:+.1f} pp"
    if previous == 0:
        return "=" if value == 0 else "new"
    percent = (value - previous) / abs(previous) * 100
    if abs(percent) >= 999.5:
        return "> 999 %" if percent > 0 else "< −999 %"
    return "=" if round(percent) == 0 else f"{percent:+.0f} %"


def age(ms: int) -> str:
    """How long ago, coarsely: ``12 s``, ``3 min``, ``2 h``, ``5 d``."""
    for size, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if ms >= 2 * size:
            return f"{ms // size} {name}"
    return f"{max(0, ms) // 1000} s"
