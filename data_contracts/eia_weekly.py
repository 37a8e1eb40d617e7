"""Weekly Petroleum Status Report and weekly retail prices of the EIA."""

from datetime import timedelta

from data_contracts.family import Family
from data_contracts.release import eia_retail_weekly, eia_wpsr
from data_contracts.shape import Shape

EIA_WPSR = Family(
    name="eia_wpsr",
    title="Weekly Petroleum Status Report",
    agency="U.S. Energy Information Administration",
    frequency="weekly",
    weekdays=(5,),
    bounds={"kb/d": (0.0, 60_000.0), "kb": (0.0, 5_000_000.0), "percent": (0.0, 110.0)},
    release=eia_wpsr,
    staleness=timedelta(days=21),
    revisions="a week's values are restated with later reports",
    restated_share=0.5,
    rights="public-domain",
    # Exports and field production were carried forward for months at a time before 2010: 9 of 40.
    shape=Shape(ascending=True, spacing=(7, 7), distinct_floor=0.15, scale_limit=20.0),
    version="1.2.0",
)

EIA_RETAIL_WEEKLY = Family(
    name="eia_retail_weekly",
    title="Retail gasoline and diesel prices, weekly",
    agency="U.S. Energy Information Administration",
    frequency="weekly",
    weekdays=(1,),
    bounds={"USD/gal": (0.2, 20.0)},
    release=eia_retail_weekly,
    staleness=timedelta(days=21),
    revisions="rarely restated",
    restated_share=0.2,
    rights="public-domain",
    # Worst of the archived series: 35 of 40 values, a factor of 2.1.
    shape=Shape(ascending=True, spacing=(7, 7), distinct_floor=0.5, scale_limit=5.0),
    version="1.1.0",
)
