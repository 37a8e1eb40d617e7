"""What Dagster's pages link to, as the server beside them hands it out."""

import asyncio

import httpx
import pytest

from cbi_pipeline.commands.home_files import HomeFiles
from cbi_pipeline.links import link_plot, link_report, link_run
from cbi_pipeline.settings import Settings


async def pages(scope, receive, send):
    """Dagster's pages, which answer everything that reaches them."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"dagster"})


@pytest.fixture
def settings(tmp_path) -> Settings:
    settings = Settings(_env_file=None, home=tmp_path / "home")
    settings.reports_dir.mkdir(parents=True)
    (settings.reports_dir / "morning 1.html").write_text("<p>wti</p>")
    (settings.home / "secret").write_text("secret")
    return settings


@pytest.fixture
def get(settings):
    def ask(path: str, method: str = "GET") -> httpx.Response:
        async def once() -> httpx.Response:
            app = HomeFiles(pages, settings, "http://mlflow.example.com/")
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return await client.request(method, path)

        return asyncio.run(once())

    return ask


def test_a_report_is_shown_and_can_run_nothing(get):
    answer = get(link_report("morning 1.html"))
    assert answer.text == "<p>wti</p>"
    assert answer.headers["content-security-policy"].startswith("sandbox allow-popups;")
    assert answer.headers["content-type"].startswith("text/html")


def test_a_plot_is_shown_when_there_is_one(get, settings):
    assert get(link_plot("price/wti/0.png")).status_code == 404
    file = settings.plots_dir / "price" / "wti" / "0.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"png")
    assert get(link_plot("price/wti/0.png")).content == b"png"


@pytest.mark.parametrize("path", ["../secret", "%2e%2e/secret", "..%2fsecret", "", "."])
def test_nothing_else_of_the_home_is_handed_out(get, path):
    assert "secret" not in get(f"/cbi/reports/{path}").text
    assert not get(f"/cbi/reports/{path}").is_success


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written(get, settings, method):
    assert get(link_report("morning 1.html"), method).status_code == 405
    assert (settings.reports_dir / "morning 1.html").read_text() == "<p>wti</p>"


def test_a_run_is_found_on_mlflows_pages(get):
    answer = get(link_run("0a1b"))
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://mlflow.example.com/#/runs/0a1b"
    assert get("/cbi/mlflow/runs/a%20b").status_code == 404


@pytest.mark.parametrize("path", ["/", "/runs", "/cbi", "/cbi-of-another"])
def test_every_other_address_is_dagsters(get, path):
    assert get(path).text == "dagster"
