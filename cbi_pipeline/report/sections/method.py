"""How the page is read, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass

from cbi_pipeline.report.morning import Section
from cbi_pipeline.report.source import ReportSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the figures of the page can be traced by.

    Attributes:
        catalogue: identity of the catalogue.
        evaluation_id: evaluation behind the scores; empty before there is one.
        issued: rows in the ledger of issued forecasts.
        newest_hash: hash of the newest of them; empty when there is none.
    """

    catalogue: str = ""
    evaluation_id: str = ""
    issued: int = 0
    newest_hash: str = ""


def read_proof(source: ReportSource) -> Proof:
    """The identities behind the page."""
    rows = source.store.query(
        "SELECT sequence, row_hash FROM issued.forecast ORDER BY sequence DESC LIMIT 1"
    )
    return Proof(
        catalogue=source.catalogue.identity,
        evaluation_id=source.evaluation_id,
        issued=rows["sequence"][0] if rows.height else 0,
        newest_hash=rows["row_hash"][0] if rows.height else "",
    )


TEMPLATE = """\
<section id="method">
<h2>How to read this</h2>
<div class="pair">
<p>A range of 80&#8239;% should hold the price in four cases of five, and fail in the fifth. Bands
between two horizons are interpolated; only the ringed dates are forecast. The median is not a
promise: for liquid markets no method is known to beat the last price by much, and this report says
so where it holds.</p>
<p>Every number comes from an official record and can be traced to the bytes it came from. What is
late, missing or refused is said in words and never filled. Forecasts are chained by hash when
issued, so none can be changed unseen; scores are added when the target price is public.</p>
</div>
<dl class="proof"><dt>Data state</dt><dd><code>{{ report.state or "none" }}</code></dd>
<dt>Catalogue</dt><dd><code>{{ f.short_hash(part.catalogue) or "none" }}</code></dd>
<dt>Evaluation</dt><dd><code>{{ f.short_hash(part.evaluation_id) or "none" }}</code></dd>
<dt>Issued ledger</dt><dd>{{ f.count(part.issued) }} rows\
{% if part.newest_hash %}, newest <code>{{ part.newest_hash }}</code>{% endif %}</dd></dl>
</section>
"""

SECTION = Section(
    name="method",
    title="How to read this",
    anchor="method",
    read=read_proof,
    template=TEMPLATE,
)
