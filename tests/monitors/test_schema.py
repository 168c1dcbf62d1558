from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame, Series

from monitors.schema import check_frame
from records.errors import BadData, EmptyWindow
from records.schema import Schema

SCHEMA = Schema("id", "at", "late", "classification", ("temp", "wind"), ("carrier",), ("no", "yes"))
WHERE = "table flights, window 2013-03-04_2013-03-11"


def raw(**changes: object) -> DataFrame:
    columns: dict[str, object] = {
        "carrier": ["B6", "EV", None],
        "late": ["no", "yes", "no"],
        "id": [11, 12, 13],
        "at": pd.to_datetime(["2013-03-04", "2013-03-05", "2013-03-06"]),
        "temp": [1.5, np.nan, 3.0],
        "wind": [4, 5, 6],
    }
    return DataFrame({**columns, **changes})


def refused(frame: DataFrame, *, schema: Schema = SCHEMA, need_target: bool = False) -> str:
    with pytest.raises(BadData) as error:
        check_frame(frame, schema, where=WHERE, need_target=need_target)
    return str(error.value)


def test_a_normalised_frame_has_the_schemas_columns_in_its_order_and_types() -> None:
    frame = check_frame(raw(note=["a", "b", "c"]), SCHEMA, where=WHERE, need_target=True)
    assert list(frame.columns) == ["id", "at", "temp", "wind", "carrier", "late"]
    assert [str(dtype) for dtype in frame.dtypes] == [
        "object", "datetime64[ns, UTC]", "float64", "float64", "object", "object",
    ]  # fmt: skip
    assert frame["id"].tolist() == ["11", "12", "13"]
    assert frame["carrier"].tolist() == ["B6", "EV", None]


def test_normalising_twice_changes_nothing() -> None:
    once = check_frame(raw(), SCHEMA, where=WHERE)
    pd.testing.assert_frame_equal(check_frame(once, SCHEMA, where=WHERE), once)


def test_the_given_frame_is_not_changed() -> None:
    frame = raw()
    before = frame.copy(deep=True)
    check_frame(frame, SCHEMA, where=WHERE)
    pd.testing.assert_frame_equal(frame, before)


def test_the_order_of_columns_does_not_matter() -> None:
    frame = raw()
    pd.testing.assert_frame_equal(
        check_frame(frame[sorted(frame.columns)], SCHEMA, where=WHERE), check_frame(frame, SCHEMA, where=WHERE)
    )


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.0, 2.0, np.nan], ["1", "2", None]),
        (Series([1, 2, None], dtype="Int64"), ["1", "2", None]),
        ([True, False, True], ["True", "False", "True"]),
        ([1.5, 2.0, 1e300], ["1.5", "2", str(int(1e300))]),
        (Series(["x", "y", None], dtype="category"), ["x", "y", None]),
        (Series(["x", "", None], dtype="string"), ["x", "", None]),
    ],
)
def test_categories_become_text_without_a_trailing_point_zero(values: object, texts: list[str | None]) -> None:
    assert check_frame(raw(carrier=values), SCHEMA, where=WHERE)["carrier"].tolist() == texts


def test_an_infinity_counts_as_missing() -> None:
    frame = check_frame(raw(temp=[np.inf, -np.inf, 2.0]), SCHEMA, where=WHERE)
    assert frame["temp"].isna().tolist() == [True, True, False]


def test_decimals_booleans_and_nullable_numbers_are_numbers() -> None:
    temp = [Decimal("1.5"), None, True]
    wind = Series([1, None, 3], dtype="Int64")
    frame = check_frame(raw(temp=temp, wind=wind), SCHEMA, where=WHERE)
    assert frame["temp"].fillna(-1).tolist() == [1.5, -1, 1.0]
    assert frame["wind"].fillna(-1).tolist() == [1.0, -1, 3.0]


def test_times_end_up_in_utc() -> None:
    new_york = pd.to_datetime(["2013-03-04 00:00"] * 3).tz_localize("America/New_York")
    assert check_frame(raw(at=new_york), SCHEMA, where=WHERE)["at"][0] == datetime(2013, 3, 4, 5, tzinfo=UTC)
    for value in ("2013-03-04T05:00:00Z", "2013-03-04 00:00:00-05:00", datetime(2013, 3, 4, 5), "2013-03-04 05:00"):
        at = Series([value] * 3, dtype=object)
        assert check_frame(raw(at=at), SCHEMA, where=WHERE)["at"][0] == datetime(2013, 3, 4, 5, tzinfo=UTC)
    days = check_frame(raw(at=[date(2013, 3, 4)] * 3), SCHEMA, where=WHERE)["at"]
    assert days[0] == datetime(2013, 3, 4, tzinfo=UTC)


