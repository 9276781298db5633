"""What is known of moments of the real data sets: from the files themselves, or from what everybody can know.

Only what can be checked is here. What is not is unexplained.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

UNEXPLAINED = "unexplained"


class Known(NamedTuple):
    """Of a data set, from a day to another (both included), of the series that begin so."""

    data_set: str
    first: date
    last: date
    series: str
    text: str


def _day(data_set: str, day: str, series: str, text: str) -> Known:
    return Known(data_set, date.fromisoformat(day), date.fromisoformat(day), series, text)


def _days(data_set: str, first: str, last: str, series: str, text: str) -> Known:
    return Known(data_set, date.fromisoformat(first), date.fromisoformat(last), series, text)


_WALK_IN = "one order of £ {0}: lines without a customer are one order a minute; thousands of pieces booked at once"
_BATCH = "returns are booked in batches: {0} within the hour"

KNOWN = (
    # -- The gift shop
    _day("online_retail", "2011-12-09", "", "one order of 80,995 pieces, £ 168,470; sent back 12 minutes later"),
    _day("online_retail", "2011-01-18", "", "one order of 74,215 pieces, £ 77,184; sent back 16 minutes later"),
    _day("online_retail", "2011-11-07", "revenue", _WALK_IN.format("52,941")),
    _day("online_retail", "2011-11-14", "revenue", _WALK_IN.format("50,654")),
    _day("online_retail", "2011-07-19", "revenue{region=EIRE", "a wholesale customer: one order of £ 11,134"),
    _day("online_retail", "2011-01-14", "revenue{region=EIRE", "a wholesale customer: one order of £ 16,775"),
    _day("online_retail", "2010-12-07", "", "one customer, two orders of £ 16,281 and £ 9,639 within two minutes"),
    _days(
        "online_retail",
        "2010-12-01",
        "2011-12-09",
        "revenue{region=Netherlands",
        "one wholesale customer makes nearly all of this series: an order of thousands every few days",
    ),
    _days(
        "online_retail",
        "2010-12-01",
        "2011-12-09",
        "orders_placed{region=Netherlands",
        "the same wholesale customer ordered twice within minutes",
    ),
    _day(
        "online_retail",
        "2011-03-17",
        "orders_placed",
        "five walk-in sales of hundreds of lines each, entered within 16 minutes, beside seven usual orders",
    ),
    _day("online_retail", "2011-05-23", "refund_ratio", _BATCH.format(16)),
    _day("online_retail", "2011-10-06", "refund_ratio", _BATCH.format(25)),
    _day("online_retail", "2011-08-18", "refund_ratio", _BATCH.format(21)),
    _day("online_retail", "2011-06-21", "refund_ratio", _BATCH.format(17)),
    _days("online_retail", "2010-12-23", "2011-01-03", "", "closed from Christmas to New Year"),
    _days("online_retail", "2011-04-22", "2011-04-25", "", "Easter"),
    _day("online_retail", "2011-04-29", "", "the royal wedding, a bank holiday of that year"),
    _days("online_retail", "2010-12-01", "2010-12-02", "", "start of the data: its first night and morning"),
    _day("online_retail", "2011-10-05", "orders_placed{region=Channel", "one customer, three orders in three minutes"),
    _day("online_retail", "2011-05-12", "revenue{region=Germany", "one order of £ 9,341"),
    _day("online_retail", "2011-07-31", "revenue{region=EIRE", "a wholesale customer: one order of £ 13,464"),
    _day("online_retail", "2011-09-05", "revenue{region=EIRE", "one customer, £ 7,480 and £ 959 within a minute"),
    _day("online_retail", "2011-08-16", "orders_placed{region=Spain", "one customer, two orders within 15 minutes"),
    _day("online_retail", "2010-12-05", "", "the first Sunday of the data"),
    # -- The marketplace
    _days(
        "olist", "2016-09-01", "2016-11-30", "", "start of the data: 33 orders in September and October 2016, then none"
    ),
    _days(
        "olist", "2017-01-01", "2017-02-05", "", "the data begins in earnest: no order for two months, 88 in January"
    ),
    _days("olist", "2017-11-24", "2017-11-27", "", "Black Friday"),
    _days("olist", "2017-11-28", "2017-12-23", "", "the parcels of Black Friday, and Christmas"),
    _days(
        "olist", "2018-01-20", "2018-02-03", "", "back to usual, once the parcels delayed over Christmas had arrived"
    ),
    _day("olist", "2017-04-18", "average_order_value", "one order of R$ 4,195 among nine"),
    _day("olist", "2017-04-06", "average_order_value", "one order of R$ 2,751 among six"),
    _days(
        "olist",
        "2017-03-15",
        "2017-03-22",
        "deliveries_overdue",
        "in part: of the ten parcels five are never delivered in the file, the other five come within weeks",
    ),
    _day(
        "olist",
        "2017-09-19",
        "order_to_door",
        "a dozen parcels underway for 16 to 144 days were delivered on one day; why is not known",
    ),
    _days("olist", "2018-05-21", "2018-06-10", "", "the strike of Brazilian lorry drivers, 21 to 31 May 2018"),
    _days(
        "olist",
        "2018-08-30",
        "2018-12-31",
        "",
        "end of the data: the last order that was not cancelled is of 29 August",
    ),
    # -- The support log
    _days(
        "servicenow",
        "2016-05-02",
        "2016-05-13",
        "tickets_opened",
        "each working evening of 2 to 13 May one place reported some twenty tickets of one topic; why is not known",
    ),
    _day(
        "servicenow",
        "2016-04-28",
        "tickets_opened{queue=23",
        "45 calls about one topic within two hours, from several places: an outage by all appearances",
    ),
    _days(
        "servicenow",
        "2016-03-07",
        "2016-03-08",
        "",
        "the busiest day of the log, 607 tickets, 323 of them for this queue, twice as many as usual; why is not known",
    ),
    _day("servicenow", "2016-05-23", "tickets_open{queue=12", "eight tickets resolved within half an hour"),
    _day(
        "servicenow",
        "2016-03-28",
        "tickets_open{topic=46",
        "16 tickets resolved within an hour, the first of a working day after Easter",
    ),
    _day("servicenow", "2016-04-15", "tickets_open{queue=66", "14 tickets resolved within an hour"),
    _day("servicenow", "2016-05-16", "tickets_open{topic=45", "five tickets of ten weeks ago resolved in 20 minutes"),
    _day(
        "servicenow",
        "2016-03-18",
        "tickets_answered{queue=64",
        "seven tickets of one topic opened within 21 minutes, all resolved together six days later",
    ),
    _day("servicenow", "2016-04-04", "tickets_open{queue=20", "ten tickets opened within the hour; why is not known"),
    _day("servicenow", "2016-03-15", "resolution_time", "the only ticket was opened and resolved in the same minute"),
    _days("servicenow", "2016-02-29", "2016-03-06", "", "start of the data: the log knows of no ticket from before"),
    _day("servicenow", "2016-03-25", "", "Good Friday"),
    _days(
        "servicenow",
        "2016-04-21",
        "2016-04-24",
        "",
        "a public holiday in Brazil, Tiradentes, and the Friday after it; so the log may be from there",
    ),
    _days(
        "servicenow",
        "2016-05-26",
        "2016-05-29",
        "",
        "a public holiday in Brazil and elsewhere, Corpus Christi, and the Friday after it",
    ),
    _days(
        "servicenow",
        "2016-06-01",
        "2016-07-04",
        "",
        "end of the data: tickets opened up to 31 May, of later ones a handful",
    ),
)


def explanation(data_set: str, day: date, series: str) -> str | None:
    """What is known of a moment; None where nothing is."""
    for known in KNOWN:
        if known.data_set == data_set and known.first <= day <= known.last and series.startswith(known.series):
            return known.text
    return None
