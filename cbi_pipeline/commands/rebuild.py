"""``cbi rebuild``: the warehouse again, from the stored bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cbi_pipeline.commands.console import console
from cbi_pipeline.settings import load_settings

if TYPE_CHECKING:
    from cbi_pipeline.ingest import Rebuilt


def rebuild(
    lossy: Annotated[
        bool,
        typer.Option("--lossy", help="Go on where damaged rows are lost that lie in no ledger."),
    ] = False,
    judge_anew: Annotated[
        bool,
        typer.Option("--judge-anew", help="By today's rules, not as was decided when rows came."),
    ] = False,
) -> None:
    """Make the warehouse again from the ledger, as restore or after contracts have changed.

    Every ingestion is done once more from its stored bytes, in order, as it was seen then, and
    compared with the recorded state. Issued forecasts, evidence and decisions are carried over.
    The old warehouse stays until the new one is complete. Where no database is left to carry them
    from, issued forecasts come back from their plain-file copy. Where other tables are damaged that
    lie in no ledger, nothing is done before you agree to lose rows of them.

    Rows that were refused stay refused. --judge-anew judges all of them by the rules of today, and
    lists what changes before it is done; later rebuilds keep to that.
    """
    from cbi_pipeline.ingest import file_sources, live_feeds
    from cbi_pipeline.ingest import rebuild as from_ledger
    from cbi_pipeline.issued import IssuedLedger
    from cbi_pipeline.ledger import Ledger
    from cbi_pipeline.warehouse import Warehouse
    from data_contracts.issued import FORECAST

    settings = load_settings()
    ledger, warehouse = Ledger(settings.ledger_dir), Warehouse(settings.warehouse_dir)
    copy = settings.issued_dir / "forecasts.jsonl"
    done = from_ledger(
        ledger,
        warehouse,
        live_feeds(settings) | file_sources(settings),
        copied=[FORECAST.table] if copy.exists() else [],
        lossy=lossy,
        judge_anew=_list_changes if judge_anew else None,
    )
    _print_rebuilt(done, judge_anew=judge_anew)
    with warehouse.write() as store:
        issued = IssuedLedger(store, settings.issued_dir)
        before = issued.head().sequence
        issued.repair()
        restored = issued.head().sequence - before
    warehouse.publish()
    if restored:
        console.print(f"restored  issued.forecast {restored:,}, from {issued.path}", soft_wrap=True)


def _print_rebuilt(done: Rebuilt, *, judge_anew: bool) -> None:
    console.print(
        f"{done.transactions:,} ingestions from {done.responses:,} responses done again: "
        f"{done.versions:,} versions"
    )
    if judge_anew:
        console.print(f"state     {done.state}, judged by today's rules", soft_wrap=True)
    elif done.changed_from is None:
        console.print(f"state     {done.state}, the same as recorded", soft_wrap=True)
    else:
        console.print(
            f"state     {done.state}, another than recorded from transaction {done.changed_from} "
            "on, because contracts have changed since",
            soft_wrap=True,
        )
    kept = {name: rows for name, rows in done.carried.items() if rows}
    carried = ", ".join(f"{name} {rows:,}" for name, rows in kept.items()) or "nothing"
    console.print(f"carried   {carried}", soft_wrap=True)
    if done.older:
        console.print(f"older     {', '.join(done.older)}, from an older snapshot", soft_wrap=True)
    if done.lost:
        console.print(f"lost      {', '.join(done.lost)}", soft_wrap=True)
    if not done.carried["market.session"]:
        console.print("to build  prices, features and targets, by the next `cbi run`")


def _list_changes(changes: Sequence[str]) -> None:
    for line in changes:
        console.print(f"anew      {line}", soft_wrap=True)
    if not changes:
        console.print("anew      today's rules change nothing")
