"""Rules about a whole delivery rather than a row. A broken one blocks: nothing of it is used."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

#: Every rule about a delivery, in words.
DELIVERY_RULES = {
    "quarantined_share": "No series may have more of its rows set aside than its limit.",
    "series_present": "Every followed series has accepted rows.",
    "ascending_periods": "A series' periods stand in rising order in each response.",
    "period_spacing": "No period is missing or crowded: days between periods are the family's.",
    "distinct_values": "Values differ as they always did: nobody has started to round them.",
    "scale_change": "Values are of the size they always were: nobody has changed the unit.",
}

#: Share of a series' rows that may be quarantined before the delivery itself is doubted.
QUARANTINE_LIMIT = 0.05


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What a table rule found.

    Attributes:
        rule: name of the rule.
        passed: False blocks everything downstream.
        detail: the finding in words, with figures.
    """

    rule: str
    passed: bool
    detail: str


def quarantined_share(shares: pl.DataFrame, limit: float = QUARANTINE_LIMIT) -> RuleOutcome:
    """No series may have more than ``limit`` of its rows set aside.

    Args:
        shares: series_id, rows and refused: of each series all rows, and those set aside.
        limit: highest share allowed.
    """
    shares = shares.with_columns(share=pl.col("refused") / pl.col("rows")).sort(
        "share", "series_id", descending=[True, False]
    )
    over = shares.filter(pl.col("share") > limit)
    if over.is_empty():
        worst = shares.row(0, named=True) if len(shares) else {"series_id": "-", "share": 0.0}
        detail = f"highest share {worst['share']:.2%} ({worst['series_id']}), limit {limit:.0%}"
        return RuleOutcome("quarantined_share", passed=True, detail=detail)
    named = ", ".join(
        f"{row['series_id']} {row['share']:.1%}" for row in over.iter_rows(named=True)
    )
    return RuleOutcome("quarantined_share", passed=False, detail=f"over {limit:.0%}: {named}")


def series_present(good: pl.DataFrame, expected: list[str]) -> RuleOutcome:
    """Every expected series has at least one accepted row."""
    missing = sorted(set(expected) - set(good.get_column("series_id").unique()))
    if missing:
        return RuleOutcome("series_present", passed=False, detail=f"no accepted row: {missing}")
    return RuleOutcome("series_present", passed=True, detail=f"all {len(expected)} series present")


def shape_outcomes(findings: pl.DataFrame) -> tuple[RuleOutcome, ...]:
    """One outcome for each rule about the shape of a series.

    Args:
        findings: what :func:`data_contracts.shape.findings` gave.
    """
    rules = [name for name in DELIVERY_RULES if name not in ("quarantined_share", "series_present")]
    return tuple(_shape_outcome(name, findings.filter(pl.col("rule") == name)) for name in rules)


def _shape_outcome(rule: str, findings: pl.DataFrame) -> RuleOutcome:
    if findings.is_empty():
        return RuleOutcome(rule, passed=True, detail="every series keeps it")
    first = findings.unique("series_id", keep="first", maintain_order=True)
    named = "; ".join(f"{row['series_id']}: {row['detail']}" for row in first.head(3).to_dicts())
    more = f" and {len(first) - 3} more series" if len(first) > 3 else ""
    return RuleOutcome(rule, passed=False, detail=f"{len(findings)} places, {named}{more}")
