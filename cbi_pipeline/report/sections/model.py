"""What the gate, the nightly refresh and people decided, and the model in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from cbi_pipeline.report.morning import Section
from cbi_pipeline.report.source import ReportSource
from data_contracts.evaluation import name_recipes

_DECISIONS_BY_HAND = 3
_COLUMNS = [
    *("verdict", "reason", "recipe", "champion", "decided_at", "who", "as_of"),
    *("recipe_id", "code", "round_id"),
]
_VERDICTS = {
    "promote": "Promoted: it takes over.",
    "keep": "Kept: the champion stays.",
    "no_skill": "No skill shown: the champion stays.",
    "abstain": "No decision: too little evidence.",
    "apart": "Stands apart: too few levels for a champion.",
    "too_good": "Refused: too good to be believed without an explanation.",
    "first": "First version: champion by construction.",
    "rollback": "Rolled back to an earlier version.",
    "refresh": "Refreshed: another version takes over.",
    "hold": "Held back: the version in use stays.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, by the gate, the nightly refresh or a person, when, on what, and why."""

    verdict: str
    reason: str
    recipe: str
    champion: str
    decided_at: datetime
    who: str
    as_of: datetime | None = None
    recipe_id: str | None = None
    code: str | None = None
    round_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The decisions that a reader asks about.

    Attributes:
        gate: the gate's newest, one per challenger.
        refresh: newest one on a nightly version of the recipe in use.
        by_hand: promotions and rollbacks by people, newest first.
    """

    gate: tuple[Decision, ...] = ()
    refresh: Decision | None = None
    by_hand: tuple[Decision, ...] = ()


def read_decisions(source: ReportSource) -> Decisions:
    """The newest decisions of the gate, of the refresh and of people."""
    decisions = source.decisions
    own = pl.col("recipe") == (source.model.recipe if source.model else "")
    refresh = decisions.filter(pl.col("who") == "refresh", own).tail(1)
    people = decisions.filter(~pl.col("who").is_in(["gate", "refresh"])).reverse()
    return Decisions(
        gate=_to_decisions(select_gate_decisions(source)),
        refresh=next(iter(_to_decisions(refresh)), None),
        by_hand=_to_decisions(people.head(_DECISIONS_BY_HAND)),
    )


def select_gate_decisions(source: ReportSource) -> pl.DataFrame:
    """Rows on the newest evidence, one per challenger.

    Making the first version is no decision beside a real one.
    """
    rows = source.decisions.filter(
        pl.col("who") == "gate", pl.col("evaluation_id") == source.evaluation_id
    )
    real = rows.filter(pl.col("verdict") != "first")
    shown = real if real.height else rows
    return shown.unique("recipe", keep="last", maintain_order=True)


def _to_decisions(rows: pl.DataFrame) -> tuple[Decision, ...]:
    # Decisions of earlier releases name calibrated variants as they are stored.
    shown = rows.select(_COLUMNS).iter_rows(named=True)
    return tuple(Decision(**row | {"reason": name_recipes(row["reason"])}) for row in shown)


def describe_verdict(verdict: str) -> str:
    """A decision's outcome as a sentence."""
    return _VERDICTS[verdict]


TEMPLATE = """\
{% macro facts(decision, names) %}
<p class="lede"><strong>{{ describe_verdict(decision.verdict) }}</strong></p>
<p>{{ decision.reason }}</p>
<dl><dt>{{ names[0] }}</dt><dd>{{ decision.recipe }}</dd>
{% if decision.recipe_id and decision.code and decision.round_id %}<dt>Looked at</dt>
<dd>round <code>{{ f.short_hash(decision.round_id) }}</code>,
settings <code>{{ f.short_hash(decision.recipe_id) }}</code>,
code <code>{{ f.short_hash(decision.code) }}</code></dd>{% endif %}
<dt>{{ names[1] }}</dt><dd>{{ decision.champion }}</dd>
<dt>Decided</dt><dd>{{ f.instant(decision.decided_at) }}, by {{ names[2] }}{{ decision.who }}</dd>
{% if decision.as_of %}<dt>Data as of</dt><dd>{{ f.instant(decision.as_of) }}</dd>{% endif %}</dl>
{% endmacro %}
{% set model = report.model %}
<section id="model">
<h2>Model and gate</h2>
<div class="pair">
<div>
<h3>Gate</h3>
{% for decision in part.gate %}
{{ facts(decision, ["Challenger", "Champion faced", ""]) }}
{% else %}
<p>No decision has been taken yet.</p>
{% endfor %}
{% for decision in part.by_hand %}
{{ facts(decision, ["Recipe", "Champion before", "hand: "]) }}
{% endfor %}
</div>
<div>
<h3>Model card</h3>
{% if model %}
<dl><dt>Version</dt><dd>{{ model.version }}</dd>
<dt>Recipe</dt><dd>{{ model.recipe }} <code>{{ f.short_hash(model.recipe_id) }}</code></dd>
<dt>Trained to</dt><dd>{{ f.instant(model.trained_to) }}</dd>
<dt>Data state</dt><dd><code>{{ f.short_hash(model.state) }}</code></dd>
<dt>Fingerprint</dt><dd><code>{{ f.short_hash(model.fingerprint) }}</code></dd>
<dt>Note</dt><dd>{{ model.note }}</dd>
{% if part.refresh %}
<dt>Refresh</dt><dd>{{ describe_verdict(part.refresh.verdict) }} {{ part.refresh.reason }}</dd>
{% endif %}
</dl>
{% elif report.model_version %}
<p>Version {{ report.model_version }} is not in the registry's table.</p>
{% else %}
<p>No model was in use.</p>
{% endif %}
</div>
</div>
</section>
"""

SECTION = Section(
    name="model",
    title="Model and gate",
    anchor="model",
    read=read_decisions,
    template=TEMPLATE,
    helpers={"describe_verdict": describe_verdict},
)
