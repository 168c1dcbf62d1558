"""A canary in every place that may hold a secret is in nothing that is written or printed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.changed import changed
from flows.doctor import examine_site
from flows.events import event_of, tell_alarm, tell_verdict
from flows.learn import learn
from flows.receive import SECRET, serve
from records.errors import BadSettings
from tests.flows.conftest import World

CANARY = "canary-7f3a9c"


@pytest.fixture
def guarded(asked: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A model whose every secret is a canary: the token, and the passwords in four addresses."""
    for name, value in {
        "DRIFTLOOP_LABEL_STUDIO_TOKEN": CANARY,
        "DRIFTLOOP_SERVICES__MLFLOW": f"http://ada:{CANARY}@127.0.0.1:9",
        "DRIFTLOOP_SERVICES__LABEL_STUDIO": f"http://ada:{CANARY}@127.0.0.1:9",
        SECRET: CANARY,
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_API_AUTH_STRING": f"ada:{CANARY}",
    }.items():
        monkeypatch.setenv(name, value)
    return asked


def written(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and CANARY.encode() in path.read_bytes():
            yield path


def test_no_secret_is_written_by_the_whole_loop(guarded, capfd, caplog):
    guarded.answer()
    learn(guarded.site())
    site = guarded.site()
    window = next(item.window for item in site.ledger.labels.of("payments"))
    tell_alarm(site, window)
    tell_verdict(site, window)
    told = [repr(check) for check in examine_site(site, repair=True)]
    assert len(told) > 8
    assert not list(written(guarded.folder))
    said = capfd.readouterr()
    for text in (*told, repr(site.settings), said.out, said.err, caplog.text, repr(site.ledger), str(site.settings)):
        assert CANARY not in text


@pytest.mark.parametrize(
    "words",
    [
        ("doctor", "CONFIG"),
        ("doctor", "CONFIG", "--json", "--repair"),
        ("learn", "--config", "CONFIG"),
        ("status", "--json", "--config", "CONFIG"),
        ("deploy", "CONFIG"),
        ("replay", "--from", "2024-02-26", "--config", "CONFIG"),
    ],
    ids=lambda words: " ".join(words),
)
def test_no_command_prints_a_secret(words, guarded):
    config = str(guarded.folder / "driftloop.toml")
    program = str(Path(sys.executable).with_name("driftloop"))
    done = subprocess.run(
        [program, *(config if word == "CONFIG" else word for word in words)],
        env=dict(os.environ) | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout or done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert not list(written(guarded.folder))


def test_no_error_quotes_a_secret(guarded, monkeypatch):
    for change in ("services.mlflow=x", "labels.budget=-1"):
        with pytest.raises(BadSettings) as refused:
            changed(guarded.settings, [change])
        assert CANARY not in str(refused.value)
    monkeypatch.setenv(SECRET, CANARY[:9])
    with pytest.raises(BadSettings) as refused:
        serve([guarded.folder], host="127.0.0.1", port=1, pause_seconds=1)
    assert CANARY[:9] not in str(refused.value)


def test_an_event_says_what_it_is_given_and_no_more(guarded):
    (item,) = guarded.site().ledger.requests.open("payments")
    event = event_of("payments", item.request.window, "driftloop.test", {"reason": "x"})
    assert set(event.payload) == {"model", "window", "reason"}
    assert event.id == event_of("payments", item.request.window, "driftloop.test", {"reason": "y"}).id
