import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.answers import read, shown, write
from records.errors import BadData
from tests.labeling.examples import CALM, MANY, NUMBER, TWO

CLASS_NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=14, unique_by=shown)


@CALM
@given(names=CLASS_NAMES, data=st.data())
def test_what_is_written_is_read_again_for_any_class(names: Any, data: Any) -> None:
    schema = replace(TWO, classes=tuple(names))
    answer = data.draw(st.sampled_from(names))
    assert read(json.loads(json.dumps(write(answer, schema))), schema) == answer


@CALM
@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_is_read_again_for_any_number(number: Any) -> None:
    answer = read(write(repr(number), NUMBER), NUMBER)
    assert answer is not None
    assert float(answer) == number


@CALM
@given(
    result=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["from_name", "value", "choices", "text", "number", "x"]), inner)
        ),
    )
)
def test_no_result_whatever_makes_reading_fail(result: Any) -> None:
    assert read(result, TWO) is None or read(result, TWO) in TWO.classes
    read([{"from_name": "label", "value": {"choices": result, "text": result, "number": result}}], NUMBER)


def choices(*names: str, control: str = "label") -> dict[str, object]:
    return {"from_name": control, "to_name": "row", "type": "choices", "value": {"choices": list(names)}}


NOTE = {"from_name": "note", "to_name": "row", "type": "textarea", "value": {"text": ["late"]}}


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ([choices("late")], "late"),
        ([NOTE, choices("late")], "late"),
        ([NOTE], None),
        ([choices("late"), choices("on time")], None),
        ([choices("late", "on time")], None),
        ([choices("Late")], None),
        ([choices("late", control="other")], None),
        ([choices()], None),
    ],
)
def test_only_one_answer_of_a_known_class_counts(result: Any, answer: Any) -> None:
    assert read(result, TWO) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" 12.5 ", "12.5"),
        ("-7", "-7.0"),
        ("1e3", "1000.0"),
        ("12,5", None),
        ("1_000", None),
        ("nan", None),
        ("inf", None),
        ("12 min", None),
        ("", None),
    ],
)
def test_a_typed_number_is_finite_and_has_a_decimal_point(text: Any, answer: Any) -> None:
    assert read([{"from_name": "label", "type": "textarea", "value": {"text": [text]}}], NUMBER) == answer


def test_many_classes_come_back_as_the_one_leaf_of_a_tree() -> None:
    assert write("class 7", MANY)[0]["value"] == {"taxonomy": [["class 7"]]}
    assert read([{"from_name": "label", "value": {"taxonomy": [["group", "class 7"]]}}], MANY) is None


@pytest.mark.parametrize(("answer", "schema"), [("never", TWO), ("soon", NUMBER), ("inf", NUMBER)])
def test_an_answer_nobody_could_give_is_not_written(answer: Any, schema: Any) -> None:
    with pytest.raises(BadData, match=repr(answer)):
        write(answer, schema)
