"""A recipe's file may begin from another: what it says, and what it leaves to that one."""

import pytest

from cbi_pipeline.catalogue import CatalogueError, find_recipes, read_recipe, read_recipe_file
from cbi_pipeline.catalogue._recipes import PACKAGED_RECIPES


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def write(folder):
    def written(name: str, text: str):
        (folder / f"{name}.toml").write_text(text)
        return read_recipe(name, folder)

    return written


def test_what_a_file_does_not_say_is_taken_from_the_one_that_it_begins_from(write):
    base = read_recipe("anchored_gru")
    own = write("mine", 'from = "anchored_gru"\nwindow = 8\n[training]\nmax_epochs = 1\n')
    assert own.kind == base.kind
    assert own.fields == base.fields | {
        "window": 8,
        "training": base.fields["training"] | {"max_epochs": 1},
    }


def test_a_table_of_another_kind_stands_alone(write):
    own = write("mine", 'from = "anchored_gru"\n[network]\nkind = "mlp"\nlayers = 1\n')
    assert own.fields["network"] == {"kind": "mlp", "layers": 1}


def test_a_table_of_the_same_kind_keeps_its_other_fields(write):
    own = write("mine", 'from = "anchored_gru"\n[network]\nkind = "recurrent"\nhidden = 4\n')
    assert own.fields["network"] == {"kind": "recurrent", "cell": "gru", "hidden": 4}


def test_what_it_drops_is_gone(write):
    own = write("mine", 'from = "anchored_gru"\nremove = ["anchor", "training.optimiser"]\n')
    assert "anchor" not in own.fields
    assert own.fields["training"].keys() == {"batch_size", "max_epochs", "patience", "shrinkage"}


def test_a_combined_forecast_may_drop_one_of_its_members(write):
    own = write("mine", 'from = "combined"\nremove = ["forecasts.har"]\n')
    assert own.fields["forecasts"] == {"garch_t": 4, "gjr_t": 4, "climatology": 3}


def test_it_may_begin_from_one_that_begins_from_a_third(write):
    write("second", 'from = "anchored_gru"\nwindow = 8\n[network]\nhidden = 4\n')
    own = write("third", 'from = "second"\n[network]\ncell = "rnn"\n')
    assert own.fields["window"] == 8
    assert own.fields["network"] == {"kind": "recurrent", "cell": "rnn", "hidden": 4}


def test_a_file_that_begins_from_its_own_name_means_the_one_that_it_stands_for(write):
    own = write("anchored_gru", 'from = "anchored_gru"\nwindow = 8\n')
    assert own.fields == read_recipe("anchored_gru").fields | {"window": 8}


def test_what_is_said_of_the_other_to_people_is_not_said_of_it(write):
    own = write("mine", 'from = "combined"\n')
    assert (own.summary, own.remark) == ("", "")
    assert read_recipe("combined").remark


def test_each_value_keeps_the_file_that_it_stands_in(write, folder):
    own = write("mine", 'from = "anchored_gru"\n[network]\nhidden = 4\n')
    assert own.origins["network", "hidden"] == folder / "mine.toml"
    assert own.origins["network", "cell"] == PACKAGED_RECIPES / "anchored_gru.toml"
    assert own.origins["kind",] == PACKAGED_RECIPES / "anchored_gru.toml"


def test_a_file_anywhere_begins_from_the_recipes_there_are(tmp_path):
    file = tmp_path / "elsewhere.toml"
    file.write_text('from = "anchored_gru"\n')
    assert read_recipe_file(file).fields == read_recipe("anchored_gru").fields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('from = "anchored_gro"', "from: no recipe 'anchored_gro'; nearest: anchored_gru"),
        ("from = 3", 'from is the name of a recipe, as in "anchored_gru"'),
        ('from = "mine"', "from: no recipe 'mine'"),
        ('from = "anchored_gru"\nkind = "har"', "kind: anchored_gru is a recipe of the kind netw"),
        ('kind = "har"\nremove = ["levels"]', "remove drops what comes by from"),
        ('from = "anchored_gru"\nremove = ["training.clip"]', "begins from has no training.clip"),
        ('from = "anchored_gru"\nremove = ["window.x"]', "begins from has no window.x"),
        ('from = "anchored_gru"\nremove = "window"', "remove takes a list of names"),
        ('from = "anchored_gru"\nsummary = 3', "summary: Input should be a valid string"),
    ],
)
def test_what_cannot_be_begun_from_is_refused_with_the_files_name(write, folder, text, words):
    with pytest.raises(CatalogueError) as refused:
        write("mine", text)
    assert str(refused.value).startswith(str(folder / "mine.toml"))
    assert words in str(refused.value)


def test_files_that_begin_from_each_other_are_refused(write, folder):
    (folder / "second.toml").write_text('from = "mine"\n')
    with pytest.raises(CatalogueError, match=r"from: mine begins from this one$"):
        write("mine", 'from = "second"\n')


@pytest.mark.parametrize("name", sorted(find_recipes()))
def test_each_that_ships_says_what_it_is(name):
    summary = read_recipe(name).summary
    assert summary.endswith(".")
    assert "  " not in summary
