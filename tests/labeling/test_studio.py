"""What only a real Label Studio server can show: lost answers, copies, what the labeler sees."""

import re
from pathlib import Path

import pytest

from labeling.interface import config, instructions
from labeling.studio import LabelStudio
from labeling.wire import PAGE
from records.errors import BadData, NotAllowed, ServiceDown
from tests import conftest
from tests.labeling.examples import TWO, task
from tests.labeling.places import RealPlace

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def place(label_studio: conftest.LabelStudio) -> RealPlace:
    return RealPlace(label_studio.url, label_studio.token)


def opened(place: RealPlace, title: str) -> int:
    return place.studio.open_project(title, config(TWO, "Was it late?"), instructions(TWO, "Was it late?"))


def n_tasks(place: RealPlace, project: int) -> int:
    return int(place.asked("GET", f"/api/projects/{project}/")["task_number"])


@pytest.mark.services
@pytest.mark.parametrize("fates", [["done"], ["gateway"], ["late"], ["lost"], ["lost", "gateway"]])
def test_no_task_is_lost_or_made_twice_when_an_answer_gets_lost(place: RealPlace, fates: list[str]) -> None:
    project = opened(place, f"lost answers {' '.join(fates)}")
    ids = place.door(*fates).push(project, [task(key) for key in "abc"])
    assert sorted(ids) == ["a", "b", "c"]
    assert n_tasks(place, project) == 3
    assert place.studio.push(project, [task(key) for key in "abc"]) == ids


@pytest.mark.services
def test_a_push_of_many_tasks_that_breaks_in_the_middle_is_finished_by_the_next(place: RealPlace) -> None:
    project = opened(place, "many tasks")
    tasks = [task(f"row {i}") for i in range(2 * PAGE + 100)]
    with pytest.raises(ServiceDown, match="did not answer while importing 500 tasks"):
        place.door("carried", "lost", "lost", "lost").push(project, tasks)
    assert n_tasks(place, project) == PAGE
    ids = place.studio.push(project, tasks)
    assert n_tasks(place, project) == len(tasks)
    assert place.studio.pull(project, TWO).tasks == tuple(sorted((task_id, key) for key, task_id in ids.items()))


@pytest.mark.services
def test_copies_of_a_task_are_merged_by_the_next_push_and_keep_their_answers(place: RealPlace) -> None:
    project = opened(place, "copies")
    ids = place.studio.push(project, [task("a"), task("b")])
    place.asked("POST", f"/api/projects/{project}/import", json=[task("a"), task("b")])
    copy = next(task_id for task_id, key in place.studio.pull(project, TWO).tasks if key == "a" and task_id != ids["a"])
    place.annotate(copy, task("a")["predictions"][0]["result"])
    assert sorted(place.studio.push(project, [task("a"), task("b")])) == ["a", "b"]
    assert n_tasks(place, project) == 2
    assert [one.answer for one in place.studio.pull(project, TWO).annotations] == ["late"]


@pytest.mark.services
@pytest.mark.parametrize("fate", ["done", "gateway", "late"])
def test_one_project_is_made_when_the_answer_gets_lost(place: RealPlace, fate: str) -> None:
    arguments = (f"one project {fate}", config(TWO, "Was it late?"), "")
    project = place.door(fate, path="/api/projects/").open_project(*arguments)
    assert place.studio.open_project(*arguments) == project
    titles = [one["title"] for one in place.asked("GET", "/api/projects/", params={"page_size": 100})["results"]]
    assert titles.count(arguments[0]) == 1


@pytest.mark.services
def test_a_broken_config_is_refused_with_the_servers_reason(place: RealPlace) -> None:
    with pytest.raises(BadData, match="no element found"):
        place.studio.open_project("broken", "<View>", "")


@pytest.mark.services
def test_a_personal_access_token_works_too(place: RealPlace) -> None:
    LabelStudio(place.url, place.person(1).token).check()


@pytest.mark.services
def test_a_task_arrives_as_it_was_sent(place: RealPlace) -> None:
    project = opened(place, "as sent")
    sent = task("a")
    stored = place.asked("GET", f"/api/tasks/{place.studio.push(project, [sent])['a']}/")
    assert (stored["data"], stored["meta"]) == (sent["data"], sent["meta"])
    assert len(stored["predictions"]) == 1
    settings = place.asked("GET", f"/api/projects/{project}/")
    assert settings["show_collab_predictions"] is False
    assert settings["maximum_annotations"] == 1
    assert settings["expert_instruction"] == instructions(TWO, "Was it late?")


@pytest.mark.parametrize("token", ["", "s3cret\n", "s3crét"])
def test_a_token_no_server_could_accept_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(NotAllowed, match="copy it again") as caught:
        LabelStudio("http://127.0.0.1:9", token).check()
    assert "s3cr" not in str(caught.value)


def test_the_token_is_never_shown() -> None:
    assert repr(LabelStudio("http://127.0.0.1:9", "s3cret")) == "LabelStudio('http://127.0.0.1:9')"


def test_an_address_that_is_none_is_named_in_the_error() -> None:
    with pytest.raises(ServiceDown, match="'nonsense' cannot be reached"):
        LabelStudio("nonsense", "s3cret").check()


@pytest.mark.services
def test_a_labeler_logs_in_reads_the_row_presses_a_key_and_the_answer_comes_home(place: RealPlace) -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    from playwright.sync_api import expect, sync_playwright

    project = opened(place, "in the browser")
    task_id = place.studio.push(project, [task("flight 1")])["flight 1"]
    labeler = place.person(1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        page.goto(f"{place.url}/user/login/")
        page.fill("input[name=email]", labeler.email)
        page.fill("input[name=password]", labeler.password)
        page.click("button[type=submit]")
        page.wait_for_url(re.compile(r"/projects|/$"))
        page.goto(f"{place.url}/projects/{project}/data?labeling=1")
        expect(page.get_by_text("A skipped row counts for nothing")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_text("A skipped row counts for nothing")).to_be_hidden()  # they fade, and ask it too
        expect(page.get_by_role("heading", name="Was it late?")).to_be_visible()
        expect(page.get_by_text("▲ above usual")).to_be_visible()
        expect(page.get_by_text("Probably late.")).to_be_hidden()
        assert page.get_by_role("radio").count() == 2
        assert not any(page.get_by_role("radio").nth(i).is_checked() for i in range(2)), "an answer is pre-selected"
        page.keyboard.press("1")
        expect(page.get_by_role("radio").first).to_be_checked()
        with page.expect_response(re.compile(f"/api/tasks/{task_id}/annotations")) as submitted:
            page.keyboard.press("Control+Enter")
        assert submitted.value.ok
        browser.close()
    (annotation,) = place.studio.pull(project, TWO).annotations
    assert (annotation.row_key, annotation.answer) == ("flight 1", "on time")
    assert annotation.annotator == f"user {labeler.user_id}"
    assert annotation.lead_time_seconds > 0


@pytest.mark.services
def test_the_list_of_tasks_hides_what_the_model_thinks_and_is_set_up_once(place: RealPlace) -> None:
    first, second = (opened(place, "a tidy list") for _ in range(2))
    (tab,) = place.asked("GET", f"/api/dm/views/?project={first}")
    assert first == second
    assert {"tasks:data.opinion", "tasks:data.row_html"} <= set(tab["data"]["hiddenColumns"]["labeling"])
