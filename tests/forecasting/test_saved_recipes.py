"""What an earlier or a later version wrote is read, or refused in words that name that version."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
import torch

import cbi_pipeline
from cbi_pipeline.forecasting import DEFAULT_LEVELS, Recipe, build_untrained
from cbi_pipeline.forecasting import config as configs
from cbi_pipeline.forecasting.config import Config, decode, encode, identity
from cbi_pipeline.forecasting.declarations import Count, Range
from cbi_pipeline.forecasting.forecaster import Forecaster, Json
from cbi_pipeline.forecasting.losses.objective import ObjectiveConfig, Term
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.networks.tcn import TcnConfig
from cbi_pipeline.forecasting.panel import PanelSpec
from cbi_pipeline.forecasting.reference import CONFIGURATIONS
from cbi_pipeline.forecasting.version import writer
from tests.recipes import shipped, tiny, untrained_network


@dataclass(frozen=True, kw_only=True)
class Before(Config, kind="toy"):
    width: Count = 8


@dataclass(frozen=True, kw_only=True)
class After(Config, kind="toy"):
    width: Count = 8
    gate: Literal["open", "shut"] = "open"
    slope: Annotated[float, Range()] = 0.0


@dataclass(frozen=True, kw_only=True)
class Widened(Config, kind="toy"):
    width: Count = field(default=16, metadata=configs.formerly(8))


# What identities leave out.
DEFAULTS = {
    cls.__name__: {
        field.name: encode(
            field.metadata.get("formerly", field.default)
            if field.default_factory is dataclasses.MISSING
            else field.default_factory()
        )
        for field in dataclasses.fields(cls)
        if (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
    }
    for cls in CONFIGURATIONS
}


def tree() -> Json:
    return json.loads(json.dumps(tiny("f").to_json()))


def test_a_field_that_a_file_lacks_takes_its_default():
    assert decode(After, encode(Before(width=3))) == After(width=3)
    older = tree()
    del older["training"]["skip_limit"], older["network"]["dropout"], older["window"]
    assert Recipe.from_json(older) == dataclasses.replace(tiny("f"), window=64)


def test_a_field_that_was_renamed_is_read_by_its_first_name_and_hashed_by_it():
    older = tree()
    older["training"]["trust"] = older["training"].pop("shrinkage")
    assert Recipe.from_json(older) == Recipe.compose(older) == tiny("f")
    assert configs.differences(tiny("f"))["training"]["trust"] == [0.0, 0.25, 0.5, 0.75, 1.0]
    older["training"]["shrinkage"] = [1.0]
    with pytest.raises(ValueError, match=r"training: trust is called shrinkage now; give one"):
        Recipe.compose(older)


@pytest.mark.parametrize("width", [8, 3])
def test_an_added_option_renames_nothing(width):
    assert identity(After(width=width)) == identity(Before(width=width))
    assert identity(After(width=width, gate="shut")) != identity(Before(width=width))


def test_a_changed_default_renames_what_has_the_new_value_alone():
    assert identity(Widened(width=8)) == identity(Before())
    assert identity(Widened()) == identity(Before(width=16)) != identity(Before())


def test_every_field_counts_in_an_identity():
    recipe = tiny("f")
    changed = [
        dataclasses.replace(recipe, window=17),
        dataclasses.replace(recipe, network=TcnConfig()),
        dataclasses.replace(recipe, network=RecurrentConfig()),
        recipe.with_training(clip=None),
        recipe.with_training(objective=ObjectiveConfig((Term("pinball"),))),
        recipe.with_training(objective=ObjectiveConfig((Term("pinball", 2.0),))),
        recipe.with_training(shrinkage=(1.0,)),
    ]
    assert len({one.identity() for one in (recipe, *changed)}) == len(changed) + 1


@pytest.mark.parametrize(
    ("name", "recipe_id"),
    [
        ("anchored_gru", "e9535e33193d930e"),
        ("tiny", "1ce12b0fb7fb743d"),
        ("recipe_network", "2ba514e917aa73aa"),
    ],
)
def test_the_shipped_recipes_keep_their_identities(name, recipe_id):
    assert shipped(name, "core-1").identity()[:16] == recipe_id


def test_a_network_without_training_keeps_its_identity():
    assert untrained_network("core-1").identity()[:16] == "e6311a4bef3ec079"


def test_no_default_changes_because_an_identity_leaves_defaults_out():
    recorded = json.loads((Path(__file__).parent / "defaults.json").read_text())
    assert recorded == DEFAULTS, "record a new field; a new value goes into a recipe"


def test_a_field_that_this_version_lacks_is_refused_with_the_version_that_wrote_it():
    later = tree()
    later["training"]["label_smoothing"] = 0.1
    with pytest.raises(
        ValueError, match=r"^Recipe\.training\.label_smoothing: this version has no"
    ):
        Recipe.from_json(later)
    with pytest.raises(ValueError, match=r"written by cbi-pipeline 9\.1, commit abc\)$"):
        Recipe.from_json(later, {"product": "cbi-pipeline 9.1", "commit": "abc"})
    with pytest.raises(ValueError, match=r"that did not yet say which it was\)$"):
        Recipe.from_json(later)


def test_a_field_without_a_default_must_be_there():
    lacking = tree()
    del lacking["name"]
    with pytest.raises(ValueError, match=r"Recipe\.name is missing, and has no default"):
        Recipe.from_json(lacking)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "lstm"}, r"Recipe\.network: unknown kind 'lstm'; there are 'recurrent', "),
        ({"cell": "LSTM"}, r"RecurrentConfig\.cell takes one of .* got 'LSTM' \(written by"),
        ({"hidden": True}, r"RecurrentConfig\.hidden takes a whole number"),
        ({"hidden": [8]}, r"RecurrentConfig\.hidden takes a whole number"),
    ],
)
def test_a_saved_network_that_contradicts_itself_is_refused_in_words(change, message):
    broken = tree()
    broken["network"] |= change
    with pytest.raises(ValueError, match=message):
        Recipe.from_json(broken)


@pytest.mark.parametrize("network", [None, "gru", 3, []])
def test_a_network_that_is_none_is_refused_in_words(network):
    broken = {**tree(), "network": network}
    with pytest.raises(ValueError, match=r"Recipe\.network|RecurrentConfig"):
        Recipe.from_json(broken)


def test_a_kind_of_another_class_is_refused():
    broken = tree()
    broken["training"]["optimiser"]["kind"] = "schedule"
    with pytest.raises(ValueError, match=r"optimiser: its kind is 'schedule', that of Opt"):
        Recipe.from_json(broken)


@pytest.fixture
def saved(panel, split, tmp_path):
    made = build_untrained(tiny("test-1"), panel, split(panel)[0])
    made.save(tmp_path, commit="abc")
    return made


def rewrite(folder, change):
    """Another version's description of the same weights, with a checksum of its own."""
    from cbi_pipeline.forecasting import storage

    path = folder / "forecaster.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    change(document)
    path.write_bytes(storage.seal(document))


