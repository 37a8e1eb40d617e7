"""Whether the names in a catalogue mean something here, before anything runs on them.

The catalogue itself checks its shape: fields, types, horizons, cron lines and zones. What it names
lies outside it: series that the profile's sources bring or that were imported into this home,
their units, calendars, the modules of its feeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from cbi_pipeline.catalogue import (
    PROFILES,
    Catalogue,
    CatalogueError,
    Commodity,
    Layers,
    load_feeds,
    load_files,
    read_layers,
    read_recipe,
    resolve_recipe,
    suggest_names,
)
from cbi_pipeline.features import find_groups, series_read
from cbi_pipeline.feeds import Source, archive, csv_import
from cbi_pipeline.ingest import file_sources, live_feeds, profile_feeds, why_not_asked
from cbi_pipeline.ledger import bind_warehouse
from cbi_pipeline.market import describe_calendars, has_calendar, list_calendars
from cbi_pipeline.model_kinds import MODEL_KINDS
from cbi_pipeline.settings import Profile, Settings
from cbi_pipeline.warehouse import NothingPublished
from data_contracts.families import FAMILIES
from data_contracts.own_history import OWN_HISTORY


def check_catalogue(catalogue: Catalogue, settings: Settings) -> None:
    """Look up every name that a catalogue uses.

    Args:
        catalogue: what the settings' profile follows.
        settings: which files it came from, which sources the profile has, what this home holds.

    Raises:
        CatalogueError: names the file, the entry, the field, what is wrong with it and the
            nearest right names; all that is wrong, in one line.
        FeedError: the record of the embedded archive is not there.
        WarehouseError: this home's published tables cannot be read.
    """
    units, layers = _units(catalogue, settings), read_layers(*settings.catalogue_files)
    faults = [
        f"{layers.origin(*_path(commodity, settings), field)}: {fault}"
        for commodity in catalogue.commodities
        for field, fault in _faults(commodity, units, settings)
    ]
    faults += _group_faults(catalogue, settings, layers)
    faults += _feed_faults(settings, layers)
    faults += _repeat_faults(settings, layers)
    faults += _recipe_faults(catalogue, settings, layers)
    if faults:
        raise CatalogueError("; ".join(faults))


def awaited_files(catalogue: Catalogue, settings: Settings) -> dict[str, str]:
    """Commodities of a checked catalogue whose prices are the user's to import, and how; no fault.

    Raises:
        FeedError, WarehouseError: as for :func:`check_catalogue`.
    """
    units, filed = _units(catalogue, settings), _list_filed(settings)
    return {
        commodity.id: f"needs a file: `cbi feeds import {_write_arguments(commodity, filed)}`"
        for commodity in catalogue.commodities
        if commodity.price_series not in units
    }


def _write_arguments(commodity: Commodity, filed: Mapping[str, tuple[str, str]]) -> str:
    if commodity.price_series in filed:
        return f"{filed[commodity.price_series][0]} FILE"
    return f"csv FILE --series {commodity.price_series} --unit {commodity.unit} --source ..."


def awaited_keys(catalogue: Catalogue, settings: Settings) -> dict[str, str]:
    """Commodities whose prices come from a feed that waits for its key, and how to get it."""
    if not settings.has_services:
        return {}
    feeds = profile_feeds(settings)
    idle = {name: why for name in feeds if (why := why_not_asked(settings, name)) is not None}
    return {
        commodity.id: why
        for commodity in catalogue.commodities
        for name, why in idle.items()
        if any(series.id == commodity.price_series for series in feeds[name].series)
    }


def unbrought_inputs(catalogue: Catalogue, settings: Settings) -> dict[str, str]:
    """Series that feature groups read and nothing brings, and the columns that stay absent for it.

    No source of the profile brings such a series, and nobody imported it into this home.

    Raises:
        FeedError, WarehouseError: as for :func:`check_catalogue`.
    """
    brought = _list_brought(settings, settings.profile)
    if set(series_read(catalogue)) - brought.keys():
        brought = _list_imported(settings) | brought
    absent: dict[str, list[str]] = {}
    for series, columns in _columns_by_input(catalogue):
        if series not in brought:
            absent.setdefault(series, []).extend(columns)
    return {series: ", ".join(dict.fromkeys(columns)) for series, columns in absent.items()}


def _columns_by_input(catalogue: Catalogue) -> Iterator[tuple[str, list[str]]]:
    """Each series that a group reads of a commodity, and the columns that are made of it."""
    for group in find_groups().values():
        for source in group.assigned:
            columns = [column.name for column in group.columns_of(source)]
            for commodity in catalogue.commodities:
                names = catalogue.series_of(commodity, group.name)
                if source.name in names:
                    for series in group.series_behind(source, names[source.name]):
                        yield series, columns


def _path(commodity: Commodity, settings: Settings) -> tuple[str, ...]:
    return ("profile", settings.profile, "commodity", commodity.id)


def _faults(
    commodity: Commodity, units: Mapping[str, str], settings: Settings
) -> Iterator[tuple[str, str]]:
    """Fields that name what is not there, and what is wrong with each."""
    if not has_calendar(commodity.calendar):
        words = f"calendar = {commodity.calendar!r}: no such calendar"
        yield (
            "calendar",
            f"{words}{suggest_names(commodity.calendar, list_calendars())}; "
            f"there are: {describe_calendars()}",
        )
    bound = {**{name: unit for name, (_, unit) in _list_filed(settings).items()}, **units}
    if commodity.price_series in bound:
        unit = bound[commodity.price_series]
        if commodity.unit != unit:
            yield "unit", f"unit = {commodity.unit!r}, but {commodity.price_series} is in {unit}"
    elif _is_own(commodity.price_series, settings):
        if commodity.unit not in OWN_HISTORY.bounds:
            yield (
                "unit",
                f"unit = {commodity.unit!r}: no unit that a file can be imported in"
                f"{suggest_names(commodity.unit, OWN_HISTORY.bounds)}; "
                f"there are: {', '.join(OWN_HISTORY.bounds)}",
            )
    else:
        words = _unbrought(commodity, units, settings)
        yield "price_series", f"price_series = {commodity.price_series!r}: {words}"


def _unbrought(commodity: Commodity, units: Mapping[str, str], settings: Settings) -> str:
    for other in PROFILES:
        if commodity.price_series in _list_brought(settings, other):
            return (
                f"only the {other} profile brings it; follow it in [[profile.{other}.commodity]] "
                f"with CBI_PROFILE={other}"
            )
    # What is priced in the same unit is likelier meant than what is spelt alike.
    alike = [name for name, unit in units.items() if unit == commodity.unit] or list(units)
    close = (
        suggest_names(commodity.price_series, alike)
        or f"; in {commodity.unit}: {', '.join(alike[:5])}"
    )
    return f"no source of the {settings.profile} profile brings it and nobody imported it{close}"


def _is_own(series: str, settings: Settings) -> bool:
    """Whether a user may import a series of that id: its owner is no agency that a source asks."""
    agencies = {name.split(".")[0] for name in _list_brought(settings, "live")}
    return csv_import.is_series_id(series) and series.split(".")[0] not in agencies


def _units(catalogue: Catalogue, settings: Settings) -> dict[str, str]:
    """Unit of every series that can be a price here."""
    units = _list_brought(settings, settings.profile)
    if any(commodity.price_series not in units for commodity in catalogue.commodities):
        units = _list_imported(settings) | units
    return units


def _list_brought(settings: Settings, profile: Profile) -> dict[str, str]:
    """Unit of every series that a profile's sources bring."""
    if profile != "archive":
        feeds = profile_feeds(settings, profile).values()
        return {series.id: series.unit for feed in feeds for series in feed.series}
    return {series.id: series.unit for series in archive.series_of(settings.archive_dir)}


