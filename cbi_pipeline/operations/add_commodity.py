"""Follow a commodity that is priced by a person's own file: import it, write its catalogue entry.

Everything is checked before anything is written; the entry comes last, so that no catalogue ever
follows what was not imported. The same command again goes on where it was interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from cbi_pipeline.catalogue import Commodity, Layers, is_without_base, load_catalogue, read_layers
from cbi_pipeline.durable import write_durably
from cbi_pipeline.feeds.own_reading import Reading
from cbi_pipeline.ingest import IngestReport
from cbi_pipeline.ledger import bind_warehouse
from cbi_pipeline.operations.home_catalogue import has_run, require_own_home
from cbi_pipeline.operations.import_csv import import_csv
from cbi_pipeline.operations.propose_commodity import (
    Proposal,
    close_record,
    find_jump,
    name_commodity,
    name_series,
    propose_commodity,
    write_entry,
)
from cbi_pipeline.operations.read_own_file import OwnFile, Stated, Unclear, read_own_file
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished

#: The table that every model reads, where no catalogue names it.
_NEEDED_GROUP = "own_price"
_ALONE = 'base = "none"\n'
_HEADING = "# Written by `cbi commodity add`."


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for.

    Attributes:
        file: the prices.
        name: what people call the commodity.
        unit: unit of its prices.
        stated: what is said of how the file is read.
        calendar: a calendar's name, ``weekly``, ``monthly`` or ``own``; None leaves it to the file.
        source: who measured or published the prices; the file's name where empty.
        mode: what becomes of periods that are stored and that the file lacks.
        confirm: whether a level that changes as a unit's does is meant so.
        alone: whether the catalogue that ships is left out.
    """

    file: Path
    name: str
    unit: str
    stated: Stated
    calendar: str | None = None
    source: str = ""
    mode: Literal["append", "replace"] | None = None
    confirm: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Addition:
    """A commodity as it was added.

    Attributes:
        proposal: what is followed.
        report: what the import did.
        entry: its file in the catalogue.
        is_new: whether it was followed by nothing before.
    """

    proposal: Proposal
    report: IngestReport
    entry: Path
    is_new: bool


def propose(settings: Settings, request: Request) -> Proposal:
    """Look at a file and say what would be made of it; writes nothing.

    Raises:
        Unclear: the file or what is said of it cannot be used; says what to type.
        CatalogueError: the catalogue that is there is wrong.
        FileNotFoundError, UnexpectedShape: the file cannot be read.
    """
    commodity = name_commodity(request.name)
    layers = read_layers(*settings.catalogue_files)
    is_followed = find_entry(settings, commodity).exists()
    if not is_followed:
        _require_free(layers, commodity)
    stated = _recall(_read_last(settings, name_series(commodity)), request.stated)
    file = read_own_file(request.file, stated)
    jump = None if request.confirm else find_jump(file.prices)
    if jump is not None:
        raise Unclear(f"{jump}; say --confirm if it is meant")
    if is_followed:
        return _propose_more(settings, commodity, file)
    return propose_commodity(
        file,
        name=request.name,
        unit=request.unit,
        chosen_calendar=request.calendar,
        labels=() if request.alone else _list_labels(settings, layers),
        today=datetime.now(UTC).date(),
    )


def add_commodity(settings: Settings, request: Request) -> Addition:
    """Import a file and follow what it prices. What is refused changes nothing.

    Raises:
        Unclear, CatalogueError, FileNotFoundError, UnexpectedShape: as :func:`propose`.
        ValueError, IncompleteResponse, TableRuleBroken, ClockInDoubt, WarehouseError,
            LedgerDamaged: as ``import_csv``.
    """
    proposal = propose(settings, request)
    commodity, entry = proposal.commodity, find_entry(settings, proposal.commodity.id)
    is_new = not entry.exists()
    text = _write_entry(settings, request, proposal)
    if is_new:
        _require_fit(settings, entry, text)
        _require_no_run(settings, request)
    report = import_csv(
        settings,
        request.file,
        series=commodity.price_series,
        unit=commodity.unit,
        source=request.source or f"{request.file.name}, given to cbi commodity add",
        name=commodity.name,
        mode=request.mode,
        confirm=request.confirm,
        reading=proposal.file.reading,
    )
    if is_new:
        write_durably(entry, text.encode())
    else:
        _move_end(entry, commodity)
    return Addition(proposal, report, entry, is_new)


def find_entry(settings: Settings, commodity: str) -> Path:
    """The file of the home's catalogue that follows an own commodity, there or not."""
    return settings.catalogue_dir / f"{commodity}.toml"


