"""Daily spot prices of the U.S. Energy Information Administration."""

from datetime import timedelta

from data_contracts.family import Family
from data_contracts.release import eia_spot_weekly
from data_contracts.shape import Shape

EIA_SPOT_DAILY = Family(
    name="eia_spot_daily",
    title="Spot prices, daily",
    agency="U.S. Energy Information Administration",
    frequency="daily",
    weekdays=(1, 2, 3, 4, 5),
    # Prices may be negative: WTI closed at -36.98 on 2020-04-20, and that is a valid row.
    bounds={"USD/bbl": (-500.0, 1000.0), "USD/gal": (-10.0, 50.0), "USD/MMBtu": (-50.0, 500.0)},
    release=eia_spot_weekly,
    staleness=timedelta(days=21),
    revisions="rarely restated; values on holidays have been published and withdrawn",
    restated_share=0.2,
    rights="public-domain",
    # Worst of WTI, Brent and Henry Hub to 2026: 15 days, 13 of 40 values, a factor of 5 (2021-02).
    shape=Shape(ascending=True, spacing=(1, 31), distinct_floor=0.2, scale_limit=20.0),
    version="1.1.0",
)
