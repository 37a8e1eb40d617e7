"""``cbi doctor``: is everything in place, and what to do where it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.text import Text

from cbi_pipeline import __version__
from cbi_pipeline.commands.console import Refusal, console
from cbi_pipeline.commands.instance import is_current, users_instance
from cbi_pipeline.settings import IS_CHECKOUT, PROJECT_ROOT, Settings, load_settings

if TYPE_CHECKING:
    from cbi_pipeline.catalogue import Catalogue
    from cbi_pipeline.feeds import Source

#: A night that writes is no fault, and not worth a minute of waiting.
_SHORT_WAIT_S = 5.0
_FREE_BYTES = 2 * 1024**3
#: What the package reads besides its sources and the archive's records, which have a look of
#: their own.
PACKAGE_DATA = (
    "cbi_pipeline/catalogue.toml",
    "cbi_pipeline/catalogue/recipes/anchored_gru.toml",
    "cbi_pipeline/catalogue/recipes/bilstm.toml",
    "cbi_pipeline/catalogue/recipes/climatology.toml",
    "cbi_pipeline/catalogue/recipes/combined.toml",
    "cbi_pipeline/catalogue/recipes/cross.toml",
    "cbi_pipeline/catalogue/recipes/ewma.toml",
    "cbi_pipeline/catalogue/recipes/garch_t.toml",
    "cbi_pipeline/catalogue/recipes/gjr_t.toml",
    "cbi_pipeline/catalogue/recipes/har.toml",
    "cbi_pipeline/catalogue/recipes/lightgbm.toml",
    "cbi_pipeline/catalogue/recipes/lstm.toml",
    "cbi_pipeline/catalogue/recipes/mlp.toml",
    "cbi_pipeline/catalogue/recipes/nhits.toml",
    "cbi_pipeline/catalogue/recipes/patch_transformer.toml",
    "cbi_pipeline/catalogue/recipes/prior.toml",
    "cbi_pipeline/catalogue/recipes/recipe_network.toml",
    "cbi_pipeline/catalogue/recipes/rnn.toml",
    "cbi_pipeline/catalogue/recipes/tcn.toml",
    "cbi_pipeline/catalogue/recipes/tiny.toml",
    "cbi_pipeline/catalogue/shipped/monthly.toml",
    "cbi_pipeline/catalogue/shipped/small.toml",
    "cbi_pipeline/dagster.yaml",
    "cbi_pipeline/dg.toml",
    "cbi_pipeline/report/morning.css",
    "cbi_pipeline/report/morning.html.j2",
    "cbi_pipeline/workspace.yaml",
    "data_contracts/versions.json",
)

State = Literal["ok", "wait", "fix"]
_COLOURS = {"ok": "green", "wait": "yellow", "fix": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: what was looked at.
        state: ``fix`` when the pipeline cannot work with it, ``wait`` when something is left out
            until the user brings it and all else works.
        detail: what was found, or what to do.
    """

    subject: str
    state: State
    detail: str

    @classmethod
    def of(cls, subject: str, *, fine: bool, detail: str) -> Finding:
        """One that is in order or is not."""
        return cls(subject, "ok" if fine else "fix", detail)


