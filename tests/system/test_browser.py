"""The Dagster page in a real browser: launch a night, watch it succeed, look at what it shows."""

import http.server
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cbi_pipeline.settings import PROJECT_ROOT
from tests.system.homes import PATIENCE_S
from tests.system.pages import Pages, close_and_look, servers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None or shutil.which("chromedriver") is None,
        reason="needs chromium and chromedriver, which .ci/run installs",
    ),
]

#: Screenshots stay here for people to look at; git ignores the folder.
PICTURES = PROJECT_ROOT / "test-output"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--window-size=1600,1200"
)
#: A site whose name leads to this machine, as its owner may arrange at any time.
SITE = "site.example"
WIPE = (
    'mutation{wipeAssets(assetPartitionRanges:[{assetKey:{path:["market", "session"]}}])'
    "{__typename}}"
)
HISTORY = (
    '{assetNodeOrError(assetKey:{path:["market", "session"]})'
    "{...on AssetNode{assetMaterializations{runId}}}}"
)
#: Everything that a page can do without being asked, and nothing of which it may read the answer.
TRY = """
const [address, mlflow, wipe, done] = arguments;
const get = `${address}/graphql?query=${encodeURIComponent(wipe)}`;
const json = JSON.stringify({query: wipe});
const frame = document.createElement("iframe");
frame.src = address;
document.body.append(frame, Object.assign(new Image(), {src: get + "&image"}));
const socket = new Promise(end => {
  const opened = new WebSocket(`${address.replace("http", "ws")}/graphql`, "graphql-ws");
  opened.onopen = () => end("websocket opened");
  opened.onerror = () => end("websocket refused");
});
Promise.all([
  fetch(get, {mode: "no-cors"}),
  fetch(get).catch(error => "refused"),
  fetch(`${address}/graphql`, {method: "POST", mode: "no-cors", body: json}),
  fetch(`${address}/graphql?query=${encodeURIComponent(wipe)}`, {method: "POST", mode: "no-cors"}),
  fetch(`${address}/report_asset_materialization/market/session`,
    {method: "POST", mode: "no-cors"}),
  fetch(`${address}/graphql`, {
    method: "POST", body: json, headers: {"content-type": "application/json"}
  }).catch(error => "refused"),
  fetch(`${mlflow}/ajax-api/2.0/mlflow/experiments/create`, {
    method: "POST", mode: "no-cors", body: JSON.stringify({name: "forged"})
  }),
  fetch(`${mlflow}/api/2.0/mlflow/experiments/search?max_results=9`).catch(error => "refused"),
  socket,
]).then(outcomes => done(outcomes.map(one => typeof one === "string" ? one : one.type)));
"""


@pytest.fixture(scope="module")
def pages(undisturbed) -> Iterator[Pages]:
    pages = Pages(undisturbed.environment)
    pages.await_open()
    yield pages
    if pages.process.poll() is None:
        pages.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    folder = f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"
    for flag in [*FLAGS.split(), f"--host-resolver-rules=MAP {SITE} 127.0.0.1", folder]:
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    browser = webdriver.Chrome(options, service)
    yield browser
    browser.quit()


def seen(browser: webdriver.Chrome, text: str) -> None:
    WebDriverWait(browser, 120).until(
        lambda b: text in b.find_element(By.TAG_NAME, "body").text, f"{text!r} never appeared"
    )


def press(browser: webdriver.Chrome, text: str) -> None:
    path = f"//*[self::button or self::a][starts-with(normalize-space(.), {text!r})]"
    WebDriverWait(browser, 120).until(
        lambda b: [e for e in b.find_elements(By.XPATH, path) if e.is_enabled()],
        f"no button {text!r}",
    )[-1].click()


def picture(browser: webdriver.Chrome, name: str) -> Path:
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    browser.save_screenshot(str(path))
    return path


def job_page(pages: Pages, tab: str = "") -> str:
    return f"{pages.address}/locations/cbi_pipeline/jobs/nightly{tab}"


