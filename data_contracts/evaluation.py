"""Contracts of the evidence: walk-forward forecasts, their scores, and the decisions on them."""

import polars as pl

from data_contracts.core import Contract, Instant, Table, column

#: Ending of a recipe's name where its forecasts are calibrated, which is how they are issued.
CALIBRATED = "+conformal"


def name_recipes(words: str) -> str:
    """A text that names recipes, as people read it: their calibrated variants by that word."""
    return words.replace(CALIBRATED, " (calibrated)")


#: Verdicts of the gate on a challenger recipe; ``promote`` is also a person's.
LOOKS = ("promote", "keep", "no_skill", "abstain", "apart", "too_good")
#: Verdicts that make a recipe champion: the founding one, a promotion, a person's rollback.
CROWNS = ("first", "promote", "rollback")
#: Verdicts on tonight's version of the champion recipe.
NIGHTLY = ("refresh", "hold")


class WalkForwardForecast(Table):
    """One quantile of one walk-forward forecast, by recipe, fold, origin, commodity and horizon."""

    evaluation_id: str = column("Hash of state, as-of, recipes and origins")
    recipe: str = column("Recipe or baseline")
    fold: str = column("Refit the forecast came from")
    commodity: str = column("Commodity")
    origin_session: pl.Date = column("Last session known")
    horizon: int = column("Sessions ahead", unit="session", ge=1)
    quantile: float = column("Level", gt=0, lt=1)
    as_of: Instant = column("Instant the forecast rests on")
    value: float = column("Log return at that level")
    up: float = column("Probability that the return is positive", ge=0, le=1)
    volatility: float = column("Standard deviation of the log return over the horizon", ge=0)
    origin_price: float = column("Price of the origin session")


class FoldForecast(Table):
    """One quantile of a walk-forward forecast; equal forecasts of many rounds are stored once."""

    fold_id: str = column("Hash of the forecasts of a recipe, commodity and fold")
    commodity: str = column("Commodity")
    origin_session: pl.Date = column("Last session known")
    horizon: int = column("Sessions ahead", unit="session", ge=1)
    quantile: float = column("Level", gt=0, lt=1)
    as_of: Instant = column("Instant the forecast rests on")
    value: float = column("Log return at that level")
    up: float = column("Probability that the return is positive", ge=0, le=1)
    volatility: float = column("Standard deviation of the log return over the horizon", ge=0)
    origin_price: float = column("Price of the origin session")


class Fold(Table):
    """Which stored forecasts an evaluation consists of: one row per recipe, fold and commodity."""

    evaluation_id: str = column("Hash of state, as-of, recipes and origins")
    recipe: str = column("Recipe or baseline")
    fold: str = column("Refit the forecasts came from")
    commodity: str = column("Commodity")
    fold_id: str = column("Its forecasts in evaluation.fold_forecast")


class Absence(Table):
    """Origins of one commodity that a recipe or baseline had too little history to forecast."""

    evaluation_id: str = column("Evaluation the origins belong to")
    recipe: str = column("Recipe or baseline")
    commodity: str = column("Commodity")
    absent: int = column("Origins it sat out", ge=1)
    planned: int = column("Origins of the commodity in the evaluation", ge=1)
    last: pl.Date = column("Newest origin session it sat out")
    reason: str = column("What was public there and what it needs, in words")


class Score(Table):
    """One figure of one recipe, per commodity and horizon, with its interval where it has one."""

    evaluation_id: str = column("Evaluation the figure belongs to")
    recipe: str = column("Recipe or baseline")
    commodity: str = column("Commodity, or * for all")
    horizon: str = column("Horizon label, or * for all")
    metric: str = column("What is measured, e.g. crps, coverage_80, skill_vs_prior")
    value: float = column("The figure")
    low: float = column("Lower end of its interval", nullable=True)
    high: float = column("Upper end of its interval", nullable=True)
    count: int = column("Forecasts scored", ge=0)


