"""The candidates of a generation as runs of their own, below the generation's."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.entry import Draft
from models.naming import fit_metrics, fit_params


@dataclass(frozen=True, slots=True)
class CandidateRun:
    """What is logged about one candidate: its name in lists, and params, metrics and tags that line up with others."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def candidate_runs(draft: Draft) -> tuple[CandidateRun, ...]:
    """Return a run per candidate, in their order; the tag `chosen` says which of them the generation is.

    One that was fitted again to be served by another engine still counts as chosen.
    """
    chosen = (draft.fit.estimator, draft.fit.recipe)
    return tuple(
        CandidateRun(
            name=f"{draft.name} {one.estimator}, {one.recipe}",
            params=fit_params(one),
            metrics=fit_metrics(one),
            tags={
                "candidate of": draft.name,
                "chosen": "yes" if (one.estimator, one.recipe) == chosen else "no",
                "engine": "accelerated" if any(engine.accelerated for engine in one.engines) else "stock",
            },
        )
        for one in draft.candidates
    )
