from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from labeling.answers import shown
from labeling.expected import Expected
from labeling.interface import config, instructions
from tests.labeling.examples import CALM, MANY, NUMBER, TWO

XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))


@CALM
@given(question=XML_TEXT, names=st.lists(XML_TEXT, min_size=2, max_size=12, unique=True))
def test_any_question_and_any_classes_survive_the_xml(question: Any, names: Any) -> None:
    schema = replace(TWO, classes=tuple(names))
    root: Any = ElementTree.fromstring(config(schema, question))
    assert root.find("Header").attrib["value"] == shown(question)
    assert [choice.attrib["value"] for choice in root.iter("Choice")] == [shown(name) for name in names]


def test_up_to_nine_classes_have_hotkeys() -> None:
    root: Any = ElementTree.fromstring(config(replace(TWO, classes=tuple("abcdefghi")), "Which?"))
    assert [choice.attrib["hotkey"] for choice in root.find("Choices")] == list("123456789")


def test_more_classes_are_a_list_to_search_in() -> None:
    root: Any = ElementTree.fromstring(config(MANY, "Which?"))
    assert root.find("Taxonomy").attrib["leafsOnly"] == "true"
    assert not any("hotkey" in choice.attrib for choice in root.iter("Choice"))


def test_a_number_is_typed_as_text() -> None:
    """A cleared number field would be stored as 0."""
    root: Any = ElementTree.fromstring(config(NUMBER, "How late?"))
    assert root.find("Number") is None
    assert root.find("TextArea[@name='label']").attrib["placeholder"] == "A number in minutes, such as 12.5"


def test_the_answers_stand_above_the_row_and_the_opinion_is_folded_away() -> None:
    root: Any = ElementTree.fromstring(config(TWO, "Late?"))
    order = [child.tag for child in root]
    assert order.index("Choices") < order.index("HyperText") < order.index("Collapse")
    assert root.find("Collapse/Panel/Text").attrib["value"] == "$opinion"
    assert [one.attrib["value"] for one in root.iter() if one.attrib.get("value", "").startswith("$")] == [
        "$row_html",
        "$opinion",
    ]


def test_the_instructions_say_what_a_skip_means_and_escape_the_question() -> None:
    text = instructions(TWO, "Later than <15> minutes?")
    assert "A skipped row counts for nothing" in text
    assert "&lt;15&gt;" in text


def test_the_expected_range_is_told_where_the_number_is_typed_and_in_the_instructions() -> None:
    expected = Expected(low=0, high=1250, close=5)
    root: Any = ElementTree.fromstring(config(NUMBER, "How late?", expected=expected))
    hint = root.find("TextArea[@name='label']").attrib["placeholder"]
    assert hint == "A number, expected between 0 and 1,250 minutes"
    assert "between 0 and 1,250 minutes; another one" in instructions(NUMBER, "How late?", expected=expected)


def test_why_a_row_was_drawn_is_on_the_page_only_if_that_is_wanted() -> None:
    assert "$reason" not in config(TWO, "Late?")
    root: Any = ElementTree.fromstring(config(TWO, "Late?", show_reason=True))
    assert root.find("Text[@name='reason']").attrib["value"] == "$reason"


def test_labelers_are_told_of_suggestions_and_second_looks_where_there_are_some() -> None:
    assert "filled in" not in instructions(TWO, "Late?")
    assert "filled in" in instructions(TWO, "Late?", suggestions=True)
    assert "disagreed" in instructions(TWO, "Late?", again=True)
