"""The ledger on both of its databases: every test that asks for `ledger` runs on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import create_engine, text

from store.ledger import Ledger, open_ledger


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return cast(str, request.getfixturevalue("emptied_database"))


@pytest.fixture(scope="session")
def one_database(postgres_url: Callable[[], str]) -> str:
    return postgres_url()


@pytest.fixture
def emptied_database(one_database: str) -> str:
    """One database emptied before each test: much cheaper than making a new one."""
    engine = create_engine(one_database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return one_database


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()