def test_a_missing_column_is_named_together_with_what_is_there() -> None:
    assert refused(raw().drop(columns=["temp", "carrier"])) == (
        f"{WHERE}: columns 'temp', 'carrier' are missing (there are: at, id, late, wind); add them or correct the"
        " names in the settings"
    )


def test_a_column_that_is_there_twice_is_an_error() -> None:
    frame = raw()
    assert refused(pd.concat([frame, frame[["temp"]]], axis=1)) == (
        f"{WHERE}: there are 2 columns named 'temp'; rename all but one"
    )


def test_a_frame_without_rows_is_an_empty_window() -> None:
    with pytest.raises(EmptyWindow, match="there is no row"):
        check_frame(raw().head(0), SCHEMA, where=WHERE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temp": [1, "warm", 2]}, "numeric column 'temp' holds 'warm' (1 of 3 values are no numbers)"),
        ({"temp": ["1", "2", "3"]}, "numeric column 'temp' holds '1' (3 of 3"),
        ({"temp": pd.to_datetime(["2013-03-04"] * 3)}, "numeric column 'temp' holds Timestamp("),
        ({"id": [1, 1, 2]}, "key column 'id' holds '1' more than once (1 repeated rows)"),
        ({"id": [1, None, 2]}, "column 'id' is missing in 1 of 3 rows"),
        ({"at": [None, None, "2013-03-04"]}, "column 'at' is missing in 2 of 3 rows"),
        ({"at": ["2013-03-04", "soon", "later"]}, "time column 'at' holds 'soon', which is no time"),
        ({"at": [1, 2, 3]}, "time column 'at' holds numbers"),
        ({"at": Series([1, 2, "2013-03-04"], dtype=object)}, "time column 'at' holds 1, which is no time"),
        ({"carrier": [["a"], ["b"], None]}, "column 'carrier' holds ['a'], which is no single value"),
        ({"late": ["no", "maybe", None]}, "holds 'maybe', which is none of the classes 'no', 'yes'"),
        ({"carrier": ["x", "y", "z"], "temp": ["v" * 1_000_000] * 3}, "numeric column 'temp' holds 'vvv"),
    ],
)
def test_what_cannot_be_used_is_quoted_in_one_short_sentence(changes: dict[str, object], words: str) -> None:
    message = refused(raw(**changes))
    assert message.startswith(WHERE)
    assert words in message
    assert len(message) < 500
    assert "\n" not in message


def test_a_frame_that_teaches_needs_every_target_and_some_value_in_every_feature() -> None:
    assert "column 'late' is missing in 1 of 3 rows" in refused(raw(late=["no", None, "yes"]), need_target=True)
    assert "column 'late' is missing (there are" in refused(raw().drop(columns="late"), need_target=True)
    assert "column 'carrier' has no value at all" in refused(raw(carrier=[None] * 3), need_target=True)
    assert "column 'temp' has no value at all" in refused(raw(temp=[np.inf, None, None]), need_target=True)


def test_a_production_frame_may_lack_targets_and_whole_columns_of_values() -> None:
    frame = check_frame(raw(late=["no", None, "yes"], carrier=[None] * 3, temp=[None] * 3), SCHEMA, where=WHERE)
    assert frame["late"].tolist() == ["no", None, "yes"]
    assert frame["carrier"].tolist() == [None] * 3
    assert frame["temp"].isna().all()
    assert frame["temp"].dtype == np.float64
    assert "late" not in check_frame(raw().drop(columns="late"), SCHEMA, where=WHERE).columns


def test_a_regression_target_is_a_finite_number() -> None:
    schema = Schema("id", "at", "late", "regression", ("temp", "wind"), ("carrier",))
    frame = check_frame(raw(late=[1, 2.5, None]), schema, where=WHERE)
    assert frame["late"].dtype == np.float64
    assert "holds an infinity" in refused(raw(late=[1, np.inf, 2]), schema=schema)
    assert "numeric column 'late' holds 'no'" in refused(raw(), schema=schema)


@given(st.lists(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()), min_size=3, max_size=3))
def test_any_plain_value_can_be_a_category(values: list[object]) -> None:
    column = check_frame(raw(carrier=Series(values, dtype=object)), SCHEMA, where=WHERE)["carrier"]
    for value, text in zip(values, column, strict=True):
        missing = value is None or (isinstance(value, float) and np.isnan(value))
        assert text is None if missing else isinstance(text, str)
