"""The feature set ``core-1``: own price, other price, weekly petroleum data, monthly balances."""

from __future__ import annotations

from cbi_pipeline.features.drivers import monthly_drivers, weekly_drivers
from cbi_pipeline.features.feature_set import FeatureSet
from cbi_pipeline.features.other_price import MARGIN, OTHER_PRICE
from cbi_pipeline.features.own_price import OWN_PRICE

_DRIVERS = (*weekly_drivers(), *monthly_drivers())

CORE_1 = FeatureSet(
    name="core-1",
    table=(
        *OWN_PRICE,
        *OTHER_PRICE,
        *MARGIN,
        *(feature for driver in _DRIVERS for feature in driver.features),
    ),
    groups=("own", "other", "weekly", "monthly"),
    drivers=_DRIVERS,
)

FEATURE_SETS: dict[str, FeatureSet] = {CORE_1.name: CORE_1}
