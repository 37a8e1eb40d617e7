"""Settings that cannot be used are refused by name, and no value of them is ever shown."""

import os

import pytest

from cbi_pipeline.settings import PROJECT_ROOT, Settings, SettingsError, load_settings

KEY = "sentinel0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CBI_PROFILE", KEY),
        ("CBI_FEED_URLS", KEY),
        ("CBI_FEED_URLS", f'["{KEY}"]'),
        ("CBI_FEED_KEYS", f"{{EIA_API_KEY: {KEY}}}"),
        ("CBI_FEED_KEYS", f'{{"EIA_API_KEY": ["{KEY}"]}}'),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_value(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as caught:
        load_settings()
    error = caught.value
    assert KEY not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_a_home_in_a_circle_of_links_is_refused(tmp_path, monkeypatch):
    (tmp_path / "home").symlink_to(tmp_path / "home")
    monkeypatch.setenv("CBI_HOME", str(tmp_path / "home"))
    with pytest.raises(SettingsError, match="CBI_HOME"):
        load_settings()


def test_an_env_file_that_is_not_text_is_named_without_its_bytes(tmp_path, monkeypatch):
    written = tmp_path / ".env"
    written.write_bytes(f"EIA_API_KEY={KEY}\n# caf\xe9\n".encode("latin-1"))
    monkeypatch.setattr("cbi_pipeline.settings.ENV_FILE", written)
    with pytest.raises(SettingsError, match="not text in UTF-8") as caught:
        load_settings()
    assert str(written) in str(caught.value)
    assert caught.value.__suppress_context__


def test_in_a_checkout_relative_folders_are_the_projects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings(_env_file=None, home=".cbi").home == PROJECT_ROOT / ".cbi"


def test_of_an_installed_package_relative_folders_are_those_of_the_working_folder(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("cbi_pipeline.settings.IS_CHECKOUT", False)
    monkeypatch.delenv("CBI_HOME")
    monkeypatch.chdir(tmp_path)
    assert Settings(_env_file=None).home == tmp_path / ".cbi"


def test_a_working_folder_that_is_gone_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("cbi_pipeline.settings.IS_CHECKOUT", False)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("CBI_HOME", "relative")
    with pytest.raises(SettingsError, match="the working folder is gone"):
        load_settings()
    os.chdir(tmp_path)


def test_models_are_kept_in_the_home_unless_a_server_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CBI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CBI_MLFLOW_URI", "")
    assert load_settings().mlflow_uri == f"sqlite:///{tmp_path}/home/mlflow/mlflow.db"
    monkeypatch.setenv("CBI_MLFLOW_URI", "http://127.0.0.1:5000")
    assert load_settings().mlflow_uri == "http://127.0.0.1:5000"
    assert load_settings().has_mlflow_server


@pytest.mark.parametrize("address", ["sqlite:////elsewhere/mlflow.db", "http://me:word@server"])
def test_another_tracking_address_is_refused_without_being_quoted(monkeypatch, address):
    monkeypatch.setenv("CBI_MLFLOW_URI", address)
    with pytest.raises(SettingsError, match=r"^CBI_MLFLOW_URI: .*tracking server") as refused:
        load_settings()
    assert address not in str(refused.value)
