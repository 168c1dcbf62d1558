"""The receiver of webhooks, without services: what it hears, and what it refuses."""

import logging
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from flows.receive import HEADER, MOST_BYTES, _project, look_at_all, look_for_answers, receiver, reread
from records.errors import ServiceDown
from records.event import Told
from tests.flows.conftest import World

SECRET = "a secret of the test"


class Looks:
    """What was looked at; `fault` is raised by each look while it is set."""

    def __init__(self) -> None:
        self.projects: list[int | None] = []
        self.fault: Exception | None = None

    def __call__(self, project: int | None) -> None:
        self.projects.append(project)
        if self.fault:
            raise self.fault

    def until(self, *projects: int | None) -> None:
        """Wait for exactly these looks, and a little longer for one too many."""
        deadline = time.monotonic() + 20
        while len(self.projects) < len(projects) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        assert self.projects == list(projects)


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def client(looks: Looks) -> Iterator[TestClient]:
    with TestClient(receiver(SECRET, looks, pause_seconds=0.3)) as client:
        looks.until(None)  # what was missed while it was away
        yield client


def call(client: TestClient, content: bytes = b'{"project": {"id": 7}}', secret: str | None = SECRET) -> int:
    headers = {} if secret is None else {HEADER.encode(): secret.encode()}
    return int(client.post("/label-studio", content=content, headers=headers).status_code)


def test_calls_within_the_pause_count_as_one_look_per_project(client, looks):
    for _ in range(20):
        assert call(client) == 202
    assert call(client, b'{"project": 8}') == 202
    looks.until(None, 7, 8)
    assert call(client, b'{"action": "ANNOTATION_CREATED"}') == 202
    looks.until(None, 7, 8, None)


@pytest.mark.parametrize("secret", [None, "", "a secret of the tesT", SECRET + "!", "ÿ" * 20])
def test_a_call_without_the_secret_changes_nothing(secret, client, looks):
    assert call(client, secret=secret) == 401
    looks.until(None)


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_object_is_refused(content, client, looks):
    assert call(client, content) == 400
    looks.until(None)


def test_a_large_body_is_refused_before_it_is_kept(client, looks):
    assert call(client, b'{"a": "' + b"x" * MOST_BYTES + b'"}') == 413
    assert client.get("/label-studio").status_code == 405
    looks.until(None)


def test_a_look_that_fails_is_forgotten_and_the_next_call_is_heard(client, looks):
    looks.fault = RuntimeError("Label Studio is away, says the test")
    assert call(client) == 202
    looks.until(None, 7)
    looks.fault = None
    assert call(client) == 202
    looks.until(None, 7, 7)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x)).map(repr))
def test_any_bytes_are_a_project_or_none_or_refused(content):
    try:
        found = _project(content if isinstance(content, bytes) else content.encode())
    except ValueError:
        return
    assert found is None or isinstance(found, int)


def test_a_look_brings_answers_home_and_without_prefect_nothing_is_noted_as_told(asked: World, monkeypatch):
    """The event is sent again by the next look, since nobody has got it."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    asked.answer()
    (item,) = asked.site().ledger.requests.open("payments")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        look_for_answers(asked.site(), item.project)
        look_for_answers(asked.site(), 999)
    ledger = asked.site().ledger
    assert len(ledger.labels.of("payments", window=item.request.window)) == len(item.request.asks)
    assert ledger.steps.get("payments", item.request.window, "event driftloop.labels.ready round 1", Told) is None
    assert ledger.requests.open("payments")  # it judges nothing


def test_a_model_whose_look_fails_keeps_no_other_from_its_answers(asked: World, tmp_path, caplog):
    other = asked.copy(tmp_path / "other")
    other.answer()
    asked.studio.fault = ServiceDown("its table is away, says the test")
    with caplog.at_level(logging.WARNING, logger="flows.receive"):
        look_at_all([asked.site(), other.site()], None)
    assert len(other.site().ledger.labels.of("payments", window=other.request.request.window)) == 400
    assert [record.getMessage() for record in caplog.records if record.name == "flows.receive"] == [
        "Looking for answers of 'payments' failed (its table is away, says the test); the schedule will look again."
    ]


def test_a_new_model_is_known_at_the_next_call_and_a_broken_file_forgets_none(world: World, caplog):
    models = reread([world.folder])
    text = (world.folder / "driftloop.toml").read_text()
    (world.folder / "new.toml").write_text(text.replace('model = "payments"', 'model = "new"'))
    assert [one.model for one in models()] == ["payments", "new"]
    (world.folder / "new.toml").write_text("half wri")
    assert [one.model for one in models()] == ["payments", "new"]
    assert "new.toml" in caplog.text
    (world.folder / "new.toml").unlink()
    assert [one.model for one in models()] == ["payments"]
