from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.payments import TOML, WEEK
from flows.settings import load_settings
from flows.starter import starter
from records.errors import BadSettings
from records.window import last_complete


def load(folder: Path, text: str):
    path = folder / "driftloop.toml"
    path.write_text(text)
    return load_settings(path)


def test_the_starter_file_is_valid_and_its_comments_show_the_true_defaults(tmp_path):
    plain = load(tmp_path, starter("fraud"))
    lines = starter("fraud").splitlines()
    start = lines.index("[windows]")
    uncommented = [
        line.removeprefix("# ") if index > start and line.startswith("# ") else line for index, line in enumerate(lines)
    ]
    assert load(tmp_path, "\n".join(uncommented)) == plain.model_copy(
        update={
            "training": plain.training.model_copy(update={"loss": "brier", "cores": 2, "max_rows": 1_000_000}),
            "labels": plain.labels.model_copy(update={"weekly_budget": 400}),
        }
    )


def test_a_missing_file_names_it_and_the_command_that_writes_one(tmp_path):
    with pytest.raises(BadSettings, match=r"there is no settings file .*absent.toml.*driftloop init"):
        load_settings(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('model = "payments"', "model = ", "cannot be read as TOML"),
        ("budget = 400", "budgte = 400", r"unknown key 'labels\.budgte'"),
        ("budget = 400", "budget = 0", r"labels\.budget: input should be greater than or equal to 1"),
        ('row_key = "id"', "", r"'table\.row_key' is missing"),
        ("[alarms]", '[alarms]\ntests = { amonut = "ks" }', "'amonut', which is not under numeric"),
        (
            "[alarms]",
            '[alarms]\ntests = { channel = "ks" }',
            "'ks' does not fit column 'channel'",
        ),
        ('classes = ["no", "yes"]', "", "a classification needs at least two different classes"),
        ('"age", "noise"', '"age", "age"', r"'age' is named more often"),
        (
            "[training]",
            '[training]\nloss = "squared"',
            "does not fit a classification; use one of brier, log, zero_one",
        ),
        (
            "[windows]",
            "[columns.costs]\nyes = { nope = 3 }\n\n[windows]",
            "costs names 'nope', which is not among the classes",
        ),
        ("[training]", '[training]\nloss = "cost"', r"needs columns\.costs"),
        ('model = "payments"', 'model = "payments"\nlabel_studio_token = "x"', "DRIFTLOOP_LABEL_STUDIO_TOKEN"),
        ("[services]", '[services]\nledger = "postgresql://u:secret@h/d"', "DRIFTLOOP_SERVICES__LEDGER"),
        ('url = "production.parquet"', 'url = "postgresql://u:secret@h/d"', "DRIFTLOOP_TABLE__URL"),
        ('url = "production.parquet"', 'url = "postgresql://u:sec/ret@h/d"', "DRIFTLOOP_TABLE__URL"),
        ('url = "production.parquet"', 'url = "postgresql://h/d?user=u&password=secret"', "DRIFTLOOP_TABLE__URL"),
        ("[services]", '[services]\nledger = "postgresql://h/d?user=u&password=secret"', "DRIFTLOOP_SERVICES__LEDGER"),
        ('mlflow = "sqlite:///mlflow.db"', 'mlflow = "http://u:sec#ret@h"', "DRIFTLOOP_SERVICES__MLFLOW"),
        ("[services]", '[services]\nlabel_studio = "http://h/?token=secret"', "DRIFTLOOP_SERVICES__LABEL_STUDIO"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_says_what_and_where(tmp_path, old, new, sentence):
    assert old in TOML
    with pytest.raises(BadSettings, match=sentence) as caught:
        load(tmp_path, TOML.replace(old, new))
    assert "driftloop.toml" in str(caught.value)
    assert "\n" not in str(caught.value).strip()
    assert "secret" not in str(caught.value).replace("holds a secret", "")


def test_an_address_without_a_secret_may_stand_in_the_file(tmp_path):
    ledger = "postgresql://ada@db:5432/loop?sslmode=require"
    settings = load(tmp_path, TOML.replace("[services]", f'[services]\nledger = "{ledger}"'))
    assert settings.services.ledger == ledger


def test_the_environment_wins_over_the_file_and_no_secret_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIFTLOOP_LABEL_STUDIO_TOKEN", "canary-token")
    monkeypatch.setenv("DRIFTLOOP_SERVICES__LEDGER", "postgresql+psycopg://u:canary-password@h/d")
    monkeypatch.setenv("DRIFTLOOP_SERVICES__MLFLOW", "http://mlflow:5000")
    settings = load(tmp_path, TOML)
    assert settings.services.mlflow == "http://mlflow:5000"
    assert settings.services.ledger == "postgresql+psycopg://u:canary-password@h/d"
    assert settings.label_studio_token.get_secret_value() == "canary-token"
    assert "canary" not in repr(settings)


def test_relative_files_are_seen_from_the_folder_of_the_settings(tmp_path):
    settings = load(tmp_path, TOML)
    assert settings.located("production.parquet") == str(tmp_path / "production.parquet")
    assert settings.located("sqlite:///.driftloop/ledger.db") == f"sqlite:///{tmp_path}/.driftloop/ledger.db"
    assert settings.located("sqlite:////srv/ledger.db") == "sqlite:////srv/ledger.db"
    assert settings.located("spark://local[*]/flights.parquet") == f"spark://local[*]/{tmp_path}/flights.parquet"
    assert settings.located("spark://local[*]//srv/flights.parquet") == "spark://local[*]//srv/flights.parquet"
    assert settings.located("postgresql://host/db") == "postgresql://host/db"


@given(seconds=st.integers(0, 400 * 86_400))
def test_the_window_of_a_moment_is_the_last_one_that_has_ended(seconds):
    anchor = datetime(2024, 1, 1, tzinfo=UTC)
    moment = datetime.fromtimestamp(anchor.timestamp() - 100 * 86_400 + seconds, UTC)
    window = last_complete(moment, length=WEEK, anchor=anchor)
    assert window.end <= moment < window.end + WEEK
    assert (window.start - anchor) % WEEK == WEEK * 0


def test_a_delay_moves_the_window_that_a_moment_is_about(tmp_path):
    settings = load(tmp_path, TOML.replace("[windows]", "[windows]\ndelay_hours = 24"))
    assert settings.window_at(datetime(2024, 1, 8, 12, tzinfo=UTC)).name == "2023-12-25_2024-01-01"
    assert settings.window_at(datetime(2024, 1, 9, tzinfo=UTC)).name == "2024-01-01_2024-01-08"


def test_costs_name_what_they_name_and_leave_the_rest_at_one(tmp_path):
    costs = "[columns.costs]\nyes = { no = 20 }\n\n[windows]"
    settings = load(tmp_path, TOML.replace("[windows]", costs).replace("[training]", '[training]\nloss = "cost"'))
    assert settings.roles.costs == ((0.0, 1.0), (20.0, 0.0))
    assert settings.loss == "cost"
