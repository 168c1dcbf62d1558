"""What a phase left behind on the ledger, in MLflow, in Label Studio and on disk, in a form that two runs share."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx
from mlflow import MlflowClient

from benchmarks.victim import Place


@dataclass(frozen=True, slots=True)
class Remains:
    """Facts by what they are about, each with how often it is there; `n_champions` must be 1 and agree everywhere."""

    facts: Counter[str]
    n_champions: int


def remains(place: Place) -> Remains:
    """Look at everything a phase may have touched."""
    site = place.site()
    ledger, model = site.ledger, site.model
    facts: Counter[str] = Counter()
    generations = ledger.generations.all(model)
    for one in generations:
        facts[f"generation {one.number}: {one.status}, of {one.parent}, by {one.cause}, {one.snapshot.digest}"] += 1
        facts[f"snapshot of generation {one.number} is whole: {one.snapshot.train.exists()}"] += 1
    facts.update(f"promotion of {one.generation} over {one.previous}" for one in ledger.promotions.history(model))
    facts.update(f"pending promotion of {one.generation}" for one in ledger.promotions.pending(model))
    for window in ledger.steps.windows(model):
        request = ledger.requests.get(model, window)
        asked = request.row_keys if request else ()
        facts.update(f"{window.name}: row {key} is asked" for key in asked)
        facts.update(
            f"{window.name}: row {item.label.row_key} is {item.label.answer}"
            for item in ledger.labels.of(model, window=window)
        )
    facts.update(f"open request of {item.request.window.name}" for item in ledger.requests.open(model))
    champion = next((one for one in generations if one.status == "champion"), None)
    alias = _registered(site.settings.located(site.settings.services.mlflow), model, facts)
    agreed = champion is not None and alias == champion.version
    facts[f"the alias is the ledger's champion: {agreed}"] += 1
    if any(item.project is not None for item in ledger.requests.open(model)):
        facts.update(f"task of row {key}" for key in _tasks(place))
    n_champions = sum(one.status == "champion" for one in generations)
    return Remains(facts, n_champions if agreed else 0)


def _registered(uri: str, model: str, facts: Counter[str]) -> str | None:
    """Add the finished runs and the versions of every generation; return the version in charge."""
    client = MlflowClient(uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(model)
    if experiment is None:
        return None
    for run in client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'"):
        if "driftloop.key" in run.data.tags:
            facts[f"MLflow run of generation {run.data.tags['generation']}"] += 1
    for version in client.search_model_versions(f"name = '{model}'"):
        facts[f"MLflow version of generation {version.tags['generation']}"] += 1
    found = client.search_registered_models(f"name = '{model}'")
    alias = found[0].aliases.get("champion") if found else None
    return None if alias is None else str(alias)


def _tasks(place: Place) -> list[str]:
    api = client(place)
    return [
        task["data"]["row_key"]
        for project in projects(api)
        for task in api.get("/api/tasks/", params={"project": project, "fields": "all", "page_size": 10_000}).json()[
            "tasks"
        ]
    ]


def client(place: Place) -> httpx.Client:
    """Return a client of Label Studio that goes straight to the server."""
    return httpx.Client(base_url=place.url, headers={"Authorization": f"Token {place.token}"}, timeout=120)


def projects(api: httpx.Client) -> list[int]:
    """Return every project there is."""
    listed: list[dict[str, Any]] = (
        api.get("/api/projects/", params={"page_size": 1000}).raise_for_status().json()["results"]
    )
    return [one["id"] for one in listed]
