"""Every field of every configuration takes what it declares, and nothing else."""

import dataclasses
import importlib
import math
import pkgutil
import types
from dataclasses import dataclass
from typing import Annotated, Literal, Union, get_args, get_origin

import numpy as np
import pytest

import cbi_pipeline.forecasting as package
from cbi_pipeline.forecasting import PanelSpec, Recipe, TrainingConfig
from cbi_pipeline.forecasting.augment import AugmentConfig
from cbi_pipeline.forecasting.averaging import AveragingConfig
from cbi_pipeline.forecasting.clipping import ClipConfig
from cbi_pipeline.forecasting.config import Config, declarations
from cbi_pipeline.forecasting.declarations import Items, Range, Text
from cbi_pipeline.forecasting.losses.objective import ObjectiveConfig, Term
from cbi_pipeline.forecasting.models.climatology import ClimatologyRecipe
from cbi_pipeline.forecasting.models.combined import CombinedRecipe, Member, OwnForecasts
from cbi_pipeline.forecasting.models.recipe import ModelRecipe, StatisticalRecipe
from cbi_pipeline.forecasting.networks.cross import CrossConfig
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from cbi_pipeline.forecasting.networks.nhits import NhitsConfig
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.optimisers import OptimiserConfig
from cbi_pipeline.forecasting.schedules import ScheduleConfig
from tests.recipes import tiny

MEMBER = Member(recipe=ClimatologyRecipe())
NEEDED = {
    Member: {"recipe": ClimatologyRecipe()},
    OwnForecasts: {"commodity": "a", "forecasts": (MEMBER,)},
    CombinedRecipe: {"forecasts": (MEMBER,)},
    Recipe: {"name": "r", "feature_set": "f"},
    Term: {"loss": "pinball"},
    PanelSpec: {
        "feature_set": "f",
        "features": ("x",),
        "groups": (),
        "commodities": ("a",),
        "horizons": ("1w",),
        "steps": ((5,),),
    },
}


def modules():
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        yield importlib.import_module(module.name)


#: What configurations of several kinds have in common.
BASES = {Config, EncoderConfig, ModelRecipe, StatisticalRecipe}


def configurations() -> list[type[Config]]:
    """Every configuration that the package defines, by looking."""
    found = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Config) and value not in BASES
    }
    return sorted(found, key=lambda cls: cls.__name__)


FIELDS = [(cls, name) for cls in configurations() for name in declarations(cls)]


def split(hint: object) -> tuple[object, object]:
    return (get_args(hint)[1], get_args(hint)[0]) if get_origin(hint) is Annotated else (None, hint)


def members(hint: object) -> tuple[object, ...]:
    rule, bare = split(hint)
    plain = rule is None and get_origin(bare) not in (tuple, Literal, None)
    return get_args(bare) if plain else (hint,)


def wrong(hint: object) -> list[object]:
    """Values that a hint must refuse: of other kinds, and just outside its rule."""
    hints = members(hint)
    values: list[object] = [object(), {}, {1}, [1], b"x", math.nan, math.inf, -math.inf, 10**400]
    values += [np.int64(3), np.array([1.0, 2.0]), Config, 1j]
    bare = [split(one)[1] for one in hints]
    if bool not in bare:
        values += [True, False]
    if not {int, float} & set(bare):
        values += [1, 0.5, -1]
    if float not in bare:
        values += [1.5, 1.0]
    if str not in bare:
        values += ["", "x", "1", "None"]
    else:
        values += ["", "a\nb", 5]
    if type(None) not in bare:
        values.append(None)
    if not any(get_origin(one) is tuple for one in bare):
        values += [(), (1,)]
    for one in hints:
        values += outside(one)
    return values


def outside(hint: object) -> list[object]:
    rule, bare = split(hint)
    if isinstance(rule, Range):
        step = 1 if bare is int else 1e-9
        return [
            *([] if rule.at_least is None else [bare(rule.at_least) - step]),
            *([] if rule.above is None else [bare(rule.above)]),
            *([] if rule.at_most is None else [bare(rule.at_most) + step]),
            *([] if rule.below is None else [bare(rule.below)]),
        ]
    if get_origin(bare) is Literal:
        choices = get_args(bare)
        return [s for one in choices for s in (one.upper(), f"{one} ", f"x{one}", [one])]
    if get_origin(bare) is tuple:
        items = [item for item in get_args(bare) if item is not Ellipsis]
        size = 1 if Ellipsis in get_args(bare) else len(items)
        bad = [(value,) * size for value in wrong(items[0])]
        return [*bad, *([()] if getattr(rule, "at_least", size) else []), "ab", [0.5]]
    return []


