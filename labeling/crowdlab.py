"""CROWDLAB: the answer that several people of different quality, and perhaps a model, speak for (the door to cleanlab).

Goh, Tkachenko and Mueller 2022, "CROWDLAB: Supervised learning to infer consensus labels and quality scores for data
with multiple annotators".
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from labeling.votes import Votes

FEWEST_PEOPLE = 3
FEWEST_ROWS = 20
"""With fewer people, or fewer rows that several of them answered, nobody's quality can be told."""


def weigh(
    rows: Votes, classes: Sequence[str], chances: Mapping[str, Sequence[float]] | None = None
) -> dict[str, tuple[str, float]]:
    """Return the answer and its quality in [0, 1] for each row with several votes; nothing where people are too few.

    People are weighed by how often others agree with them, and the model (`chances` over `classes`, for every row)
    by how often people do. Without `chances` people alone are weighed. An answer that nobody gave is never returned,
    so the model cannot answer by itself.

    >>> rows = {f"r{i}": {"ada": "no", "ben": "no", "cem": "yes" if i % 2 else "no"} for i in range(20)}
    >>> weigh(rows, ("no", "yes"))["r1"][0], weigh(dict(list(rows.items())[:9]), ("no", "yes"))
    ('no', {})
    """
    shared = {key: answers for key, answers in sorted(rows.items()) if len(answers) > 1}
    people = sorted({person for answers in shared.values() for person in answers})
    if len(people) < FEWEST_PEOPLE or len(shared) < FEWEST_ROWS:
        return {}
    from cleanlab.multiannotator import get_label_quality_multiannotator  # takes seconds to import

    place, column = {name: i for i, name in enumerate(classes)}, {person: i for i, person in enumerate(people)}
    said = np.full((len(shared), len(people)), np.nan)
    for i, answers in enumerate(shared.values()):
        for person, answer in answers.items():
            said[i, column[person]] = place[answer]
    alike = [1 / len(classes)] * len(classes)
    given = np.array([alike if chances is None else chances[key] for key in shared], dtype=float)
    given = given + 1e-6 * np.arange(len(classes), 0, -1)  # cleanlab breaks a tie of equal chances at random, or fails
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of people with few rows, who have little weight then
        told = get_label_quality_multiannotator(
            said,
            given / given.sum(axis=1, keepdims=True),
            calibrate_probs=chances is not None,  # an overconfident model would outvote people who know better
            verbose=False,
            return_detailed_quality=False,
            return_annotator_stats=False,
        )["label_quality"]
    found = zip(shared.items(), told["consensus_label"], told["consensus_quality_score"], strict=True)
    return {
        key: (classes[label], float(quality))
        for (key, answers), label, quality in found
        if classes[label] in answers.values() and np.isfinite(quality)
    }
