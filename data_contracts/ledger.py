"""Contracts of the ledger: which bytes arrived, and which transaction used them."""

from data_contracts.core import Contract, Instant, Strings, Table, column


class Response(Table):
    """One stored answer of a feed; its bytes lie in the blob store under their own hash."""

    response_id: str = column(
        "Hash of feed, redacted address and body; of status and headers too where an earlier "
        "sighting of these bytes had others",
        str_length={"min_value": 16},
    )
    feed: str = column("Feed that asked")
    url: str = column("Address asked, secrets masked")
    status: int = column("HTTP status, 200 for a file", ge=100, le=599)
    headers: str = column("Kept response headers as JSON")
    fetched_at: Instant = column("When the answer arrived")
    bytes: int = column("Length of the body", unit="byte", ge=0)
    sha256: str = column("Hash of the body as stored, secrets already masked")
    blob: str = column("Path of the body inside the ledger folder")
    masked: str = column("Offsets and lengths of masked secrets, as JSON")


class Transaction(Table):
    """One ingestion: the responses used, what became of their rows, the state after."""

    txn_id: int = column("Running number", ge=1)
    feed: str = column("Feed ingested")
    seen_at: Instant = column("When these rows became known to us")
    response_ids: Strings = column("Responses parsed")
    state_before: str = column("State of the accepted content before")
    state_after: str = column("State of the accepted content after")
    parsed: int = column("Rows parsed from the responses", ge=0)
    accepted: int = column("Rows that kept the contract", ge=0)
    added: int = column("New versions written (values, corrections, withdrawals)", ge=0)
    quarantined: int = column("Rows set aside with a reason", ge=0)
    duplicates: int = column("Exact repeats, counted and dropped", ge=0)
    ignored: int = column("Rows that are not observations of a followed series", ge=0)


RESPONSE = Contract(table="ledger.response", model=Response, key=("response_id",))
TRANSACTION = Contract(table="ledger.txn", model=Transaction, key=("txn_id",))
