"""What the record of the embedded archive says in words; numbers come from the bytes."""

from __future__ import annotations

from data_contracts.release import (
    ReleaseRule,
    eia_mer,
    eia_retail_weekly,
    eia_spot_weekly,
    eia_wpsr,
)

AGENCY = "U.S. Energy Information Administration"
ZONE = "America/New_York"
RIGHTS = "public-domain"

HEADER = """\
Where the embedded records come from. Written by tools/rebuild_archive.py from the packages named
below, which it reads without importing them; `cbi archive seal` renews sha256, rows and modified
of files that were edited on purpose. The values' text is the source's, character by character.
""".splitlines()

ASSUMED = (
    "The stored value is the one current when the package's author downloaded it, which may not "
    "be the one first released, so available_at is assumed."
)

WTI = {
    "description": "WTI crude oil spot price at Cushing, Oklahoma, daily, USD per barrel",
    "release_rule": eia_spot_weekly.words,
    "release_evidence": (
        "Compared with a log of when EIA's daily WTI file showed each session, 2018-10-10 to "
        "2026-08-18: 813 sessions in 170 postings that were observed within two weeks of the one "
        "before. On the evening of this rule 786 of 813 sessions (96.7 %) had been seen. 8 of the "
        "other 27 belong to two postings that were looked for only on the following morning, 19 "
        "to four late postings (seen 2020-06-18, 2025-03-13, 2025-09-17, 2025-10-02). The log was "
        "read about once a day, from 21:03 Eastern on; of 162 postings seen on their day 45 were "
        "seen by 21:30, so 21:30 is the earliest hour it supports. A posting holds the sessions "
        "up to the Monday before it. Without the delay for closed offices 84.1 % would hold; "
        "waiting for sessions to be a week old would give 98.8 % and raise the median age from 6 "
        "to 9 days."
    ),
    "notes": (
        "The file labels the series DCOILWTICO, so it passed through FRED; its 8321 prices equal "
        "EIA's own series RWTC, a work of the U.S. government. The token . stands on holidays. "
        + ASSUMED
    ),
}

WEEKLY = {
    "description": (
        "Eight national series of the Weekly Petroleum Status Report and one weekly retail "
        "gasoline price, Minnesota midgrade conventional"
    ),
    "release_rule": f"Petroleum: {eia_wpsr.words} Retail price: {eia_retail_weekly.words}",
    "release_evidence": (
        "Petroleum dates are the Fridays on which the weeks end. The file dates the retail price "
        "by Fridays too, but EIA surveys it on Mondays, and each value stands under the Friday "
        "before its Monday, so that period = label + 3 days: the first label, 2000-06-02, is the "
        "survey of 2000-06-05; the jump after Hurricane Katrina "
        "(landfall Monday 2005-08-29, in prices by Monday 2005-09-05) stands under 2005-09-02 "
        "(2.917 after 2.619); the state's record high of Monday 2013-05-20 stands under "
        "2013-05-17 (4.373, the highest value of the file). Taking the label as the date would "
        "make prices known three days before they were asked for."
    ),
    "notes": (
        "Series are known by EIA's titles, each matched to the code of that title. Some values "
        "show the noise of binary fractions (1.8259999999999998) and are kept so. " + ASSUMED
    ),
}

MER = {
    "description": "Monthly Energy Review, tables 1.1 to 1.4, issue of {date}: 40 series",
    "release_rule": eia_mer.words,
    "release_evidence": (
        "EIA's workbooks of the same issue, beside the tables in the package, state the release "
        "date; it is also part of the path."
    ),
    "notes": (
        "Five tables repeat 14 series; each series is taken once, from the first table that has "
        "it in the order consumption, exports, imports, overview, production, named in the "
        "column Table. The repeats were compared and are equal as numbers. Month 13 is the annual "
        "total and no month. The token Not Available stands before a series begins."
    ),
}

RULES: dict[str, ReleaseRule] = {
    "eia_spot_daily": eia_spot_weekly,
    "eia_wpsr": eia_wpsr,
    "eia_retail_weekly": eia_retail_weekly,
    "eia_mer_monthly": eia_mer,
}
