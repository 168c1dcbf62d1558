"""What only a real Label Studio server can show: lost answers, copies, what the labeler sees."""

import re
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from labeling.consensus import agree
from labeling.expected import Expected
from labeling.interface import config, instructions
from labeling.studio import LabelStudio
from labeling.wire import PAGE
from records.errors import BadData, NotAllowed, ServiceDown
from records.label import LabelRequest
from records.schema import Schema
from records.window import Window
from store.ledger import Ledger, open_ledger
from tests import conftest
from tests.labeling.examples import MANY, NUMBER, TWO, ask, task
from tests.labeling.places import Network, RealPlace, said

TABS = ["All", "To do", "Answered", "Skipped", "Withdrawn"]
CHROMIUM = Path("/usr/bin/chromium")
EXPECTED = Expected(low=0, high=600, close=10)


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


@pytest.mark.parametrize("password", ["CAN/ARY", "CAN#ARY", "CAN?ARY", "CANARY"])
def test_no_part_of_a_password_in_the_address_is_told(password: str) -> None:
    door = LabelStudio(f"http://ada:{password}@127.0.0.1:9", "a-token")
    with pytest.raises(ServiceDown) as raised:
        door.check()
    assert "CAN" not in "".join(traceback.format_exception(raised.value)) + repr(door)


def test_the_token_is_never_shown() -> None:
    assert repr(LabelStudio("http://127.0.0.1:9", "s3cret")) == "LabelStudio('http://127.0.0.1:9')"


def test_an_address_that_is_none_is_named_in_the_error() -> None:
    with pytest.raises(ServiceDown, match="'nonsense' cannot be reached"):
        LabelStudio("nonsense", "s3cret").check()