def _list_filed(settings: Settings) -> dict[str, tuple[str, str]]:
    """Source and unit of every series that files of the catalogue's sources have."""
    return {
        series.id: (name, series.unit)
        for name, source in file_sources(settings).items()
        for series in source.series
    }


def _list_imported(settings: Settings) -> dict[str, str]:
    """Unit of every series that was imported into this home."""
    try:
        with bind_warehouse(settings).read() as store:
            own = store.table(
                "ref.series",
                "family = ? OR series_id = ANY(?)",
                [OWN_HISTORY.name, list(_list_filed(settings))],
            )
    except NothingPublished:
        return {}
    return dict(own.select("series_id", "unit").iter_rows())


def _group_faults(catalogue: Catalogue, settings: Settings, layers: Layers) -> Iterator[str]:
    groups = find_groups()
    named = [
        (str(layers.origin("group", name)), name, series)
        for name, series in catalogue.groups.items()
    ]
    named += [
        (
            f"{layers.origin(*_path(commodity, settings), 'groups', name)}: groups.{name}",
            name,
            series,
        )
        for commodity in catalogue.commodities
        for name, series in commodity.groups.items()
    ]
    for where, name, series in named:
        if name not in groups:
            yield (
                f"{where}: no such feature group{suggest_names(name, groups)}; "
                f"there are: {', '.join(groups)}"
            )
            continue
        inputs = [source.name for source in groups[name].assigned]
        for unknown in series.keys() - set(inputs):
            reads = f"it reads {', '.join(inputs)}" if inputs else "it reads no series"
            yield f"{where}: {unknown} is no input of it{suggest_names(unknown, inputs)}; {reads}"


