"""Every series family, by name."""

from data_contracts.cftc import CFTC_DISAGGREGATED, CFTC_FINANCIAL, CFTC_LEGACY
from data_contracts.eia_mer import EIA_MER_MONTHLY
from data_contracts.eia_spot import EIA_SPOT_DAILY
from data_contracts.eia_storage import EIA_GAS_STORAGE
from data_contracts.eia_weekly import EIA_RETAIL_WEEKLY, EIA_WPSR
from data_contracts.family import Family
from data_contracts.own_history import OWN_HISTORY
from data_contracts.world_bank import WORLD_BANK_MONTHLY

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        EIA_SPOT_DAILY,
        EIA_WPSR,
        EIA_GAS_STORAGE,
        EIA_RETAIL_WEEKLY,
        EIA_MER_MONTHLY,
        CFTC_LEGACY,
        CFTC_DISAGGREGATED,
        CFTC_FINANCIAL,
        WORLD_BANK_MONTHLY,
        OWN_HISTORY,
    )
}


def family(name: str) -> Family:
    """The family of that name.

    Raises:
        KeyError: no such family; the message lists those there are.
    """
    if name not in FAMILIES:
        raise KeyError(f"no series family {name!r}; families: {', '.join(FAMILIES)}")
    return FAMILIES[name]
