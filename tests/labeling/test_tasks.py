import json
from html.parser import HTMLParser
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling import page
from labeling.gold import REASON
from labeling.tasks import to_row, to_task, usual_ranges
from records.errors import BadData
from records.label import Ask
from tests.labeling.examples import CALM, NUMBER, TWO, USUAL, ask, task

NUMBERS = st.none() | st.floats() | st.floats(width=32).map(np.float32) | st.integers(-(2**53), 2**53).map(np.int64)
TEXTS = st.none() | st.text() | st.sampled_from(["<script>alert(1)</script>", '"', "'", "{{x}}", "$title", "&amp;"])


@st.composite
def rows(draw: Any) -> Any:
    return {"distance": draw(NUMBERS), "temp": draw(NUMBERS), "carrier": draw(TEXTS), "time": pd.Timestamp(0, tz="UTC")}


def made(row: Any, **changes: Any) -> Any:
    words = {"title": "Late?", "model": "m", "window": "w"} | changes
    return to_task(row, ask("r1"), TWO, USUAL, ("temp",), "Probably late.", **words)


@CALM
@given(row=rows())
def test_a_row_comes_back_from_its_task_through_json(row: Any) -> None:
    back: Any = to_row(json.loads(json.dumps(made(row)["data"], allow_nan=False)), TWO)
    assert list(back) == list(TWO.features)
    for name in TWO.numeric:
        missing = row[name] is None or isnan(row[name])
        assert isnan(back[name]) if missing else back[name] == float(row[name])
    assert back["carrier"] == row["carrier"]


class Reader(HTMLParser):
    """Collects the tags and the text of a page, as a browser would."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: Any, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: Any) -> None:
        self.text += data


@CALM
@given(value=TEXTS.filter(bool), key=TEXTS.filter(bool))
def test_whatever_a_row_says_is_text_and_never_markup(value: Any, key: Any) -> None:
    row = {"distance": 1.0, "temp": 2.0, "carrier": value, "key": key}
    read = Reader(page.render(row, TWO, USUAL, ("carrier",)))
    assert read.tags <= {"div", "table", "tr", "td", "span", "i"}
    assert read.attributes <= {"style", "colspan"}
    plain = value.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    if plain == value and value.isprintable():
        assert value in read.text


def test_the_task_is_the_same_however_often_and_for_whatever_campaign_it_is_made() -> None:
    """The server finds copies by comparing the whole `data`."""
    row = {"distance": 1.0, "temp": float("nan"), "carrier": "EV"}
    assert made(row, window="w1")["data"] == made(row, window="w2")["data"]
    assert made(row, window="w1")["meta"] != made(row, window="w2")["meta"]


def test_what_a_row_was_drawn_for_is_nowhere_in_its_task() -> None:
    """Whoever can see a project can open the source of its tasks."""
    sent = json.dumps(task("r1"))
    assert task("r1")["meta"] == {"window": "2013-06-01_2013-06-08", "model": "flights generation 1"}
    assert not any(word in sent for word in ("audit", "0.25", "carrier = EV"))
    assert "Probably late." not in str(task("r1")["data"]["row_html"])


def test_a_gold_row_looks_like_any_other_also_if_reasons_are_shown() -> None:
    row = {"distance": 1.0, "temp": 2.0, "carrier": "EV", "time": pd.Timestamp("2012-01-01", tz="UTC")}
    words: Any = {"title": "Late?", "model": "m", "window": "w", "show_time": False}
    gold, rest = (
        Ask("r1", "gold", 1.0, "rest", REASON),
        Ask("r1", "audit", 0.1, "rest", "audit: random row of the rest"),
    )
    for show_reason in (False, True):
        one, other = (to_task(row, a, TWO, USUAL, (), "?", show_reason=show_reason, **words) for a in (gold, rest))
        assert one == other
        assert "2012" not in json.dumps(one)
        assert ("audit: random row of the rest" in json.dumps(one)) is show_reason


def test_the_prediction_is_stored_beside_the_task() -> None:
    assert task("r1")["predictions"][0]["result"][0]["value"] == {"choices": ["late"]}
    assert "predictions" not in task("r1", prediction=None)
    assert "predictions" not in to_task({}, ask("r1"), NUMBER, {}, (), "3.5", title="t", model="m", window="w")
    assert task("r1", NUMBER, prediction="3.5")["predictions"][0]["result"][0]["value"] == {"text": ["3.5"]}
    with pytest.raises(BadData, match="'never'"):
        task("r1", prediction="never")


def test_drifted_features_come_first_and_unusual_values_are_marked() -> None:
    row = {"distance": 100.0, "temp": 68.5, "carrier": "XX", "key": "r1", "time": "2013-06-01"}
    text = Reader(page.render(row, TWO, USUAL, ("temp",))).text
    assert text == (
        "r1 · 2013-06-01featurethis rowusual range (middle), or commonest"
        "drifted since the model was trainedtemp68.5▲ above usual20 – 49 (36)"
        "other featuresdistance100 miles▼ below usual187 – 2475 (872) miles"
        "carrierXXnew valueUA 60%, B6 30% … of 3"
    )


def test_missing_values_and_unknown_ranges_are_shown_as_such() -> None:
    text = Reader(page.render({"distance": None, "temp": 3.0, "carrier": None}, TWO, {}, ())).text
    assert text == "featurethis rowusual range (middle), or commonestdistancemissingtemp3carriermissing"


def test_long_text_gets_the_whole_width() -> None:
    html = page.render({"distance": 1.0, "temp": 2.0, "carrier": "word " * 40}, TWO, USUAL, ())
    assert html.count('colspan="4"') == 1


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (2013.0, "2013"),
        (12345.678, "12,345.7"),
        (1234567.0, "1,234,567"),
        (1e-5, "1e-05"),
        (-123456.7, "-123,457"),
        (99999.96, "100,000"),
        (float("inf"), "inf"),
        (0.0, "0"),
        (6.90468, "6.90468"),
    ],
)
def test_numbers_are_written_as_people_write_them(number: Any, text: Any) -> None:
    assert text in Reader(page.render({"distance": number}, NUMBER, {}, ())).text


def test_a_column_without_any_value_has_no_usual_range() -> None:
    frame = pd.DataFrame({"distance": [np.nan], "temp": [1.0], "carrier": pd.Series([None], dtype=object)})
    usual = usual_ranges(frame, TWO)
    assert isnan(usual["distance"].low)
    assert usual["carrier"].commonest == ()
    row = {"distance": 5.0, "temp": 1.0, "carrier": "EV"}
    assert "new value" in Reader(page.render(row, TWO, usual, ())).text
