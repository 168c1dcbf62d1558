"""Streams of any table: what is inferred, what is refused, and that competitors see only what they may."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import stream_loop, streams
from benchmarks.stream_rivals import Terms, first_models, full, scheduled
from benchmarks.stream_rows import KEY, Stream, as_stream, read_stream
from benchmarks.stream_score import predicted, recovered_gain, score
from models.train import Challenge, challenge
from records.errors import BadData, NotFound

N = 1_000


def table(n: int = N, *, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    return pd.DataFrame(
        {
            "x": x,
            "count": pd.array(generator.integers(0, 9, n), dtype="Int64"),
            "flag": generator.random(n) < 0.5,
            "kind": pd.Categorical(generator.choice(np.array(["a", "b", None], dtype=object), n)),
            "city": generator.choice([f"city {i}" for i in range(300)], n),
            "since": pd.date_range("2020-01-01", periods=n, freq="7h"),
            "id": np.arange(n),
            "uuid": [f"{value:032x}" for value in generator.integers(0, 2**60, n)],
            "note": [f"the {i}th row says {value:.3f} and more" for i, value in enumerate(x)],
            "constant": 1.0,
            "empty": None,
            "list": [[1, 2]] * n,
            "y": np.where(x + generator.normal(size=n) > 0, "up", "down"),
            "t": np.arange(n),
        }
    )


def stream(n: int = N) -> Stream:
    return as_stream("s", table(n), "y", "t", max_rows=n)


def test_kinds_of_columns_are_inferred_and_what_only_names_rows_is_left_out() -> None:
    schema = stream().schema
    assert set(schema.numeric) >= {"x", "count", "constant", "since (days before)", "since (weekday)", "since (hour)"}
    assert set(schema.categorical) == {"flag", "kind", "city"}
    assert schema.text == ("note",)
    assert not {"id", "uuid", "empty", "list"} & set(schema.features)
    assert schema.classes == ("down", "up")


def test_a_fifth_is_the_snapshot_and_ten_windows_hold_the_rest_in_order() -> None:
    played = stream()
    assert len(played.train) + len(played.holdout) == N // 5
    assert [len(window) for window in played.windows] == [80] * 10
    assert played.train["x"].iloc[0] in table()["x"].head(5).to_list()
    rows = pd.concat(played.windows)
    assert rows["x"].to_list() == table()["x"].tail(800).to_list()


@pytest.mark.parametrize("order", ["integer", "float", "datetime"])
def test_any_order_column_gives_the_same_stream(order: str) -> None:
    frame = table()
    times = {
        "integer": frame["t"],
        "float": frame["t"] / 7,
        "datetime": pd.Timestamp("2021-01-01") + pd.to_timedelta(frame["t"], unit="s"),
    }
    shuffled = frame.assign(t=times[order]).sample(frac=1, random_state=1)
    found = as_stream("s", shuffled, "y", "t", max_rows=N)
    assert found.windows[3]["x"].to_list() == stream().windows[3]["x"].to_list()


def test_rows_are_sampled_in_order_and_it_is_said() -> None:
    found = as_stream("s", table(), "y", "t", max_rows=600)
    assert found.n_rows == 600
    assert found.note.startswith("400 of 1000 rows not drawn")


def test_many_numbers_are_a_regression_and_few_are_classes() -> None:
    assert as_stream("s", table().assign(y=table()["x"] * 3), "y", "t", max_rows=N).schema.task == "regression"
    assert as_stream("s", table().assign(y=table()["flag"]), "y", "t", max_rows=N).schema.classes == ("False", "True")
    assert (
        as_stream("s", table().assign(y=table()["count"].astype(float)), "y", "t", max_rows=N).schema.classes[0] == "0"
    )


def test_a_class_that_the_snapshot_has_not_seen_is_a_class_of_the_stream() -> None:
    frame = table()
    frame.loc[700:720, "y"] = "sideways"
    played = as_stream("s", frame, "y", "t", max_rows=N)
    assert played.schema.classes == ("down", "sideways", "up")
    terms = Terms(("linear",), 0.05, 0, 1)
    scores = full(played, terms, first_models(played, terms), sliding=False, count=lambda: None)
    assert all(np.isfinite(scores))


def test_what_cannot_be_a_stream_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="there is no column 'z'"):
        as_stream("s", table(), "z", "t", max_rows=N)
    with pytest.raises(BadData, match="needs at least 500"):
        as_stream("s", table(100), "y", "t", max_rows=N)
    with pytest.raises(BadData, match="has 1000 classes"):
        as_stream("s", table(), "uuid", "t", max_rows=N)
    with pytest.raises(NotFound, match="there is no file"):
        read_stream(tmp_path / "absent.parquet", "y", "t", task=None, max_rows=N)
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(BadData, match="cannot be read as Parquet"):
        read_stream(tmp_path / "text.parquet", "y", "t", task=None, max_rows=N)


def test_nobody_is_scored_on_a_window_after_learning_from_it() -> None:
    """Answers that turn round in the last window alone cannot be known before it."""
    frame = table(2_000)
    frame["y"] = np.where(frame["x"] > 0, "up", "down")
    frame.loc[frame["t"] >= 1_840, "y"] = np.where(frame["x"] > 0, "down", "up")[1_840:]
    played = as_stream("s", frame, "y", "t", max_rows=2_000)
    terms = Terms(("linear",), 0.5, 0, 1)
    models = first_models(played, terms)
    champion = models["linear"]
    for scores in (
        full(played, terms, models, sliding=True, count=lambda: None),
        scheduled(played, terms, champion, "linear", lambda: None),
    ):
        assert scores[-1] < 0.2
        assert min(scores[:-1]) > 0.9
    assert score(predicted(champion, played, 9), played, 9) < 0.2


@pytest.mark.parametrize("gated", [True, False])
def test_labels_that_judge_do_not_teach_and_without_a_gate_all_teach(
    gated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = as_stream("s", table(), "y", "t", max_rows=N, n_windows=3)
    terms = Terms(("linear",), 0.5, 0, 1)
    bought: list[stream_loop.Bought] = []
    taught: list[set[str]] = []

    def buying(*args: Any) -> stream_loop.Bought:
        bought.append(buy(*args))
        return bought[-1]

    def challenging(*args: Any, **how: Any) -> Challenge:
        taught.append(set(args[2][KEY]))
        return challenge(*args, **how)

    buy = stream_loop.buy
    monkeypatch.setattr(stream_loop, "buy", buying)
    monkeypatch.setattr(stream_loop, "challenge", challenging)
    stream_loop.ours(played, terms, first_models(played, terms)["linear"], gated=gated, count=lambda: None)
    assert len(bought) == len(taught) == 2
    for window, labels in enumerate(bought):
        train, audit = set(labels.train[KEY]), set(labels.audit[KEY]) - set(labels.train[KEY])
        assert train <= taught[window]
        assert audit.isdisjoint(taught[window]) if gated else audit <= taught[window]


def test_files_whose_streams_would_have_the_same_name_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["streams", "a/sky.parquet", "b/sky.parquet", "--target", "y", "--time", "t"]
    monkeypatch.setattr("sys.argv", given)
    with pytest.raises(SystemExit):
        streams.main()
    assert "two files have the same name" in capsys.readouterr().err


def test_recovered_gain_is_one_for_what_every_label_gives_and_undefined_where_that_is_nothing() -> None:
    assert recovered_gain([0.8, 0.9], [0.7, 0.7], [0.8, 0.9]) == 1.0
    assert recovered_gain([0.7], [0.7], [0.8]) == 0.0
    assert np.isnan(recovered_gain([0.9], [0.7], [0.704]))