def build(cls: type[Config], **changes: object) -> Config:
    return cls(**{**NEEDED.get(cls, {}), **changes})


def test_the_package_has_configurations():
    assert {Recipe, TrainingConfig, RecurrentConfig, PanelSpec} < set(configurations())
    assert len(FIELDS) > 80


@pytest.mark.parametrize("cls", configurations())
def test_a_configuration_is_frozen_and_checks_itself(cls):
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    assert cls.__post_init__ is Config.__post_init__


@pytest.mark.parametrize("cls", configurations())
def test_a_configuration_of_a_kind_takes_names_alone_and_no_kind(cls):
    names = [field.name for field in dataclasses.fields(cls)]
    assert "kind" not in names
    if cls.kind:
        assert all(field.kw_only for field in dataclasses.fields(cls))
        with pytest.raises(TypeError, match="kind"):
            cls(kind=cls.kind)
        with pytest.raises(TypeError, match="positional"):
            cls("lstm")


def test_kinds_are_distinct():
    kinds = [cls.kind for cls in configurations() if cls.kind]
    assert len(set(kinds)) == len(kinds) >= 8


def test_every_class_that_looks_like_a_configuration_is_one():
    named = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type) and value.__name__.endswith("Config") and value is not Config
    }
    assert {cls.__name__ for cls in named if not issubclass(cls, Config)} == set()


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=lambda x: getattr(x, "__name__", x))
def test_a_field_refuses_whatever_it_does_not_declare(cls, name):
    build(cls)
    for value in wrong(declarations(cls)[name]):
        with pytest.raises(ValueError, match=rf"{cls.__name__}\.{name} takes .+; got ") as refusal:
            build(cls, **{name: value})
        assert "\n" not in str(refusal.value)


def left_open(hint: object) -> list[str]:
    """What a hint leaves unchecked: a bare number, text or tuple, a type that JSON cannot hold."""
    rule, bare = split(hint)
    inner = [] if get_origin(bare) is Literal else get_args(bare)
    below = [fault for item in inner if item is not Ellipsis for fault in left_open(item)]
    if get_origin(bare) in (Union, types.UnionType):
        return below
    if get_origin(bare) is tuple:
        return below + (["Items"] if Ellipsis in inner and not isinstance(rule, Items) else [])
    if bare in (int, float):
        return [] if isinstance(rule, Range) else ["Range"]
    if bare is str:
        return [] if isinstance(rule, Text) else ["Text"]
    fine = bare in (bool, type(None)) or get_origin(bare) is Literal
    return [] if fine or (isinstance(bare, type) and issubclass(bare, Config)) else ["type"]


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=lambda x: getattr(x, "__name__", x))
def test_a_field_leaves_nothing_open(cls, name):
    assert left_open(declarations(cls)[name]) == []


@pytest.mark.parametrize(
    ("hint", "fault"),
    [
        (int, "Range"),
        (float | None, "Range"),
        (str, "Text"),
        (tuple[Annotated[int, Range()], ...], "Items"),
        (Annotated[tuple[int, ...], Items()], "Range"),
        (dict, "type"),
        (object, "type"),
    ],
    ids=str,
)
def test_a_field_without_a_rule_would_be_found(hint, fault):
    assert left_open(hint) == [fault]


