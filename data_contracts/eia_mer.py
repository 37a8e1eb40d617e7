"""Monthly Energy Review of the EIA, in dated vintages."""

from datetime import timedelta

from data_contracts.family import Family
from data_contracts.shape import Shape

EIA_MER_MONTHLY = Family(
    name="eia_mer_monthly",
    title="Monthly Energy Review",
    agency="U.S. Energy Information Administration",
    frequency="monthly",
    weekdays=(),
    # Net imports are negative in months of net export.
    bounds={"quadrillion Btu": (-20.0, 60.0)},
    release=None,
    staleness=timedelta(days=400),
    revisions="every issue restates earlier months; each dated issue is a vintage",
    rights="public-domain",
    # Some series begin with years of zeros, so nothing is claimed of their values.
    shape=Shape(ascending=True, spacing=(28, 31)),
    version="1.1.0",
)
