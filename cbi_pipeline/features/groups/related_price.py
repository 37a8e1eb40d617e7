"""The market that the catalogue calls related, by its own releases, and the margin over it."""

from __future__ import annotations

from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.expressions import Expression, Span, column_of
from cbi_pipeline.features.group import Column, Group, RelatedGap, RelatedSession
from cbi_pipeline.features.prices import ewma_variance, log_price, sigma, volatility

_PRICE, _GAP = column_of(RelatedSession(), "price"), column_of(RelatedGap(), "gap")
_AWAY = e.anchored(_GAP)
_USUAL = e.expanding_mean(_AWAY, Span.READY)
_MARGIN = e.ratio(e.minus(_AWAY, _USUAL), e.expanding_deviation(_GAP, Span.READY))


def _move(span: Span) -> Expression:
    return e.scaled(e.change(log_price(_PRICE), span), sigma(_PRICE), span)


_VOLATILITY = volatility(ewma_variance(_PRICE), _PRICE)

GROUP = Group(
    name="related_price",
    words="The price of the related market, in units of its own volatility",
    age="other",
    columns=(
        Column("other_return_week", "sigma", _move(Span.WEEK), "its move over its newest week"),
        Column("other_return_month", "sigma", _move(Span.MONTH), "its move over its newest month"),
        Column("other_vol_ewma", "log", _VOLATILITY, "its fading volatility"),
        Column("margin", "standard deviation", _MARGIN, "the margin against its own past"),
    ),
)
