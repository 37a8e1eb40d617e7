"""Several statistical forecasts as one: a weighted mean of their quantiles, kept within a fuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import numpy as np

from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.config import Config, Json
from cbi_pipeline.forecasting.declarations import FileName, Items, Label, Positive
from cbi_pipeline.forecasting.models.autoregression import ReturnMean
from cbi_pipeline.forecasting.models.model import (
    Absence,
    Floats,
    Forecasts,
    Rows,
    by_commodity,
    steps_of,
)
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.models.returns import Returns
from cbi_pipeline.forecasting.models.statistical import StatisticalModel, statistical_of_json
from cbi_pipeline.forecasting.panel import Panel, PanelSpec

FUSE = 10.0
"""No band is wider than so many times that of the long-run variance, nor narrower by as much.

Chosen on WTI, Brent and Henry Hub before 2013, where no band of a member came near; on 2013 to 2026
it cost nothing."""


@dataclass(frozen=True, kw_only=True)
class Member(Config):
    """One of the forecasts, and its weight.

    Attributes:
        recipe: any recipe that reads prices alone.
        weight: beside those of the others; they need not add up to one.
    """

    recipe: StatisticalRecipe
    weight: Positive = 1.0


Members = Annotated[tuple[Member, ...], Items(at_least=1)]


@dataclass(frozen=True, kw_only=True)
class OwnForecasts(Config):
    """What is averaged for one commodity, in place of the others.

    Attributes:
        commodity: its id.
        forecasts: that are averaged for it.
    """

    commodity: Label
    forecasts: Members


@dataclass(frozen=True, kw_only=True)
class CombinedRecipe(StatisticalRecipe, kind="combined"):
    """A weighted mean of the quantiles of other forecasts.

    Attributes:
        name: for people, tables and folders; part of the identity.
        feature_set: always "none": it reads prices alone.
        levels: quantile levels, strictly increasing in (0, 1).
        forecasts: that are averaged, for every commodity without own ones.
        own: commodities with own ones.
        mean: expect a change, of an autoregression, where the record says that it can be foretold.
    """

    name: FileName = "combined"
    forecasts: Members
    own: Annotated[tuple[OwnForecasts, ...], Items()] = ()
    mean: bool = True

    def check(self) -> None:
        """Every recipe of the members bears its own name."""
        by_name: dict[str, str] = {}
        for member in self.every_member():
            name, identity = member.recipe.name, member.recipe.identity()
            if by_name.setdefault(name, identity) != identity:
                raise ValueError(f"CombinedRecipe.forecasts: two recipes bear the name {name}")

    def every_member(self) -> tuple[Member, ...]:
        """Those of all commodities."""
        return (*self.forecasts, *(member for own in self.own for member in own.forecasts))

    def recipes(self) -> dict[str, StatisticalRecipe]:
        """The recipes of the members by name, each once, at the levels of this one."""
        return {
            member.recipe.name: replace(member.recipe, levels=self.levels)
            for member in self.every_member()
        }

    def weights(self, commodity: str) -> dict[str, float]:
        """By name, the weight of each member that forecasts a commodity."""
        own = {entry.commodity: entry.forecasts for entry in self.own}
        return {m.recipe.name: m.weight for m in own.get(commodity, self.forecasts)}


@dataclass(frozen=True, eq=False)
class CombinedModel(StatisticalModel):
    """Members that were fitted side by side, and where it pays a mean of the returns.

    A member that cannot forecast a row leaves the rest averaged.

    Attributes:
        members: by name of the recipe.
        means: by commodity whose returns are predictable.
    """

    members: Mapping[str, StatisticalModel]
    means: Mapping[str, ReturnMean]
    recipe: CombinedRecipe
    recipe_type = CombinedRecipe

    @property
    def history(self) -> Mapping[str, int]:
        """As much as the member that reads most."""
        histories = [member.history for member in self.members.values()]
        return {name: max(history[name] for history in histories) for name in self.spec.commodities}

    def absences(self, panel: Panel, rows_N: Rows) -> Sequence[Absence]:
        """Rows that no member can forecast."""
        is_absent = self._weigh(panel, rows_N).sum(axis=0) == 0.0
        return [
            Absence(commodity, rows, f"none of {', '.join(self.members)} can forecast it")
            for commodity, rows in by_commodity(panel, rows_N[is_absent]).items()
        ]

    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Means of the members' quantiles, chances of a rise and standard deviations."""
        self.check_axes(panel.spec)
        weight_MN = self._weigh(panel, rows_N)
        share_MN = weight_MN / weight_MN.sum(axis=0)
        scale_NH = _long_run(panel, rows_N)
        shape = (*scale_NH.shape, len(self.recipe.levels))
        mixed = Forecasts(np.zeros(shape), np.zeros(shape[:2]), np.zeros(shape[:2]))
        for member, share_N in zip(self.members.values(), share_MN, strict=True):
            speaks = share_N > 0.0
            forecasts = _cap(
                member.predict(panel, rows_N[speaks]), scale_NH[speaks], self.recipe.levels
            )
            for whole, part in zip(mixed, forecasts, strict=True):
                weights = share_N[speaks].reshape(-1, *[1] * (part.ndim - 1))
                whole[speaks] += weights * part
        return self._shift(panel, rows_N, _widen(mixed, scale_NH, self.recipe.levels))

    def parameters(self) -> Json:
        """The members as they save themselves, and the means."""
        return {
            "members": {name: member.to_json() for name, member in self.members.items()},
            "means": {name: mean.to_json() for name, mean in self.means.items()},
        }

    @classmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model of these members and means."""
        trees = parameters["members"]
        # In the recipe's order, as at the fit: a sum of floats depends on it.
        members = {name: statistical_of_json(trees[name], name) for name in recipe.recipes()}
        means = {name: ReturnMean.from_json(tree) for name, tree in parameters["means"].items()}
        return cls(recipe=recipe, spec=spec, members=members, means=means, named=named)

    def _weigh(self, panel: Panel, rows_N: Rows) -> Floats:
        """Weight of each member at each row, zero where it cannot forecast; [M, N]."""
        weight_MN = np.zeros((len(self.members), len(rows_N)))
        for commodity, rows in by_commodity(panel, rows_N).items():
            weights, own = self.recipe.weights(commodity), np.isin(rows_N, rows)
            for m, name in enumerate(self.members):
                weight_MN[m, own] = weights.get(name, 0.0)
        for m, member in enumerate(self.members.values()):
            for absence in member.absences(panel, rows_N[weight_MN[m] > 0.0]):
                weight_MN[m, np.isin(rows_N, absence.rows)] = 0.0
        return weight_MN

    def _shift(self, panel: Panel, rows_N: Rows, mixed: Forecasts) -> Forecasts:
        """Moved to the expected return, and narrowed by what the mean explains."""
        for commodity, rows in by_commodity(panel, rows_N).items():
            mean = self.means.get(commodity)
            if mean is None:
                continue
            own = np.isin(rows_N, rows)
            steps = panel.spec.steps[panel.spec.commodities.index(commodity)]
            expected = mean.expect(Returns.of(panel, commodity), rows, steps)
            spread = np.array(mean.spread)
            mixed.q_NHQ[own] = expected[..., None] + spread[:, None] * mixed.q_NHQ[own]
            mixed.vol_NH[own] *= spread
            rises = _chance_of_rise(mixed.q_NHQ[own], self.recipe.levels)
            mixed.up_NH[own] = np.where(mean.is_used, rises, mixed.up_NH[own])
        return mixed


def _long_run(panel: Panel, rows_N: Rows) -> Floats:
    """Standard deviation over each horizon at the mean of all past variances, [N, H]."""
    variance = panel.variance_R2.cpu().numpy()[rows_N, 1].astype(np.float64)
    scale: Floats = np.sqrt(variance[:, None] * steps_of(panel, rows_N))
    return scale


def _reach(levels: Sequence[float]) -> float:
    """Width from the first to the last level, in standard deviations of the prior's shape."""
    return student.quantile(levels[-1]) - student.quantile(levels[0])


