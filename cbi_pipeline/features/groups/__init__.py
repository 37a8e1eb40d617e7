"""Feature groups, one a module; a new module here is a new group, read where a catalogue names it.

own_price          the commodity's own price
related_price      the market that the catalogue calls related, and the margin over it
petroleum_weekly   weekly petroleum supply
petroleum_monthly  monthly petroleum balances
own_supply         weekly stocks and demand of the commodity itself
gas_storage        weekly natural gas in storage
positions          positions of traders in the commodity's own contract
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from cbi_pipeline.features.group import Group


@cache
def find_groups() -> dict[str, Group]:
    """Every group by name.

    Raises:
        ValueError: a module and its group differ in name, or two columns have one name.
    """
    modules = sorted(module.name for module in iter_modules(__path__))
    groups = {name: import_module(f"{__name__}.{name}").GROUP for name in modules}
    owners: dict[str, str] = {}
    for name, group in groups.items():
        if group.name != name:
            raise ValueError(f"features/groups/{name}.py holds the group {group.name!r}")
        for column in group.columns:
            if owners.setdefault(column.name, name) != name:
                raise ValueError(
                    f"{owners[column.name]} and {name} both have a column {column.name}"
                )
    return groups
