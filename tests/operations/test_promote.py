"""Which version of the champion recipe serves after a night."""

import dataclasses
from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl
import pytest

from cbi_pipeline.forecasting import PanelSpec
from cbi_pipeline.operations.promote import rule_on_refresh
from cbi_pipeline.registry import RegistryUnreadable, derive
from tests.evaluation import panels
from tests.evaluation.models import Model
from tests.registry import world

NOW = datetime(2014, 12, 1, tzinfo=UTC)
SPEC = panels.panel().spec
TONIGHT = [SimpleNamespace(recipe="prior", version=3), SimpleNamespace(recipe="gru", version=4)]


@dataclasses.dataclass
class Trained(Model):
    """A model that says which panel it reads."""

    spec: PanelSpec = SPEC


@pytest.fixture(scope="module")
def data():
    instant = {"as_of": NOW, "as_of_us": NOW.timestamp() * 1e6}
    features = SimpleNamespace(name=SPEC.feature_set)
    return SimpleNamespace(panel=panels.panel(), feature_set=features, state="5" * 64, **instant)


def decided(*rows):
    return world.decisions(world.decision("prior", "first"), *rows)


def ruled(data, decisions, models):
    pipeline = SimpleNamespace(
        registry=SimpleNamespace(load=models.__getitem__), now=lambda: world.AS_OF
    )
    return rule_on_refresh(TONIGHT, decisions, data, pipeline)


def test_a_promoted_version_that_cannot_be_read_is_followed_and_the_record_says_why(data):
    why = "version 1 of cbi-forecaster cannot be read: no such field (written by cbi-pipeline 9)"

    def load(number):
        if number == 1:
            raise RegistryUnreadable(why)
        return Trained(1.0)

    pipeline = SimpleNamespace(registry=SimpleNamespace(load=load), now=lambda: world.AS_OF)
    row = rule_on_refresh(TONIGHT, decided(STANDING), data, pipeline).row(0, named=True)
    assert (row["verdict"], row["version"]) == ("refresh", 3)
    assert row["reason"].startswith(
        "Version 3 against version 1. The promoted one was not compared"
    )
    assert why in row["reason"]


STANDING = world.decision("prior", "refresh", version=1, who="refresh")


def test_the_first_version_of_a_crowned_recipe_is_named(data):
    row = ruled(data, decided(), {}).row(0, named=True)
    assert (row["verdict"], row["version"], row["who"]) == ("refresh", 3, "refresh")


@pytest.mark.parametrize(("stretch", "verdict"), [(1.01, "refresh"), (2.5, "hold")])
def test_a_version_serves_only_when_it_is_no_worse(data, stretch, verdict):
    models = {1: Trained(1.0), 3: Trained(stretch)}
    found = ruled(data, decided(STANDING), models)
    row = found.row(0, named=True)
    assert (row["verdict"], row["version"]) == (verdict, 3)
    assert row["reason"].startswith("Version 3 against version 1. ")
    assert "increase" in row["statistics"]


def test_a_held_version_leaves_the_one_in_use_champion(data):
    models = {1: Trained(1.0), 3: Trained(2.5)}
    decisions = pl.concat([decided(STANDING), ruled(data, decided(STANDING), models)])
    versions = world.versions(*({"version": number, "recipe": "prior"} for number in (1, 3)))
    assert derive(decisions, versions) == {"champion": 1}


@pytest.mark.parametrize(("stretch", "verdicts"), [(2.5, []), (1.01, ["refresh"])])
def test_a_version_held_before_is_held_by_one_row_and_may_be_accepted_later(
    data, stretch, verdicts
):
    held = world.decision("prior", "hold", version=3, number=1, who="refresh")
    renewed = world.decision("prior", "refresh", version=5, number=2, who="refresh")
    models = {1: Trained(1.0), 3: Trained(stretch), 5: Trained(1.0)}
    ruling = ruled(data, decided(STANDING, held, renewed), models)
    assert ruling["verdict"].to_list() == verdicts


def test_a_version_in_use_already_is_not_judged_again(data):
    again = world.decision("prior", "refresh", version=3, number=1, who="refresh")
    assert ruled(data, decided(STANDING, again), {}).is_empty()


def test_a_promoted_version_that_reads_another_panel_is_no_opponent(data):
    others = tuple(f"other_{name}" for name in SPEC.commodities)
    models = {1: Trained(1.0, spec=dataclasses.replace(SPEC, commodities=others)), 3: Trained(2.5)}
    row = ruled(data, decided(STANDING), models).row(0, named=True)
    assert row["verdict"] == "refresh"
    assert "cannot read today's panel" in row["reason"]


def test_nobody_succeeds_before_a_recipe_is_crowned(data):
    assert ruled(data, world.decisions(), {}).is_empty()


def known(number, version, **changes):
    """A refresh, with what was known when it was made: years before the newest row."""
    row = world.decision("prior", "refresh", version=version, number=number, who="refresh")
    return row | {"as_of": datetime(2012, 1, 2, tzinfo=UTC)} | changes


def test_small_losses_do_not_add_up_night_by_night(data):
    models = {1: Trained(1.0), 2: Trained(1.15), 3: Trained(1.35)}
    row = ruled(data, decided(known(0, 1), known(1, 2)), models).row(0, named=True)
    assert row["verdict"] == "hold"
    assert row["reason"].startswith("Version 3 against version 1. Refused: CRPS +")


def test_the_promoted_version_takes_over_again_from_versions_that_lost(data):
    models = {1: Trained(1.0), 2: Trained(0.4), 3: Trained(1.0)}
    decisions = decided(known(0, 1), known(1, 2))
    found = ruled(data, decisions, models)
    row = found.row(0, named=True)
    assert (row["verdict"], row["version"]) == ("refresh", 1)
    assert row["reason"].endswith("Version 1 takes over again.")
    versions = world.versions(*({"version": n, "recipe": "prior"} for n in (1, 2, 3)))
    assert derive(pl.concat([decisions, found]), versions) == {"champion": 1}


def test_where_the_promoted_version_cannot_be_read_the_next_one_stands_for_it(data):
    def load(number):
        if number == 1:
            raise RegistryUnreadable("no such field")
        return {2: Trained(1.0), 3: Trained(2.5)}[number]

    pipeline = SimpleNamespace(registry=SimpleNamespace(load=load), now=lambda: world.AS_OF)
    row = rule_on_refresh(TONIGHT, decided(known(0, 1), known(1, 2)), data, pipeline)
    assert row["verdict"][0] == "hold"
    assert row["reason"][0].startswith("Version 3 against version 2. ")