def _cap(forecasts: Forecasts, scale_NH: Floats, levels: Sequence[float]) -> Forecasts:
    """A member's forecasts, no wider than the fuse allows."""
    q, limit = forecasts.q_NHQ, FUSE * _reach(levels) * scale_NH
    width = np.maximum(q[..., -1] - q[..., 0], np.finfo(float).tiny)
    factor = np.minimum(1.0, limit / width) if len(levels) > 1 else np.ones_like(width)
    centre = (q[..., :1] + q[..., -1:]) / 2.0
    is_cut = factor < 1.0
    cut = np.where(is_cut[..., None], centre + factor[..., None] * (q - centre), q)
    return Forecasts(cut, forecasts.up_NH, forecasts.vol_NH * factor)


def _widen(mixed: Forecasts, scale_NH: Floats, levels: Sequence[float]) -> Forecasts:
    """No narrower than the fuse allows: then the prior's shape around the same centre."""
    q, least = mixed.q_NHQ, scale_NH / FUSE
    is_narrow = q[..., -1] - q[..., 0] < _reach(levels) * least
    centre = (q[..., :1] + q[..., -1:]) / 2.0
    floor = centre + least[..., None] * student.quantiles(tuple(levels)).numpy()
    return Forecasts(
        np.where(is_narrow[..., None], floor, q),
        mixed.up_NH,
        np.where(is_narrow, np.maximum(mixed.vol_NH, least), mixed.vol_NH),
    )


def _chance_of_rise(q_NHQ: Floats, levels: Sequence[float]) -> Floats:
    """Probability above zero, read off the quantiles; [N, H]."""
    flat = q_NHQ.reshape(-1, len(levels))
    below = np.array([np.interp(0.0, row, levels) for row in flat])
    rises: Floats = 1.0 - below.reshape(q_NHQ.shape[:2])
    return rises
