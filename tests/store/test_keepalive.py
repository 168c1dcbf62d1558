"""Every connection to PostgreSQL is watched by the machine, as its socket itself says."""

import os
import socket
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import Engine

from store.database import Database
from store.locks import AdvisoryLocks
from store.source import Source
from store.warehouse import _open_postgres

pytestmark = pytest.mark.services


def watched(connection: "psycopg.Connection[object]") -> tuple[int, ...]:
    """Whether the socket is kept alive; idle and interval seconds, how many probes, milliseconds of silence."""
    with socket.socket(fileno=os.dup(connection.fileno())) as opened:
        kept = opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        return (kept, *(opened.getsockopt(socket.IPPROTO_TCP, name) for name in names))


def of_engine(engine: Engine) -> tuple[int, ...]:
    with closing(engine.raw_connection()) as pooled:
        driver = pooled.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return watched(driver)


def of_table(url: str) -> tuple[int, ...]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS flights (hour integer)")
    with _open_postgres(Source("postgres", url, "flights")) as opened:
        return watched(opened.table.get_backend().con)


def of_each(url: str) -> list[tuple[int, ...]]:
    """The ledger's connection, that of a lock, and that of the production table."""
    database = Database(url)
    return [of_engine(database.engine), of_engine(AdvisoryLocks(database)._engine), of_table(url)]


def test_the_ledger_its_locks_and_the_table_notice_a_server_that_has_vanished(postgres_url: Callable[[], str]) -> None:
    assert of_each(postgres_url()) == [(1, 60, 15, 4, 120_000)] * 3


def test_what_the_address_says_about_it_goes_before(postgres_url: Callable[[], str]) -> None:
    url = f"{postgres_url()}?keepalives_idle=7&keepalives_count=2&tcp_user_timeout=33000&connect_timeout=3"
    assert of_each(url) == [(1, 7, 15, 2, 33_000)] * 3
    driver = Database(url).engine.raw_connection().driver_connection
    assert isinstance(driver, psycopg.Connection)
    assert driver.info.get_parameters()["connect_timeout"] == "3"
