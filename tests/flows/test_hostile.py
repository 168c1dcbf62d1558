"""What stands in rows is text everywhere people look: in real browsers nothing of it runs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from benchmarks.payments import CHANGED, QUIET, week
from deploy import bots, services
from flows.adopt import adopt
from flows.links import drift_page, report_link, review_link, run_link
from flows.review import folder_of
from flows.settings import load_settings
from flows.site import Site
from records.drift import Alarm
from tests.conftest import START_SECONDS, LabelStudio, PrefectServer
from tests.flows.conftest import World

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]

CHROMIUM = Path("/usr/bin/chromium")
SCRIPT = "<script>window.stolen=1</script><img src=x onerror='window.stolen=1'>"
VALUES = {"app": f"app {SCRIPT}", "web": "{{7*7}}${7*7}{% raw %}", "shop": "=cmd|' /C calc'!A0"}
COUNTRIES = {
    "de": "'; DROP TABLE asks; --",
    "fr": '"); DROP TABLE asks; --',
    "it": "[click](javascript:window.stolen=1)",
}
COLUMN = "channel <img src=x onerror='window.stolen=1'> \"; DROP TABLE asks; --"
LONG = "a very long note " * 60_000  # a megabyte


@pytest.fixture
def hostile(first_day: World, tmp_path: Path) -> World:
    """A model whose rows, and one of whose columns, were named by somebody who means harm."""
    world = first_day.copy(tmp_path / "site")
    for name in ("training", "production"):
        path = world.folder / f"{name}.parquet"
        frame = pd.read_parquet(path)
        note = frame["country"] + " " + frame["channel"]
        if name == "production":
            note[::200] = LONG
        channel, country = frame["channel"].map(VALUES), frame["country"].map(COUNTRIES)
        frame = frame.assign(channel=channel, country=country, note=note).rename(columns={"channel": COLUMN})
        frame.to_parquet(path)
    path = world.folder / "driftloop.toml"
    text = path.read_text().replace('"channel"', f"'''{COLUMN}'''")
    path.write_text(text.replace("[windows]", 'text = ["note"]\n\n[windows]'))
    return world


@pytest.fixture
def browser() -> Iterator[Any]:
    """A page of a real browser that counts the dialogs it is shown."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        chromium.close()


def harmless(page: Any) -> None:
    """Nothing of what the page shows has run; what it loads late has had its time."""
    page.wait_for_timeout(1500)
    assert page.evaluate("window.stolen") is None
    assert not page.locator("a[href^='javascript:']").count()
    for frame in page.frames:
        assert frame.evaluate("window.stolen") is None


def test_nothing_in_rows_or_names_runs_where_people_look(
    hostile: World,
    label_studio: LabelStudio,
    prefect_server: PrefectServer,
    browser: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from playwright.sync_api import expect

    from flows.deployed import learn, watch

    tracking = services.mlflow_server(tmp_path / "mlflow", port=services.free_ports(1)[0])
    path = hostile.folder / "driftloop.toml"
    address = f'mlflow = "{tracking.url}"\nlabel_studio = "{label_studio.url}"'
    text = path.read_text().replace('mlflow = "sqlite:///mlflow.db"', address)
    path.write_text(text.replace('model = "payments"', 'model = "hostile"'))
    monkeypatch.setenv("DRIFTLOOP_LABEL_STUDIO_TOKEN", label_studio.token)
    site = Site(load_settings(path))
    with services.serving([tracking], timeout_seconds=START_SECONDS):
        adopt(site, "training.parquet")
        for number in (*QUIET, *CHANGED):
            watch(str(path), week(number).end)
            if site.ledger.requests.open(site.model):
                break
        (item,) = site.ledger.requests.open(site.model)
        assert item.project is not None
        people = bots.hire(label_studio.url, label_studio.token, names=("hanna",))

        browser.goto(f"{label_studio.url}/user/login/")
        browser.fill("input[name=email]", people[0].email)
        browser.fill("input[name=password]", people[0].password)
        browser.click("button[type=submit]")
        browser.wait_for_url(re.compile(r"/projects|/$"))
        keys = dict(item.task_ids)
        rows = site.sample(item.request.window).set_index("id")
        long = next(keys[key] for key in item.request.row_keys if rows.loc[key, "note"] == LONG)
        app = next(keys[key] for key in item.request.row_keys if rows.loc[key, COLUMN] == VALUES["app"])
        for task, words in ((long, LONG[:40]), (app, SCRIPT[:24])):
            browser.goto(f"{label_studio.url}/projects/{item.project}/data?task={task}")
            expect(browser.get_by_text("usual range (middle)").first).to_be_visible()
            expect(browser.get_by_text(words).first).to_be_visible()
            harmless(browser)
            assert browser.get_by_role("radio", name="yes").count() == 1
            assert not browser.get_by_role("radio", name=re.compile("yes|no"), checked=True).count()  # nothing is told

        bots.answer_all(label_studio.url, people, item.project, hostile.truth, site.schema.classes)
        learn(str(path))
        (_, challenger) = site.ledger.generations.all(site.model)
        window = item.request.window
        reviews = [folder_of(site, number) / "review.html" for number in (1, challenger.number)]
        for file in (drift_page(site, window), *reviews):
            assert file.exists(), file
            browser.goto(file.as_uri())
            harmless(browser)
        alarm = site.ledger.steps.get(site.model, window, "alarm", Alarm)
        assert alarm is not None
        links = (
            (review_link(site, challenger), "hostile: generation 2"),
            (report_link(site, alarm), "Drift of hostile"),
        )
        for link, words in links:
            browser.goto(link)
            expect(browser.frame_locator("iframe.mlflow-html-iframe").get_by_text(words).first).to_be_visible()
            harmless(browser)
        shown = (("hostile-watch", "ALARM: hostile"), ("hostile-watch-drift", COLUMN[:12]), ("hostile-learn", "Decay"))
        for key, words in shown:
            wanted = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC"}
            listed = httpx.post(f"{prefect_server.api_url}/artifacts/filter", json=wanted, timeout=60).json()
            browser.goto(f"{prefect_server.url}/artifacts/artifact/{listed[0]['id']}")
            expect(browser.get_by_text(words).first).to_be_visible()
            harmless(browser)
        for place in ("", "/artifacts", "/model-metrics"):
            browser.goto(f"{run_link(site, challenger)}{place}")
            expect(browser.get_by_text("hostile").first).to_be_visible()
            harmless(browser)