def test_a_night_launched_from_the_page_succeeds(pages, browser):
    before = pages.runs()
    browser.get(job_page(pages))
    seen(browser, "Materialize all")
    picture(browser, "nightly-job")
    press(browser, "Materialize all…")
    press(browser, "Latest")
    picture(browser, "nightly-launch")
    press(browser, "Launch ")
    deadline = time.monotonic() + PATIENCE_S
    while not (new := {run: s for run, s in pages.runs().items() if run not in before}):
        assert time.monotonic() < deadline, "no run was launched"
        time.sleep(1)
    (run,) = new
    browser.get(f"{pages.address}/runs/{run}")
    while pages.runs()[run] not in {"SUCCESS", "FAILURE", "CANCELED"}:
        assert time.monotonic() < deadline, "the run did not end"
        time.sleep(1)
    seen(browser, "Success")
    picture(browser, "nightly-run")
    assert pages.runs()[run] == "SUCCESS"


def test_the_pages_show_the_plots_checks_and_schedules_of_the_night(pages, browser):
    browser.get(f"{pages.address}/assets/market/session?view=events")
    plot = "//img[starts-with(@src, '/cbi/plots/price/')]"
    WebDriverWait(browser, 60).until(
        lambda b: [e for e in b.find_elements(By.XPATH, plot) if e.get_property("naturalWidth")]
    )
    picture(browser, "asset-price")
    browser.get(f"{pages.address}/assets/market/session?view=checks")
    seen(browser, "coverage")
    picture(browser, "asset-checks")
    browser.get(f"{pages.address}/automation")
    seen(browser, "At 11:15 PM")
    picture(browser, "schedules")


def follow(browser: webdriver.Chrome, start: str, picture_name: str) -> None:
    """Press the first link that begins so, and go to the tab that it opens."""
    link = f"//a[starts-with(@href, {start!r})]"
    WebDriverWait(browser, 60).until(lambda b: b.find_elements(By.XPATH, link))
    picture(browser, picture_name)
    before = set(browser.window_handles)
    browser.find_element(By.XPATH, link).click()
    WebDriverWait(browser, 60).until(lambda b: set(b.window_handles) - before)
    (new,) = set(browser.window_handles) - before
    browser.switch_to.window(new)


def test_the_link_of_a_version_leads_to_its_run_in_mlflow(pages, browser):
    browser.get(f"{pages.address}/assets/forecasting/refresh?view=events")
    follow(browser, "/cbi/mlflow/runs/", "asset-refresh")
    seen(browser, "prior")
    assert browser.current_url.startswith(f"http://127.0.0.1:{pages.mlflow_port}/#/experiments/1/")
    picture(browser, "mlflow-run")


def test_the_link_of_a_report_opens_it(pages, browser):
    browser.get(f"{pages.address}/assets/report/morning?view=events")
    follow(browser, "/cbi/reports/", "asset-report")
    seen(browser, "WTI crude oil")
    assert browser.find_elements(By.TAG_NAME, "svg")
    picture(browser, "report-linked")


def test_the_run_of_the_command_line_stands_among_the_jobs_own_runs(pages, browser):
    browser.get(job_page(pages, "/runs"))
    WebDriverWait(browser, 120).until(
        lambda b: b.find_element(By.TAG_NAME, "body").text.count("Success") >= 2
    )


