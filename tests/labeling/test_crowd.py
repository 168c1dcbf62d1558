"""Simulated crowds: people with different confusion, and a model, of whom the truth is known."""

from datetime import UTC, datetime
from math import nan
from typing import Any

import numpy as np
import pytest

from labeling.consensus import agree
from records.label import Annotation
from records.schema import Schema

NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)
SKILLS = (0.95, 0.85, 0.75, 0.6, 0.55)
N_ROWS = 300
SEEDS = range(20)


def schema(n_classes: int) -> Schema:
    return Schema("id", "t", "kind", "classification", (), (), classes=tuple(f"c{i}" for i in range(n_classes)))


def crowd(seed: int, n_classes: int, overlap: int = 3) -> tuple[Any, Any, Any]:
    """What people said, the model's chances and the truth; each person errs in a way of their own."""
    rng = np.random.default_rng(seed)
    names = schema(n_classes).classes
    truth = rng.integers(n_classes, size=N_ROWS)
    wrong = rng.dirichlet(np.full(n_classes - 1, 0.7), size=(len(SKILLS), n_classes))
    said: list[Annotation] = []
    for i in range(N_ROWS):
        for person in rng.choice(len(SKILLS), overlap, replace=False):
            others = np.delete(np.arange(n_classes), truth[i])
            right = rng.uniform() < SKILLS[person]
            answer = truth[i] if right else rng.choice(others, p=wrong[person, truth[i]])
            said.append(Annotation(len(said), i, f"r{i}", f"user {person}", names[answer], NOON, nan))
    logits = rng.normal(size=(N_ROWS, n_classes))
    logits[np.arange(N_ROWS), truth] += 1.5
    chances = np.exp(1.5 * logits)
    chances /= chances.sum(axis=1, keepdims=True)
    return said, {f"r{i}": row for i, row in enumerate(chances)}, {f"r{i}": names[c] for i, c in enumerate(truth)}


def by_majority(said: Any, kinds: Schema) -> tuple[Any, ...]:
    """Few rows at a time are never weighed."""
    parts: dict[str, list[Annotation]] = {}
    for one in said:
        parts.setdefault(one.row_key, []).append(one)
    return tuple(label for part in parts.values() for label in agree(part, kinds))


def share_right(labels: Any, truth: Any) -> float:
    return float(np.mean([label.answer == truth[label.row_key] for label in labels]))


def measured(n_classes: int, overlap: int) -> dict[str, tuple[float, float, float]]:
    """Share of labels that are right, labels per row, and by how much the model's accuracy is overestimated."""
    kinds = schema(n_classes)
    found: dict[str, list[tuple[float, float, float]]] = {"majority": [], "alone": [], "helped": []}
    for seed in SEEDS:
        said, chances, truth = crowd(seed, n_classes, overlap)
        model = {key: kinds.classes[int(np.argmax(row))] for key, row in chances.items()}
        accuracy = np.mean([model[key] == truth[key] for key in truth])
        for name, labels in {
            "majority": by_majority(said, kinds),
            "alone": agree(said, kinds),
            "helped": agree(said, kinds, chances=chances),
        }.items():
            seen = np.mean([model[label.row_key] == label.answer for label in labels])
            found[name].append((share_right(labels, truth), len(labels) / N_ROWS, float(seen - accuracy)))
    return {name: tuple(np.mean(rows, axis=0).round(3).tolist()) for name, rows in found.items()}


@pytest.mark.parametrize(("n_classes", "overlap"), [(2, 2), (2, 3), (2, 5), (3, 2), (3, 3), (3, 5), (10, 3)])
def test_weighing_people_is_never_worse_than_the_majority_and_the_model_helps(n_classes: int, overlap: int) -> None:
    found = measured(n_classes, overlap)
    (majority, share_majority, _), (alone, _, _), (helped, share_helped, _) = (
        found[name] for name in ("majority", "alone", "helped")
    )
    assert majority <= alone <= helped
    assert share_majority <= share_helped


def test_how_much_better_it_is() -> None:
    """The figures in the docstring; the model's own accuracy is told worst where people err most."""
    assert measured(2, 3) == {
        "majority": (0.839, 1.0, -0.118),
        "alone": (0.886, 1.0, -0.088),
        "helped": (0.937, 1.0, -0.018),
    }
    assert measured(2, 2)["helped"] == (0.916, 0.744, -0.027)


def test_the_model_never_answers_by_itself() -> None:
    said, chances, _ = crowd(1, 3)
    given: dict[str, set[str | None]] = {}
    for one in said:
        given.setdefault(one.row_key, set()).add(one.answer)
    assert all(label.answer in given[label.row_key] for label in agree(said, schema(3), chances=chances))


def test_rows_without_chances_are_labelled_as_if_there_were_no_model() -> None:
    said, chances, _ = crowd(2, 2)
    some = {key: row for key, row in chances.items() if int(key[1:]) % 2}
    judging = {label.row_key: label for label in agree(said, schema(2), chances=some) if label.row_key not in some}
    assert judging == {label.row_key: label for label in agree(said, schema(2)) if label.row_key not in some}


@pytest.mark.parametrize("answers", [("c0",), ("c0", "c1")], ids=["one class", "never two alike"])
def test_a_crowd_of_one_mind_or_none_is_weighed_without_a_word(answers: Any, recwarn: Any, capsys: Any) -> None:
    said = [
        Annotation(10 * i + person, i, f"r{i}", f"user {person}", answers[person % len(answers)], NOON, nan)
        for i in range(25)
        for person in ((0, 1) if i % 2 else (1, 2))
    ]
    chances = {f"r{i}": [0.5, 0.5, 0.0] for i in range(25)}
    labels = agree(said, schema(3), chances=chances)
    assert {label.answer for label in labels} <= set(answers)
    assert (len(labels) == 25) == (len(answers) == 1)
    assert not recwarn.list
    assert capsys.readouterr() == ("", "")


def test_a_person_with_one_answer_and_a_class_nobody_chose_do_not_matter() -> None:
    said, chances, truth = crowd(3, 3)
    lone = Annotation(9999, 1, "r0", "user 9", "c0", NOON, nan)
    kinds = schema(4)
    more = {key: [*row, 0.0] for key, row in chances.items()}
    labels = agree([*said, lone], kinds, chances=more)
    assert share_right(labels, truth) > 0.9


def test_neither_the_order_of_annotations_nor_a_second_run_changes_a_label() -> None:
    said, chances, _ = crowd(4, 3)
    labels = agree(said, schema(3), chances=chances)
    shuffled = list(said)
    np.random.default_rng(0).shuffle(shuffled)
    assert agree(shuffled, schema(3), chances=dict(reversed(chances.items()))) == labels