def doctor() -> int:
    """Check the environment, the catalogue, the records, the keys, the store and the registry."""
    # What waits for a file is said by the catalogue and by the newest night.
    findings: set[Finding] = set()
    for finding in examine(load_settings()):
        if finding not in findings:
            mark = (f"{finding.state:<4}", _COLOURS[finding.state])
            console.print(
                Text.assemble(mark, f" {finding.subject:<12} {finding.detail}"), soft_wrap=True
            )
        findings.add(finding)
    return 1 if any(finding.state == "fix" for finding in findings) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, in the order a run would meet it; what takes long to load comes later."""
    version = ".".join(map(str, sys.version_info[:3]))
    fine = (3, 11) <= sys.version_info[:2] < (3, 13)
    detail = version if fine else f"{version}; use Python 3.11 or 3.12"
    yield Finding.of("python", fine=fine, detail=detail)
    yield (package := _package())
    if package.state == "fix":
        return  # nothing below could work, or be looked at
    yield _disk(settings)
    yield _archive(settings)
    yield _torch()
    yield _dagster(settings)
    yield from _catalogue(settings)
    yield _warehouse(settings)
    yield from _commodities(settings)
    yield _registry(settings)


def _package() -> Finding:
    missing = [name for name in PACKAGE_DATA if not (PROJECT_ROOT / name).is_file()]
    if missing:
        detail = f"{', '.join(missing)} missing in {PROJECT_ROOT}; install cbi-pipeline anew"
        return Finding("package", "fix", detail)
    kind = "checkout" if IS_CHECKOUT else "installed"
    detail = f"cbi-pipeline {__version__}, {kind} in {PROJECT_ROOT}"
    return Finding("package", "ok", detail)


def _torch() -> Finding:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
    return Finding("torch", "ok", f"{torch.__version__} on the {device}")


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    words = f"{free / 1024**3:.1f} GiB free for {settings.home}"
    fine = free >= _FREE_BYTES
    detail = words if fine else f"{words}; 2 GiB are needed, free some"
    return Finding.of("disk", fine=fine, detail=detail)


def _archive(settings: Settings) -> Finding:
    from cbi_pipeline.feeds import FeedError, archive

    try:
        files = archive.verify(settings.archive_dir)
    except FeedError as error:
        return Finding("archive", "fix", str(error))
    modified = [file.name for file in files if file.modified]
    detail = f"{len(files)} files match their record"
    return Finding("archive", "ok", detail + (f"; modified: {modified}" if modified else ""))


def _dagster(settings: Settings) -> Finding:
    """Whether the definitions load, and where Dagster keeps its runs."""
    try:
        folder = users_instance(settings) or settings.dagster_dir
    except Refusal as refusal:
        return Finding("dagster", "fix", str(refusal))
    try:
        from cbi_pipeline.definitions import defs

        loaded = defs()
    except Exception as error:  # whatever the definitions need may be what is missing
        detail = f"the definitions do not load: {type(error).__name__}: {error}"
        return Finding("dagster", "fix", " ".join(detail.split()))
    assets = len(loaded.resolve_asset_graph().get_all_asset_keys())
    detail = f"{assets} assets; runs are kept in {folder}"
    if folder == settings.dagster_dir and folder.exists() and not is_current(folder):
        detail += ", whose settings the next `cbi run` or `cbi ui` writes anew"
    return Finding("dagster", "ok", detail)


def _catalogue(settings: Settings) -> Iterator[Finding]:
    """What is wrong with the catalogue, what in it waits for a file, and the keys of its feeds."""
    from cbi_pipeline.catalogue import CatalogueError
    from cbi_pipeline.feeds import FeedError
    from cbi_pipeline.operations import awaited_files, unbrought_inputs
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.operations.recipes import require_recipes
    from cbi_pipeline.warehouse import WarehouseError

    try:
        catalogue = Pipeline(settings).require_catalogue()
        require_recipes(Pipeline(settings))
        files = awaited_files(catalogue, settings)
        unbrought = unbrought_inputs(catalogue, settings)
    except CatalogueError as error:
        yield Finding("catalogue", "fix", str(error))
        return
    except (FeedError, WarehouseError) as error:
        yield Finding("catalogue", "fix", f"its series cannot be looked up: {error}")
        return
    count = len(catalogue.commodities)
    yield Finding("catalogue", "ok", f"{count} commodities; every name in it was looked up")
    for commodity, words in files.items():
        yield Finding(commodity, "wait", f"waits: {words}")
    for series, columns in unbrought.items():
        yield Finding("features", "wait", f"no source brings {series}: {columns} stay absent")
    yield from _keys(settings, catalogue, files)


def _keys(settings: Settings, catalogue: Catalogue, files: Mapping[str, str]) -> Iterator[Finding]:
    from cbi_pipeline.ingest import live_feeds, profile_feeds, why_not_asked
    from cbi_pipeline.operations import awaited_keys

    feeds = profile_feeds(settings) if settings.has_services else live_feeds(settings)
    idle = {name: why_not_asked(settings, name) for name in feeds}
    waiting = files.keys() | awaited_keys(catalogue, settings).keys()
    works = [commodity.id for commodity in catalogue.commodities if commodity.id not in waiting]
    works += [f"the feed {name}" for name, why in idle.items() if why is None]
    for feed in feeds.values():
        if feed.asked.credential is None:
            continue
        state, detail = _key(settings, feed, idle[feed.name])
        priced = _priced_by(feed, catalogue)
        if state == "wait" and priced:
            state = "fix" if len(waiting) == len(catalogue.commodities) else "wait"
            detail += (
                f"; until then no forecast of {', '.join(priced)}. Without it work: "
                f"{', '.join([*works, 'CBI_PROFILE=archive, on embedded records'])}"
            )
        yield Finding(feed.asked.credential.setting, state, detail)


def _priced_by(feed: Source, catalogue: Catalogue) -> list[str]:
    series = {series.id for series in feed.series}
    return [commodity.id for commodity in catalogue.commodities if commodity.price_series in series]


def _key(settings: Settings, feed: Source, idle: str | None) -> tuple[State, str]:
    """Only whether a key is there is ever said, never the key."""
    assert feed.asked.credential is not None
    setting = feed.asked.credential.setting
    key = settings.secret(setting)
    if key is not None and key.get_secret_value().strip():
        return "ok", "set"
    if not settings.has_services:
        users = "the live profile uses" if feed.asked.credential.required else "public and live use"
        return "ok", f"not set (only {users} it)"
    if not feed.asked.credential.required:
        return "ok", f"not set, and not needed: {feed.name} answers without it"
    if idle is None:
        return "fix", f"not set, though {feed.name} was asked with it; put it back into .env"
    return "wait", idle


def _warehouse(settings: Settings) -> Finding:
    from cbi_pipeline.ledger import LedgerDamaged, bind_warehouse
    from cbi_pipeline.warehouse import WarehouseBusy, WarehouseError

    warehouse, note = bind_warehouse(settings, wait_s=_SHORT_WAIT_S), ""
    try:
        try:
            warehouse.examine()
        except WarehouseBusy as error:
            note = f"; not looked at as it is written: {error}"
        with warehouse.read() as store:
            values = store.query("SELECT count(*) FROM raw.observation").item()
            bars = store.query("SELECT count(*) FROM raw.bar").item()
    except (WarehouseError, LedgerDamaged) as error:
        return Finding("warehouse", "fix", str(error))
    counted = f"{values:,} observed values" + (f" and {bars:,} bars" if bars else "")
    return Finding("warehouse", "ok", f"{counted} published{note}")


def _commodities(settings: Settings) -> Iterator[Finding]:
    """Those that the newest night did not forecast, as it said; and what else it could not do."""
    from cbi_pipeline.issued import FORECAST, SUBJECT, WAITS, newest_statuses, open_faults
    from cbi_pipeline.warehouse import Warehouse, WarehouseError

    try:
        with Warehouse(settings.warehouse_dir).read() as store:
            statuses = newest_statuses(store)
    except WarehouseError:
        return  # told above
    for status in statuses:
        if status.kind != FORECAST:
            state: State = "fix" if status.is_fault else "wait" if status.kind == WAITS else "ok"
            yield Finding(status.commodity, state, f"{status.kind}: {status.reason}")
    for fault in open_faults(settings):
        if not fault.feed.endswith(f" {SUBJECT}"):
            yield Finding(fault.feed, "fix", f"{fault.problem}. {fault.remedy}")


def _registry(settings: Settings) -> Finding:
    from cbi_pipeline.operations.aliases import find_champion, find_deviations
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.registry import RegistryError
    from cbi_pipeline.warehouse import WarehouseError

    pipeline = Pipeline(settings)
    try:
        try:
            changed = "; ".join(deviation.words for deviation in find_deviations(pipeline))
            champion = find_champion(pipeline)
        except WarehouseError:  # told above; the registry can be looked at without it
            changed, champion = "", pipeline.registry.champion()
        pipeline.registry.load(champion.version)
    except RegistryError as error:
        return Finding("registry", "fix", str(error))
    if changed:
        return Finding("registry", "fix", f"at the next start: {changed}")
    words = f"champion is version {champion.version}, its files as registered"
    return Finding("registry", "ok", words)