MISSPELT = [
    (
        lambda: ScheduleConfig(shape="one-cycle"),
        r"ScheduleConfig\.shape .*'one_cycle'.*'one-cycle'",
    ),
    (lambda: TrainingConfig(precision="bf16"), r"TrainingConfig\.precision .*'bfloat16'"),
    (lambda: TrainingConfig(compile="max-autotune"), r"TrainingConfig\.compile .*'off'"),
    (lambda: ClipConfig(method="agc"), r"ClipConfig\.method .*'adaptive'.*'agc'"),
    (lambda: AveragingConfig(method="EMA"), r"AveragingConfig\.method .*'ema', 'swa'; got 'EMA'"),
    (lambda: Recipe(name="r", feature_set="f", mode="Joint"), r"Recipe\.mode .*'pooled', 'joint'"),
    (lambda: TrainingConfig(max_epochs=True), r"max_epochs takes a whole number at least 0; got T"),
    (
        lambda: ScheduleConfig(warmup_from=-3),
        r"warmup_from takes a number at least 0 and at most 1",
    ),
    (lambda: OptimiserConfig(name="adamW"), r"OptimiserConfig\.name .*'adamw'"),
    (lambda: OptimiserConfig(betas=(0.9,)), r"OptimiserConfig\.betas takes a tuple of 2"),
    (lambda: OptimiserConfig(momentum=1.0), r"OptimiserConfig\.momentum takes .* below 1"),
    (lambda: RecurrentConfig(cell="LSTM"), r"RecurrentConfig\.cell .*'bilstm'; got 'LSTM'"),
    (lambda: MlpConfig(dropout=1.0), r"MlpConfig\.dropout takes a number at least 0 and below 1"),
    (lambda: Term("pinnball"), r"Term\.loss .*'pinball'.*got 'pinnball'"),
    (lambda: Term("pinball", math.nan), r"Term\.weight takes a number above 0; got nan"),
    (lambda: TrainingConfig(shrinkage=(1.0, 0.5)), "strictly increasing"),
    (lambda: NhitsConfig(pools=(1, 4)), "never increasing"),
    (lambda: AugmentConfig(features=("a", "a")), "distinct"),
    (
        lambda: tiny("f").with_training(clip="norm"),
        r"TrainingConfig\.clip takes ClipConfig or None",
    ),
    (lambda: Recipe(name="../r", feature_set="f"), r"Recipe\.name takes letters"),
]


@pytest.mark.parametrize(("build", "message"), MISSPELT)
def test_a_misspelt_value_is_refused_and_the_choices_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


CONTRADICTIONS = [
    (lambda: TrainingConfig(batch_size=4, accumulate=5), "accumulate cannot exceed"),
    (lambda: ObjectiveConfig((Term("pinball"), Term("pinball", 2.0))), "each once"),
    (lambda: CrossConfig(encoder=RecurrentConfig(hidden=10), heads=4), "not a multiple of heads"),
    (lambda: dataclasses.replace(tiny("f"), network=CrossConfig()), "needs mode='joint'"),
    (
        lambda: dataclasses.replace(
            tiny("f").with_training(objective=ObjectiveConfig((Term("squared"),))),
            levels=(0.1, 0.9),
        ),
        "'squared' is one of the median; add 0.5",
    ),
    (
        lambda: tiny("f").with_training(augment=AugmentConfig(time_mask=17)),
        "time_mask hides up to 17 rows of a window of 16",
    ),
]


@pytest.mark.parametrize(("build", "message"), CONTRADICTIONS)
def test_fields_that_contradict_each_other_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_whole_number_does_for_a_number_and_is_the_same_recipe():
    whole, real = tiny("f").with_training(minimum_gain=0), tiny("f").with_training(minimum_gain=0.0)
    assert type(whole.training.minimum_gain) is float
    assert whole.identity() == real.identity()
    negative = tiny("f").with_training(minimum_gain=-0.0)
    assert negative.identity() == real.identity()


def test_a_text_rule_speaks_for_itself():
    @dataclass(frozen=True)
    class Toy(Config):
        code: Annotated[str, Text("[A-Z]{3}", "three capitals")]

    assert Toy("ABC").code == "ABC"
    with pytest.raises(ValueError, match=r"Toy\.code takes three capitals; got 'abc'"):
        Toy("abc")


def test_a_field_without_a_rule_still_keeps_its_type():
    @dataclass(frozen=True)
    class Toy(Config):
        rate: float = 0.0
        size: int = 1
        name: str = "x"
        pair: tuple[int, ...] = ()

    assert Toy(rate=1).rate == 1.0
    for change in (
        {"rate": math.nan},
        {"size": True},
        {"name": 3},
        {"pair": [1]},
        {"pair": (1.5,)},
    ):
        with pytest.raises(ValueError, match=rf"Toy\.{next(iter(change))} takes"):
            Toy(**change)
