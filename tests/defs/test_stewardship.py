"""Every asset has someone who answers for it; a live one has a limit of age from its contract."""

from datetime import timedelta

import dagster as dg
import pytest

from cbi_pipeline import definitions
from data_contracts.families import family

DAY = timedelta(days=1)


def specs(monkeypatch, tmp_path, profile: str) -> dict[str, dg.AssetSpec]:
    monkeypatch.setenv("CBI_PROFILE", profile)
    monkeypatch.setenv("CBI_HOME", str(tmp_path / "home"))
    return {
        spec.key.to_user_string(): spec for spec in definitions.defs().resolve_all_asset_specs()
    }


@pytest.mark.parametrize("profile", ["archive", "live"])
def test_every_asset_has_one_owner_and_its_stage_as_a_tag(monkeypatch, tmp_path, profile):
    for name, spec in specs(monkeypatch, tmp_path, profile).items():
        (owner,) = spec.owners
        assert owner.startswith("team:"), name
        assert spec.tags["cbi/stage"] == spec.group_name


def test_a_live_feed_is_as_fresh_as_the_contract_of_its_quickest_family(monkeypatch, tmp_path):
    found = specs(monkeypatch, tmp_path, "live")
    policy = found["raw/cftc"].freshness_policy
    assert isinstance(policy, dg.FreshnessPolicy)
    assert policy == dg.FreshnessPolicy.time_window(family("cftc_legacy").staleness)
    assert found["issued/forecast"].freshness_policy == dg.FreshnessPolicy.time_window(21 * DAY)


def test_nothing_is_asked_of_closed_records(monkeypatch, tmp_path):
    found = specs(monkeypatch, tmp_path, "archive")
    assert {spec.freshness_policy for spec in found.values()} == {None}
