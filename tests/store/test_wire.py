import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.batch import Batch
from records.comparison import Comparison, Verdict
from records.decay import Decay, Judgement
from records.drift import Alarm, DriftReport, Estimate
from records.errors import BadData
from records.generation import Generation, Snapshot
from records.label import Annotation, Label, LabelRequest, OpenRequest, StoredLabel
from records.promotion import Promotion
from records.schema import Schema
from records.slice import Between, OneOf, Slice, SliceReport
from records.window import Window
from store.wire import decode, encode

MOMENTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(fold=0)  # UTC has no repeated hour, so `fold` says nothing there
)
WINDOWS = st.builds(
    lambda start, length: Window(start, start + length),
    MOMENTS,
    st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=400)),
)
st.register_type_strategy(datetime, MOMENTS)
st.register_type_strategy(Window, WINDOWS)
st.register_type_strategy(Path, st.from_regex(r"/?[a-zé ]{1,8}(/[a-z.]{1,8}x){0,2}", fullmatch=True).map(Path))

RECORDS: list[Any] = [
    Alarm,
    Annotation,
    Batch,
    Comparison,
    Decay,
    DriftReport,
    Generation,
    Judgement,
    Label,
    LabelRequest,
    OpenRequest,
    Promotion,
    Schema,
    Slice,
    SliceReport,
    Snapshot,
    StoredLabel,
    Verdict,
    Window,
    tuple[Slice, ...],
]


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: str(getattr(kind, "__name__", kind)))
def test_every_record_comes_back_as_it_was(kind: Any) -> None:
    @settings(max_examples=25, database=None)
    @given(st.from_type(kind))
    def comes_back(record: Any) -> None:
        assert repr(decode(kind, encode(record))) == repr(record)  # unlike ==, repr calls NaN equal to NaN

    comes_back()


def test_an_open_edge_and_a_nan_edge_are_told_apart() -> None:
    found = decode(Between, encode(Between("hour", low=math.nan, high=None)))
    assert found.low is not None
    assert math.isnan(found.low)
    assert found.high is None


def test_numbers_of_numpy_are_kept_as_plain_numbers() -> None:
    record = Estimate(np.float64(0.5), np.float32(0.25), np.int64(1))  # type: ignore[arg-type]
    assert encode(record) == '{"value":0.5,"low":0.25,"high":1.0}'
    assert encode(Verdict("keep", (), np.int64(3))) == '{"outcome":"keep","reasons":[],"n_labels_needed":3}'  # type: ignore[arg-type]


def test_conditions_say_of_which_kind_they_are() -> None:
    report = (Slice((OneOf("carrier", ("B6",)), Between("hour", 18.0)), 0.1, 0.2, Estimate(2.0, 1.5, 2.5), 0.01, 7),)
    text = encode(report)
    assert '"kind":"OneOf"' in text
    assert '"kind":"Between"' in text
    assert decode(tuple[Slice, ...], text) == report


def test_a_time_of_another_zone_is_the_same_moment_in_utc() -> None:
    newyork = datetime(2013, 1, 1, 19, tzinfo=timezone(timedelta(hours=-5)))
    window = decode(Window, encode(Window(newyork, newyork + timedelta(days=1))))
    assert window.start == newyork
    assert window.start.isoformat() == "2013-01-02T00:00:00+00:00"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(BadData, match="has no time zone"):
        encode(Annotation(1, 1, "a", "ada", "yes", datetime(2013, 1, 1), 1.0))


def test_a_text_that_holds_another_record_is_refused_by_name() -> None:
    with pytest.raises(BadData, match="is not a Window"):
        decode(Window, encode(Estimate(1.0, 2.0, 3.0)))
    with pytest.raises(BadData, match="is not a Verdict"):
        decode(Verdict, '{"outcome":"perhaps","reasons":[]}')
    with pytest.raises(BadData, match="is not a Label"):
        decode(Label, "not JSON")


def test_a_record_of_an_older_version_gets_the_defaults_of_what_it_lacks() -> None:
    assert decode(Verdict, '{"outcome":"keep","reasons":["no"],"gone":1}') == Verdict("keep", ("no",), 0)
