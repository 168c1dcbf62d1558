"""The candidates of a generation as runs of their own, below the generation's."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.entry import Draft
from models.naming import fit_metrics, fit_params
from records.generation import FitRecord


@dataclass(frozen=True, slots=True)
class CandidateRun:
    """What is logged about one candidate: its name in lists, and params, metrics and tags that line up with others."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def candidate_runs(draft: Draft) -> tuple[CandidateRun, ...]:
    """Return a run per candidate, in their order; the tag `chosen` says which of them the generation is made of."""
    return tuple(
        CandidateRun(
            name=f"{draft.name} {one.estimator}, {one.recipe}",
            params=fit_params(one),
            metrics=fit_metrics(one),
            tags={
                "candidate of": draft.name,
                "chosen": "yes" if is_chosen(one, draft.fit) else "no",
                "engine": "accelerated" if any(engine.accelerated for engine in one.engines) else "stock",
            },
        )
        for one in draft.candidates
    )


def is_chosen(candidate: FitRecord, generation: FitRecord) -> bool:
    """Return whether a generation is made of a candidate: it has a share of the average, or it is the generation.

    One that was fitted again to be served by another engine still is the generation.

    >>> forest = FitRecord("random_forest", "all data", (("share", "0.25"),), (), 0.5, "brier", float("nan"))
    >>> is_chosen(forest, FitRecord("average of random_forest, linear", "all data", (), (), 0.5, "brier", 0.2))
    True
    """
    share = dict(candidate.params).get("share")
    if share is None:
        return (candidate.estimator, candidate.recipe) == (generation.estimator, generation.recipe)
    return float(share) > 0
