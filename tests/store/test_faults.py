import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from records.errors import (
    BadData,
    BadSettings,
    Conflict,
    DriftloopError,
    NotAllowed,
    NotFound,
    ServiceDown,
    StorageFull,
)
from store.ledger import Ledger, open_ledger
from tests.store.examples import MODEL, generation, request, week

PASSWORD = "s3cret/@:"
HIDDEN = "s3cret%2F%40%3A"


def tells(error: BaseException) -> str:
    """Everything a log could show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error)


def refusal(url: str) -> DriftloopError:
    with pytest.raises(DriftloopError) as raised:
        open_ledger(url)
    assert "s3cret" not in tells(raised.value)
    return raised.value


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://ada:s3cret@db/loop",
        "ledger.db",
        "",
        "postgresql://ada:s3cret@db:port/x",
    ],
)
def test_an_address_that_cannot_be_a_ledger_is_bad_settings(url: str) -> None:
    error = refusal(url)
    assert isinstance(error, BadSettings)
    assert "postgresql://USER@HOST:PORT/DATABASE" in str(error)


def test_a_server_that_is_not_there_is_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = refusal(f"postgresql://ada:{HIDDEN}@127.0.0.1:{port}/loop?sslpassword=s3cret")
    assert isinstance(error, ServiceDown)
    assert f"the ledger postgresql://127.0.0.1:{port}/loop cannot be reached" in str(error)


@pytest.mark.parametrize("password", ["50%off", "off/50", "off#50", "off?50", "x@off", "x?a=off", "off@50/x"])
def test_no_part_of_an_odd_password_is_told(password: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = refusal(f"postgresql://ada:{password}@127.0.0.1:{taken.getsockname()[1]}/l")
    assert "off" not in "".join(traceback.format_exception(error))
    understood = password.count("@") == 0 and "=" not in password
    assert isinstance(error, ServiceDown if understood else BadSettings)


def test_a_ledger_does_not_show_its_password(tmp_path: Path) -> None:
    assert repr(open_ledger(f"sqlite:///{tmp_path}/ledger.db")) == f"Ledger('sqlite:///{tmp_path}/ledger.db')"
    from store.database import Database
    from store.locks import AdvisoryLocks

    database = Database(f"postgresql://ada:{HIDDEN}@db/loop")
    shown = repr([database, Ledger(database), AdvisoryLocks(database), vars(database)])
    assert "s3cret" not in shown
    assert "db/loop" in shown


@pytest.mark.services
def test_a_wrong_password_a_stranger_and_a_missing_database_are_told_apart(postgres_url: Callable[[], str]) -> None:
    url = make_url(postgres_url())
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP ROLE IF EXISTS guarded"))
        connection.execute(text("CREATE ROLE guarded LOGIN PASSWORD 'right'"))
        file = connection.scalar(text("SHOW hba_file"))
        before = connection.scalar(text("SELECT pg_read_file(:file)"), {"file": file})
        _write_rules(connection, f"host all guarded 127.0.0.1/32 scram-sha-256\n{before}", file)
        try:
            wrong = url.set(username="guarded", password=PASSWORD).render_as_string(hide_password=False)
            assert isinstance(refusal(wrong), NotAllowed)
            stranger = url.set(username="nobody_we_know", password=PASSWORD).render_as_string(hide_password=False)
            assert isinstance(refusal(stranger), NotAllowed)
            nowhere = url.set(database="nowhere", password=PASSWORD).render_as_string(hide_password=False)
            assert isinstance(refusal(nowhere), NotFound)
            right = url.set(username="guarded", password="right").render_as_string(hide_password=False)
            error = refusal(right)  # it may log in, but not make tables
            assert isinstance(error, NotAllowed)
            assert "permission denied for schema public" in str(error)
        finally:
            _write_rules(connection, str(before), file)
    engine.dispose()


def _write_rules(connection, rules: str, file: str) -> None:
    lines = rules.replace("'", "''").replace("\\", "\\\\")
    connection.exec_driver_sql(f"COPY (SELECT regexp_split_to_table('{lines}', E'\\n')) TO '{file}'".replace("%", "%%"))
    connection.execute(text("SELECT pg_reload_conf(), pg_sleep(0.3)"))


@pytest.mark.services
def test_a_restarted_connection_is_met_anew(postgres_url: Callable[[], str]) -> None:
    url = postgres_url()
    ledger = open_ledger(url)
    ledger.generations.save(generation(1))
    engine = create_engine(url)
    with engine.connect() as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert ledger.generations.all(MODEL) == (generation(1),)
    engine.dispose()
    ledger.close()


@pytest.mark.services
def test_a_read_only_database_cannot_be_written(postgres_url: Callable[[], str]) -> None:
    url = postgres_url()
    open_ledger(url).close()
    ledger = open_ledger(f"{url}?options=-c%20default_transaction_read_only%3Don")
    with pytest.raises(StorageFull, match="read-only transaction"):
        ledger.generations.save(generation(1))


def test_a_file_that_is_no_ledger_is_bad_data(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is no database, however long one reads on" * 100)
    with pytest.raises(BadData, match="is damaged or no database"):
        open_ledger(f"sqlite:///{tmp_path}/ledger.db")


def test_a_ledger_that_cannot_grow_says_so_and_keeps_what_it_had(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    script = """
import resource, sys
from store.ledger import open_ledger
from records.errors import StorageFull
from tests.store.examples import request, week
ledger = open_ledger(sys.argv[1])
ledger.requests.save(request(week(0), "a"))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    ledger.requests.save(request(week(1), *(f"row {number} " + "x" * 200 for number in range(5000))))
except StorageFull as error:
    print(error)
"""
    url = f"sqlite:///{tmp_path}/ledger.db"
    done = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert "cannot be written" in done.stdout
    ledger = open_ledger(url)
    assert ledger.requests.asked_keys(MODEL) == {"a"}
    assert ledger.requests.get(MODEL, week(1)) is None


def test_a_write_waits_for_its_turn_and_gives_up_with_a_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.database._BUSY_SECONDS", 0.2)
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = open_ledger(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Conflict, match="is busy in another process"):
            ledger.generations.save(generation(1))
        assert ledger.generations.all(MODEL) == ()  # readers are not in the way
        connection.exec_driver_sql("ROLLBACK")
    ledger.generations.save(generation(1))
    engine.dispose()


def test_text_no_database_can_hold_is_bad_data(ledger: Ledger, ledger_url: str) -> None:
    keys = ["\ud800"] + ([] if ledger_url.startswith("sqlite") else ["a\x00b"])
    for key in keys:
        with pytest.raises(BadData, match="cannot hold"):
            ledger.requests.save(request(week(0), key))
    assert ledger.requests.asked_keys(MODEL) == frozenset()


def test_a_folder_that_cannot_be_made_is_named() -> None:
    """Nobody, root included, may make a folder in /sys; some kernels call it closed, some read-only."""
    error = refusal("sqlite:////sys/driftloop/ledger.db")
    assert isinstance(error, NotAllowed | StorageFull)
    assert "the folder of the ledger sqlite:////sys/driftloop/ledger.db cannot be made" in str(error)
