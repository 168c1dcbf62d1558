"""The tests' own PostgreSQL server."""

from collections.abc import Callable

import psycopg
import pytest

pytestmark = pytest.mark.services


def test_each_database_is_fresh_and_empty(postgres_url: Callable[[], str]) -> None:
    first, second = postgres_url(), postgres_url()

    with psycopg.connect(first.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE only_here (n INT)")
    with psycopg.connect(second.replace("+psycopg", "")) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()

    assert first != second
    assert found == (0,)
