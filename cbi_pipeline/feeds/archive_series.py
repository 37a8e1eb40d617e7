"""The series of the embedded records: our id and unit for each label of the source files.

Ids are EIA's own codes. The weekly labels are EIA's titles word for word; each was matched to
the code that carries that title.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ArchivedSeries:
    """One archived series.

    Attributes:
        id: agency and the agency's code.
        family: contract family whose rules its rows keep.
        name: title.
        unit: unit of its values.
        frequency: how often a period occurs.
        label: what the source file calls it.
    """

    id: str
    family: str
    name: str
    unit: str
    frequency: Literal["daily", "weekly", "monthly"]
    label: str


def _declare(code: str, name: str, unit: str, label: str) -> ArchivedSeries:
    return ArchivedSeries(f"EIA.{code}", "eia_wpsr", name, unit, "weekly", label)


def _mer(msn: str, name: str) -> ArchivedSeries:
    return ArchivedSeries(
        f"EIA.MER.{msn}", "eia_mer_monthly", name, "quadrillion Btu", "monthly", msn
    )


WTI = ArchivedSeries(
    "EIA.RWTC",
    "eia_spot_daily",
    "Cushing, OK WTI Spot Price FOB",
    "USD/bbl",
    "daily",
    "DCOILWTICO",
)

RETAIL = ArchivedSeries(
    "EIA.EMM_EPMMU_PTE_SMN_DPG",
    "eia_retail_weekly",
    "Minnesota Midgrade Conventional Retail Gasoline Prices",
    "USD/gal",
    "weekly",
    "Weekly Minnesota Midgrade Conventional Retail Gasoline Prices  (Dollars per Gallon)",
)

PETROLEUM = (
    _declare(
        "WPULEUS3",
        "U.S. Percent Utilization of Refinery Operable Capacity",
        "percent",
        "Weekly U.S. Percent Utilization of Refinery Operable Capacity (Percent)",
    ),
    _declare(
        "WTTEXUS2",
        "U.S. Exports of Crude Oil and Petroleum Products",
        "kb/d",
        "Weekly U.S. Exports of Crude Oil and Petroleum Products  (Thousand Barrels per Day)",
    ),
    _declare(
        "WTTIMUS2",
        "U.S. Imports of Crude Oil and Petroleum Products",
        "kb/d",
        "Weekly U.S. Imports of Crude Oil and Petroleum Products  (Thousand Barrels per Day)",
    ),
    _declare(
        "WCRFPUS2",
        "U.S. Field Production of Crude Oil",
        "kb/d",
        "Weekly U.S. Field Production of Crude Oil  (Thousand Barrels per Day)",
    ),
    _declare(
        "WGFRPUS2",
        "U.S. Refiner and Blender Adjusted Net Production of Finished Motor Gasoline",
        "kb/d",
        "Weekly U.S. Refiner and Blender Adjusted Net Production of Finished Motor Gasoline"
        "  (Thousand Barrels per Day)",
    ),
    _declare(
        "WTTSTUS1",
        "U.S. Ending Stocks of Crude Oil and Petroleum Products",
        "kb",
        "Weekly U.S. Ending Stocks of Crude Oil and Petroleum Products  (Thousand Barrels)",
    ),
    _declare(
        "WRPUPUS2",
        "U.S. Product Supplied of Petroleum Products",
        "kb/d",
        "Weekly U.S. Product Supplied of Petroleum Products  (Thousand Barrels per Day)",
    ),
    _declare(
        "WGFUPUS2",
        "U.S. Product Supplied of Finished Motor Gasoline",
        "kb/d",
        "Weekly U.S. Product Supplied of Finished Motor Gasoline  (Thousand Barrels per Day)",
    ),
)

WEEKLY = (RETAIL, *PETROLEUM)

MER = (
    _mer("CLTCBUS", "Coal Consumption"),
    _mer("NNTCBUS", "Natural Gas Consumption (Excluding Supplemental Gaseous Fuels)"),
    _mer("PMTCBUS", "Petroleum Consumption (Excluding Biofuels)"),
    _mer("FFTCBUS", "Total Fossil Fuels Consumption"),
    _mer("NUETBUS", "Nuclear Electric Power Consumption"),
    _mer("HVTCBUS", "Hydroelectric Power Consumption"),
    _mer("GETCBUS", "Geothermal Energy Consumption"),
    _mer("SOTCBUS", "Solar Energy Consumption"),
    _mer("WYTCBUS", "Wind Energy Consumption"),
    _mer("BMTCBUS", "Biomass Energy Consumption"),
    _mer("RETCBUS", "Total Renewable Energy Consumption"),
    _mer("TETCBUS", "Total Primary Energy Consumption"),
    _mer("CLEXBUS", "Coal Exports"),
    _mer("CCEXBUS", "Coal Coke Exports"),
    _mer("NGEXBUS", "Natural Gas Exports"),
    _mer("COEXBUS", "Crude Oil Exports"),
    _mer("RQEXBUS", "Petroleum Products, Excluding Biofuels, Exports"),
    _mer("PMEXBUS", "Total Petroleum, Excluding Biofuels, Exports"),
    _mer("BMEXBUS", "Biomass Exports"),
    _mer("ELEXBUS", "Electricity Exports"),
    _mer("TEEXBUS", "Total Energy Exports"),
    _mer("TENIBUS", "Total Energy Net Imports"),
    _mer("CLIMBUS", "Coal Imports"),
    _mer("CCIMBUS", "Coal Coke Imports"),
    _mer("NGIMBUS", "Natural Gas Imports"),
    _mer("COIMBUS", "Crude Oil Imports"),
    _mer("RQIMBUS", "Petroleum Products, Excluding Biofuels, Imports"),
    _mer("PMIMBUS", "Total Petroleum, Excluding Biofuels, Imports"),
    _mer("BFIMBUS", "Biomass Imports"),
    _mer("ELIMBUS", "Electricity Imports"),
    _mer("TEIMBUS", "Total Primary Energy Imports"),
    _mer("FFPRBUS", "Total Fossil Fuels Production"),
    _mer("REPRBUS", "Total Renewable Energy Production"),
    _mer("TEPRBUS", "Total Primary Energy Production"),
    _mer("TEAJBUS", "Primary Energy Stock Change and Other"),
    _mer("CLPRBUS", "Coal Production"),
    _mer("NGPRBUS", "Natural Gas (Dry) Production"),
    _mer("PAPRBUS", "Crude Oil Production"),
    _mer("NLPRBUS", "Natural Gas Plant Liquids Production"),
    _mer("BMPRBUS", "Biomass Energy Production"),
)