def _recipe_faults(catalogue: Catalogue, settings: Settings, layers: Layers) -> Iterator[str]:
    asked = catalogue.evaluation
    for field, name in (
        *(("challengers", name) for name in asked.challengers),
        *(("baselines", name) for name in asked.baselines),
    ):
        where = f"{layers.origin('evaluation', field)} {field}"
        try:
            recipe = read_recipe(name, *settings.recipe_folders)
            resolve_recipe(recipe, *settings.recipe_folders)
        except CatalogueError as error:
            yield f"{where}: {error}"
            continue
        kind = MODEL_KINDS[recipe.kind]
        if kind.library and find_spec(kind.library) is None:
            yield (
                f"{where}: {name} needs {kind.library}; `pip install 'cbi-pipeline[{kind.extra}]'`"
            )
        for group in recipe.groups or ():
            if group not in catalogue.group_names:
                yield (
                    f"{recipe.source}, groups: no commodity reads a group {group!r}"
                    f"{suggest_names(group, catalogue.group_names)}; "
                    f"there are: {', '.join(catalogue.group_names)}"
                )


def _feed_faults(settings: Settings, layers: Layers) -> Iterator[str]:
    entries = {entry.name: entry for entry in load_feeds(*settings.catalogue_files)}
    for name, feed in live_feeds(settings).items():
        names = {series.id for series in feed.series} | {
            series.report for series in feed.series
        } - {""}
        for kept in sorted(entries[name].explain_kept(names).keys() - names):
            yield (
                f"{layers.origin('feed', name, 'keep')}: keep: {kept} is no series or report of it"
                f"{suggest_names(kept, names)}"
            )
        yield from _family_faults(feed, entries[name].origin)
    sources = file_sources(settings)
    for file in load_files(*settings.catalogue_files):
        yield from _family_faults(sources[file.name], file.origin)


def _repeat_faults(settings: Settings, layers: Layers) -> Iterator[str]:
    """Series that two feeds of the profile bring: each would restate what the other says."""
    first: dict[str, str] = {}
    for name, feed in profile_feeds(settings).items():
        twice = [series.id for series in feed.series if first.setdefault(series.id, name) != name]
        if twice:
            yield (
                f"{layers.origin('feed', name, 'profiles')}: the profile {settings.profile} has "
                f"{twice[0]} from {first[twice[0]]} already; name another profile in profiles"
            )


def _family_faults(source: Source, where: str) -> Iterator[str]:
    for family in sorted({series.family for series in source.series} - FAMILIES.keys()):
        yield (
            f"{where}: no contract describes the family {family!r} of its series"
            f"{suggest_names(family, FAMILIES)}; list it in data_contracts/families.py"
        )
