"""Bot labelers: what they decide, and how they answer in a real Label Studio."""

import itertools
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import bots
from records.errors import NotAllowed, ServiceDown
from tests.conftest import LabelStudio

CLASSES = ("late", "on time")
CONFIG = """<View>
  <Choices name="label" toName="row"><Choice value="late"/><Choice value="on time"/></Choices>
  <HyperText name="row" value="$row_html"/>
</View>"""
_names = itertools.count()


def test_mistakes_and_skips_come_as_often_as_asked() -> None:
    kinds = Counter(
        bots.decide("ada", f"row-{n}", "late", CLASSES, error_rate=0.05, skip_rate=0.04, seed=7).kind
        for n in range(20_000)
    )

    assert kinds["skip"] / 20_000 == pytest.approx(0.04, abs=0.005)
    assert kinds["wrong"] / (20_000 - kinds["skip"]) == pytest.approx(0.05, abs=0.005)


@given(seed=st.integers(0, 2**31), key=st.text(min_size=1), truth=st.sampled_from(["a", "b", "c"]))
def test_a_decision_depends_on_seed_bot_and_row_only_and_is_wrong_only_when_it_says_so(
    seed: int, key: str, truth: str
) -> None:
    def decide() -> bots.Decision:
        return bots.decide("ada", key, truth, ["a", "b", "c"], error_rate=0.5, skip_rate=0.1, seed=seed)

    first = decide()

    assert decide() == first
    assert (first.answer is None) == (first.kind == "skip")
    assert (first.answer == truth) == (first.kind == "right")
    assert 2 <= first.lead_time_seconds <= 120


def test_a_wrong_number_is_off_by_at_most_a_half() -> None:
    answers = [bots.decide("ada", str(n), "100", (), error_rate=1, skip_rate=0, seed=0).answer for n in range(200)]

    assert all(50 <= float(answer or "nan") <= 150 for answer in answers)
    assert len(set(answers)) == 200


def test_bots_do_not_print_their_secrets() -> None:
    assert "hidden" not in repr(bots.Bot("ada@example.com", "hidden", "hidden", 1))


def test_hiring_at_an_address_where_nobody_answers_says_so() -> None:
    with pytest.raises(ServiceDown, match="does not answer"):
        bots.hire("http://127.0.0.1:9", "token")


@pytest.mark.services
def test_an_administrator_with_a_wrong_token_cannot_hire(label_studio: LabelStudio) -> None:
    with pytest.raises(NotAllowed, match="refused GET /api/invite"):
        bots.hire(label_studio.url, "0" * 40)


@pytest.mark.services
def test_nobody_signs_up_twice(label_studio: LabelStudio) -> None:
    bots.hire(label_studio.url, label_studio.token, names=["twice"])

    with pytest.raises(NotAllowed, match=r"twice@example\.com"):
        bots.hire(label_studio.url, label_studio.token, names=["twice"])


@pytest.mark.services
def test_bots_answer_every_task_once_as_themselves(label_studio: LabelStudio) -> None:
    hired = bots.hire(label_studio.url, label_studio.token, names=[f"once{next(_names)}", f"once{next(_names)}"])
    project = _project(label_studio, n_tasks=12, overlap=1)
    truth = {f"row-{n}": CLASSES[n % 2] for n in range(11)}  # nobody knows the answer to row-11
    called: list[int] = []

    done = bots.answer_all(
        label_studio.url,
        hired,
        project,
        truth,
        CLASSES,
        error_rate=0.0,
        skip_rate=0.0,
        seed=3,
        on_answer=lambda: called.append(1),
    )
    again = bots.answer_all(label_studio.url, hired, project, truth, CLASSES, error_rate=0.0, skip_rate=0.0, seed=3)

    annotations = _annotations(label_studio, project)
    assert done == bots.Answered(n_answered=11, n_skipped=1, n_wrong=0)
    assert again == bots.Answered(0, 0, 0)
    assert len(called) == 12
    assert {key: answer for key, answer, _ in annotations if answer is not None} == truth
    assert [key for key, answer, _ in annotations if answer is None] == ["row-11"]
    assert {who for _, _, who in annotations} == {bot.user_id for bot in hired}


@pytest.mark.services
def test_a_task_with_overlap_two_is_answered_by_two_different_bots(label_studio: LabelStudio) -> None:
    hired = bots.hire(label_studio.url, label_studio.token, names=[f"two{next(_names)}" for _ in range(3)])
    project = _project(label_studio, n_tasks=4, overlap=2)
    truth = {f"row-{n}": "late" for n in range(4)}

    done = bots.answer_all(label_studio.url, hired, project, truth, CLASSES, error_rate=1.0, skip_rate=0.0, seed=3)

    annotations = _annotations(label_studio, project)
    assert done == bots.Answered(n_answered=8, n_skipped=0, n_wrong=8)
    assert {answer for _, answer, _ in annotations} == {"on time"}
    assert sorted(Counter(annotations).values()) == [1] * 8


def _ask(studio: LabelStudio, method: str, path: str, **arguments: Any) -> Any:
    headers = {"Authorization": f"Token {studio.token}"}
    answer = httpx.request(method, studio.url + path, headers=headers, timeout=60, trust_env=False, **arguments)
    answer.raise_for_status()
    return answer.json()


def _project(studio: LabelStudio, *, n_tasks: int, overlap: int) -> int:
    body = {"title": "bots at work", "label_config": CONFIG, "maximum_annotations": overlap}
    project = int(_ask(studio, "POST", "/api/projects/", json=body)["id"])
    tasks = [{"data": {"row_key": f"row-{n}", "row_html": "<b>row</b>"}} for n in range(n_tasks)]
    _ask(studio, "POST", f"/api/projects/{project}/import", json=tasks)
    return project


def _annotations(studio: LabelStudio, project: int) -> list[tuple[str, str | None, int]]:
    """Return (row key, answer or None, user) of every annotation, as the export has them."""
    tasks = _ask(studio, "GET", f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true")
    found = []
    for task in tasks:
        for annotation in task["annotations"]:
            answer = None if annotation["was_cancelled"] else annotation["result"][0]["value"]["choices"][0]
            found.append((task["data"]["row_key"], answer, annotation["completed_by"]))
    return found