class ModelCode(Table):
    """Code that gives a model's forecasts, and earlier code that gave the same."""

    recipe: str = column("Recipe or baseline")
    identity: str = column("Hash of its settings")
    code: str = column("Hash of the code and its libraries")
    same_as: str = column("Code whose forecasts this one's equal to the bit; itself, where none")
    why: str = column("What was seen")
    noted_at: Instant = column("When it was first used")


class RoundEntry(Table):
    """Where one recipe of a walk-forward round stands; each enters by itself."""

    round_id: str = column("Hash of state, as-of, origins and axes: what all of its recipes share")
    recipe: str = column("Recipe or baseline")
    identity: str = column("Hash of its settings")
    as_of: Instant = column("Instant the round rests on")
    outcome: str = column(
        "Whether it is still awaited, was forecast, or failed",
        isin=["awaited", "forecast", "failed"],
    )
    reason: str = column("Why it failed, in words; empty otherwise")
    noted_at: Instant = column("When that was noted, on the wall clock")


class Decision(Table):
    """What was decided on a recipe or on tonight's version of it, on which figures, and why."""

    decision_id: str = column("Hash of the evidence and the two recipes")
    decided_at: Instant = column("When, on the wall clock")
    as_of: Instant = column("What was known; null where nobody noted it", nullable=True)
    evaluation_id: str = column("Evaluation it rests on")
    recipe: str = column("Challenger recipe")
    champion: str = column("Champion recipe it faced")
    version: int = column("Registered version it names, where it names one", ge=1, nullable=True)
    verdict: str = column("Outcome", isin=[*LOOKS, "first", "rollback", *NIGHTLY])
    reason: str = column("The verdict in words")
    statistics: str = column("Every figure used, as JSON")
    who: str = column("gate, refresh, or the person who decided")
    recipe_id: str = column("Hash of the settings of a recipe that the gate judged", nullable=True)
    code: str = column("Name of the code that gave its forecasts", nullable=True)
    round_id: str = column("Round whose forecasts the gate judged", nullable=True)
    field: str = column(
        "What the look judged at once: settings and code of each recipe, as JSON", nullable=True
    )
    level_left: float = column(
        "Chance of a false promotion that is left to later looks", nullable=True
    )


class Version(Table):
    """One registered model version and what it was made from."""

    version: int = column("Version number in the registry", ge=1)
    recipe: str = column("Recipe name")
    recipe_id: str = column("Hash of the recipe")
    fingerprint: str = column("Hash of weights and configuration")
    state: str = column("State of the data it was trained on")
    as_of: Instant = column("Knowledge instant of its training rows")
    run_id: str = column("Tracking run")
    note: str = column("What a reader must know, e.g. no learned skill")


#: What a walk-forward gives and scores are made of; stored as folds, it is a view of them.
FORECAST = Contract(
    table="evaluation.forecast",
    model=WalkForwardForecast,
    key=("evaluation_id", "recipe", "commodity", "origin_session", "horizon", "quantile"),
)
FOLD_FORECAST = Contract(
    table="evaluation.fold_forecast",
    model=FoldForecast,
    key=("fold_id", "commodity", "origin_session", "horizon", "quantile"),
    append_only=False,
    indexed=False,
)
FOLD = Contract(
    table="evaluation.fold",
    model=Fold,
    key=("evaluation_id", "recipe", "fold", "commodity"),
    append_only=False,
)
ABSENCE = Contract(
    table="evaluation.absence",
    model=Absence,
    key=("evaluation_id", "recipe", "commodity"),
    version="1.1.0",
    append_only=False,
)
SCORE = Contract(
    table="evaluation.score",
    model=Score,
    key=("evaluation_id", "recipe", "commodity", "horizon", "metric"),
    version="1.1.0",
    append_only=False,
)
MODEL_CODE = Contract(
    table="evaluation.model_code", model=ModelCode, key=("recipe", "identity", "code")
)
ROUND = Contract(
    table="evaluation.round",
    model=RoundEntry,
    key=("round_id", "recipe"),
    append_only=False,
)
DECISION = Contract(
    table="registry.decision", model=Decision, key=("decision_id",), version="1.3.0"
)
VERSION = Contract(table="registry.version", model=Version, key=("version",))
