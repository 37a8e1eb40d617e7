"""Every series family, by name."""

from data_contracts.eia_mer import EIA_MER_MONTHLY
from data_contracts.eia_spot import EIA_SPOT_DAILY
from data_contracts.eia_weekly import EIA_RETAIL_WEEKLY, EIA_WPSR
from data_contracts.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family for family in (EIA_SPOT_DAILY, EIA_WPSR, EIA_RETAIL_WEEKLY, EIA_MER_MONTHLY)
}


def family(name: str) -> Family:
    """The family of that name.

    Raises:
        KeyError: no such family; the message lists those there are.
    """
    if name not in FAMILIES:
        raise KeyError(f"no series family {name!r}; families: {', '.join(FAMILIES)}")
    return FAMILIES[name]