def test_a_saved_model_says_which_version_and_commit_wrote_it(saved, tmp_path):
    document = json.loads((tmp_path / "forecaster.json").read_text())
    assert document["written_by"] == writer("abc")
    assert writer()["product"].startswith("cbi-pipeline ")


def test_a_model_of_a_later_version_is_refused_with_its_folder_and_version(saved, tmp_path):
    rewrite(tmp_path, lambda d: d["recipe"]["head"].update(gate="open"))
    with pytest.raises(ValueError, match=r"gate: this version has no such field.*commit abc") as e:
        Forecaster.load(tmp_path)
    assert str(e.value).startswith(str(tmp_path))
    rewrite(tmp_path, lambda d: d.update(format=99))
    with pytest.raises(ValueError, match=r"format 99 cannot be read here.*commit abc"):
        Forecaster.load(tmp_path)


def test_a_model_of_an_earlier_version_keeps_its_fingerprint(saved, tmp_path):
    before = saved.fingerprint()

    def drop(document):
        del document["recipe"]["training"]["skip_limit"], document["recipe"]["head"]["newest"]

    rewrite(tmp_path, drop)
    again = Forecaster.load(tmp_path)
    assert again.recipe == saved.recipe
    assert again.fingerprint() == before
    again.save(tmp_path / "again")
    assert Forecaster.load(tmp_path / "again").fingerprint() == before


def test_a_fingerprint_follows_the_weights_and_the_recipe(saved, panel, split, tmp_path):
    loaded = Forecaster.load(tmp_path)
    with torch.no_grad():
        next(loaded.network.parameters()).view(-1)[0] += 1
    assert loaded.fingerprint() != saved.fingerprint()
    other = tiny("test-1").with_training(patience=3)
    assert build_untrained(other, panel, split(panel)[0]).fingerprint() != saved.fingerprint()


def test_weights_of_another_network_are_refused_in_words(saved, tmp_path):
    rewrite(tmp_path, lambda d: d["recipe"]["network"].update(cell="lstm"))
    with pytest.raises(
        ValueError, match="the weights are not those of the recipe beside them"
    ) as e:
        Forecaster.load(tmp_path)
    assert "\n" not in str(e.value)


def test_axes_keep_their_identity_when_an_option_is_added(panel):
    @dataclass(frozen=True)
    class PanelSpec2(PanelSpec):
        extra: Count = 1

    wider = PanelSpec2(**encode_plain(panel.spec))
    assert wider.identity() == panel.spec.identity()
    assert dataclasses.replace(wider, extra=2).identity() != panel.spec.identity()


def encode_plain(spec: PanelSpec) -> dict[str, object]:
    return {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}


def test_the_version_that_files_name_is_the_project_s():
    assert writer()["product"] == f"cbi-pipeline {cbi_pipeline.__version__}"


def test_differences_name_only_what_was_chosen():
    assert configs.differences(tiny("f")) == {
        "name": "tiny",
        "feature_set": "f",
        "levels": list(DEFAULT_LEVELS),
        "window": 16,
        "network": {"kind": "recurrent", "hidden": 8},
        "head": {"hidden": 8, "embedding": 2},
        "training": {
            "batch_size": 512,
            "max_epochs": 2,
            "patience": 2,
            "optimiser": {"kind": "optimiser", "rate": 3e-3},
            "trust": [0.0, 0.25, 0.5, 0.75, 1.0],
        },
    }