@pytest.fixture(scope="module")
def other() -> Iterator[int]:
    """The port of another page on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


class Empty(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>another page</title><body>")

    def log_message(self, format, *args):
        pass


def test_under_another_hosts_name_the_pages_do_not_open(pages, browser):
    for port in (pages.port, pages.mlflow_port):
        browser.get(f"http://{SITE}:{port}/")
        seen(browser, "this host is not allowed")
        status = "return performance.getEntriesByType('navigation')[0].responseStatus"
        assert browser.execute_script(status) == 400
    picture(browser, "foreign-host")


@pytest.mark.parametrize("host", [SITE, "127.0.0.1"], ids=["another site", "another port"])
def test_another_page_changes_and_reads_nothing(pages, browser, undisturbed, other, host):
    history = pages.ask(HISTORY)["assetNodeOrError"]["assetMaterializations"]
    assert history
    log = undisturbed.path / "logs" / "dagster_webserver.log"
    before = log.read_text()
    browser.get(f"http://{host}:{other}/")
    mlflow = f"http://127.0.0.1:{pages.mlflow_port}"
    outcomes = browser.execute_async_script(TRY, pages.address, mlflow, WIPE)
    assert sorted(outcomes) == [*["opaque"] * 5, *["refused"] * 3, "websocket refused"]
    browser.get(f"http://{host}:{other}/")  # what it began is over
    assert pages.ask(HISTORY)["assetNodeOrError"]["assetMaterializations"] == history
    assert mlflow_experiments(browser, mlflow) == ["Default", "cbi-forecaster"]
    refused = log.read_text().removeprefix(before)
    for method in ("GET", "POST", "OPTIONS", "websocket"):
        assert f"403 to {method} '/graphql'" in refused
    assert "403 to GET '/'" in refused  # the frame


def mlflow_experiments(browser: webdriver.Chrome, address: str) -> list[str]:
    browser.get(address)
    ask = """
        const done = arguments[0];
        fetch("/ajax-api/2.0/mlflow/experiments/search", {
          method: "POST", body: JSON.stringify({max_results: 9}),
          headers: {"content-type": "application/json"},
        }).then(answer => answer.json()).then(done);
    """
    return sorted(one["name"] for one in browser.execute_async_script(ask)["experiments"])


def test_a_link_from_another_page_opens_the_pages_but_wipes_nothing(pages, browser, other):
    history = pages.ask(HISTORY)
    for target, words in (("/runs", "Runs"), (f"/graphql?query={quote(WIPE)}", "only link here")):
        browser.get(f"http://{SITE}:{other}/")
        browser.execute_script("location = arguments[0]", pages.address + target)
        seen(browser, words)
    assert pages.ask(HISTORY) == history


def test_the_pages_of_mlflow_show_the_models_and_their_files(pages, browser):
    mlflow = f"http://127.0.0.1:{pages.mlflow_port}"
    browser.get(f"{mlflow}/#/models/cbi-forecaster/versions/1")
    seen(browser, "prior")
    picture(browser, "mlflow-version")
    ask = """
        const done = arguments[0];
        fetch("/model-versions/get-artifact?path=MLmodel&name=cbi-forecaster&version=1")
          .then(answer => answer.text()).then(done);
    """
    assert "python_function" in browser.execute_async_script(ask)


def test_the_page_of_a_run_follows_it_over_a_websocket(pages, browser):
    browser.get(pages.address)
    ask = """
        const [address, done] = arguments;
        const socket = new WebSocket(address, "graphql-ws");
        socket.onopen = () => socket.send(JSON.stringify({type: "connection_init"}));
        socket.onmessage = message => { socket.close(); done(JSON.parse(message.data).type); };
        socket.onerror = () => done("refused");
    """
    address = f"ws://127.0.0.1:{pages.port}/graphql"
    assert browser.execute_async_script(ask, address) == "connection_ack"


def test_the_report_opens_from_its_file(undisturbed, browser):
    browser.get((undisturbed.settings.reports_dir / "latest.html").as_uri())
    seen(browser, "WTI crude oil")
    assert browser.find_elements(By.TAG_NAME, "svg")
    picture(browser, "report")


def test_no_server_outlives_the_command(undisturbed):
    pages = Pages(undisturbed.environment)
    pages.await_open()
    close_and_look(pages, signal.SIGTERM)


def test_a_terminal_closed_while_the_pages_open_leaves_no_server(undisturbed):
    pages = Pages(undisturbed.environment)
    while not servers(pages):
        assert pages.process.poll() is None
    close_and_look(pages, signal.SIGHUP)


def test_ctrl_c_ends_the_pages_that_all_this_was_seen_on(pages):
    close_and_look(pages, signal.SIGINT)
