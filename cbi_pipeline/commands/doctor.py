"""``cbi doctor``: is everything in place, and what to do where it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from cbi_pipeline.commands.console import console
from cbi_pipeline.settings import Settings, load_settings

_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: what was looked at.
        fine: False when the pipeline cannot work with it.
        detail: what was found, or what to do.
    """

    subject: str
    fine: bool
    detail: str


def doctor() -> int:
    """Check the environment, the records, the store and the registry."""
    findings = list(examine(load_settings()))
    for one in findings:
        mark = ("ok  ", "green") if one.fine else ("fix ", "red")
        console.print(Text.assemble(mark, f" {one.subject:<12} {one.detail}"), soft_wrap=True)
    return 0 if all(one.fine for one in findings) else 1


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, in the order a run would meet it."""
    version = ".".join(map(str, sys.version_info[:3]))
    fine = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Finding("python", fine, version if fine else f"{version}; use Python 3.11 or 3.12")
    yield _torch()
    yield _disk(settings)
    yield _archive(settings)
    yield from _keys(settings)
    yield _warehouse(settings)
    yield _registry(settings)


def _torch() -> Finding:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
    return Finding("torch", fine=True, detail=f"{torch.__version__} on the {device}")


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free for {settings.home}"
    fine = free >= _FREE_BYTES
    return Finding("disk", fine, found if fine else f"{found}; 2 GiB are needed, free some")


def _archive(settings: Settings) -> Finding:
    from cbi_pipeline.feeds import FeedError, archive

    try:
        files = archive.verify(settings.archive_dir)
    except FeedError as error:
        return Finding("archive", fine=False, detail=str(error))
    modified = [file.name for file in files if file.modified]
    detail = f"{len(files)} files match their record"
    return Finding(
        "archive", fine=True, detail=detail + (f"; modified: {modified}" if modified else "")
    )


def _keys(settings: Settings) -> Iterator[Finding]:
    from cbi_pipeline.ingest import live_feeds

    for feed in live_feeds(settings).values():
        if feed.credential is None:
            continue
        key = settings.secret(feed.credential.setting)
        # Only whether a key is there is ever said, never the key.
        found = key is not None and key.get_secret_value().strip()
        detail = "set" if found else "not set (only the live profile uses it)"
        yield Finding(feed.credential.setting, fine=True, detail=detail)


def _warehouse(settings: Settings) -> Finding:
    from cbi_pipeline.warehouse import Warehouse, WarehouseError

    try:
        with Warehouse(settings.warehouse_dir).read() as store:
            count = store.query("SELECT count(*) AS n FROM raw.observation")["n"][0]
    except WarehouseError as error:
        return Finding("warehouse", fine=False, detail=str(error))
    return Finding("warehouse", fine=True, detail=f"{count:,} observed values published")


def _registry(settings: Settings) -> Finding:
    from cbi_pipeline.registry import Registry, RegistryError

    try:
        registry = Registry(settings.mlflow_uri, settings.mlflow_dir / "artifacts")
        champion = registry.champion()
        registry.load(champion.version)
    except RegistryError as error:
        return Finding("registry", fine=False, detail=str(error))
    return Finding(
        "registry",
        fine=True,
        detail=f"champion is version {champion.version}, its files as registered",
    )