def remove_commodity(settings: Settings, commodity: str) -> Path:
    """Follow an own commodity no more; what was imported of it stays in the home.

    Returns:
        The file that was deleted.

    Raises:
        ValueError: it was not added by ``cbi commodity add``, or others need it.
        CatalogueError: the catalogue without it is wrong.
    """
    entry = find_entry(settings, commodity)
    if not entry.is_file() or not entry.read_text().startswith(_HEADING):
        own = ", ".join(list_added(settings)) or "none"
        raise ValueError(
            f"{commodity} is no commodity that was added to {settings.home}; those are: {own}"
        )
    rest = [file for file in settings.catalogue_files if file != entry]
    if is_without_base(*settings.catalogue_files) and not is_without_base(*rest):
        raise ValueError(
            f"{commodity} is what {settings.home} was made for: its file leaves out the catalogue "
            "that ships; begin another home instead"
        )
    load_catalogue(*rest, profile=settings.profile)
    entry.unlink()
    return entry


def list_added(settings: Settings) -> list[str]:
    """Commodities that were added to a home, by id."""
    files = sorted(settings.catalogue_dir.glob("*.toml"))
    return [file.stem for file in files if file.read_text().startswith(_HEADING)]


def _propose_more(settings: Settings, name: str, file: OwnFile) -> Proposal:
    """A later file of a commodity that is followed already, as its entry says by now."""
    catalogue = load_catalogue(*settings.catalogue_files, profile=settings.profile)
    commodity = catalogue.commodity(name)
    whole = file.read_monthly() if commodity.calendar == "monthly" else file
    newest = max(day for day, _ in whole.prices)
    if commodity.record_ends is not None and newest > commodity.record_ends:
        commodity = close_record(commodity, newest, datetime.now(UTC).date())
    return Proposal(whole, commodity, whole.words)


def _move_end(entry: Path, commodity: Commodity) -> None:
    """Write where a record ends now; nothing else of the entry, which is its user's, changes."""
    end = commodity.record_ends
    line = "" if end is None else f"record_ends = {end}\n"
    text = entry.read_text()
    moved = re.sub(r"(?m)^record_ends = .*\n", line, text)
    if moved != text:
        write_durably(entry, moved.encode())


def _require_free(layers: Layers, commodity: str) -> None:
    for profile in layers.table("profile"):
        if commodity in layers.table("profile", profile, "commodity"):
            where = layers.origin("profile", profile, "commodity", commodity)
            raise Unclear(f"{commodity} is followed already by {where}; choose another --name")


def _recall(before: Reading | None, stated: Stated) -> Stated:
    """What is said of a file, and beside it what was said of the one before."""
    if before is None:
        return stated
    says_when = stated.release is not None or stated.vintage_column is not None
    return replace(
        stated,
        release=stated.release if says_when else before.release or None,
        vintage_column=stated.vintage_column if says_when else before.vintage_column or None,
        sheet=stated.sheet or before.sheet or None,
        order=stated.order or (before.order if before.order in ("dmy", "mdy") else None),
        decimal=stated.decimal or ("," if before.decimal == "," else None),
    )


def _read_last(settings: Settings, series: str) -> Reading | None:
    """How the file before of a series was read; None where there was none."""
    try:
        with bind_warehouse(settings).read() as store:
            rows = store.table("ledger.response", "feed = ?", [f"csv:{series}"])
    except NothingPublished:
        return None
    if rows.is_empty():
        return None
    url = rows.sort("fetched_at")["url"][-1]
    return Reading.from_query({k: v[0] for k, v in parse_qs(urlsplit(url).query).items()})


def _list_labels(settings: Settings, layers: Layers) -> Sequence[str]:
    """Labels of the horizons that the other commodities have."""
    others = layers.table("profile", settings.profile, "commodity")
    return tuple(next(iter(others.values()))["horizons"]) if others else ()


def _write_entry(settings: Settings, request: Request, proposal: Proposal) -> str:
    layers = read_layers(*settings.catalogue_files)
    is_bare = request.alone or _NEEDED_GROUP not in layers.table("group")
    groups = [_NEEDED_GROUP] if is_bare else []
    return write_entry(proposal.commodity, _ALONE if request.alone else "", groups)


def _require_fit(settings: Settings, entry: Path, text: str) -> None:
    """Refuse what the catalogue would not take, before anything is written."""
    require_own_home(settings)
    with TemporaryDirectory() as folder:
        tried = Path(folder) / entry.name
        tried.write_text(text)
        files = [*settings.catalogue_files]
        own = [file for file in files if file.parent == settings.catalogue_dir]
        rest = [file for file in files if file.parent != settings.catalogue_dir]
        ordered = sorted([*own, tried], key=lambda file: file.name)
        load_catalogue(*ordered, *rest, profile=settings.profile)


def _require_no_run(settings: Settings, request: Request) -> None:
    """Refuse to leave out the catalogue that ships where forecasts of it stand."""
    if request.alone and has_run(settings) and not is_without_base(*settings.catalogue_files):
        raise Unclear(
            f"--alone: {settings.home} holds forecasts of the commodities that ship; set CBI_HOME "
            "to a new folder, or leave --alone out"
        )
