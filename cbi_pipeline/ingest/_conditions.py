"""Asking for a file only where it has changed since it came: RFC 9110, section 13.

What came is asked about by the mark or the hour that its publisher gave it. The answer that it has
not changed has no body, and stands for the same bytes as before: it is stored as a sighting of
these, with its own status, and read and judged like them.
"""

from __future__ import annotations

import json
from dataclasses import replace

from cbi_pipeline.feeds import Answer, Source
from cbi_pipeline.ledger import Ledger, Response
from cbi_pipeline.warehouse import NothingPublished, Warehouse

NOT_MODIFIED = 304
#: What is said of one answer alone, and not of the file.
_OF_THE_HOUR = ("date", "age", "retry-after")


def make_conditions(earlier: Answer | None) -> dict[str, str]:
    """Headers that ask whether a file has changed; none where nothing tells its versions apart."""
    headers = earlier.headers if earlier is not None else {}
    named = {
        "If-None-Match": headers.get("etag"),
        "If-Modified-Since": headers.get("last-modified"),
    }
    return {name: text for name, text in named.items() if text}


def is_unchanged(answer: Answer, earlier: Answer) -> bool:
    """Whether an answer without a body speaks of the bytes that came earlier."""
    marks = [_strip_weakness(given.headers.get("etag", "")) for given in (answer, earlier)]
    return bool(make_conditions(earlier)) and (not marks[0] or marks[0] == marks[1])


def _strip_weakness(mark: str) -> str:
    return mark.strip().removeprefix("W/")


def confirm(answer: Answer, earlier: Answer) -> Answer:
    """The answer that a file is unchanged, with the bytes that it speaks of."""
    kept = {name: text for name, text in earlier.headers.items() if name not in _OF_THE_HOUR}
    return replace(answer, headers={**kept, **answer.headers}, body=earlier.body)


class Earlier:
    """The newest use of each file of a service that gives whole files.

    What was not used is never asked about: while a service answers something else in its place,
    the file itself is asked for.

    Args:
        feed: the service.
        ledger: where the bytes lie.
        warehouse: which answers were used.
    """

    def __init__(self, feed: Source, ledger: Ledger, warehouse: Warehouse) -> None:
        self._ledger = ledger
        self._responses = _read_used(feed, warehouse) if feed.has_files else {}

    def find(self, url: str) -> Answer | None:
        """What an address gave when it was used last; None where it never was.

        Raises:
            LedgerDamaged: its bytes are missing or changed.
        """
        response = self._responses.get(url)
        if response is None:
            return None
        body, headers = self._ledger.body(response), json.loads(response.headers)
        return Answer(response.url, response.status, headers, body)


def _read_used(feed: Source, warehouse: Warehouse) -> dict[str, Response]:
    try:
        with warehouse.read_published() as store:
            rows = store.table("ledger.response", "feed = ? AND status IN (200, 304)", [feed.name])
    except NothingPublished:
        return {}
    newest = rows.sort("fetched_at").unique("url", keep="last", maintain_order=True)
    return {row["url"]: Response(**row) for row in newest.iter_rows(named=True)}
