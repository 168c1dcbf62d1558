import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

import store.revision
from records.errors import BadData, DriftloopError
from records.label import Ask
from store.ledger import Ledger, open_ledger
from store.tables import REVISION, Base
from tests.store.examples import MODEL, generation


def test_the_migrations_make_exactly_the_tables_of_the_code(ledger: Ledger, ledger_url: str) -> None:
    engine = create_engine(ledger_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": store.revision.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_code_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.revision.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_opening_again_changes_nothing(ledger: Ledger, ledger_url: str) -> None:
    ledger.generations.save(generation(1))
    again = open_ledger(ledger_url)
    assert again.generations.all(MODEL) == (generation(1),)
    again.close()


def test_processes_that_start_at_once_on_an_empty_database_all_get_a_ledger(ledger_url: str) -> None:
    script = "import sys; from store.ledger import open_ledger; print(open_ledger(sys.argv[1]).generations.all('x'))"
    processes = [
        subprocess.Popen([sys.executable, "-c", script, ledger_url], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(3)
    ]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["()\n"] * 3


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(ledger: Ledger, ledger_url: str) -> None:
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE ledger_version SET version_num = '9999'"))
    with pytest.raises(BadData, match=f"has version '9999' of its tables, this Driftloop knows up to '{REVISION}'"):
        open_ledger(ledger_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM ledger_version")) == "9999"
    engine.dispose()


def test_a_migration_that_fails_half_way_leaves_no_trace(ledger_url: str) -> None:
    """The last table is in the way, so everything made before it is taken back."""
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE uses (x INTEGER)"))
    with pytest.raises(DriftloopError, match="uses"):
        open_ledger(ledger_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE uses"))
    opened = open_ledger(ledger_url)
    assert opened.generations.all(MODEL) == ()
    opened.close()
    engine.dispose()


def test_a_sqlite_ledger_lets_readers_work_beside_a_writer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/down/ledger.db"
    open_ledger(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    engine.dispose()


def test_an_older_ledger_keeps_what_it_holds(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store.revision, "REVISION", "0002")
        open_ledger(ledger_url).close()
    engine = create_engine(ledger_url)
    old = (
        'INSERT INTO requests (id, model, start, "end", generation, budget, reason, project, saved_at) VALUES'
        " (1, 'late', '2024-01-01 00:00:00.000000', '2024-01-08 00:00:00.000000', 1, 2, 'why', 7,"
        " '2024-01-08 00:00:00.000000')",
        "INSERT INTO asks (id, request_id, position, model, row_key, purpose, inclusion, slice, reason, task_id)"
        " VALUES (1, 1, 0, 'late', 'a', 'audit', 0.5, 'rest', 'audit', 11)",
        "INSERT INTO annotations (project, annotation_id, task_id, row_key, annotator, answer, updated_at)"
        " VALUES (7, 1, 11, 'a', 'user 1', 'yes', '2024-01-08 00:00:00.000000')",
    )
    with engine.begin() as connection:
        for statement in old:
            connection.execute(text(statement))
    engine.dispose()
    ledger = open_ledger(ledger_url)
    (item,) = ledger.requests.open("late")
    assert item.request.asks == (Ask("a", "audit", 0.5, "rest", "audit"),)
    assert (item.project, item.task_ids, item.n_answered, item.gone) == (7, (("a", 11),), 1, ())
    (said,) = ledger.annotations.of("late", item.request.window)
    assert (said.answer, said.origin) == ("yes", None)
    ledger.close()


def test_changes_of_champion_before_the_ledger_knew_of_telling_count_as_told(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store.revision, "REVISION", "0004")
        open_ledger(ledger_url).close()
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO generations (model, number, status, mlflow_run_id, version, snapshot, body, saved_at)"
                " VALUES ('late', 1, 'champion', 'run', '1', 'digest', '{}', '2024-01-08 00:00:00.000000')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO promotions (id, model, generation, why, state, intended_at, settled_at) VALUES"
                " (1, 'late', 1, 'why', 'confirmed', '2024-01-08 00:00:00.000000', '2024-01-08 00:00:01.000000')"
            )
        )
    engine.dispose()
    ledger = open_ledger(ledger_url)
    (change,) = ledger.promotions.history("late")
    assert change.told_at == change.settled_at == datetime(2024, 1, 8, 0, 0, 1, tzinfo=UTC)
    ledger.close()
