import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from records.drift import Alarm
from records.errors import Conflict, LockLost
from store.ledger import Ledger, open_ledger
from tests.store.examples import MODEL, alarm, week

HOLD = """
import sys
from store.ledger import open_ledger
from tests.store.examples import MODEL, alarm, week
ledger = open_ledger(sys.argv[1])
with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
    print("held", flush=True)
    sys.stdin.readline()
    claim.finish(alarm(week(0)))
"""


def holder(url: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_step_another_process_holds_is_a_conflict_until_it_ends(ledger: Ledger, ledger_url: str) -> None:
    with holder(ledger_url) as process:
        with pytest.raises(Conflict, match="another process still holds 'step alarm of flights"):
            ledger.steps.claim(MODEL, week(0), "alarm").__enter__()
        process.communicate("go on\n", timeout=60)
    assert process.returncode == 0
    with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
        assert claim.done(Alarm) == alarm(week(0))


def test_who_waits_gets_the_step_when_the_other_process_ends(ledger: Ledger, ledger_url: str) -> None:
    with holder(ledger_url) as process:
        assert process.stdin is not None
        threading.Timer(0.5, process.stdin.close).start()
        with ledger.steps.claim(MODEL, week(0), "alarm", wait_seconds=60) as claim:
            assert claim.done(Alarm) == alarm(week(0))


def test_a_process_that_is_killed_gives_its_claim_back_and_leaves_nothing_done(ledger: Ledger, ledger_url: str) -> None:
    with holder(ledger_url) as process:
        process.kill()
        process.wait(timeout=60)
    with ledger.steps.claim(MODEL, week(0), "alarm", wait_seconds=10) as claim:
        assert claim.done(Alarm) is None


def test_a_lock_is_free_at_once_after_its_block_even_when_the_block_raised(ledger: Ledger) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), ledger.lock("promotion:flights"):
            raise ZeroDivisionError
    with ledger.lock("promotion:flights"), ledger.lock("promotion:other"):
        pass


def test_threads_of_one_process_exclude_each_other(ledger: Ledger) -> None:
    inside, most, guard = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with ledger.lock("one at a time", wait_seconds=60):
                with guard:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.005)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_conflict_says_how_long_was_waited(ledger: Ledger) -> None:
    with ledger.lock("x"), pytest.raises(Conflict, match=r"'x' after 0\.1 s; let it end"):
        ledger.lock("x", wait_seconds=0.1).__enter__()


def test_lock_files_do_not_pile_up(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    for number in range(3):
        with ledger.lock(f"step ../../{number}"):
            assert len(list((tmp_path / "ledger.db.locks").iterdir())) == 1
    assert list((tmp_path / "ledger.db.locks").iterdir()) == []


@pytest.mark.services
def test_two_databases_of_one_server_do_not_share_their_locks(postgres_url: Callable[[], str]) -> None:
    one, other = open_ledger(postgres_url()), open_ledger(postgres_url())
    with one.lock("x"), other.lock("x"), pytest.raises(Conflict):
        one.lock("x").__enter__()


def lose(ledger: Ledger, url: str) -> None:
    """Take every lock away, as a restart of the server does, or a person who tidies up the folder."""
    if ledger.database.file:
        shutil.rmtree(f"{ledger.database.file}.locks")
        return
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        mine = "datname = current_database() AND application_name = 'driftloop lock'"
        ended = connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}".encode())
        assert ended.fetchall() == [(True,)]


def finish(ledger: Ledger, number: int, evidence: float, *, meanwhile: Callable[[], None]) -> None:
    with ledger.steps.claim(MODEL, week(number), "alarm") as claim:
        meanwhile()
        claim.finish(alarm(week(number), evidence=evidence))


def test_a_lock_that_was_lost_is_told_when_asked_and_at_the_end_of_the_block(ledger: Ledger, ledger_url: str) -> None:
    lock = ledger.lock("x")
    held = lock.__enter__()
    held.check()
    lose(ledger, ledger_url)
    with ledger.lock("x") as other:
        other.check()
        with pytest.raises(LockLost, match="the lock 'x' was lost, and another may have run meanwhile; run again"):
            held.check()
        with pytest.raises(LockLost):
            lock.__exit__(None, None, None)
        with pytest.raises(Conflict, match="another process still holds 'x'"):  # it is not taken from its new holder
            ledger.lock("x").__enter__()


def test_what_the_block_raised_is_not_hidden_by_a_lost_lock(ledger: Ledger, ledger_url: str) -> None:
    def fail() -> None:
        lose(ledger, ledger_url)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        finish(ledger, 0, 3.5, meanwhile=fail)


def test_a_step_that_lost_its_lock_is_kept_unless_another_was_quicker(ledger: Ledger, ledger_url: str) -> None:
    with pytest.raises(LockLost):
        finish(ledger, 0, 3.5, meanwhile=lambda: lose(ledger, ledger_url))
    assert ledger.steps.get(MODEL, week(0), "alarm", Alarm) == alarm(week(0), evidence=3.5)

    def overtaken() -> None:
        lose(ledger, ledger_url)
        finish(ledger, 1, 4.5, meanwhile=lambda: None)

    with pytest.raises(Conflict, match="was finished before; use that record"):
        finish(ledger, 1, 3.5, meanwhile=overtaken)
    assert ledger.steps.get(MODEL, week(1), "alarm", Alarm) == alarm(week(1), evidence=4.5)