@pytest.fixture(scope="module")
def browser(place: RealPlace) -> Iterator[Any]:
    """A browser in which a labeler has logged in."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    from playwright.sync_api import expect, sync_playwright

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
        yield page
        browser.close()


def start_labeling(browser: Any, place: RealPlace, project: int) -> None:
    """Press "Label all tasks", read the instructions and put them away."""
    from playwright.sync_api import expect

    browser.goto(f"{place.url}/projects/{project}/data?labeling=1")
    words = browser.get_by_text("A skipped row counts for nothing")
    expect(words).to_be_visible()
    while words.is_visible():  # a key that is pressed while they appear is lost, and they fade
        browser.keyboard.press("Escape")
        browser.wait_for_timeout(500)


def submit(browser: Any, task_id: int) -> None:
    with browser.expect_response(re.compile(f"/api/tasks/{task_id}/annotations")) as submitted:
        browser.keyboard.press("Control+Enter")
    assert submitted.value.ok


def bring_home(ledger: Ledger, place: RealPlace, project: int, schema: Schema, ids: Any) -> Any:
    """What the flows do around one label request: the intent, the tasks, the answers, the labels."""
    week = Window(datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 6, 8, tzinfo=UTC))
    ledger.requests.save(LabelRequest("flights", week, 1, 9, tuple(ask(key) for key in ids), "a test"))
    ledger.outbox.pushed("flights", week, project, ids)
    pull = place.studio.pull(project, schema, ledger.annotations.watermark(project))
    ledger.annotations.replace(project, dict(pull.tasks), pull.annotations)
    ledger.annotations.advance(project, pull.seen_until)
    labels = agree(ledger.annotations.of("flights", week), schema, expected=EXPECTED if schema is NUMBER else None)
    ledger.labels.save("flights", week, labels)
    return [(item.label.row_key, item.label.answer, item.ask.reason) for item in ledger.labels.of("flights")]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.mark.services
def test_a_labeler_logs_in_reads_the_row_presses_a_key_and_the_label_is_in_the_ledger(
    place: RealPlace, browser: Any, ledger: Ledger
) -> None:
    from playwright.sync_api import expect

    project = opened(place, "in the browser")
    ids = place.studio.push(project, [task("flight 1")])
    start_labeling(browser, place, project)
    expect(browser.get_by_role("heading", name="Was it late?")).to_be_visible()
    expect(browser.get_by_text("▲ above usual")).to_be_visible()
    expect(browser.get_by_text("187 – 2475 (872) miles")).to_be_visible()
    expect(browser.get_by_text("drifted since the model was trained")).to_be_visible()
    expect(browser.get_by_text("Probably late.")).to_be_hidden()
    expect(browser.get_by_text("View region details")).to_be_hidden()
    assert browser.get_by_role("radio").count() == 2
    assert not any(browser.get_by_role("radio").nth(i).is_checked() for i in range(2)), "an answer is pre-selected"
    browser.keyboard.press("1")
    expect(browser.get_by_role("radio").first).to_be_checked()
    submit(browser, ids["flight 1"])
    (annotation,) = place.studio.pull(project, TWO).annotations
    assert (annotation.row_key, annotation.answer) == ("flight 1", "on time")
    assert annotation.annotator == f"user {place.person(1).user_id}"
    assert annotation.lead_time_seconds > 0
    assert bring_home(ledger, place, project, TWO, ids) == [("flight 1", "on time", ask("flight 1").reason)]


@pytest.mark.services
def test_a_labeler_types_numbers_and_an_unlikely_one_is_no_label_yet(
    place: RealPlace, browser: Any, ledger: Ledger
) -> None:
    from playwright.sync_api import expect

    words = config(NUMBER, "How late?", expected=EXPECTED), instructions(NUMBER, "How late?", expected=EXPECTED)
    project = place.studio.open_project("numbers in the browser", *words)
    ids = place.studio.push(project, [task(key, NUMBER, prediction=None) for key in ("flight 1", "flight 2")])
    start_labeling(browser, place, project)
    for key, number in (("flight 1", "12.5"), ("flight 2", "98000")):
        expect(browser.get_by_text(f"{key}")).to_be_visible()
        browser.get_by_placeholder("A number, expected between 0 and 600 minutes").fill(number)
        browser.keyboard.press("Enter")
        submit(browser, ids[key])
    assert bring_home(ledger, place, project, NUMBER, ids) == [("flight 1", "12.5", ask("flight 1").reason)]


@pytest.mark.services
@pytest.mark.parametrize("n_classes", [12, 50])
def test_a_labeler_finds_one_of_many_classes_in_a_list(
    place: RealPlace, browser: Any, ledger: Ledger, n_classes: int
) -> None:
    from playwright.sync_api import expect

    schema = replace(MANY, classes=tuple(f"kind {i} of flight" for i in range(n_classes)))
    project = place.studio.open_project(
        f"{n_classes} classes", config(schema, "Which?"), instructions(schema, "Which?")
    )
    ids = place.studio.push(project, [task("flight 1", schema, prediction=None)])
    start_labeling(browser, place, project)
    browser.locator(".ant-select").first.click()
    browser.get_by_placeholder("Search").fill(f"kind {n_classes - 1} ")
    expect(browser.get_by_text(f"kind {n_classes - 1} of flight")).to_be_visible()
    expect(browser.get_by_text("kind 3 of flight")).to_be_hidden()
    browser.keyboard.press("ArrowDown")
    browser.keyboard.press("Enter")
    expect(browser.locator(".ant-select-tree-checkbox-checked").first).to_be_visible()
    browser.keyboard.press("Escape")
    expect(browser.get_by_placeholder("Search")).to_be_hidden()
    submit(browser, ids["flight 1"])
    answer = f"kind {n_classes - 1} of flight"
    assert bring_home(ledger, place, project, schema, ids) == [("flight 1", answer, ask("flight 1").reason)]


@pytest.mark.services
def test_a_suggested_answer_is_filled_in_and_the_others_are_blind(
    place: RealPlace, browser: Any, ledger: Ledger
) -> None:
    from playwright.sync_api import expect

    words = config(TWO, "Late?", show_reason=True), instructions(TWO, "Late?", suggestions=True)
    project = place.studio.open_project("suggestions", *words, suggestions=True)
    assert project != place.studio.open_project("suggestions", *words)
    tasks = [task("flight 1", show_reason=True), task("flight 2", prediction=None, show_reason=True)]
    ids = place.studio.push(project, tasks)
    start_labeling(browser, place, project)
    expect(browser.get_by_text("audit: random row of carrier = EV")).to_be_visible()
    expect(browser.get_by_role("radio").nth(1)).to_be_checked()
    browser.keyboard.press("1")
    expect(browser.get_by_role("radio").first).to_be_checked()
    submit(browser, ids["flight 1"])
    expect(browser.get_by_text("flight 2")).to_be_visible()
    assert not any(browser.get_by_role("radio").nth(i).is_checked() for i in range(2)), "an answer is pre-selected"
    browser.keyboard.press("2")
    submit(browser, ids["flight 2"])
    reason = ask("flight 1").reason
    found = bring_home(ledger, place, project, TWO, ids)
    assert found == [("flight 1", "on time", reason), ("flight 2", "late", reason)]


@pytest.mark.services
def test_a_lead_finds_the_tabs_which_hide_what_the_model_thinks_and_are_made_once(place: RealPlace) -> None:
    project = opened(place, "a tidy list")
    made = place.asked("GET", f"/api/dm/views/?project={project}")
    assert [tab["data"]["title"] for tab in made] == TABS
    assert all(
        {"tasks:data.opinion", "tasks:data.row_html"} <= {*tab["data"]["hiddenColumns"]["explore"]} for tab in made
    )
    place.asked("POST", "/api/dm/views/", json={"project": project, "data": {"title": "To do"}})
    place.asked("POST", "/api/dm/views/", json={"project": project, "data": {"title": "Mine"}})
    place.api.delete(f"/api/dm/views/{made[3]['id']}/").raise_for_status()
    assert opened(place, "a tidy list") == project
    titles = [tab["data"]["title"] for tab in place.asked("GET", f"/api/dm/views/?project={project}")]
    assert sorted(titles) == sorted([*TABS, "Mine"])


@pytest.mark.services
@pytest.mark.parametrize("fate", ["done", "gateway", "late", "lost"])
def test_no_tab_is_made_twice_when_an_answer_gets_lost(place: RealPlace, fate: str) -> None:
    arguments = (f"lost tabs {fate}", config(TWO, "Was it late?"), "")
    project = place.door("carried", fate, path="/api/dm/views/").open_project(*arguments)
    assert [tab["data"]["title"] for tab in place.asked("GET", f"/api/dm/views/?project={project}")] == TABS


@pytest.mark.services
def test_each_tab_shows_the_tasks_of_its_title(place: RealPlace) -> None:
    project = opened(place, "tabs")
    ids = place.studio.push(project, [task(key) for key in "abcd"])
    place.annotate(ids["a"], said("late", TWO))
    place.annotate(ids["b"], [], skipped=True)
    place.studio.withdraw(project, ["d"])
    shown = {
        tab["data"]["title"]: [one["id"] for one in place.asked("GET", f"/api/tasks/?view={tab['id']}")["tasks"]]
        for tab in place.asked("GET", f"/api/dm/views/?project={project}")
    }
    each = {"To do": [ids["c"]], "Answered": [ids["a"]], "Skipped": [ids["b"]], "Withdrawn": [ids["d"]]}
    assert shown == {"All": [*ids.values()], **each}


@pytest.mark.services
def test_a_withdrawn_task_is_offered_to_nobody_and_an_answer_to_it_that_came_late_is_kept(place: RealPlace) -> None:
    project = opened(place, "withdrawn in the last moment")
    ids = place.studio.push(project, [task(key) for key in "abc"])
    known = {task_id: key for key, task_id in ids.items()}
    assert place.studio.withdraw(project, ["a", "b"]) == ("a", "b")
    assert place.asked("GET", f"/api/projects/{project}/next")["id"] == ids["c"]
    gone = place.studio.pull(project, TWO, known=known)
    assert set(gone.gone) == {"a", "b"}
    answer = place.annotate(ids["a"], said("late", TWO))  # by somebody who had it open
    pulled = place.studio.pull(project, TWO, gone.seen_until, known={ids["c"]: "c"})
    assert [(one.annotation_id, one.row_key) for one in pulled.annotations] == [(answer, "a")]
    again = place.studio.pull(project, TWO, gone.seen_until + timedelta(hours=1), known={ids["a"]: "a", ids["c"]: "c"})
    assert again.gone == ()
    place.retract(answer)
    assert place.studio.withdraw(project, ["a"]) == ("a",)
    assert place.asked("GET", f"/api/projects/{project}/next")["id"] == ids["c"]


@pytest.mark.services
def test_a_withdrawn_task_is_not_counted_in_place_of_one_that_is_not_known(place: RealPlace) -> None:
    project = opened(place, "counted")
    ids = place.studio.push(project, [task(key) for key in "ab"])
    place.studio.withdraw(project, ["a"])
    pulled = place.studio.pull(project, TWO, datetime.now(UTC) + timedelta(hours=1), known={ids["a"]: "a"})
    assert pulled.gone == ("a",)
    assert pulled.tasks == ((ids["b"], "b"),)


@pytest.mark.services
def test_a_copy_that_arrives_after_all_is_merged_by_the_next_pull_and_its_answer_moves_along(place: RealPlace) -> None:
    project = opened(place, "late copies")
    ids = place.studio.push(project, [task(key) for key in "abc"])
    known = {task_id: key for key, task_id in ids.items()}
    first = place.studio.pull(project, TWO, known=known)
    copies = place.copy(project, [task(key) for key in "abc"])
    place.annotate(copies[0], said("late", TWO))
    place.annotate(ids["b"], said("late", TWO))
    place.annotate(copies[1], said("on time", TWO), person=1)
    pulled = place.studio.pull(project, TWO, first.seen_until, known=known)
    assert n_tasks(place, project) == 3
    assert pulled.gone == ()
    assert dict(pulled.tasks) == {copies[0]: "a", ids["b"]: "b", ids["c"]: "c"}
    assert sorted((one.row_key, one.answer) for one in pulled.annotations) == [
        ("a", "late"),
        ("b", "late"),
        ("b", "on time"),
    ]


@pytest.mark.services
def test_a_merge_that_reaches_the_server_late_deletes_nothing_that_stays_by_now(place: RealPlace) -> None:
    project = opened(place, "late merges")
    ids = place.studio.push(project, [task("a")])
    first = place.studio.pull(project, TWO, known={ids["a"]: "a"})
    copies = place.copy(project, [task("a")])
    answer = place.annotate(copies[0], said("late", TWO))
    network = Network("held", path="/actions/")  # wants to delete the first task, for its copy is answered
    door = LabelStudio(place.url, place.token, settle_seconds=1.5, transport=network)
    with pytest.raises(ServiceDown):
        door.pull(project, TWO, first.seen_until, known={ids["a"]: "a"})
    place.retract(answer)
    for known in ({ids["a"]: "a"}, {copies[0]: "a"}):
        pulled = place.studio.pull(project, TWO, first.seen_until, known=known)
        assert (pulled.gone, len(pulled.tasks)) == ((), 1)
        network.release()
    assert n_tasks(place, project) == 1
    assert place.studio.pull(project, TWO, known=dict(pulled.tasks)).gone == ()


@pytest.mark.services
def test_what_a_merge_that_died_left_is_put_in_order(place: RealPlace) -> None:
    project = opened(place, "dead merges")
    ids = place.studio.push(project, [task(key) for key in "abcd"])
    known = {task_id: key for key, task_id in ids.items()}
    first = place.studio.pull(project, TWO, known=known)
    copies = place.copy(project, [task(key) for key in "abcd"])
    with pytest.raises(ServiceDown):  # the copies are marked, and not deleted
        place.door("lost", path="/actions/").pull(project, TWO, first.seen_until, known=known)
    place.delete_task(ids["a"])  # by hand, and not its copy
    place.annotate(copies[2], [], skipped=True)
    place.delete_task(ids["d"])
    place.annotate(copies[3], [], skipped=True)
    pulled = place.studio.pull(project, TWO, first.seen_until, known=known)
    assert pulled.gone == ()
    assert dict(pulled.tasks) == {copies[0]: "a", ids["b"]: "b", copies[2]: "c", copies[3]: "d"}
    assert n_tasks(place, project) == 4
    for number, _ in pulled.tasks:
        assert "withdrawn" not in place.asked("GET", f"/api/tasks/{number}/")["data"]
    again = place.studio.pull(project, TWO, pulled.seen_until, known=dict(pulled.tasks))
    assert (again.gone, len(again.tasks)) == ((), 4)


@pytest.mark.services
def test_merging_answered_copies_offers_no_withdrawn_row_anew(place: RealPlace) -> None:
    project = opened(place, "withdrawn meanwhile")
    ids = place.studio.push(project, [task(key) for key in "abc"])
    copies = place.copy(project, [task("a")])
    place.annotate(ids["a"], said("late", TWO))
    place.annotate(copies[0], said("on time", TWO), person=1)
    place.studio.withdraw(project, ["b", "c"])
    pulled = place.studio.pull(project, TWO, known={ids["a"]: "a"})
    assert sorted(str(one.answer) for one in pulled.annotations) == ["late", "on time"]
    assert n_tasks(place, project) == 3
    for key in "bc":
        closed = place.asked("GET", f"/api/tasks/{ids[key]}/")
        assert (closed["data"]["withdrawn"], closed["is_labeled"]) == ("yes", True)


@pytest.mark.services
def test_answered_copies_that_differ_stay_and_no_answer_is_lost(place: RealPlace) -> None:
    project = opened(place, "different copies")
    ids = place.studio.push(project, [task("a")])
    other = task("a")
    other["data"]["opinion"] = "Perhaps late."
    (copy,) = place.copy(project, [other])
    place.annotate(ids["a"], said("late", TWO))
    place.annotate(copy, said("on time", TWO))
    pulled = place.studio.pull(project, TWO, known={ids["a"]: "a"})
    assert dict(pulled.tasks) == {ids["a"]: "a", copy: "a"}
    assert sorted(str(one.answer) for one in pulled.annotations) == ["late", "on time"]


@pytest.mark.services
@pytest.mark.parametrize("row", [{"row_key": 7}, {"row_key": None}, {"note": "made by hand"}])
def test_a_task_made_by_hand_is_passed_over(place: RealPlace, row: dict[str, object]) -> None:
    project = opened(place, f"by hand {row}"[:50])
    ids = place.studio.push(project, [task("a")])
    data = task("a")["data"]
    del data["row_key"]
    place.asked("POST", f"/api/projects/{project}/import", json=[{"data": data | row}])
    for since in (None, datetime.now(UTC)):
        pulled = place.studio.pull(project, TWO, since, known={ids["a"]: "a"})
        assert (pulled.gone, dict(pulled.tasks)) == ((), {ids["a"]: "a"})


@pytest.mark.services
@pytest.mark.parametrize("in_doubt", [False, True])
def test_an_import_that_a_dead_process_left_under_way_is_waited_for_only_in_doubt(
    place: RealPlace, in_doubt: bool
) -> None:
    project = opened(place, f"under way {in_doubt}")
    place.studio.push(project, [task("z")])
    late = threading.Timer(0.5, lambda: place.asked("POST", f"/api/projects/{project}/import", json=[task("a")]))
    late.start()
    place.studio.push(project, [task("a")], in_doubt=in_doubt)
    late.join()
    assert n_tasks(place, project) == (2 if in_doubt else 3)
    place.studio.push(project, [task("a")])
    assert n_tasks(place, project) == 2


@pytest.mark.services
def test_of_a_project_that_was_made_twice_the_one_with_tasks_is_used(place: RealPlace) -> None:
    project = opened(place, "made twice")
    description = place.asked("GET", f"/api/projects/{project}/")["description"]
    fields = {"title": "made twice", "description": description, "label_config": config(TWO, "Was it late?")}
    later = place.asked("POST", "/api/projects/", json=fields)["id"]
    assert opened(place, "made twice") == project
    place.studio.push(later, [task("a")])
    assert opened(place, "made twice") == later


@pytest.mark.services
def test_as_many_tasks_made_by_hand_as_deleted_hide_nothing(place: RealPlace) -> None:
    project = opened(place, "as many")
    ids = place.studio.push(project, [task(key) for key in "abc"])
    known = {task_id: key for key, task_id in ids.items()}
    first = place.studio.pull(project, TWO, known=known)
    place.delete_task(ids["b"])
    data = task("a")["data"]
    del data["row_key"]
    place.asked("POST", f"/api/projects/{project}/import", json=[{"data": data}])
    assert n_tasks(place, project) == len(known)
    assert place.studio.pull(project, TWO, first.seen_until, known=known).gone == ("b",)
    assert place.studio.pull(project, TWO, first.seen_until + timedelta(hours=1), known=known).gone == ("b",)
