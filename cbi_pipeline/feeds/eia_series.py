"""The series that can be asked for at the EIA: id, unit, family and API route for each code."""

from __future__ import annotations

from datetime import date

from cbi_pipeline.feeds.source import Series

SPOT = "petroleum/pri/spt"
GAS_SPOT = "natural-gas/pri/fut"
STOCKS = "petroleum/stoc/wstk"
SUPPLY = "petroleum/sum/sndw"
STORAGE = "natural-gas/stor/wkly"

#: What the service calls a unit, and what we call it. Any other is kept as received and refused.
UNITS = {
    "$/BBL": "USD/bbl",
    "$/GAL": "USD/gal",
    "$/MMBTU": "USD/MMBtu",
    "MBBL": "kb",
    "MBBL/D": "kb/d",
    "%": "percent",
    "BCF": "Bcf",
}


#: What stands in the place of a number.
FLAGS = {"W": "withheld", "NA": "missing", "--": "missing", "-": "missing"}


def _spot(code: str, name: str, unit: str, since: int, route: str = SPOT) -> Series:
    return Series(
        f"EIA.{code}", code, "eia_spot_daily", name, unit, "daily", route, date(since, 1, 1)
    )


def _declare(code: str, name: str, unit: str, route: str) -> Series:
    return Series(f"EIA.{code}", code, "eia_wpsr", name, unit, "weekly", route, date(2000, 1, 1))


def _storage(region: str, name: str) -> Series:
    code = f"NW2_EPG0_SWO_{region}_BCF"
    title = f"{name} Natural Gas Working Underground Storage"
    return Series(
        f"EIA.{code}", code, "eia_gas_storage", title, "Bcf", "weekly", STORAGE, date(2010, 1, 1)
    )


SERIES = (
    _spot("RWTC", "Cushing, OK WTI Spot Price FOB", "USD/bbl", 1986),
    _spot("RBRTE", "Europe Brent Spot Price FOB", "USD/bbl", 1987),
    _spot("EER_EPMRU_PF4_Y35NY_DPG", "New York Harbor Conventional Gasoline", "USD/gal", 1986),
    _spot("EER_EPD2F_PF4_Y35NY_DPG", "New York Harbor No. 2 Heating Oil", "USD/gal", 1986),
    _spot("EER_EPD2DXL0_PF4_Y35NY_DPG", "New York Harbor Ultra-Low-Sulfur Diesel", "USD/gal", 2006),
    _spot("EER_EPJK_PF4_RGC_DPG", "U.S. Gulf Coast Kerosene-Type Jet Fuel", "USD/gal", 1990),
    _spot("EER_EPLLPA_PF4_Y44MB_DPG", "Mont Belvieu, TX Propane", "USD/gal", 1992),
    _spot("RNGWHHD", "Henry Hub Natural Gas Spot Price", "USD/MMBtu", 1997, GAS_SPOT),
    _declare("WCESTUS1", "U.S. Ending Stocks excluding SPR of Crude Oil", "kb", STOCKS),
    _declare("WGTSTUS1", "U.S. Ending Stocks of Total Gasoline", "kb", STOCKS),
    _declare("WDISTUS1", "U.S. Ending Stocks of Distillate Fuel Oil", "kb", STOCKS),
    _declare("WKJSTUS1", "U.S. Ending Stocks of Kerosene-Type Jet Fuel", "kb", STOCKS),
    _declare("WPRSTUS1", "U.S. Ending Stocks of Propane and Propylene", "kb", STOCKS),
    _declare("WTTSTUS1", "U.S. Ending Stocks of Crude Oil and Petroleum Products", "kb", STOCKS),
    _declare("WCRFPUS2", "U.S. Field Production of Crude Oil", "kb/d", SUPPLY),
    _declare(
        "WPULEUS3", "U.S. Percent Utilization of Refinery Operable Capacity", "percent", SUPPLY
    ),
    _declare("WTTIMUS2", "U.S. Imports of Crude Oil and Petroleum Products", "kb/d", SUPPLY),
    _declare("WTTEXUS2", "U.S. Exports of Crude Oil and Petroleum Products", "kb/d", SUPPLY),
    _declare("WRPUPUS2", "U.S. Product Supplied of Petroleum Products", "kb/d", SUPPLY),
    _declare("WGFUPUS2", "U.S. Product Supplied of Finished Motor Gasoline", "kb/d", SUPPLY),
    _declare("WDIUPUS2", "U.S. Product Supplied of Distillate Fuel Oil", "kb/d", SUPPLY),
    _storage("R48", "Weekly Lower 48 States"),
)
