"""The Dagster page in a real browser: launch a night, watch it succeed, look at what it shows."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cbi_pipeline.settings import PROJECT_ROOT
from tests.system.homes import PATIENCE_S, Home

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
#: Every process that the command begins, or that one of those does, carries this variable.
MARK = "PAGES_OF_THE_TESTS"
RUNS = "{runsOrError{...on Runs{results{runId status jobName}}}}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Pages:
    """The pages of `cbi ui` over one home."""

    def __init__(self, home: Home) -> None:
        self.port, self.mlflow_port = free_port(), free_port()
        ports = ["--dagster-port", str(self.port), "--mlflow-port", str(self.mlflow_port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cbi_pipeline.cli", "ui", *ports],
            cwd=PROJECT_ROOT,
            env={**home.environment, MARK: str(self.port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def await_open(self) -> list[str]:
        said = []
        for line in self.process.stdout or ():
            said.append(line)
            if "Ctrl-C" in line:
                return said
        raise AssertionError("the pages did not open: " + "".join(said))

    def ask(self, query: str) -> dict:
        request = urllib.request.Request(
            f"{self.address}/graphql",
            json.dumps({"query": query}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def runs(self) -> dict[str, str]:
        results = self.ask(RUNS)["runsOrError"]["results"]
        return {run["runId"]: run["status"] for run in results if run["jobName"] == "nightly"}

    def close(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def pages(undisturbed) -> Iterator[Pages]:
    pages = Pages(undisturbed)
    pages.await_open()
    yield pages
    if pages.process.poll() is None:
        pages.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
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
    browser.get(f"{pages.address}/assets/market/price?view=events")
    press(browser, "[Show Markdown]")
    plot = "//img[starts-with(@src, 'data:image/png')]"
    WebDriverWait(browser, 60).until(lambda b: b.find_elements(By.XPATH, plot))
    picture(browser, "asset-price")
    browser.get(f"{pages.address}/assets/market/price?view=checks")
    seen(browser, "coverage")
    picture(browser, "asset-checks")
    browser.get(f"{pages.address}/automation")
    seen(browser, "At 11:15 PM")
    picture(browser, "schedules")


def test_the_run_of_the_command_line_stands_among_the_jobs_own_runs(pages, browser):
    browser.get(job_page(pages, "/runs"))
    WebDriverWait(browser, 120).until(
        lambda b: b.find_element(By.TAG_NAME, "body").text.count("Success") >= 2
    )


def test_the_report_opens_from_its_file(undisturbed, browser):
    browser.get((undisturbed.settings.reports_dir / "latest.html").as_uri())
    seen(browser, "WTI crude oil")
    assert browser.find_elements(By.TAG_NAME, "svg")
    picture(browser, "report")


def test_no_server_outlives_the_command(undisturbed):
    pages = Pages(undisturbed)
    pages.await_open()
    close_and_look(pages, signal.SIGTERM)


def test_a_terminal_closed_while_the_pages_open_leaves_no_server(undisturbed):
    pages = Pages(undisturbed)
    while not servers(pages):
        assert pages.process.poll() is None
    close_and_look(pages, signal.SIGHUP)


def test_ctrl_c_ends_the_pages_that_all_this_was_seen_on(pages):
    close_and_look(pages, signal.SIGINT)


def close_and_look(pages: Pages, number: signal.Signals) -> None:
    assert pages.close(number) == 0
    for port in (pages.port, pages.mlflow_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    # What the servers themselves started ends a little after them.
    deadline = time.monotonic() + 30
    while left := servers(pages):
        assert time.monotonic() < deadline, left
        time.sleep(0.25)


def servers(pages: Pages) -> list[str]:
    """Every process of the pages, theirs and their servers' own, other than the command itself."""
    mark = f"{MARK}={pages.port}\0".encode()
    return [
        read(folder / "cmdline").replace(b"\0", b" ").decode()
        for folder in Path("/proc").glob("[0-9]*")
        if mark in read(folder / "environ") and folder.name != str(pages.process.pid)
    ]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended while we looked
        return b""
